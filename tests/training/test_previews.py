"""What is understood of a dataset before a job, and one product with its history: what the page shows."""

import asyncio
from pathlib import Path
from typing import Any

from tests.training.harness import Stack, run, sales_csv

from levain_contracts.claims import Role
from levain_contracts.ids import product_id

AMBIGUOUS = "date,product,quantity\n" + "".join(f"{d:02}/{m:02}/2023,Brot,{20 + d}\n" for m in range(1, 13) for d in range(1, 13))


def test_a_preview_says_what_the_job_will_say_and_starts_nothing(tmp_path: Path) -> None:
    async def scenario(stack: Stack) -> None:
        client = stack.client()
        await client.upload(sales_csv(["Brot", "Croissant"]).replace(b"date,product,quantity", b"Datum;Artikel;Menge").replace(b",", b";"))
        await client.upload(sales_csv(["Brot", "Croissant"]) + b"2024-04-29,Tarte,x\n")
        status, preview = await client.ask("POST", "/datasets/sales/preview", json={})
        assert (status, preview["products"], preview["dataset_version"]) == (200, 3, 2)
        assert preview["columns"] == {"date": "date", "product": "product", "quantity": "quantity"}
        assert (preview["first_date"], preview["last_date"]) == ("2024-01-01", "2024-04-29")
        assert [(r["code"], r["lines"]) for r in preview["repairs"]] == [("unparsable_quantity", [242])]
        assert (await client.ask("GET", "/jobs"))[1]["items"] == []
        await client.start("job", "instant")
        assert (await client.ended("job"))["report"] == preview

    run(scenario, tmp_path)


def test_a_file_that_a_job_would_refuse_is_refused_by_the_preview_and_an_option_mends_it(tmp_path: Path) -> None:
    async def scenario(stack: Stack) -> None:
        client = stack.client()
        await client.upload(AMBIGUOUS.encode())
        status, problem = await client.ask("POST", "/datasets/sales/preview", json={})
        assert (status, problem["code"]) == (422, "ambiguous_dates")
        await client.start("job", "instant")
        assert (await client.ended("job"))["reason"] == problem["code"]
        status, preview = await client.ask("POST", "/datasets/sales/preview", json={"date_format": "%d/%m/%Y"})
        assert (status, preview["last_date"]) == (200, "2023-12-12")
        status, problem = await client.ask("POST", "/datasets/sales/preview", json={"date_fromat": "%d/%m/%Y"})
        assert (status, problem["errors"][0]["field"]) == (422, "date_fromat")
        status, problem = await client.ask("POST", "/datasets/none/preview", json={})
        assert (status, problem["code"]) == (404, "no_such_dataset")

    run(scenario, tmp_path)


def test_a_preview_is_for_those_who_may_train_and_many_at_once_are_told_to_come_back(tmp_path: Path) -> None:
    async def scenario(stack: Stack) -> None:
        client = stack.client()
        await client.upload(sales_csv(["Brot"]))
        status, problem = await stack.client(role=Role.VIEWER).ask("POST", "/datasets/sales/preview", json={})
        assert (status, problem["code"]) == (403, "viewer_may_not")
        answers: list[tuple[int, Any]] = await asyncio.gather(*(client.ask("POST", "/datasets/sales/preview", json={}) for _ in range(20)))
        assert {status for status, _ in answers} == {200, 503}
        assert {answer["code"] for status, answer in answers if status == 503} == {"busy"}
        assert (await client.ask("POST", "/datasets/sales/preview", json={}))[0] == 200

    run(scenario, tmp_path)


def test_one_product_of_a_job_comes_with_its_sales_its_forecast_and_its_scores(tmp_path: Path) -> None:
    async def scenario(stack: Stack) -> None:
        client, brot, new = stack.client(), product_id(None, "Brot"), product_id(None, "Neu")
        await client.upload(sales_csv(["Brot"]) + b"2024-04-29,Neu,3\n")
        await client.start("job", "instant")
        await client.ended("job")
        status, product = await client.ask("GET", f"/jobs/job/products/{brot}")
        assert (status, product["product"], product["status"]) == (200, "Brot", "trained")
        assert (product["history"]["start"], len(product["history"]["values"]), product["history"]["values"][0]) == (
            "2024-01-01",
            120,
            20.0,
        )
        assert (product["forecast"]["start"], len(product["forecast"]["mean"])) == ("2024-04-30", 14)
        assert product["scores"]["undefined"]["wape"] == "no_backtest"
        _, untrained = await client.ask("GET", f"/jobs/job/products/{new}")
        assert (untrained["status"], untrained["reason"], untrained["history"], untrained["forecast"]) == (
            "failed",
            "too_little_history",
            None,
            None,
        )
        for path, code in (("/jobs/job/products/none", "no_such_product"), ("/jobs/none/products/none", "no_such_job")):
            status, problem = await client.ask("GET", path)
            assert (status, problem["code"]) == (404, code)
        assert (await stack.client("bert").ask("GET", f"/jobs/job/products/{brot}"))[0] == 404

    run(scenario, tmp_path)
