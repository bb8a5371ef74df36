"""What all metrics have in common, and those that tell of the broker and the store when they are away."""

import ast
import asyncio
import math
import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, Metric, generate_latest
from scripts.make_metrics_docs import declared, full_name
from tests.training.harness import Stack, run, sales_csv
from tests.training.parts import Parts
from tests.training.parts import run as run_parts

from levain_training import failures, ingest
from levain_training.metrics import Metrics
from levain_training.sampling import Sampler
from levain_training.tallies import Spread, Tally

FAMILIES = [family for families in declared().values() for family in families]
# Whose, or which one: a label of these would make a series each.
FORBIDDEN = {"job", "job_id", "tenant", "tenant_id", "product", "product_id", "user", "subject", "request_id", "connection_id"}
UNITS = re.compile(r"_(ms|millis|milliseconds|minutes|kb|mb|kilobytes|percent)(_|$)")


@pytest.mark.parametrize("family", FAMILIES, ids=full_name)
def test_each_is_named_explained_and_labelled_as_prometheus_wants_it(family: Metric) -> None:
    assert re.fullmatch(r"levain_(training|worker|gateway|operator)_[a-z_]+", full_name(family))
    assert not UNITS.search(full_name(family))
    assert len(family.documentation) > 10
    if family.type == "histogram":
        assert family.name.endswith("_seconds")
    elif family.type == "gauge":
        assert not family.name.endswith("_total")
    assert not FORBIDDEN & {label for sample in family.samples for label in sample.labels}


@pytest.mark.parametrize("family", [f for f in FAMILIES if f.type in ("counter", "histogram")], ids=full_name)
def test_counters_and_histograms_are_there_and_0_from_the_start(family: Metric) -> None:
    samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
    assert samples
    assert {sample.value for sample in samples} == {0}


def test_every_code_that_a_file_is_refused_for_is_known_to_the_metrics() -> None:
    found: set[str] = set()
    for file in Path(ingest.__file__).parent.glob("*.py"):
        for call in ast.walk(ast.parse(file.read_text())):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "DataRefused":
                found |= {call.args[0].value} if isinstance(call.args[0], ast.Constant) else set()  # type: ignore[arg-type]
    assert len(found) > 20
    assert found <= set(failures.DATA_CODES)


def test_a_code_that_is_not_ours_counts_as_other() -> None:
    metrics = Metrics()
    metrics.product_ended("a_trainers_own")
    metrics.product_ended("no_sales")
    failed = [metrics.registry.get_sample_value("levain_training_product_failures_total", {"reason": r}) for r in ("other", "no_sales")]
    assert failed == [1, 1]
    assert metrics.registry.get_sample_value("levain_training_product_failures_total", {"reason": "a_trainers_own"}) is None


def test_what_the_broker_and_the_store_do_not_tell_is_not_a_number(tmp_path: Path) -> None:
    async def scenario(parts: Parts) -> None:
        def value(name: str, **labels: str) -> float:
            found = parts.metrics.registry.get_sample_value(f"levain_training_{name}", labels)
            assert found is not None
            return found

        sampler = Sampler(parts.broker, parts.store, parts.metrics)
        assert math.isnan(value("queue_messages", queue="training.tasks"))
        assert math.isnan(value("products_open"))
        await sampler.ask_broker()
        await sampler.ask_store()
        assert value("queue_messages", queue="training.tasks") == value("products_open") == value("jobs_open", state="pending") == 0
        parts.broker.break_link()
        await sampler.ask_broker()
        assert math.isnan(value("queue_consumers", queue="training.tasks"))
        assert value("products_open") == 0
        database.unlink()
        database.mkdir()  # what can't be opened is away
        parts.store._reading.dispose()
        await sampler.ask_store()
        assert math.isnan(value("products_open"))
        assert value("store_failures_total", kind="read") == 1

    database = tmp_path / "levain.db"
    run_parts(tmp_path, scenario)


def test_open_work_lags_and_ends_are_told(tmp_path: Path) -> None:
    async def scenario(stack: Stack) -> None:
        client, m = stack.client(), stack.metric
        await client.upload(sales_csv(["Brot 1", "Brot 2", "bad 3"]))
        await client.upload(sales_csv(["Brot 30s"]), "slow")
        began = time.time()
        async with client.session.ws_connect(f"{client.base}/jobs/none/live", headers=client.headers) as refused:
            assert (await refused.receive()).data == 4404
        await client.start("held", "slow", "slow")
        assert (await client.ask("POST", "/jobs/held/suspend"))[0] == 200
        await client.start("job", "fails_some")
        watched = await client.watch("job")
        assert watched.code == 1000
        async with asyncio.timeout(20):
            while m("levain_training_jobs_open", state="suspended") != 1 or m("levain_training_products_open") != 0:
                await asyncio.sleep(0.05)
        sent = len(watched.frames)
        assert m("levain_training_handshake_seconds_count", outcome="accepted") == 1
        assert m("levain_training_handshake_seconds_count", outcome="refused") == 1
        assert m("levain_training_jobs_accepted_total") == 2
        assert [m("levain_training_products_ended_total", outcome=outcome) for outcome in ("trained", "failed")] == [2, 1]
        assert m("levain_training_product_failures_total", reason="other") == 1  # `refused` is the test trainer's own
        async with asyncio.timeout(10):
            while m("levain_training_frames_sent_total") != sent:
                await asyncio.sleep(0.05)
        published, received, written = (m("levain_training_event_lag_seconds_count", stage=s) for s in ("published", "received", "written"))
        assert published == received >= 7
        assert 0 < written <= sent
        assert 0 < m("levain_training_event_lag_seconds_sum", stage="received") < received * (time.time() - began)
        assert m("levain_training_store_transaction_seconds_count", kind="write") > 0
        assert m("levain_worker_tasks_total", outcome="taken") >= 1
        assert m("levain_worker_slots") == 2

    run(scenario, tmp_path)


@given(st.lists(st.floats(0, 20), max_size=50))
def test_a_spread_is_a_histogram_as_the_library_makes_it(amounts: list[float]) -> None:
    bounds = (0.005, 0.1, 1, 2.5, 10)
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    spread = Spread("levain_a_seconds", "Seconds.", "stage", ["one", "two"], bounds)
    ours.register(spread)
    histogram = Histogram("levain_a_seconds", "Seconds.", ["stage"], buckets=bounds, registry=theirs)
    histogram.labels("two")
    for amount in amounts:
        spread.observe("one", amount)
        histogram.labels("one").observe(amount)

    def told(registry: CollectorRegistry) -> list[str]:
        return sorted(line for line in generate_latest(registry).decode().splitlines() if "_created" not in line)

    histogram.labels("one")
    assert told(ours) == told(theirs)


def test_a_tally_counts_what_it_knows_and_nothing_else() -> None:
    registry = CollectorRegistry()
    tally = Tally("levain_things_total", "Things.", ["kind", "outcome"], [("a", "good"), ("a", "bad")])
    registry.register(tally)
    tally.add("a", "good")
    with pytest.raises(KeyError):
        tally.add("b", "good")
    values = {outcome: registry.get_sample_value("levain_things_total", {"kind": "a", "outcome": outcome}) for outcome in ("good", "bad")}
    assert values == {"good": 1, "bad": 0}
