"""A healthy system minute by minute, and what makes each alert fire, as promtool writes series: `0+5x60` grows by 5 a minute, 60 times."""

from collections.abc import Mapping
from typing import NamedTuple

# Trouble begins then; all ends after two hours.
BEGINS_MINUTES = 60
ENDS_MINUTES = 120

Series = dict[str, str]

_ALWAYS = f"x{ENDS_MINUTES}"
_BEFORE = f"x{BEGINS_MINUTES - 1}"
_SINCE = f"x{ENDS_MINUTES - BEGINS_MINUTES}"
_NAN = " NaN" * (ENDS_MINUTES - BEGINS_MINUTES)
_TASKS = 'levain_training_queue_consumers{queue="training.tasks"}'
_WRITTEN = 'levain_training_event_lag_seconds_bucket{stage="written",le="%s"}'
_REPAIRS = 'levain_training_repairs_total{kind="%s"}'


def _from(before: str, since: str) -> str:
    return f"{before}{_BEFORE} {since}{_SINCE}"


HEALTHY: Series = {
    'levain_training_viewers{pod="replica-1"}': "5" + _ALWAYS,
    'levain_gateway_websockets_open{pod="gateway-1"}': "5" + _ALWAYS,
    'levain_training_consumer_up{pod="replica-1"}': "1" + _ALWAYS,
    'levain_training_consumer_up{pod="replica-2"}': "1" + _ALWAYS,
    _WRITTEN % "0.5": "0+60" + _ALWAYS,
    _WRITTEN % "1.0": "0+60" + _ALWAYS,
    _WRITTEN % "2.5": "0+60" + _ALWAYS,
    _WRITTEN % "+Inf": "0+60" + _ALWAYS,
    'levain_gateway_handshake_seconds_count{outcome="opened"}': "0+60" + _ALWAYS,
    'levain_gateway_handshake_seconds_count{outcome="refused"}': "0+6" + _ALWAYS,
    'levain_gateway_handshakes_failed_total{status="426"}': "0" + _ALWAYS,
    'levain_gateway_upstream_failures_total{kind="connect"}': "0" + _ALWAYS,
    "levain_training_products_open": "50" + _ALWAYS,
    'levain_training_products_ended_total{outcome="trained"}': "0+5" + _ALWAYS,
    _TASKS: "3" + _ALWAYS,
    "levain_training_tasks_dead_lettered_total": "0" + _ALWAYS,
    "levain_training_batches_lapsed": "0" + _ALWAYS,
    _REPAIRS % "lapsed_batch": "0" + _ALWAYS,
    _REPAIRS % "analyst_died": "0" + _ALWAYS,
    _REPAIRS % "viewer_behind": "0" + _ALWAYS,
    'levain_worker_child_deaths_total{reason="out_of_memory"}': "0" + _ALWAYS,
    "rabbitmq_alarms_memory_used_watermark": "0" + _ALWAYS,
    "rabbitmq_alarms_free_disk_space_watermark": "0" + _ALWAYS,
    'levain_operator_watch_age_seconds{pod="operator-1"}': "5" + _ALWAYS,
    'levain_operator_poll_age_seconds{pod="operator-1"}': "2" + _ALWAYS,
    'levain_operator_leading{pod="operator-1"}': "1" + _ALWAYS,
    'levain_operator_leading{pod="operator-2"}': "0" + _ALWAYS,
}


class Case(NamedTuple):
    """`series` instead of the healthy ones. `filled`: what the templates of its words become."""

    alert: str
    series: Series
    labels: Mapping[str, str] = {}
    filled: Mapping[str, str] = {}


