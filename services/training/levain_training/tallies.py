"""Counters and histograms for the live path, where an event is counted three times: for less than half of what prometheus_client's cost.

Those take a lock for each value. Here one thread writes, and a scrape in another reads what is there (docs/performance.md).
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString


class Tally(Collector):
    """A counter. `values`: all that its labels may be, in the order of `labels`; `add` raises KeyError for others."""

    def __init__(self, name: str, text: str, labels: Sequence[str], values: Iterable[tuple[str, ...]]) -> None:
        self._declared = name, text
        self._labels = labels
        self._counts = dict.fromkeys(values, 0)

    def add(self, *values: str) -> None:
        self._counts[values] += 1

    def collect(self) -> Iterable[Metric]:
        family = CounterMetricFamily(*self._declared, labels=self._labels)
        for values, count in self._counts.items():
            family.add_metric(values, count)
        yield family


class Spread(Collector):
    """A histogram with one label. `bounds`: the upper ones of its buckets, ascending, without infinity."""

    def __init__(self, name: str, text: str, label: str, values: Iterable[str], bounds: Sequence[float]) -> None:
        self._declared = name, text
        self._label, self._bounds = label, bounds
        self._counts = {value: [0] * (len(bounds) + 1) for value in values}
        self._sums = dict.fromkeys(self._counts, 0.0)

    def observe(self, value: str, amount: float) -> None:
        self._counts[value][bisect_left(self._bounds, amount)] += 1
        self._sums[value] += amount

    def collect(self) -> Iterable[Metric]:
        family = HistogramMetricFamily(*self._declared, labels=[self._label])
        bounds = [*map(floatToGoString, self._bounds), "+Inf"]
        for value, counts in self._counts.items():
            family.add_metric([value], list(zip(bounds, accumulate(counts), strict=True)), self._sums[value])
        yield family
