"""The alerts, once: a PrometheusRule of the chart and a plain rules file are made of them. docs/runbook.md has a section for each."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from scripts.monitoring.expressions import scoped


class Alert(NamedTuple):
    """`minutes`: so long it must hold before somebody is told. `critical` wakes somebody; `warning` can wait for the morning."""

    name: str
    expression: str
    minutes: int
    severity: Literal["critical", "warning"]
    summary: str
    description: str


_TASKS = 'queue="training.tasks"'
_NO_UPGRADES = "sum(increase(levain_gateway_handshakes_failed_total{@}[10m]))"
_REFUSED = f'sum(increase(levain_gateway_handshake_seconds_count{{outcome="refused",@}}[10m])) + {_NO_UPGRADES}'
_TRIED = f"sum(increase(levain_gateway_handshake_seconds_count{{@}}[10m])) + {_NO_UPGRADES}"

LIVE = (
    Alert(
        "LevainNotScraped",
        "absent(levain_training_viewers{@}) or absent(levain_gateway_websockets_open{@})",
        5,
        "critical",
        "Prometheus sees no gateway or no training service.",
        "None is up, or none is scraped. Until then no other alert on it can fire.",
    ),
    Alert(
        "LevainConsumerDown",
        "min by (pod) (levain_training_consumer_up{@}) == 0",
        2,
        "critical",
        "{{ $labels.pod }} hears no events.",
        "Its viewers see what is new only when the store is compared, every 2 s, and nothing between the products of a moment.",
    ),
    Alert(
        "LevainLagHigh",
        'histogram_quantile(0.99, sum by (le) (rate(levain_training_event_lag_seconds_bucket{stage="written",@}[5m]))) > 1',
        10,
        "warning",
        "Viewers see products {{ $value | humanizeDuration }} late (p99).",
        "From a job's step to the frame in the viewers' sockets. The board Connections shows which stage is late.",
    ),
    Alert(
        "LevainHandshakeFailures",
        f"(({_REFUSED}) > 20) / ({_TRIED}) > 0.3",
        5,
        "warning",
        "{{ $value | humanizePercentage }} of live sockets fail to open.",
        "Of more than 20 in 10 minutes. The boards Gateway and Connections name the reasons.",
    ),
    Alert(
        "LevainUpstreamFailures",
        "sum(rate(levain_gateway_upstream_failures_total{@}[5m])) > 1",
        10,
        "critical",
        "Gateways can't reach the training service: {{ $value | humanize }} failures a second.",
        "Clients get 502, 503 or 504, and live sockets close with 1013.",
    ),
)

WORK = (
    Alert(
        "LevainNoWorker",
        f"max(levain_training_products_open{{@}}) > 0 and on () max(levain_training_queue_consumers{{{_TASKS},@}}) == 0",
        5,
        "critical",
        "Products wait, and no worker is there to take them.",
        "{{ $value }} products wait. RabbitMQ knows no consumer of training.tasks.",
    ),
    Alert(
        "LevainTasksStuck",
        "max(levain_training_products_open{@}) > 0"
        " and on () sum(increase(levain_training_products_ended_total{@}[15m])) == 0"
        f" and on () max(levain_training_queue_consumers{{{_TASKS},@}}) > 0",
        15,
        "critical",
        "Products wait, workers are there, and none has ended for 15 minutes.",
        "{{ $value }} products wait or train. A batch takes at most 10 minutes (LEVAIN_TASK_SECONDS).",
    ),
    Alert(
        "LevainDeadLetters",
        "sum(increase(levain_training_tasks_dead_lettered_total{@}[30m])) > 0",
        1,
        "warning",
        "Batches came to no end at any worker.",
        "{{ $value | humanize }} batches in 30 minutes were tried four times; their products fail with worker_lost.",
    ),
    Alert(
        "LevainLeasesLapse",
        'sum(increase(levain_training_repairs_total{kind=~"lapsed_batch|analyst_died",@}[1h])) > 3'
        " or max(levain_training_batches_lapsed{@}) > 0",
        5,
        "warning",
        "Leases of jobs lapse: who worked on them vanished.",
        "Batches or readers of datasets told nothing for longer than their lease, and are sent again.",
    ),
    Alert(
        "LevainChildDeaths",
        "sum by (reason) (increase(levain_worker_child_deaths_total{@}[30m])) > 10",
        1,
        "warning",
        "Trainers keep dying at work: {{ $labels.reason }}.",
        "{{ $value | humanize }} in 30 minutes. Each product is tried once more, alone, and then fails.",
    ),
    Alert(
        "LevainRepairs",
        'sum by (kind) (increase(levain_training_repairs_total{kind!~"lapsed_batch|analyst_died|dead_letter|deadline",@}[30m])) > 10',
        15,
        "warning",
        "The reconcile keeps mending {{ $labels.kind }}.",
        "{{ $value | humanize }} in 30 minutes: messages are being lost. Nothing is lost for good, but all is late.",
    ),
    Alert(
        "LevainBrokerAlarm",
        "max(rabbitmq_alarms_memory_used_watermark{@}) + max(rabbitmq_alarms_free_disk_space_watermark{@}) > 0",
        1,
        "critical",
        "RabbitMQ holds up all publishers.",
        "Its memory or its disk is at the limit: no batch is handed out, and no event is sent.",
    ),
)

OPERATOR = (
    Alert(
        "LevainOperatorWatchDead",
        "max(levain_operator_watch_age_seconds{@}) > 120",
        1,
        "critical",
        "The operator's watch has shown nothing for {{ $value | humanizeDuration }}.",
        "New TrainingJobs wait. At 240 s the process is started anew; that helps unless the API server is the cause.",
    ),
    Alert(
        "LevainOperatorDeaf",
        "max(levain_operator_poll_age_seconds{@}) > 120",
        5,
        "warning",
        "The operator has had no answer from the training service for {{ $value | humanizeDuration }}.",
        "The status of TrainingJobs stands still. The jobs themselves go on.",
    ),
    Alert(
        "LevainNoOperatorLeads",
        "sum(levain_operator_leading{@}) < 1",
        5,
        "warning",
        "No operator holds the Lease.",
        "TrainingJobs and TrainingSchedules are not served.",
    ),
)

GROUPS: Mapping[str, tuple[Alert, ...]] = {"levain-live": LIVE, "levain-work": WORK, "levain-operator": OPERATOR}


def groups(matchers: str, runbook: str) -> list[dict[str, object]]:
    """As Prometheus reads them. `matchers` say whose metrics count; `runbook` is where docs/runbook.md is read."""
    return [{"name": name, "rules": [_rule(alert, matchers, runbook) for alert in alerts]} for name, alerts in GROUPS.items()]


def _rule(alert: Alert, matchers: str, runbook: str) -> dict[str, object]:
    return {
        "alert": alert.name,
        "expr": scoped(alert.expression, matchers),
        "for": f"{alert.minutes}m",
        "labels": {"severity": alert.severity},
        "annotations": {
            "summary": alert.summary,
            "description": alert.description,
            "runbook_url": f"{runbook}#{alert.name.lower()}",
        },
    }
