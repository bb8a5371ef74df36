"""What every pod promises, whatever the values: rights, secrets, settings, probes, and time to drain."""

import base64
import re
from collections.abc import Iterable, Mapping

import pytest
from tests.chart.kit import SETS, Json, Set

from levain_contracts.claims import parse_issuers
from levain_gateway.settings import SETTINGS as GATEWAY
from levain_operator.settings import SETTINGS as OPERATOR
from levain_settings import Setting, load
from levain_training.settings import MIGRATE_SETTINGS
from levain_training.settings import SETTINGS as TRAINING
from levain_training.worker_settings import SETTINGS as WORKER

pytestmark = pytest.mark.chart

TABLES: Mapping[str, Iterable[Setting]] = {
    "gateway": GATEWAY,
    "training": TRAINING,
    "migrate": MIGRATE_SETTINGS,
    "worker": WORKER,
    "operator": OPERATOR,
}
# Parts that a setting is put together of: the processes ignore them, and keep them from those that run trainers.
PART = "LEVAIN_SECRET_"
FAKE_SECRETS = {"LEVAIN_SECRET_BROKER": "b" * 48, "LEVAIN_SECRET_TOKENS": "t" * 48, "LEVAIN_SECRET_OPERATOR": "o" * 48}


def test_every_pod_is_allowed_where_pod_security_is_restricted(values: Set) -> None:
    for component, spec in values.objects().pods():
        assert spec["securityContext"]["runAsNonRoot"] is True, component
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, component
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys(), component
        allowed = {"configMap", "emptyDir", "persistentVolumeClaim", "secret"}
        assert {kind for volume in spec["volumes"] for kind in volume if kind != "name"} <= allowed, component
        for container in [*spec.get("initContainers", []), *spec["containers"]]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "runAsNonRoot": True,
                "capabilities": {"drop": ["ALL"]},
                "seccompProfile": {"type": "RuntimeDefault"},
            }, component


def test_only_the_operator_gets_a_token_and_every_component_its_own_account(values: Set) -> None:
    objects = values.objects()
    assert all(account["automountServiceAccountToken"] is False for account in objects.of("ServiceAccount"))
    for component, spec in objects.pods():
        assert spec["automountServiceAccountToken"] is (component == "operator")
        if component != "test":
            assert objects.named("ServiceAccount", spec["serviceAccountName"])
            assert spec["serviceAccountName"] == f"levain-{component}"


def test_no_pod_gets_the_addresses_of_services_as_variables(values: Set) -> None:
    assert all(spec["enableServiceLinks"] is False for _, spec in values.objects().pods())


def test_every_container_has_requests_and_limits_and_every_server_its_three_probes(values: Set) -> None:
    for component, spec in values.objects().pods():
        for container in [*spec.get("initContainers", []), *spec["containers"]]:
            for bound in ("requests", "limits"):
                assert container["resources"][bound].keys() >= {"cpu", "memory"}, (component, container["name"])
        if component != "test":
            (server,) = spec["containers"]
            ports = {port["name"] for port in server["ports"]}
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                asked = server[probe].get("httpGet") or server[probe]["tcpSocket"]
                assert asked["port"] in ports, (component, probe)


@pytest.mark.parametrize("component", ["gateway", "training"])
def test_the_grace_is_longer_than_the_pause_and_the_drain(values: Set, component: str) -> None:
    objects = values.objects()
    spec = dict(objects.pods())[component]
    pause = float(objects.container(component)["lifecycle"]["preStop"]["exec"]["command"][1])
    drain = float(objects.environment(component)["LEVAIN_DRAIN_SECONDS"]["value"])
    # What a process needs beside its drain: docs/running.md says that all is over 5 s after it.
    assert spec["terminationGracePeriodSeconds"] >= pause + drain + 5


def test_a_worker_may_end_the_product_at_work(values: Set) -> None:
    objects = values.objects()
    grace = float(objects.environment("worker")["LEVAIN_GRACE_SECONDS"]["value"])
    assert dict(objects.pods())["worker"]["terminationGracePeriodSeconds"] >= grace + 5