CASES = (
    Case("LevainNotScraped", {'levain_training_viewers{pod="replica-1"}': f"5{_BEFORE} stale"}),
    Case(
        "LevainConsumerDown",
        {'levain_training_consumer_up{pod="replica-2"}': _from("1", "0")},
        {"pod": "replica-2"},
        {"$labels.pod": "replica-2"},
    ),
    Case(
        "LevainLagHigh",
        {_WRITTEN % "0.5": _from("0+60", "3600"), _WRITTEN % "1.0": _from("0+60", "3600")},
        filled={"$value | humanizeDuration": "2.485s"},
    ),
    Case(
        "LevainHandshakeFailures",
        {'levain_gateway_handshakes_failed_total{status="426"}': _from("0", "0+60")},
        filled={"$value | humanizePercentage": "52.38%"},
    ),
    Case(
        "LevainUpstreamFailures",
        {'levain_gateway_upstream_failures_total{kind="connect"}': _from("0", "0+120")},
        filled={"$value | humanize": "2"},
    ),
    Case("LevainNoWorker", {_TASKS: _from("3", "0")}, filled={"$value": "50"}),
    Case("LevainTasksStuck", {'levain_training_products_ended_total{outcome="trained"}': _from("0+5", "300")}, filled={"$value": "50"}),
    Case("LevainDeadLetters", {"levain_training_tasks_dead_lettered_total": _from("0", "0+1")}, filled={"$value | humanize": "30"}),
    Case("LevainLeasesLapse", {_REPAIRS % "lapsed_batch": _from("0", "0+1")}),
    Case("LevainLeasesLapse", {"levain_training_batches_lapsed": _from("0", "1")}),
    Case(
        "LevainChildDeaths",
        {'levain_worker_child_deaths_total{reason="out_of_memory"}': _from("0", "0+1")},
        {"reason": "out_of_memory"},
        {"$labels.reason": "out_of_memory", "$value | humanize": "30"},
    ),
    Case(
        "LevainRepairs",
        {_REPAIRS % "viewer_behind": _from("0", "0+1")},
        {"kind": "viewer_behind"},
        {"$labels.kind": "viewer_behind", "$value | humanize": "30"},
    ),
    Case("LevainBrokerAlarm", {"rabbitmq_alarms_free_disk_space_watermark": _from("0", "1")}),
    Case(
        "LevainOperatorWatchDead",
        {'levain_operator_watch_age_seconds{pod="operator-1"}': _from("5", "200")},
        filled={"$value | humanizeDuration": "3m 20s"},
    ),
    Case(
        "LevainOperatorDeaf",
        {'levain_operator_poll_age_seconds{pod="operator-1"}': _from("2", "200")},
        filled={"$value | humanizeDuration": "3m 20s"},
    ),
    Case("LevainNoOperatorLeads", {'levain_operator_leading{pod="operator-1"}': _from("1", "0")}),
)

# What happens on good days.
QUIET: dict[str, Series] = {
    "all is well": {},
    "nothing to do, and no worker: scaled down to none": {
        "levain_training_products_open": "0" + _ALWAYS,
        'levain_training_products_ended_total{outcome="trained"}': "0" + _ALWAYS,
        _TASKS: "0" + _ALWAYS,
    },
    "nobody watches": {_WRITTEN % le: "0" + _ALWAYS for le in ("0.5", "1.0", "2.5", "+Inf")},
    "a rollout: each consumer is away for a minute, some viewers are repaired": {
        'levain_training_consumer_up{pod="replica-1"}': f"1{_BEFORE} 0 1{_SINCE}",
        _REPAIRS % "viewer_behind": f"0{_BEFORE} 5{_SINCE}",
    },
    "the broker does not say": {_TASKS: f"3{_BEFORE}{_NAN}", "levain_training_products_open": f"50{_BEFORE}{_NAN}"},
    "a worker died with its batch": {
        _REPAIRS % "lapsed_batch": f"0{_BEFORE} 1{_SINCE}",
        "levain_training_batches_lapsed": f"0{_BEFORE} 1 0{_SINCE}",
    },
    "a client with a wrong token, at night": {
        'levain_gateway_handshake_seconds_count{outcome="opened"}': "0" + _ALWAYS,
        'levain_gateway_handshake_seconds_count{outcome="refused"}': "0+1" + _ALWAYS,
    },
    "one slow product after the other": {'levain_training_products_ended_total{outcome="trained"}': "0+0.2" + _ALWAYS},
}
WITHOUT_OPERATOR: Series = {name: values for name, values in HEALTHY.items() if not name.startswith("levain_operator")}
