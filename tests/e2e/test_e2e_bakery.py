"""A real bakery's file through the embedded stack. That `levain train` completes on it with the default trainer is shown in tests/cli."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from tests.e2e.whole import OnStack, Whole, assert_equal_to_store

FRENCH = Path(__file__).parents[3] / "shared" / "data" / "french_bakery_daily.csv"
SKIPPED = {"too_little_history", "no_sales", "dormant"}


@pytest.mark.skipif(not FRENCH.exists(), reason="the data set is not here")
def test_every_product_of_a_real_bakerys_file_ends_and_what_was_skipped_says_why(on_each_stack: OnStack) -> None:
    async def scenario(whole: Whole) -> None:
        client = whole.client()
        await client.upload(FRENCH.read_bytes())
        await client.start("job", "instant")
        seen = await asyncio.gather(*(client.watch("job") for _ in range(3)))
        await assert_equal_to_store([w.state for w in seen], client, "job")
        job, ends = await client.job("job"), await client.ends("job")
        assert (job["state"], job["total_products"], job["products_completed"], len(ends)) == ("completed", 148, 148, 148)
        assert Counter(e["status"] for e in ends.values()) == {"trained": 148 - job["products_failed"], "failed": job["products_failed"]}
        failed = Counter(e["reason"] for e in ends.values() if e["status"] == "failed")
        assert failed and failed.keys() <= SKIPPED
        assert dict(failed) == {s["reason"]: s["count"] for s in job["report"]["skipped"]}

    on_each_stack(scenario)
