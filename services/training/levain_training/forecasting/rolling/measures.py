"""How good forecasts of held days were: by model, over all products. Pure. What has no value is None."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from levain_contracts.quantities import quantity_for
from levain_training.forecasting.rolling.held import Curve, Held

_NOTHING = 1e-9


@dataclass(frozen=True)
class Measures:
    """`wape` and `bias`: shares of the units sold. `mase`: in units of the weekly change before. `coverage80`: share of days.

    `wape_to_naive`: the quotient with that of "same as last week".
    """

    days: int
    units: float
    wape: float | None
    mase: float | None
    bias: float | None
    coverage80: float | None
    wape_to_naive: float | None


def measure(held: Sequence[Held], model: str) -> Measures:
    days = [(one, i, actual) for one in held for i, actual in enumerate(one.actual) if actual is not None]
    units = sum(actual for _, _, actual in days)
    errors = [one.curves[model].mean[i] - actual for one, i, actual in days]
    missed = sum(map(abs, errors))
    naive_missed = sum(abs(one.naive[i] - actual) for one, i, actual in days)
    scaled = [(abs(error), one.scale) for error, (one, _, _) in zip(errors, days, strict=True) if one.scale is not None]
    inside = [_inside(one.curves[model], i, actual) for one, i, actual in days]
    known = [one for one in inside if one is not None]
    return Measures(
        days=len(days),
        units=units,
        wape=_quotient(missed, units),
        mase=_quotient(sum(error for error, _ in scaled), sum(scale for _, scale in scaled)),
        bias=_quotient(sum(errors), units),
        coverage80=_quotient(sum(known), len(known)),
        wape_to_naive=_quotient(missed, naive_missed),
    )


def by_product(held: Iterable[Held]) -> Iterator[list[Held]]:
    """In the order of their first appearance."""
    groups: dict[str, list[Held]] = {}
    for one in held:
        groups.setdefault(one.product_id, []).append(one)
    yield from groups.values()


@dataclass(frozen=True)
class Baked:
    """Units over all held days: baked, left over, and asked for but not there, if what was sold is what was asked for."""

    baked: float
    waste: float
    lost: float

    def cost(self, cost: float, price: float) -> float:
        """Of what was left over, and of what was not earned."""
        return self.waste * cost + self.lost * (price - cost)


def baked_by_level(held: Sequence[Held], model: str, service_level: float) -> Baked:
    """Whole units a day, at the model's quantile for the level. The model must have quantiles."""

    def quantity(one: Held, day: int) -> float:
        quantiles = one.curves[model].quantiles
        assert quantiles is not None
        return float(round(quantity_for(quantiles[day], service_level)))

    return _baked(held, quantity)


def baked_as_last_week(held: Sequence[Held]) -> Baked:
    return _baked(held, lambda one, day: one.naive[day])


def _baked(held: Sequence[Held], quantity: Callable[[Held, int], float]) -> Baked:
    pairs = [(quantity(one, i), actual) for one in held for i, actual in enumerate(one.actual) if actual is not None]
    return Baked(
        baked=sum(baked for baked, _ in pairs),
        waste=sum(max(baked - actual, 0.0) for baked, actual in pairs),
        lost=sum(max(actual - baked, 0.0) for baked, actual in pairs),
    )


def _inside(curve: Curve, day: int, actual: float) -> bool | None:
    if curve.quantiles is None:
        return None
    return curve.quantiles[day][0] <= actual <= curve.quantiles[day][-1]


def _quotient(total: float, of: float) -> float | None:
    return total / of if of > _NOTHING else None
