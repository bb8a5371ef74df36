"""How many to bake, by REST: beside one product's forecast, and as columns of a job's."""

import csv
from pathlib import Path

import pytest
from tests.training.harness import Stack, run, sales_csv


def test_the_quantity_for_a_service_level_comes_with_a_forecast(tmp_path: Path) -> None:
    async def scenario(stack: Stack) -> None:
        client = stack.client()
        await client.upload(sales_csv({"Brot": 10}))
        await client.start("job", "smoothing")
        await client.watch("job")
        found = (await client.ask("GET", "/products"))[1]["items"][0]["product_id"]
        plain = (await client.ask("GET", f"/products/{found}/forecast"))[1]
        assert (plain["service_level"], plain["quantity"]) == (None, None)
        asked = (await client.ask("GET", f"/products/{found}/forecast?service_level=0.9"))[1]
        assert asked["service_level"] == 0.9
        assert asked["quantity"] == pytest.approx(asked["forecast"]["hi80"])

        _, text = await client.ask("GET", "/jobs/job/forecasts.csv?service_level=0.9&quartiles=true")
        rows = list(csv.DictReader(text.splitlines()))
        assert list(rows[0]) == ["product", "date", "mean", "lo80", "hi80", "q25", "q50", "q75", "quantity"]
        for row in rows:
            quantiles = [float(row[name]) for name in ("lo80", "q25", "q50", "q75", "hi80")]
            assert quantiles == sorted(quantiles)
            assert float(row["quantity"]) == pytest.approx(quantiles[-1], abs=0.001)
        _, plain_text = await client.ask("GET", "/jobs/job/forecasts.csv")
        assert plain_text.splitlines()[0] == "product,date,mean,lo80,hi80"

        for level in ("0", "1", "85", "nan", "much"):
            status, problem = await client.ask("GET", f"/products/{found}/forecast?service_level={level}")
            assert (status, problem["code"]) == (422, "invalid_request"), level
            assert problem["errors"][0]["field"] == "service_level"

    run(scenario, tmp_path)
