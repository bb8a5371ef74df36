"""Two tenants at once through the gateway, with the same ids; and what a viewer's token may do there."""

import asyncio
import json

from tests.e2e.whole import OnStack, Whole, assert_equal_to_store
from tests.training.harness import Client, Watched, sales_csv

from levain_contracts.claims import Role


def test_two_tenants_with_the_same_job_ids_at_once_never_see_anything_of_each_other(on_each_stack: OnStack) -> None:
    async def scenario(whole: Whole) -> None:
        anna, bert = whole.client("anna"), whole.client("bert")
        await asyncio.gather(*(_three_jobs(client, f"{name}s Brot") for client, name in ((anna, "Anna"), (bert, "Bert"))))
        seen = await asyncio.gather(*(client.watch(f"job-{i}") for client in (anna, bert) for i in range(3)))
        for client, tenant, mine, theirs, watched in (
            (anna, whole.tenant("anna"), "Annas Brot", "Berts", seen[:3]),
            (bert, whole.tenant("bert"), "Berts Brot", "Annas", seen[3:]),
        ):
            await _saw_only_its_own(client, tenant, mine, theirs, watched)
        await asyncio.gather(_is_refused_by(anna, bert), _is_refused_by(bert, anna))

    on_each_stack(scenario)


async def _three_jobs(client: Client, product: str) -> None:
    await client.upload(sales_csv([f"{product} {i} 0.05s" for i in range(8)]))
    for i in range(3):
        await client.start(f"job-{i}", "slow")


async def _saw_only_its_own(client: Client, tenant: str, mine: str, theirs: str, watched: list[Watched]) -> None:
    for i, one in enumerate(watched):
        assert one.code == 1000
        assert {(f.tenant_id, f.job_id) for f in one.frames} == {(tenant, f"job-{i}")}
        assert theirs not in json.dumps([f.data for f in one.frames])
        assert {p.product[:10] for p in one.state.products.values()} == {mine}
        await assert_equal_to_store([one.state], client, f"job-{i}")
    for path in ("/jobs", "/jobs/job-0", "/jobs/job-0/products", "/datasets", "/datasets/sales", "/products", "/jobs/job-0/forecasts.csv"):
        status, answer = await client.ask("GET", path)
        assert status == 200
        assert theirs not in json.dumps(answer, ensure_ascii=False), path


async def _is_refused_by(stranger: Client, host: Client) -> None:
    """The stranger's token at the host's addresses, and the host's product at the stranger's own."""
    at_host = Client(stranger.session, host.base, stranger.token)
    for method, path in (
        ("GET", "/jobs/job-0"),
        ("GET", "/jobs/job-0/products"),
        ("GET", "/jobs/job-0/forecasts.csv"),
        ("GET", "/datasets/sales"),
        ("DELETE", "/datasets/sales"),
        ("POST", "/datasets/sales"),
        ("PUT", "/jobs/job-9"),
        ("POST", "/jobs/job-0/cancel"),
        ("POST", "/jobs/job-0/retry"),
    ):
        status, problem = await at_host.ask(method, path, data=b"" if method != "GET" else None)
        assert (status, problem["code"]) == (403, "wrong_tenant"), (method, path)
    refused = await at_host.watch("job-0")
    assert (refused.code, refused.frames) == (4403, [])
    product_id = (await host.ask("GET", "/products"))[1]["items"][0]["product_id"]
    assert (await stranger.ask("GET", f"/products/{product_id}/forecast"))[0] == 404


def test_a_viewers_token_watches_and_reads_and_can_not_start_cancel_or_upload(on_each_stack: OnStack) -> None:
    async def scenario(whole: Whole) -> None:
        trainer, viewer = whole.client(), whole.client(role=Role.VIEWER)
        await trainer.upload(sales_csv(["Brot 0.2s"]))
        await trainer.start("job", "slow")
        assert (await viewer.watch("job")).code == 1000
        assert (await viewer.ask("GET", "/jobs/job/forecasts.csv"))[0] == 200
        actions = (("POST", "/jobs"), ("PUT", "/jobs/mine"), ("POST", "/datasets/sales"), ("DELETE", "/datasets/sales"))
        for method, path in (*actions, *(("POST", f"/jobs/job/{verb}") for verb in ("cancel", "suspend", "resume", "retry"))):
            status, problem = await viewer.ask(method, path, json={"dataset": {"name": "sales"}})
            assert (status, problem["code"]) == (403, "read_only"), (method, path)
        assert len((await viewer.ask("GET", "/jobs"))[1]["items"]) == 1
        assert whole.at_gateway("refusals_total", reason="read_only") == 8

    on_each_stack(scenario)
