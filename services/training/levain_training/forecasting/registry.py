"""Which trainers there are: the built-in ones, those of installed packages, and those that the environment names."""

import os
from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec

from levain_training.forecasting.port import TrainerPlan

ENTRY_POINTS = "levain.trainers"
EXTRA_TRAINERS = "LEVAIN_EXTRA_TRAINERS"
AUTO = "auto"

_BUILT_IN = {name: f"levain_training.forecasting.plans:{name.upper()}" for name in (AUTO, "blend", "ets", "prophet", "smoothing")}


class UnknownModel(ValueError):
    """No trainer has this name."""


class TrainerNotLoadable(RuntimeError):
    """A trainer of this name is known, and its module can't be imported or holds no plan."""


class TrainerNotInstalled(TrainerNotLoadable):
    """It is one of ours, and its library is an extra that is missing here."""


def model_names(extra: str | None = None) -> tuple[str, ...]:
    """All values that a job's `model` may have, installed or not. Imports no trainer."""
    return tuple(sorted(_plan_paths(_extra(extra))))


def plan_of(model: str, extra: str | None = None) -> TrainerPlan:
    """Raises `UnknownModel`, `TrainerNotLoadable` and `TrainerNotInstalled`.

    `extra`: `name=package.module:PLAN`, several parted by commas; None takes `LEVAIN_EXTRA_TRAINERS`, which child processes inherit.
    """
    paths = _plan_paths(_extra(extra))
    path = paths.get(model)
    if path is None:
        raise UnknownModel(f"there is no model {model!r}; known are: {', '.join(model_names(extra))}")
    plan = _plan_at(path)
    if plan.needs is not None and find_spec(plan.needs) is None:
        raise TrainerNotInstalled(f"the model {model!r} is not installed here: {plan.install or f'it needs {plan.needs}'}")
    return plan


def _extra(extra: str | None) -> str:
    return os.environ.get(EXTRA_TRAINERS, "") if extra is None else extra


@lru_cache(maxsize=8)
def _plan_paths(extra: str) -> Mapping[str, str]:
    """Name -> `package.module:PLAN`. A built-in name can't be taken over: a job's `ets` means the same wherever it runs."""
    installed = {point.name: point.value for point in entry_points(group=ENTRY_POINTS)}
    return installed | _parse_extra(extra) | _BUILT_IN


def _parse_extra(extra: str) -> dict[str, str]:
    pairs = [item.partition("=") for item in extra.replace(" ", "").split(",") if item]
    for name, _, path in pairs:
        if not name or ":" not in path:
            raise TrainerNotLoadable(f"{EXTRA_TRAINERS}: expected name=package.module:PLAN, not {name!r}={path!r}")
    return {name: path for name, _, path in pairs}


@lru_cache(maxsize=64)
def _plan_at(path: str) -> TrainerPlan:
    module, _, attribute = path.partition(":")
    try:
        plan = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise TrainerNotLoadable(f"the trainer at {path} can't be loaded: {error}") from error
    if not isinstance(plan, TrainerPlan):
        raise TrainerNotLoadable(f"{path} is no TrainerPlan")
    return plan
