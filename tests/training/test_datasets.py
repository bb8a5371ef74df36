"""Datasets over HTTP: versions, limits, what is no table, URIs below allowed prefixes."""

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.training.harness import Client, Stack, run, sales_csv

from levain_training.uris import UriNotAllowed, allowed, normalised


def test_each_upload_is_a_version_and_a_job_writes_down_which_it_took(tmp_path: Path) -> None:
    async def scenario(stack: Stack) -> None:
        client = stack.client()
        assert (await client.upload(sales_csv(["Brot"])))["version"] == 1
        assert (await client.upload(sales_csv(["Brot"], days=130)))["version"] == 2
        await client.start("job", "instant")
        report = (await client.ended("job"))["report"]
        assert (report["dataset"], report["dataset_version"], report["last_date"]) == ("sales", 2, "2024-05-09")
        _, page = await client.ask("GET", "/datasets")
        assert [(d["name"], d["version"]) for d in page["items"]] == [("sales", 2)]
        _, page = await client.ask("GET", "/datasets/sales?limit=1")
        assert ([d["version"] for d in page["items"]], page["next"]) == ([2], "2")
        assert [d["version"] for d in (await client.ask("GET", "/datasets/sales?after=2"))[1]["items"]] == [1]
        assert (await client.ask("DELETE", "/datasets/sales"))[0] == 204
        assert (await client.ask("GET", "/datasets/sales"))[0] == 404
        assert (await client.ask("DELETE", "/datasets/sales"))[0] == 404

    run(scenario, tmp_path)


def test_a_job_without_new_sales_since_the_last_training_says_so(tmp_path: Path) -> None:
    async def scenario(stack: Stack) -> None:
        client = stack.client()
        for job_id, days, noted in (("first", 100, False), ("same", 100, True), ("newer", 101, False), ("older", 90, True)):
            await client.upload(sales_csv(["Brot"], days=days))
            await client.start(job_id, "instant")
            notes = (await client.ended(job_id))["report"]["notes"]
            assert any("no new sales" in note for note in notes) == noted, (job_id, notes)

    run(scenario, tmp_path)


@pytest.mark.parametrize("content_type", ["application/vnd.ms-excel", "application/octet-stream", "application/json", None])
def test_the_content_decides_and_not_the_content_type(tmp_path: Path, content_type: str | None) -> None:
    """Field case D23."""

    async def scenario(stack: Stack) -> None:
        client = stack.client()
        headers = {} if content_type is None else {"Content-Type": content_type}
        skip = [] if content_type else ["Content-Type"]
        status, _ = await client.ask("POST", "/datasets/sales", data=sales_csv(["Brot"]), headers=headers, skip_auto_headers=skip)
        assert status == 201
        await client.start("job", "instant")
        assert (await client.ended("job"))["state"] == "completed"

    run(scenario, tmp_path)


def test_what_is_no_table_is_refused_at_once(tmp_path: Path) -> None:
    async def scenario(stack: Stack) -> None:
        client = stack.client()
        workbook = io.BytesIO()
        with zipfile.ZipFile(workbook, "w") as archive:
            archive.writestr("xl/workbook.xml", "<workbook/>")
        for body, code, said in (
            (workbook.getvalue(), "not_a_table", "save it as CSV"),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "not_a_table", "save it as CSV"),
            (b"", "empty", "the body is empty"),
        ):
            status, problem = await client.ask("POST", "/datasets/sales", data=body)
            assert (status, problem["code"]) == (422, code)
            assert said in problem["detail"]
        form = {"Content-Type": "multipart/form-data; boundary=x"}
        assert (await client.ask("POST", "/datasets/sales", data=b"--x--", headers=form))[0] == 415
        assert (await client.ask("POST", "/datasets/Sales", data=b"x"))[0] == 422

    run(scenario, tmp_path, slots=0)


@pytest.mark.parametrize("how", ["with its length", "in chunks"])
def test_too_large_a_dataset_is_413_and_the_next_request_works(tmp_path: Path, how: str) -> None:
    """Field case K05, on the service's side: the client still sends when the answer comes."""

    async def scenario(stack: Stack) -> None:
        client = stack.client()

        async def chunks() -> Any:
            for _ in range(200):
                yield b"x" * 65_536

        body = io.BytesIO(b"x" * 65_536 * 200) if how == "with its length" else chunks()
        status, problem = await client.ask("POST", "/datasets/sales", data=body)
        assert (status, problem["code"]) == (413, "too_large")
        assert "100000 bytes" in problem["detail"]
        assert (await client.upload(sales_csv(["Brot"])))["version"] == 1

    run(scenario, tmp_path, slots=0, max_dataset_bytes=100_000)


