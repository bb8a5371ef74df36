"""What the API answers: idempotency, conflicts, paging, problems."""

import asyncio
from pathlib import Path

from tests.training.harness import Stack, run, sales_csv

SPEC = {"dataset": {"name": "sales"}, "model": "instant"}


def test_a_put_is_idempotent_and_another_spec_of_the_same_id_is_a_conflict(tmp_path: Path) -> None:
    async def scenario(stack: Stack) -> None:
        client = stack.client()
        await client.upload(sales_csv(["Brot"]))
        first = await client.ask("PUT", "/jobs/job", json=SPEC)
        again = await client.ask("PUT", "/jobs/job", json=SPEC)
        other = await client.ask("PUT", "/jobs/job", json=SPEC | {"horizonDays": 7})
        assert (first[0], again[0], other[0]) == (202, 200, 409)
        assert again[1]["job_id"] == first[1]["job_id"] == "job"
        assert other[1]["code"] == "other_spec"
        both = await asyncio.gather(*(client.ask("PUT", "/jobs/race", json=SPEC) for _ in range(20)))
        assert sorted(status for status, _ in both) == [200] * 19 + [202]
        assert (await client.ended("job"))["state"] == "completed"

    run(scenario, tmp_path)


def test_a_repeated_idempotency_key_gives_one_job_and_never_another_requests_answer(tmp_path: Path) -> None:
    """Field case D25."""

    async def scenario(stack: Stack) -> None:
        anna, bert = stack.client(), stack.client("bert")
        for client in (anna, bert):
            await client.upload(sales_csv(["Brot"]))
        key = {"Idempotency-Key": "k1"}
        first = await anna.ask("POST", "/jobs", json=SPEC, headers=key)
        again = await anna.ask("POST", "/jobs", json=SPEC, headers=key)
        assert (first[0], again[0]) == (202, 200)
        assert first[1]["job_id"] == again[1]["job_id"]
        status, problem = await anna.ask("POST", "/jobs", json=SPEC | {"horizon_days": 3}, headers=key)
        assert (status, problem["code"]) == (422, "idempotency_key_reused")
        await anna.ask("DELETE", "/datasets/sales")
        later = await anna.ask("POST", "/jobs", json=SPEC, headers=key)
        assert (later[0], later[1]["job_id"]) == (200, first[1]["job_id"])
        await anna.upload(sales_csv(["Brot"]))
        many = await asyncio.gather(*(anna.ask("POST", "/jobs", json=SPEC, headers={"Idempotency-Key": "k2"}) for _ in range(20)))
        assert len({job["job_id"] for _, job in many}) == 1
        assert sorted(status for status, _ in many) == [200] * 19 + [202]
        status, job = await bert.ask("POST", "/jobs", json=SPEC, headers=key)
        assert (status, job["tenant_id"]) == (202, "bert")
        assert job["job_id"] != first[1]["job_id"]

    run(scenario, tmp_path)


def test_cancelling_an_id_that_is_not_known_yet_starts_nothing_later(tmp_path: Path) -> None:
    async def scenario(stack: Stack) -> None:
        client = stack.client()
        await client.upload(sales_csv(["Brot"]))
        assert (await client.ask("POST", "/jobs/early/cancel"))[0] == 204
        assert (await client.ask("GET", "/jobs/early"))[0] == 404
        status, job = await client.ask("PUT", "/jobs/early", json=SPEC)
        assert (status, job["state"]) == (200, "cancelled")
        await asyncio.sleep(0.3)
        assert (await client.job("early"))["state"] == "cancelled"
        assert (await client.watch("early")).types == ["snapshot", "failed"]

    run(scenario, tmp_path)


def test_what_can_never_work_is_refused_with_the_field_that_is_wrong(tmp_path: Path) -> None:
    async def scenario(stack: Stack) -> None:
        client = stack.client()
        await client.upload(sales_csv(["Brot"]))
        for spec, status, code, field in (
            ({"dataset": {"name": "unknown"}}, 404, "unknown_dataset", "dataset.name"),
            ({"dataset": {"name": "sales"}, "model": "oracle"}, 422, "unknown_model", "model"),
            ({"dataset": {"uri": "https://example.org/a.csv"}}, 422, "uri_not_allowed", "dataset.uri"),
            ({"dataset": {"name": "sales", "uri": "https://example.org/a.csv"}}, 422, "invalid_request", "dataset"),
            ({"dataset": {}}, 422, "invalid_request", "dataset"),
            ({}, 422, "invalid_request", "dataset"),
            ({"dataset": {"name": "sales"}, "horizonDays": 0}, 422, "invalid_request", "horizon_days"),
            ({"dataset": {"name": "sales"}, "maxFailedProducts": -1}, 422, "invalid_request", "max_failed_products"),
            ({"dataset": {"name": "sales"}, "image": "evil"}, 422, "invalid_request", "image"),
            ({"dataset": {"name": "../etc"}}, 422, "invalid_request", "dataset.name"),
        ):
            answer = await client.ask("PUT", "/jobs/job", json=spec)
            assert (answer[0], answer[1]["code"]) == (status, code), answer
            fields = [e["field"] for e in answer[1]["errors"]]
            assert any(f == field or field.replace("_d", "D").replace("_f", "F").replace("_p", "P") == f for f in fields), answer
        assert (await client.ask("PUT", "/jobs/UPPER", json=SPEC))[0] == 422
        assert (await client.ask("GET", "/jobs/job"))[0] == 404

    run(scenario, tmp_path)


