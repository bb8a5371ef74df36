"""A system in which nothing goes wrong repairs nothing."""

import asyncio
from contextlib import AsyncExitStack

from tests.e2e.whole import OnStack, Whole, assert_equal_to_store
from tests.training.harness import sales_csv

PRODUCTS = [f"Brot {i:02} 0.4s" for i in range(40)]
QUIET_SECONDS = 12.0  # two rounds of the reconcile, and six of what compares viewers with the store
REPAIRS = ("unpublished_event", "lapsed_batch", "waiting_products", "viewer_behind", "dead_letter", "deadline", "analyst_died")


def test_a_quiet_system_with_viewers_and_a_running_job_repairs_nothing(on_each_stack: OnStack) -> None:
    async def scenario(whole: Whole) -> None:
        began = asyncio.get_running_loop().time()
        client = whole.client()
        await client.upload(sales_csv(PRODUCTS))
        await client.start("job", "slow")
        async with AsyncExitStack() as viewers:
            watching = [await viewers.enter_async_context(whole.viewer("job")) for _ in range(10)]
            states = await asyncio.gather(*(viewer.task for viewer in watching))
            await assert_equal_to_store(states, client, "job")
        await asyncio.sleep(began + QUIET_SECONDS - asyncio.get_running_loop().time())
        assert {kind: whole.at_service("repairs_total", kind=kind) for kind in REPAIRS} == dict.fromkeys(REPAIRS, 0)

    on_each_stack(scenario)
