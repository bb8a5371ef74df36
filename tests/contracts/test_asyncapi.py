import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from levain_contracts.closecodes import CloseCode
from levain_contracts.events import EventType
from levain_contracts.frames import FrameType
from levain_contracts.topics import WorkQueue

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = yaml.safe_load((ROOT / "docs" / "asyncapi.yaml").read_text(encoding="utf-8"))


def make(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / "make_asyncapi.py"), *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)


def resolve(ref: str) -> Any:
    node: Any = DOCUMENT
    for part in ref.removeprefix("#/").split("/"):
        node = node[part.replace("~1", "/").replace("~0", "~")]
    return node


def refs(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(ref := node.get("$ref"), str):
            yield ref
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from refs(child)


def test_the_document_is_what_the_contracts_say() -> None:
    done = make("--check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_document_that_drifted_is_told_in_one_line(tmp_path: Path) -> None:
    target = tmp_path / "asyncapi.yaml"
    assert make("--check", str(target)).returncode == 1
    assert make(str(target)).returncode == 0
    target.write_text(
        target.read_text(encoding="utf-8").replace("training.product.completed", "training.product.done", 1), encoding="utf-8"
    )
    done = make("--check", str(target))
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "run make docs" in done.stderr


def test_every_reference_resolves_within_the_document() -> None:
    found = list(refs(DOCUMENT))
    assert len(found) > 50
    for ref in found:
        assert ref.startswith("#/")
        assert isinstance(resolve(ref), dict)


def test_the_document_has_the_fields_that_asyncapi_3_requires() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= set(DOCUMENT["info"])
    for server in DOCUMENT["servers"].values():
        assert {"host", "protocol"} <= set(server)
    for operation in DOCUMENT["operations"].values():
        assert operation["action"] in ("send", "receive")
        assert operation["messages"]
        channel = operation["channel"]["$ref"]
        assert all(m["$ref"].startswith(f"{channel}/messages/") for m in operation["messages"])
    for channel in DOCUMENT["channels"].values():
        assert {f"{{{p}}}" for p in channel.get("parameters", {})} == {p for p in channel["address"].split("/") if p.startswith("{")}


@pytest.mark.parametrize("name", DOCUMENT["components"]["messages"])
def test_every_message_is_used_and_has_a_payload(name: str) -> None:
    message = DOCUMENT["components"]["messages"][name]
    assert isinstance(resolve(message["payload"]["$ref"]), dict)
    assert any(name in channel["messages"] for channel in DOCUMENT["channels"].values())


def test_every_schema_is_used() -> None:
    used = {ref.removeprefix("#/components/schemas/") for ref in refs(DOCUMENT)}
    assert set(DOCUMENT["components"]["schemas"]) <= used


def test_each_event_queue_frame_and_close_code_is_in_it() -> None:
    channels = DOCUMENT["channels"]
    assert set(channels["training.events"]["messages"]) == {kind.value for kind in EventType}
    assert set(channels) == {"training.events", "live", *(queue.value for queue in WorkQueue)}
    assert set(channels["live"]["messages"]) == {f"frame.{kind.value}" for kind in FrameType} | {"ping", "pong"}
    assert set(channels["live"]["x-close-codes"]) == {str(code.value) for code in CloseCode}


def test_every_event_schema_requires_what_a_cloud_event_requires() -> None:
    for kind in EventType:
        schema = resolve(DOCUMENT["components"]["messages"][kind.value]["payload"]["$ref"])
        assert {"id", "source", "specversion", "type", "subject", "tenantid", "sequence", "progress", "data"} <= set(schema["required"])
        assert schema["additionalProperties"] is False