def test_every_setting_is_one_that_its_process_knows_and_can_read(values: Set) -> None:
    for component, container in values.objects().containers():
        table = TABLES.get(container["name"])
        environment = {v["name"]: v for v in container.get("env", []) if v["name"].startswith("LEVAIN_")}
        if table is None:
            assert not environment, (component, container["name"])
            continue
        known = {setting.name for setting in table}
        unknown = {name for name in environment if name not in known and not name.startswith(PART)}
        assert not unknown, (component, container["name"])
        load(table, {name: _text(name, variable) for name, variable in environment.items()})


def _text(name: str, variable: Json) -> str:
    """As the kubelet would set it, with secrets of our own."""
    if "value" in variable:
        return re.sub(r"\$\((\w+)\)", lambda found: FAKE_SECRETS[found[1]], variable["value"])
    if "fieldRef" in variable["valueFrom"]:
        return "levain-operator-0"
    urls = {"LEVAIN_BROKER_URL": "amqp://u:p@broker/", "LEVAIN_DATABASE_URL": "postgresql+psycopg://u:p@db/levain"}
    return urls.get(name, "x" * 48)


def test_parts_of_settings_come_from_secrets_and_stand_before_what_is_made_of_them(values: Set) -> None:
    for component, container in values.objects().containers():
        seen: set[str] = set()
        for variable in container.get("env", []):
            assert set(re.findall(r"\$\((\w+)\)", variable.get("value", ""))) <= seen, (component, variable["name"])
            assert variable["name"] not in seen, (component, variable["name"])
            seen.add(variable["name"])
            if variable["name"].startswith(PART):
                assert "secretKeyRef" in variable["valueFrom"]


def test_only_the_training_service_trusts_the_operators_tokens() -> None:
    trusted = {}
    for component in ("gateway", "training"):
        environment = SETS["default"].objects().environment(component)
        trusted[component] = parse_issuers(_text("", environment["LEVAIN_TRUSTED_ISSUERS"]))
    assert [(i.issuer, i.roles) for i in trusted["gateway"]] == [("levain", ("viewer", "trainer"))]
    assert [(i.issuer, i.roles) for i in trusted["training"]] == [("levain", ("viewer", "trainer")), ("levain-operator", ("operator",))]


def test_a_pod_refers_to_no_more_secrets_than_its_own() -> None:
    keys: dict[str, set[str]] = {}
    for component, container in SETS["KEDA"].objects().containers():
        found = [v["valueFrom"]["secretKeyRef"]["key"] for v in container.get("env", []) if "secretKeyRef" in v.get("valueFrom", {})]
        keys.setdefault(component, set()).update(found)
    assert keys == {
        "gateway": {"token-secret"},
        "training": {"token-secret", "operator-secret", "training-password"},
        "worker": {"worker-password"},
        "operator": {"operator-secret"},
        "rabbitmq": {"training-password", "worker-password", "scaler-password"},
        "test": {"token-secret"},
    }


def test_what_is_secret_stands_in_the_secret_alone(values: Set) -> None:
    """The generated ones; the words of the others never reach the chart."""
    objects = values.objects()
    generated = [value for secret in objects.of("Secret") for value in secret["data"].values()]
    plain = [base64.b64decode(value).decode() for value in generated]
    assert all(re.fullmatch(r"[A-Za-z0-9]{48}", value) for value in plain)
    rest = str([o for o in objects if o["kind"] != "Secret"])
    assert not [value for value in (*plain, *generated) if value in rest]
    assert "secret" not in {kind for _, spec in objects.pods() for volume in spec["volumes"] for kind in volume}


def test_no_argument_names_a_variable_that_may_be_secret(values: Set) -> None:
    for component, container in values.objects().containers():
        for word in [*container["command"], *container.get("args", [])]:
            assert "$(" not in word, (component, word)
