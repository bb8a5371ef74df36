"""One store, asked synchronously, and jobs at any point of their life in a line each."""

import asyncio
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

import sqlalchemy as sa

from levain_contracts.report import DataReport
from levain_contracts.resources import DatasetRef, JobSpec
from levain_contracts.tasks import (
    FailedProduct,
    Forecast,
    ResultChunk,
    Scores,
    Series,
    ShopCalendar,
    TrainedProduct,
    TrainingTask,
    decode_task,
)
from levain_training.store import analyses, batches, jobs, products, results
from levain_training.store.analyses import Analysis, Prepared, SkippedProduct
from levain_training.store.batches import Taste
from levain_training.store.engine import Query, Store, make_engine

P = ParamSpec("P")
T = TypeVar("T")

SHA = "a" * 64
LEASE_SECONDS = 60.0
BY_PRODUCT = Taste(by_shop=False, products_per_batch=4)
FORECAST_START = date(2024, 2, 5)


class Bookkeeper:
    """Owns a `Store`. `now` is its clock: it only moves when a test moves it."""

    def __init__(self, url: str, *, busy_seconds: float = 20.0) -> None:
        self.engine = make_engine(url, busy_seconds=busy_seconds)
        self.store = Store(self.engine)
        self.now = 1000.0
        self._runner = asyncio.Runner()

    def __enter__(self) -> "Bookkeeper":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.store.close()
        self._runner.close()

    def read(self, query: "Query[P, T]", *args: P.args, **kwargs: P.kwargs) -> T:
        return self._runner.run(self.store.read(query, *args, **kwargs))

    def write(self, query: "Query[P, T]", *args: P.args, **kwargs: P.kwargs) -> T:
        return self._runner.run(self.store.write(query, *args, **kwargs))

    def start(self, tenant: str = "anna", job: str = "job", *, dataset: dict[str, Any] | None = None, **fields: Any) -> jobs.Step:
        columns = {"dataset_name": "sales", "dataset_version": 1, "dataset_sha256": SHA} if dataset is None else dataset
        step = self.write(jobs.create, tenant, job, spec(**fields), columns, self.now)
        assert step is not None
        return step

    def analysed(
        self,
        names: Iterable[str],
        tenant: str = "anna",
        job: str = "job",
        *,
        skipped: Iterable[str] = (),
        shops: dict[str, str] | None = None,
        **fields: Any,
    ) -> jobs.Step:
        """A job in training, or ended where there was nothing to train."""
        self.start(tenant, job, **fields)
        row = self.claim()
        assert row["job_id"] == job
        step = self.write(analyses.finish, row, "analyst", analysis(names, skipped, shops), self.now)
        assert step is not None
        return step

    def claim(self, analyst: str = "analyst") -> sa.RowMapping:
        claimed = self.write(analyses.claim, analyst, self.now, LEASE_SECONDS)
        assert claimed is not None
        return claimed.row

    def record(self, chunk: ResultChunk) -> results.Recorded:
        return self.write(results.record, chunk, self.now, LEASE_SECONDS)

    def take(self, max_out: int = 100, tenant: str = "anna", job: str = "job", taste: Taste = BY_PRODUCT) -> list[TrainingTask]:
        return [decode_task(t.body) for t in self.write(batches.take, tenant, job, taste, max_out, self.now, LEASE_SECONDS)]

    def take_again(self, tenant: str, job: str, batch: int) -> TrainingTask | None:
        task = self.write(batches.take_again, tenant, job, batch, self.now, LEASE_SECONDS)
        return None if task is None else decode_task(task.body)

    def row(self, tenant: str = "anna", job: str = "job") -> sa.RowMapping:
        row = self.read(jobs.find, tenant, job)
        assert row is not None
        return row

    def products(self, tenant: str = "anna", job: str = "job") -> list[Any]:
        row = self.row(tenant, job)
        return [product for _, product in self.read(products.list_products, row, limit=1_000_000)]


def spec(**fields: Any) -> JobSpec:
    return JobSpec(**({"dataset": DatasetRef(name="sales"), "model": "instant"} | fields))


def analysis(
    names: Iterable[str], skipped: Iterable[str] = (), shops: dict[str, str] | None = None, closed: Sequence[date] = (), days: int = 3
) -> Analysis:
    """`shops`: product -> shop; a product without one belongs to none."""
    shop_of = (shops or {}).get
    return Analysis(
        sha256=SHA,
        report=DataReport(format="CSV", sha256=SHA),
        series=[Prepared(name, name.title(), shop_of(name), series(name, shop_of(name), days).model_dump_json()) for name in names],
        calendars=[ShopCalendar(shop=shop, closed=list(closed)) for shop in (sorted({*shops.values()}) if shops else [None])],
        skipped=[SkippedProduct(name, name.title(), shop_of(name), "too_little_history") for name in skipped],
        forecast_start=FORECAST_START,
    )


def series(name: str, shop: str | None = None, days: int = 3) -> Series:
    return Series(product_id=name, product=name.title(), shop=shop, start=date(2024, 1, 1), values=[1.5] * days)


def trained(name: str) -> TrainedProduct:
    """A result that is the product's own, so that two copies are equal and two products' differ."""
    mean = [float(sum(name.encode()))]
    forecast = Forecast(start=FORECAST_START, mean=mean, lo80=mean, hi80=mean)
    return TrainedProduct(product_id=name, forecast=forecast, scores=Scores(wape=0.25), model={"of": name}, train_seconds=0.1)


def failed(name: str) -> FailedProduct:
    return FailedProduct(product_id=name, reason="too_short", message=f"{name} is too short")


def chunk(names: Iterable[str], bad: Iterable[str] = (), batch: int = 1, tenant: str = "anna", job: str = "job") -> ResultChunk:
    """Results in this order; those of `bad` products are failures."""
    bad = set(bad)
    return ResultChunk(tenant_id=tenant, job_id=job, batch=batch, results=[failed(n) if n in bad else trained(n) for n in names])


def at_once(calls: Sequence[Any]) -> list[Any]:
    """Runs the calls in threads of their own, all at the same instant; their results, or the first exception."""
    with ThreadPoolExecutor(len(calls)) as threads:
        return [future.result(timeout=30) for future in [threads.submit(call) for call in calls]]