def test_the_sample_is_offered_to_every_tenant_when_a_setting_says_so(tmp_path: Path) -> None:
    sample = tmp_path / "sample.csv"
    sample.write_bytes(sales_csv(["Brot"]))

    async def scenario(stack: Stack) -> None:
        for tenant in ("anna", "bert"):
            client = stack.client(tenant)
            assert [d["name"] for d in (await client.ask("GET", "/datasets"))[1]["items"]] == ["sample"]
            await client.start("job", "instant", "sample")
            assert (await client.ended("job"))["state"] == "completed"

    run(scenario, tmp_path, sample_path=sample)


def test_a_file_below_an_allowed_prefix_is_read_and_no_other(tmp_path: Path) -> None:
    shared, secret = tmp_path / "shared", tmp_path / "secret"
    for folder in (shared, secret):
        folder.mkdir()
        (folder / "sales.csv").write_bytes(sales_csv(["Brot"]))
    (shared / "link.csv").symlink_to(secret / "sales.csv")

    async def scenario(stack: Stack) -> None:
        anna, bert = stack.client(), stack.client("bert")
        assert (await by_uri(anna, "good", f"file://{shared}/sales.csv"))["state"] == "completed"
        assert (await by_uri(anna, "link", f"file://{shared}/link.csv"))["reason"] == "uri_not_allowed"
        assert (await by_uri(anna, "none", f"file://{shared}/none.csv"))["reason"] == "uri_not_readable"
        for client, uri in (
            (anna, f"file://{secret}/sales.csv"),
            (anna, f"file://{shared}/../secret/sales.csv"),
            (anna, f"file://{shared}/%2e%2e/secret/sales.csv"),
            (bert, f"file://{shared}/sales.csv"),
        ):
            status, problem = await client.ask("PUT", "/jobs/bad", json={"dataset": {"uri": uri}, "model": "instant"})
            assert (status, problem["code"]) == (422, "uri_not_allowed"), uri

    run(scenario, tmp_path, uri_prefixes={"anna": (f"file://{shared}/",)})


async def by_uri(client: Client, job_id: str, uri: str) -> Any:
    status, job = await client.ask("PUT", f"/jobs/{job_id}", json={"dataset": {"uri": uri}, "model": "instant"})
    assert status == 202, job
    return await client.ended(job_id)


GOOD = ("https://data.example.org/exports/", "s3://bucket/Bread/", "file:///srv/sales/")


@pytest.mark.parametrize(
    "uri",
    [
        "https://data.example.org/exports/a.csv",
        "HTTPS://DATA.example.org/exports/sub/a.csv",
        "https://data.example.org/exports//a.csv",
        "s3://bucket/Bread/a.parquet",
        "file:///srv/sales/a.csv",
    ],
)
def test_a_uri_below_a_prefix_is_allowed(uri: str) -> None:
    assert any(allowed(uri, GOOD).startswith(prefix) for prefix in GOOD)


@pytest.mark.parametrize(
    "uri",
    [
        "https://data.example.org/exports",
        "https://data.example.org/exportsx/a.csv",
        "https://data.example.org/exports/../secret.csv",
        "https://data.example.org/exports/%2e%2e/secret.csv",
        "https://data.example.org/exports/%252e%252e/secret.csv",
        "https://data.example.org/exports/..%2fsecret.csv",
        "https://data.example.org@evil.example/exports/a.csv",
        "https://user:pass@data.example.org/exports/a.csv",
        "https://data.example.org:8443/exports/a.csv",
        "https://data.example.org.evil.example/exports/a.csv",
        "https://data.example.org/exports/a.csv?x=1",
        "https://data.example.org/exports/a.csv#x",
        "https://data.example.org\\@evil.example/exports/a.csv",
        "http://data.example.org/exports/a.csv",
        "s3://Bucket/Bread/a.csv",
        "s3://bucket/bread/a.csv",
        "file://localhost/srv/sales/a.csv",
        "file:/etc/passwd",
        "/srv/sales/a.csv",
        "ftp://data.example.org/exports/a.csv",
        "https://[::1/exports/a.csv",
        "",
    ],
)
def test_a_uri_that_is_not_below_a_prefix_is_refused(uri: str) -> None:
    with pytest.raises(UriNotAllowed):
        allowed(uri, GOOD)


@given(st.text(max_size=60) | st.from_regex(r"(https|s3|file)://[a-z.%@/\\:#?]{0,40}", fullmatch=True))
@example("HTTPS://:/")
def test_any_text_is_normalised_once_or_refused(text: str) -> None:
    try:
        once = normalised(text)
    except UriNotAllowed:
        return
    assert normalised(once) == once
    assert "/../" not in once
