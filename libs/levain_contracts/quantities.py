"""How many to bake: a day's five quantiles and a wished service level -> a quantity. Pure.

The newsvendor's answer (Arrow, Harris & Marschak 1951, "Optimal inventory policy"): with `cost` lost on a piece that is left over and
`price - cost` lost on one that is missing, the best quantity is the quantile at the critical ratio `(price - cost) / price`.
"""

from collections.abc import Sequence
from statistics import NormalDist

from levain_contracts.tasks import Forecast

LEVELS = (0.10, 0.25, 0.50, 0.75, 0.90)
# What sells out one day in a hundred would take years of one product's days to tell from one in a thousand.
LOWEST_LEVEL, HIGHEST_LEVEL = 0.01, 0.99

_SCORES = tuple(NormalDist().inv_cdf(level) for level in LEVELS)


def critical_ratio(cost: float, price: float) -> float:
    """The service level that earns most. Raises `ValueError` unless `0 <= cost < price`: what earns nothing is not baked."""
    if not 0 <= cost < price:
        raise ValueError(f"a cost from 0 to below the price is needed, not cost {cost:g} and price {price:g}")
    return (price - cost) / price


def quantity_for(quantiles: Sequence[float], service_level: float) -> float:
    """Units that cover a day's demand with probability `service_level`; the caller rounds. Never negative, never falling with the level.

    `quantiles`: of one day, at `LEVELS`, none below the one before. Between two of them, and beyond the outer two, the line through
    the neighbours in units of the normal distribution's score: exact where sales are normal. The level is clamped to 1 % to 99 %.
    Raises `ValueError` when it is not above 0 and below 1.
    """
    if not 0 < service_level < 1:
        raise ValueError(f"a service level lies between 0 and 1, not at {service_level:g}")
    score = NormalDist().inv_cdf(min(max(service_level, LOWEST_LEVEL), HIGHEST_LEVEL))
    left = max((i for i in range(len(LEVELS) - 1) if _SCORES[i] <= score), default=0)
    low, high = quantiles[left], quantiles[left + 1]
    share = (score - _SCORES[left]) / (_SCORES[left + 1] - _SCORES[left])
    return max(low + (high - low) * share, 0.0)


def quantiles_of(forecast: Forecast) -> list[tuple[float, ...]]:
    """Five quantiles a day, at `LEVELS`. A forecast without quartiles gets those of `with_quartiles`."""
    whole = with_quartiles(forecast)
    assert whole.q25 is not None
    assert whole.q50 is not None
    assert whole.q75 is not None
    return list(zip(whole.lo80, whole.q25, whole.q50, whole.q75, whole.hi80, strict=True))


def quantities_for(forecast: Forecast, service_level: float) -> list[float]:
    """`quantity_for` each day of the forecast."""
    return [quantity_for(day, service_level) for day in quantiles_of(forecast)]


def with_quartiles(forecast: Forecast) -> Forecast:
    """The forecast itself where it has them. Else the mean is the median, and each quartile lies as far out as a normal's would."""
    if forecast.q25 is not None:
        return forecast
    share = _SCORES[3] / _SCORES[4]
    q25 = [mean - share * (mean - lo) for mean, lo in zip(forecast.mean, forecast.lo80, strict=True)]
    q75 = [mean + share * (hi - mean) for mean, hi in zip(forecast.mean, forecast.hi80, strict=True)]
    return forecast.model_copy(update={"q25": q25, "q50": list(forecast.mean), "q75": q75})
