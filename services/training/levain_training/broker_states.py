"""A process's sessions with the broker as metrics: read when they are asked for, from what the client knows without asking anybody."""

from collections.abc import Iterable
from typing import NamedTuple

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from levain_broker.ports import Broker


class Declared(NamedTuple):
    name: str
    text: str


class BrokerStates(Collector):
    """`up`: a gauge by session; `renewed`: a counter by session; `consumer_up`: a gauge of whether this kind of session is up."""

    def __init__(self, broker: Broker, consuming: str, *, up: Declared, renewed: Declared, consumer_up: Declared) -> None:
        self._broker, self._consuming = broker, consuming
        self._up, self._renewed, self._consumer_up = up, renewed, consumer_up

    def collect(self) -> Iterable[Metric]:
        states = self._broker.session_states()
        up = GaugeMetricFamily(*self._up, labels=["session"])
        renewed = CounterMetricFamily(*self._renewed, labels=["session"])
        for state in states:
            up.add_metric([state.what], state.up)
            renewed.add_metric([state.what], state.renewed)
        yield up
        yield renewed
        consuming = any(state.up for state in states if state.what == self._consuming)
        yield GaugeMetricFamily(*self._consumer_up, value=consuming)
