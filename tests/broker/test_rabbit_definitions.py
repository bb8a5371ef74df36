"""The definitions that the chart makes for its RabbitMQ, on a real one: who may come in, and that rotated passwords count."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.chart.kit import SETS

from levain.errors import CommandFailed
from levain.scaled.rabbitmq import RabbitMQ
from levain.scaled.rabbitmq_users import TRAINING, WORKER

pytestmark = [pytest.mark.servers, pytest.mark.chart]

USERS = ("training", "worker", "scaler")


class Chart:
    """Its ConfigMap in a folder, and the script of its init container."""

    def __init__(self, folder: Path, node: RabbitMQ) -> None:
        self._definitions, self._node = folder / "definitions.json", node
        for name, text in SETS["KEDA"].objects().named("ConfigMap", "levain-rabbitmq")["data"].items():
            (folder / name).write_text(
                text.replace("/config/", f"{folder}/").replace("/definitions/definitions.json", str(self._definitions))
            )
        self._script = folder / "definitions.sh"

    def define(self, generation: str) -> None:
        """As the broker does it at each start with what the script wrote."""
        environment = {"PATH": "/usr/bin:/bin"} | {f"{user.upper()}_PASSWORD": password(user, generation) for user in USERS}
        subprocess.run(["sh", "-eu", self._script], env=environment, check=True, timeout=20)
        assert self._definitions.stat().st_mode & 0o077 == 0
        self._node.control("import_definitions", str(self._definitions))

    def lets_in(self, user: str, generation: str) -> bool:
        try:
            self._node.control("authenticate_user", user, password(user, generation))
        except CommandFailed:
            return False
        return True


def password(user: str, generation: str) -> str:
    return f"{user}{generation}".ljust(48, "0")


@pytest.fixture
def chart(rabbitmq: RabbitMQ, tmp_path: Path) -> Iterator[Chart]:
    yield Chart(tmp_path, rabbitmq)
    for user in USERS:
        rabbitmq.control("delete_user", user)


def test_passwords_that_were_rotated_are_the_only_ones_that_count(chart: Chart) -> None:
    chart.define("first")
    assert all(chart.lets_in(user, "first") for user in USERS)
    chart.define("second")
    assert [chart.lets_in(user, "first") for user in USERS] == [False] * 3
    assert [chart.lets_in(user, "second") for user in USERS] == [True] * 3


def test_each_user_has_the_rights_of_its_service_and_no_more(chart: Chart, rabbitmq: RabbitMQ) -> None:
    chart.define("first")
    rows = [line.split("\t") for line in rabbitmq.control("list_permissions").splitlines()]
    rights = {user: tuple(rest) for user, *rest in rows if user in USERS}
    known = {user.name: (user.configure, user.write, user.read) for user in (TRAINING, WORKER)}
    assert rights == known | {"scaler": ("^$", "^$", "^$")}
    tags = dict(line.split("\t") for line in rabbitmq.control("list_users").splitlines())
    assert {user: tags[user] for user in USERS} == {"training": "[]", "worker": "[]", "scaler": "[monitoring]"}
