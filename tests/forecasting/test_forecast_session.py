"""A trainer is held to its port: whatever it does, each product of a task gets exactly one result."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.forecasting.series import base, series, task

from levain_contracts.quantities import with_quartiles
from levain_contracts.tasks import FailedProduct, Forecast, TrainedProduct, TrainingTask
from levain_training.forecasting.port import WorkingOn
from levain_training.forecasting.session import MAX_RESULT_BYTES, run
from levain_training.forecasting.testing import EachAlone, mean_forecast

TASK = task([series(name, base(), 30) for name in ("a", "b", "c")], horizon_days=3, model="instant")
Steps = list[tuple[str, str]]


class Wild:
    """Does as it is told: (`yield` | `announce` | `fail` | `junk` | `raise`, product)."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    def train(self, task: TrainingTask, working_on: WorkingOn) -> Iterator[Any]:
        known = {s.product_id: s for s in task.series}
        for step, name in self._steps:
            if step == "announce":
                working_on(name)
            elif step == "raise":
                raise ZeroDivisionError("oh")
            elif step == "junk":
                yield {"product_id": name}
            elif step == "fail":
                yield FailedProduct(product_id=name, reason="dormant", message="")
            elif step == "yield":
                yield mean_forecast("wild", known[name], task, 0).model_copy(update={"product_id": name}) if name in known else None


@given(
    st.lists(st.tuples(st.sampled_from(["yield", "announce", "fail", "junk", "raise"]), st.sampled_from(["a", "b", "c", "z"])), max_size=12)
)
def test_each_product_gets_exactly_one_result_and_is_announced_at_most_once(steps: Steps) -> None:
    announced: list[str] = []
    results = list(run(Wild(steps), TASK, announced.append))
    assert sorted(r.product_id for r in results) == ["a", "b", "c"]
    assert len(announced) == len(set(announced))
    assert set(announced) <= {"a", "b", "c"}


@pytest.mark.parametrize(
    ("steps", "word"),
    [
        ([("yield", "a")], "without a result"),
        ([("yield", "a"), ("yield", "a")], "twice"),
        ([("yield", "a"), ("junk", "b")], "dict"),
        ([("yield", "a"), ("raise", "b")], "ZeroDivisionError: oh"),
    ],
)
def test_what_a_broken_trainer_leaves_undone_has_failed_with_the_complaint(steps: Steps, word: str) -> None:
    first, *rest = run(Wild(steps), TASK, lambda name: None)
    assert isinstance(first, TrainedProduct)
    assert [(r.product_id, r.kind) for r in rest] == [("b", "failed"), ("c", "failed")]
    assert all(isinstance(r, FailedProduct) and r.reason == "trainer_failed" and word in r.message for r in rest)


GOOD = Forecast(start=TASK.forecast_start, mean=[2.0] * 3, lo80=[1.0] * 3, hi80=[3.0] * 3)


@pytest.mark.parametrize(
    ("update", "word"),
    [
        ({"forecast": GOOD.model_copy(update={"mean": [2.0] * 2})}, "days from"),
        ({"forecast": GOOD.model_copy(update={"start": TASK.series[0].start})}, "days from"),
        ({"forecast": GOOD.model_copy(update={"lo80": [2.5] * 3})}, "interval"),
        ({"forecast": GOOD.model_copy(update={"lo80": [-1.0] * 3})}, "negative"),
        ({"forecast": GOOD.model_copy(update={"mean": [float("nan")] * 3})}, "interval"),
        ({"forecast": with_quartiles(GOOD).model_copy(update={"q25": [2.5] * 3})}, "quantiles fall"),
        ({"forecast": with_quartiles(GOOD).model_copy(update={"q50": [2.0] * 4})}, "days from"),
        ({"model": {"trees": "x" * MAX_RESULT_BYTES}}, "bytes"),
        ({"model": {"object": object()}}, "JSON"),
        ({"train_seconds": -1.0}, "train_seconds"),
    ],
)
def test_an_unusable_result_fails_its_product_alone(update: dict[str, Any], word: str) -> None:
    class Careless(EachAlone):
        def _one(self, series: Any, task: TrainingTask) -> Any:
            good = super()._one(series, task).model_copy(update={"forecast": GOOD})
            return good.model_copy(update=update) if series.product_id == "b" else good

    a, b, c = run(Careless("careless", lambda series: None), TASK, lambda name: None)
    assert (a.kind, b.kind, c.kind) == ("trained", "failed", "trained")
    assert isinstance(b, FailedProduct)
    assert word in b.message


def test_a_forecast_without_quartiles_gets_them() -> None:
    for result in run(EachAlone("even", lambda series: None), TASK, lambda name: None):
        assert isinstance(result, TrainedProduct)
        assert result.forecast.q25 == result.forecast.q50 == result.forecast.q75 == result.forecast.mean


def test_a_full_memory_is_let_through() -> None:
    def full(series: object) -> None:
        raise MemoryError

    with pytest.raises(MemoryError):
        list(run(EachAlone("full", full), TASK, lambda name: None))
