"""One request's id from the gateway to the worker's lines, and one line for each end of a connection: what a search in the logs finds."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.processes import Processes
from tests.e2e.whole import OnStack, Whole, until
from tests.training.harness import sales_csv

pytestmark = pytest.mark.servers

ID = "ticket-4711.b"
Line = dict[str, Any]


def lines(logs: Path, role: str, wanted: Callable[[Line], bool]) -> list[Line]:
    """Those of all processes of the role."""
    texts = [text for log in sorted(logs.glob(f"{role}-*.log")) for text in log.read_text().splitlines() if text.endswith("}")]
    return [line for line in map(json.loads, texts) if wanted(line)]


def test_the_id_of_the_request_that_started_a_job_is_in_the_lines_of_gateway_service_and_worker(on_processes: OnStack) -> None:
    async def scenario(whole: Whole) -> None:
        assert isinstance(whole, Processes)
        client, logs = whole.client(), whole.stack.logs
        await client.upload(sales_csv(["Brot 1", "Brot 2"]))
        spec = {"dataset": {"name": "sales"}, "model": "instant"}
        async with client.session.put(f"{client.base}/jobs/followed", json=spec, headers=client.headers | {"X-Request-ID": ID}) as answer:
            assert (answer.status, answer.headers.getall("X-Request-ID")) == (202, [ID])
        assert (await client.ended("followed"))["state"] == "completed"

        def of_request(line: Line) -> bool:
            return line.get("request_id") == ID and line["tenant_id"] == whole.tenant("anna")

        await until(lambda: bool(lines(logs, "worker", of_request)))
        (trained,) = lines(logs, "worker", of_request)[:1]
        assert (trained["message"], trained["job_id"], trained["logger"]) == ("batch trained", "followed", "levain_training.worker")
        (passed,) = lines(logs, "gateway", of_request)
        assert (passed["method"], passed["status"]) == ("PUT", 202)
        told = {line["message"]: line for line in lines(logs, "replica", of_request)}
        assert {"job accepted", "job ended"} <= told.keys()
        assert {line["job_id"] for line in told.values()} == {"followed"}

    on_processes(scenario)


@pytest.mark.parametrize("given", ["has a space", "x" * 65, "semi;colon", ""])
def test_an_id_that_is_not_harmless_is_replaced(on_processes: OnStack, given: str) -> None:
    async def scenario(whole: Whole) -> None:
        client = whole.client()
        async with client.session.get(f"{client.base}/jobs", headers=client.headers | {"X-Request-ID": given}) as answer:
            (made,) = answer.headers.getall("X-Request-ID")
        assert made.isalnum()
        assert len(made) == 32

    on_processes(scenario)


def test_each_end_of_a_connection_is_one_line_at_gateway_and_service(on_processes: OnStack) -> None:
    async def scenario(whole: Whole) -> None:
        assert isinstance(whole, Processes)
        client, logs, name = whole.client(), whole.stack.logs, f"socket-{whole.tenant('x')}"
        await client.upload(sales_csv(["Brot 1"]))
        await client.start("seen", "instant")
        await client.ended("seen")
        for job_id in ("seen", "unknown"):
            url = f"{client.base}/jobs/{job_id}/live"
            async with client.session.ws_connect(url, headers=client.headers | {"X-Request-ID": name}) as socket:
                assert [message async for message in socket] or job_id == "unknown"

        def of_socket(line: Line) -> bool:
            return line.get("request_id") == name

        await until(lambda: len(lines(logs, "gateway", of_socket)) == len(lines(logs, "replica", of_socket)) == 2)
        at_gateway, at_service = lines(logs, "gateway", of_socket), lines(logs, "replica", of_socket)
        assert sorted(line["code"] for line in at_gateway) == sorted(line["code"] for line in at_service) == [1000, 4404]
        for line in at_gateway + at_service:
            assert line["tenant_id"] == whole.tenant("anna")
            assert line["seconds"] >= 0
            assert len(line["connection_id"]) == 16
        (left,) = (line for line in at_service if line["code"] == 1000)
        (passed,) = (line for line in at_gateway if line["code"] == 1000)
        assert left["frames"] == 2
        assert passed["frames"] == 3  # the close frame is one too
        assert 0 < left["bytes"] < passed["bytes_down"]
        assert {line["job_id"] for line in at_service} == {"seen", "unknown"}

    on_processes(scenario)
