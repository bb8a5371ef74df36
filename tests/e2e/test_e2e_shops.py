"""Shops of all sizes through a whole stack: large ones in parts, tiny ones together, and each product ends once with its forecast."""

import asyncio
import csv
from collections import Counter
from datetime import date, timedelta

from tests.e2e.whole import OnStack, Whole, assert_equal_to_store

SHOPS = {"big": 300} | {f"kiosk {i:02}": 4 for i in range(30)}
FIRST, DAYS = date(2024, 1, 1), 70


def sales() -> bytes:
    products = [(shop, f"{shop} {i:03}") for shop, count in SHOPS.items() for i in range(count)]
    days = [FIRST + timedelta(days=i) for i in range(DAYS)]
    lines = [f"{day},{shop},{product},{10 + day.weekday() + len(product) % 3}" for day in days for shop, product in products]
    return ("date,shop,product,quantity\n" + "\n".join(lines) + "\n").encode()


def test_a_large_shop_goes_out_in_even_parts_and_tiny_shops_share_a_batch(on_each_stack: OnStack) -> None:
    async def scenario(whole: Whole) -> None:
        client = whole.client()
        await client.upload(sales())
        before = whole.at_service("tasks_sent_total")
        await client.start("job", "smoothing")
        seen = await asyncio.gather(*(client.watch("job") for _ in range(2)))
        await assert_equal_to_store([w.state for w in seen], client, "job")
        job = await client.job("job")
        assert (job["state"], job["products_completed"], job["products_failed"]) == ("completed", 420, 0)
        assert whole.at_service("tasks_sent_total") - before == 3  # twice 150 of the large shop, and 30 tiny ones
        _, text = await client.ask("GET", "/jobs/job/forecasts.csv")
        days = Counter((row["shop"], row["product"]) for row in csv.DictReader(text.splitlines()))
        assert set(days.values()) == {14}
        assert Counter(shop for shop, _ in days) == SHOPS

    on_each_stack(scenario)