def test_a_body_that_is_no_json_is_a_problem_and_no_crash(tmp_path: Path) -> None:
    async def scenario(stack: Stack) -> None:
        client = stack.client()
        for body in (b"{", b"", b"[]", b'"x"', b"\xff\xfe", b'{"dataset": NaN}'):
            status, problem = await client.ask("PUT", "/jobs/job", data=body, headers={"Content-Type": "application/json"})
            assert (status, problem["code"]) == (422, "invalid_request"), body

    run(scenario, tmp_path, slots=0)


def test_jobs_are_listed_newest_first_in_pages_and_by_state(tmp_path: Path) -> None:
    async def scenario(stack: Stack) -> None:
        client = stack.client()
        await client.upload(sales_csv(["Brot"]))
        for i in range(5):
            await client.start(f"job-{i}", "instant")
            await client.ended(f"job-{i}")
        await client.ask("POST", "/jobs/mark/cancel")
        seen, after = [], ""
        while True:
            _, page = await client.ask("GET", f"/jobs?limit=2{after}")
            seen += [job["job_id"] for job in page["items"]]
            if page["next"] is None:
                break
            after = f"&after={page['next']}"
        assert seen == [f"job-{i}" for i in (4, 3, 2, 1, 0)]
        assert (await client.ask("GET", "/jobs?state=failed"))[1]["items"] == []
        assert (await client.ask("GET", "/jobs?after=rubbish"))[0] == 422

    run(scenario, tmp_path)


def test_products_are_paged_by_status_and_by_the_number_of_their_end(tmp_path: Path) -> None:
    async def scenario(stack: Stack) -> None:
        client = stack.client()
        await client.upload(sales_csv([*(f"bad {i}" for i in range(4)), *(f"Brot {i}" for i in range(6))]))
        await client.start("job", "fails_some")
        job = await client.ended("job")
        assert (job["products_completed"], job["products_failed"], job["state"]) == (10, 4, "completed")
        assert {f["product"] for f in job["failures"]} == {f"bad {i}" for i in range(4)}
        assert [f["seq"] for f in job["failures"]] == sorted(f["seq"] for f in job["failures"])
        failed = (await client.ask("GET", "/jobs/job/products?status=failed"))[1]["items"]
        assert {p["product"] for p in failed} == {f"bad {i}" for i in range(4)}
        assert all(p["reason"] and p["message"] for p in failed)
        seen, after_seq = [], 0
        while True:
            _, page = await client.ask("GET", f"/jobs/job/products?after_seq={after_seq}&limit=3")
            seen += [p["seq"] for p in page["items"]]
            if page["next"] is None:
                break
            assert page["seq"] == seen[-1]
            after_seq = page["seq"]
        assert page["seq"] == job["seq"]
        assert seen == sorted(set(seen))
        assert len(seen) == 10

    run(scenario, tmp_path)


def test_the_failed_products_of_a_job_can_be_tried_again_as_a_new_job(tmp_path: Path) -> None:
    async def scenario(stack: Stack) -> None:
        client = stack.client()
        await client.upload(sales_csv(["bad 1", "bad 2", "Brot 1"]))
        await client.start("job", "fails_some")
        await client.ended("job")
        status, again = await client.ask("POST", "/jobs/job/retry")
        assert (status, again["retry_of"]) == (202, "job")
        assert len(again["spec"]["products"]) == 2
        ended = await client.ended(again["job_id"])
        assert (ended["total_products"], ended["state"], ended["reason"]) == (2, "failed", "all_products_failed")
        await client.start("good", "instant")
        await client.ended("good")
        assert (await client.ask("POST", "/jobs/good/retry"))[1]["code"] == "nothing_failed"

    run(scenario, tmp_path)


def test_the_served_openapi_describes_every_route_and_its_problems(tmp_path: Path) -> None:
    async def scenario(stack: Stack) -> None:
        async with stack.session.get(f"http://127.0.0.1:{stack.service.port}/api/v1/openapi.json") as response:
            document = await response.json()
        operations = {(m, p.rsplit("training", 1)[-1]): o for p, ms in document["paths"].items() for m, o in ms.items()}
        for method, path in (
            ("post", "/datasets/{name}"),
            ("put", "/jobs/{job_id}"),
            ("post", "/jobs/{job_id}/cancel"),
            ("get", "/jobs/{job_id}/products"),
            ("get", "/jobs/{job_id}/forecasts.csv"),
            ("get", "/products/{product_id}/forecast"),
        ):
            assert "application/problem+json" in operations[method, path]["responses"]["401"]["content"]
        assert "Problem" in document["components"]["schemas"]

    run(scenario, tmp_path, slots=0)
