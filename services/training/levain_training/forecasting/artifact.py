"""What every built-in trainer keeps of a model: plain JSON, which tells what was learnt, how, and from which days of which data."""

import hashlib
import json
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property, lru_cache
from importlib.metadata import version

from pydantic import JsonValue

from levain_contracts.tasks import Series, TrainingTask

SCHEMA_VERSION = 1

Json = dict[str, JsonValue]


@dataclass(frozen=True)
class Config:
    """What a trainer was told or has fixed; one object for all products of a task."""

    values: Json

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(json.dumps(self.values, sort_keys=True).encode()).hexdigest()


def artifact(trainer: str, task: TrainingTask, series: Series, config: Config, history_days: int, learnt: Json) -> Json:
    """`history_days`: the most that were learnt from. `learnt`: the trainer's own part, `method` among it."""
    last = task.forecast_start - timedelta(days=1)
    first = max(series.start, task.forecast_start - timedelta(days=history_days))
    return {
        "schema_version": SCHEMA_VERSION,
        "trainer": trainer,
        "code_version": _code_version(),
        "trained_from": _day(first),
        "trained_to": _day(last),
        "dataset_sha256": task.dataset_sha256,
        "config": config.values,
        "config_sha256": config.sha256,
        **learnt,
    }


@lru_cache(maxsize=1)
def _code_version() -> str:
    return version("levain")


def _day(day: date) -> str:
    return day.isoformat()
