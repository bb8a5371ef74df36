"""Requests that broke systems like this one, through the gateway to the real service."""

import asyncio
import hashlib
import http.client
import io
import json
import shutil
import socket
import subprocess
import time
import zipfile
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.cli.command import base_csv
from tests.e2e.whole import OnStack, Whole, run
from tests.training.harness import Client, sales_csv

H2C = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"
SALES = sales_csv([f"Brot {i}" for i in range(300)])  # about 900 kB
LIMIT_BYTES = 1024 * 1024
BIG_BYTES = 60_000_000
MAY_GROW_BYTES = 40 * 1024 * 1024
SPEC = {"dataset": {"name": "sales"}, "model": "instant"}


def head(client: Client, path: str, size: int, more: str) -> bytes:
    path = client.base.split("/", 3)[3] + path
    fields = f"Host: levain\r\nAuthorization: Bearer {client.token}\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n"
    return f"POST /{path} HTTP/1.1\r\n{fields}{more}\r\n".encode()


def exchange(port: int, parts: list[bytes]) -> tuple[int, Any]:
    """Status and JSON of the answer to what is written in these parts."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as raw:
        for part in parts:
            raw.sendall(part)
            time.sleep(0.1)
        with http.client.HTTPResponse(raw) as answer:
            answer.begin()
            return answer.status, json.loads(answer.read())


def test_a_client_that_offers_h2c_starts_the_same_job_on_a_dataset_with_every_row(on_each_stack: OnStack) -> None:
    """Field case K01, head and body in one write and in two."""

    async def scenario(whole: Whole) -> None:
        client = whole.client()

        async def post(path: str, body: bytes, more: str, in_one_write: bool) -> Any:
            begin = head(client, path, len(body), more)
            return await asyncio.to_thread(exchange, whole.port, [begin + body] if in_one_write else [begin, body])

        for more, in_one_write in (("", True), (H2C, True), (H2C, False)):
            status, dataset = await post("/datasets/sales", SALES, more, in_one_write)
            assert (status, dataset["size_bytes"], dataset["sha256"]) == (201, len(SALES), hashlib.sha256(SALES).hexdigest())
            status, job = await post("/jobs", json.dumps(SPEC).encode(), more, in_one_write)
            assert (status, job["spec"]["model"], job["products_completed"]) == (202, "instant", 0)
            ended = await client.ended(job["job_id"])
            assert (ended["report"]["rows_used"], ended["products_completed"]) == (SALES.count(b"\n") - 1, 300)

    on_each_stack(scenario)


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("big") / "big.csv"
    path.write_bytes(b"2024-01-01,Brot,1\n" * (BIG_BYTES // 18))
    return path


Answer = tuple[int, Any]


def by_curl(client: Client, way: list[str], big: Path) -> Answer:
    headers = [part for field in (*way, f"Authorization: Bearer {client.token}") for part in ("-H", field)]
    command = ["curl", "-sS", "--max-time", "30", "-w", "\n%{http_code}", *headers, "--data-binary", f"@{big}"]
    ran = subprocess.run([*command, f"{client.base}/datasets/sales"], capture_output=True, text=True, timeout=35)
    body, _, status = ran.stdout.rpartition("\n")
    assert ran.returncode == 0, ran.stderr
    return int(status), json.loads(body)


def send_all_then_read(client: Client, way: list[str], big: Path) -> Answer:
    chunked = "Transfer-Encoding: chunked" in way
    url = client.base.split("/", 3)
    connection = http.client.HTTPConnection(url[2], timeout=20)
    headers = client.headers | ({} if chunked else {"Content-Length": str(big.stat().st_size)})
    with big.open("rb") as body:
        connection.request("POST", f"/{url[3]}/datasets/sales", body, headers, encode_chunked=chunked)
        answer = connection.getresponse()
        found = answer.status, json.loads(answer.read())
    connection.close()
    return found


WAYS = {
    "length": ["Expect:"],
    "chunked": ["Expect:", "Transfer-Encoding: chunked"],
    "expect": ["Expect: 100-continue"],
}


def test_an_upload_over_the_limit_is_413_that_names_it_however_it_is_sent_and_memory_stays_flat(tmp_path: Path, big: Path) -> None:
    """Field case K05, by curl where there is one, and by a client that sends everything before it reads."""

    async def scenario(whole: Whole) -> None:
        client = whole.client()
        await client.upload(sales_csv(["Brot"]))
        memory = psutil.Process().memory_info
        before = memory().rss
        for name, way in WAYS.items():
            answers = [await asyncio.to_thread(send_all_then_read, client, way, big)] if name != "expect" else []
            answers += [await asyncio.to_thread(by_curl, client, way, big)] if shutil.which("curl") else []
            for status, problem in answers:
                assert (status, problem["status"], problem["code"]) == (413, 413, "too_large"), name
                assert str(LIMIT_BYTES) in problem["detail"]
            assert memory().rss - before < MAY_GROW_BYTES
            assert (await client.upload(sales_csv(["Brot"])))["name"] == "sales"  # the next one works
        assert (await client.ask("GET", "/datasets/sales"))[1]["items"][0]["version"] == 1 + len(WAYS)

    run(scenario, tmp_path, service={"max_dataset_bytes": LIMIT_BYTES})


def test_the_content_of_an_upload_decides_whatever_its_content_type_and_a_workbook_is_refused_by_name(on_each_stack: OnStack) -> None:
    """Field case D23: three ways to label the same file give the same forecasts."""
    base = base_csv(days=120).encode()

    async def scenario(whole: Whole) -> None:
        client, forecasts = whole.client(), []
        for i, label in enumerate(("text/csv", "application/vnd.ms-excel", "application/octet-stream", None)):
            headers, skip = ({"Content-Type": label}, []) if label else ({}, ["Content-Type"])
            status, _ = await client.ask("POST", f"/datasets/sales-{i}", data=base, headers=headers, skip_auto_headers=skip)
            assert status == 201, label
            await client.start(f"job-{i}", "instant", f"sales-{i}")
            assert (await client.ended(f"job-{i}"))["state"] == "completed"
            forecasts.append((await client.ask("GET", f"/jobs/job-{i}/forecasts.csv"))[1])
        assert len(set(forecasts)) == 1 and forecasts[0].count("\n") == 2 * 14 + 1
        workbook = io.BytesIO()
        with zipfile.ZipFile(workbook, "w") as archive:
            archive.writestr("xl/workbook.xml", "<workbook/>")
        status, problem = await client.ask("POST", "/datasets/sales", data=workbook.getvalue(), headers={"Content-Type": "text/csv"})
        assert (status, problem["detail"]) == (422, "this is an Excel workbook or zip: save it as CSV")

    on_each_stack(scenario)


def test_an_idempotency_key_gives_one_job_a_tenant_and_never_another_requests_answer(on_each_stack: OnStack) -> None:
    """Field case D25."""

    async def scenario(whole: Whole) -> None:
        anna, bert = whole.client("anna"), whole.client("bert")
        for client in (anna, bert):
            await client.upload(sales_csv(["Brot"]))

        async def post(client: Client, key: str, **more: Any) -> Answer:
            return await client.ask("POST", "/jobs", json=SPEC | more, headers={"Idempotency-Key": key})

        (first, job), (again, same) = await post(anna, "k1"), await post(anna, "k1")
        assert (first, again, same["job_id"]) == (202, 200, job["job_id"])
        status, problem = await post(anna, "k1", horizon_days=3)
        assert (status, problem["code"]) == (422, "idempotency_key_reused")
        many = await asyncio.gather(*(post(anna, "k2") for _ in range(20)))
        assert sorted(status for status, _ in many) == [200] * 19 + [202]
        assert len({one["job_id"] for _, one in many}) == 1
        status, other = await post(bert, "k1")
        assert (status, other["tenant_id"], other["job_id"] != job["job_id"]) == (202, whole.tenant("bert"), True)
        for client, jobs in ((anna, 2), (bert, 1)):
            assert len((await client.ask("GET", "/jobs"))[1]["items"]) == jobs

    on_each_stack(scenario)
