"""Two tenants at once: nothing of one ever reaches the other; a viewer may only look."""

import asyncio
from pathlib import Path

from tests.training.harness import Stack, run, sales_csv

from levain_contracts.claims import Role


def test_nothing_of_one_tenant_reaches_another(tmp_path: Path) -> None:
    """Jobs, datasets, products, forecasts, frames: same ids on both sides, and each sees its own."""

    async def scenario(stack: Stack) -> None:
        anna, bert = stack.client(), stack.client("bert")
        await anna.upload(sales_csv({"Annas Brot": 10}))
        await bert.upload(sales_csv({"Berts Brot": 90}))
        await asyncio.gather(anna.start("job", "slow"), bert.start("job", "slow"))
        seen = await asyncio.gather(anna.watch("job"), bert.watch("job"))
        for client, watched, mine, other in ((anna, seen[0], "Annas Brot", "Berts Brot"), (bert, seen[1], "Berts Brot", "Annas Brot")):
            assert {f.tenant_id for f in watched.frames} == {"anna" if client is anna else "bert"}
            assert {p.product for p in watched.state.products.values()} == {mine}
            _, sources = await client.ask("GET", "/products")
            assert [s["product"] for s in sources["items"]] == [mine]
            _, csv = await client.ask("GET", "/jobs/job/forecasts.csv")
            assert mine in csv
            assert other not in csv
        theirs = (await bert.ask("GET", "/products"))[1]["items"][0]["product_id"]
        assert (await anna.ask("GET", f"/products/{theirs}/forecast"))[0] == 404
        anna.base = bert.base
        for method, path in (
            ("GET", "/jobs"),
            ("GET", "/jobs/job"),
            ("GET", "/jobs/job/products"),
            ("GET", "/jobs/job/forecasts.csv"),
            ("GET", "/datasets"),
            ("GET", "/datasets/sales"),
            ("DELETE", "/datasets/sales"),
            ("POST", "/jobs/job/cancel"),
            ("POST", "/jobs/job/retry"),
            ("GET", f"/products/{theirs}/forecast"),
        ):
            status, problem = await anna.ask(method, path)
            assert (status, problem["code"]) == (403, "other_tenant"), (method, path)

    run(scenario, tmp_path)


def test_a_viewer_may_look_and_watch_and_nothing_else(tmp_path: Path) -> None:
    async def scenario(stack: Stack) -> None:
        trainer, viewer = stack.client(), stack.client(role=Role.VIEWER)
        await trainer.upload(sales_csv(["Brot"]))
        await trainer.start("job", "instant")
        assert (await viewer.watch("job")).code == 1000
        assert (await viewer.job("job"))["state"] == "completed"
        for method, path in (
            ("POST", "/datasets/sales"),
            ("DELETE", "/datasets/sales"),
            ("POST", "/jobs"),
            ("PUT", "/jobs/mine"),
            ("POST", "/jobs/job/cancel"),
            ("POST", "/jobs/job/suspend"),
            ("POST", "/jobs/job/resume"),
            ("POST", "/jobs/job/retry"),
        ):
            status, problem = await viewer.ask(method, path, json={"dataset": {"name": "sales"}})
            assert (status, problem["code"]) == (403, "viewer_may_not"), (method, path)

    run(scenario, tmp_path)


def test_without_a_valid_token_every_route_is_401(tmp_path: Path) -> None:
    async def scenario(stack: Stack) -> None:
        client = stack.client()
        for token in ("", "rubbish", client.token[:-2]):
            client.token = token
            for path in ("/jobs", "/datasets", "/products"):
                status, problem = await client.ask("GET", path)
                assert (status, problem["code"]) == (401, "unauthenticated")

    run(scenario, tmp_path, slots=0)


def test_the_forecast_of_a_product_is_the_newest_of_a_completed_job(tmp_path: Path) -> None:
    """A failed night leaves the old one, with its age."""

    async def scenario(stack: Stack) -> None:
        client = stack.client()
        await client.upload(sales_csv({"Brot": 10}))
        await client.start("monday", "instant")
        await client.ended("monday")
        product_id = (await client.ask("GET", "/products?name=Brot"))[1]["items"][0]["product_id"]
        _, first = await client.ask("GET", f"/products/{product_id}/forecast")
        assert first["job_id"] == "monday"
        assert first["forecast"]["start"] == "2024-04-30"
        assert len(first["forecast"]["mean"]) == 14
        await client.start("tuesday", "fails")
        await client.ended("tuesday")
        _, kept = await client.ask("GET", f"/products/{product_id}/forecast")
        assert kept["job_id"] == "monday"
        assert kept["age_seconds"] > first["age_seconds"]
        await client.upload(sales_csv({"Brot": 50}))
        await client.start("wednesday", "instant", horizon_days=3)
        await client.ended("wednesday")
        _, new = await client.ask("GET", f"/products/{product_id}/forecast")
        assert (new["job_id"], len(new["forecast"]["mean"])) == ("wednesday", 3)
        _, csv = await client.ask("GET", "/jobs/wednesday/forecasts.csv")
        assert csv.splitlines()[0] == "product,date,mean,lo80,hi80"
        assert [line.split(",")[1] for line in csv.splitlines()[1:]] == ["2024-04-30", "2024-05-01", "2024-05-02"]
        assert (await client.ask("GET", "/products/unknown/forecast"))[1]["code"] == "no_forecast"

    run(scenario, tmp_path)


def test_only_the_operator_asks_what_changed_of_all_tenants(tmp_path: Path) -> None:
    async def scenario(stack: Stack) -> None:
        anna, bert, operator = stack.client(), stack.client("bert"), stack.client("levain", Role.OPERATOR)
        for client in (anna, bert):
            await client.upload(sales_csv(["bad one", "Brot"]))
            await client.start("job", "fails_some")
            await client.ended("job")
        operator.base = anna.base.removesuffix("/tenants/anna/training") + "/training"
        status, answer = await operator.ask("GET", "/jobs")
        assert (status, answer["more"]) == (200, False)
        jobs = {job["tenant_id"]: job for job in answer["items"]}
        assert jobs.keys() == {"anna", "bert"}
        assert jobs["anna"]["started_by"] == "trainer"
        assert jobs["anna"] == await anna.job("job")
        assert [f["product"] for f in jobs["bert"]["failures"]] == ["bad one"]
        status, first = await operator.ask("GET", "/jobs?limit=1")
        _, second = await operator.ask("GET", f"/jobs?limit=1&changed_after={first['cursor']}")
        assert [first["more"], second["more"]] == [True, True]
        assert {first["items"][0]["tenant_id"], second["items"][0]["tenant_id"]} == {"anna", "bert"}
        status, running = await operator.ask("GET", "/jobs?active=true")
        assert (status, running["items"], running["more"]) == (200, [], False)
        await anna.start("runs", "slow")
        status, running = await operator.ask("GET", "/jobs?active=true")
        assert [job["job_id"] for job in running["items"]] == ["runs"]
        await anna.ended("runs")
        _, changed = await operator.ask("GET", f"/jobs?changed_after={running['cursor']}")
        assert "completed" in {job["state"] for job in changed["items"] if job["job_id"] == "runs"}
        status, problem = await operator.ask("GET", "/jobs?changed_after=rubbish")
        assert (status, problem["errors"][0]["field"]) == (422, "changed_after")
        anna.base = operator.base
        status, problem = await anna.ask("GET", "/jobs")
        assert (status, problem["code"]) == (403, "operator_only")
        anna.token = "rubbish"
        assert (await anna.ask("GET", "/jobs"))[0] == 401

    run(scenario, tmp_path)
