"""The dashboard *RabbitMQ*, from its own plugin `rabbitmq_prometheus`: names that 3.10 and 4.x share."""

from scripts.monitoring.board import BYTES, COUNT, PER_SECOND, SHARE, Board, Panel, Query, Row

_WORK = r'queue=~"training\\.(tasks|tasks\\.dead|results)"'
_EVENTS = r'queue=~"training\\.events\\..*"'


def _rate(metric: str, legend: str) -> Query:
    return Query(f"sum(rate({metric}{{@}}[$__rate_interval]))", legend)


_NOW = Row(
    "Now",
    [
        Panel(
            "Alarms",
            COUNT,
            "Alarms of memory and of disk.",
            (
                "Not 0: RabbitMQ holds up all publishers, nothing is handed out and no event is sent. Give it memory "
                "(rabbitmq.memoryHighWatermark, resources) or disk; see the runbook, LevainBrokerAlarm."
            ),
            [
                Query("max(rabbitmq_alarms_memory_used_watermark{@})", "memory"),
                Query("max(rabbitmq_alarms_free_disk_space_watermark{@})", "disk"),
            ],
            "number",
            red_from=1,
        ),
        Panel(
            "Connections",
            COUNT,
            "Each replica and each worker holds a few.",
            "Falls to 0: nobody reaches the broker, look at the network and the passwords.",
            [Query("sum(rabbitmq_connections{@})", "open")],
            "number",
        ),
        Panel(
            "Messages that wait",
            COUNT,
            "Messages of all queues that nobody was handed yet.",
            "Grows without end: see which queue below.",
            [Query("sum(rabbitmq_queue_messages_ready{@})", "waiting")],
            "number",
        ),
        Panel(
            "Memory",
            SHARE,
            "Share of the limit above which publishers are held up.",
            "Above 80 %: look at the queue depths, or raise rabbitmq.memoryHighWatermark.",
            [Query("max(rabbitmq_process_resident_memory_bytes{@} / rabbitmq_resident_memory_limit_bytes{@})", "used")],
            "number",
            red_from=0.8,
        ),
        Panel(
            "Up since the last start",
            "s",
            "Time since RabbitMQ was started last.",
            "Short again and again: it is being restarted, look at the end of its last log and at its memory limit.",
            [Query("min(rabbitmq_erlang_uptime_seconds{@})", "up")],
            "number",
        ),
    ],
)

_QUEUES = Row(
    "Queues",
    [
        Panel(
            "Waiting, by queue of work",
            COUNT,
            "Messages of each queue of work that nobody was handed yet; training.tasks is deep while jobs train.",
            (
                "training.results above 0 for long: the replicas can't store, look at the store on the board Training. "
                "training.tasks.dead above 0 for long: no replica reconciles."
            ),
            [Query(f"max by (queue) (rabbitmq_detailed_queue_messages_ready{{{_WORK},@}})", "{{queue}}")],
        ),
        Panel(
            "Waiting in the queues of events",
            COUNT,
            "Events that wait for a replica: one queue for each, deleted with it.",
            "Above 0 for seconds: its replica has no processor left or stands still; from 10,000 on the oldest are dropped.",
            [Query(f"max by (queue) (rabbitmq_detailed_queue_messages_ready{{{_EVENTS},@}})", "{{queue}}")],
        ),
        Panel(
            "Handed out, not settled",
            COUNT,
            "Batches at workers, results at replicas.",
            "Stays level and nothing ends: a worker stands still, and keeps its batch for LEVAIN_TASK_SECONDS; restart it.",
            [Query(f"max by (queue) (rabbitmq_detailed_queue_messages_unacked{{{_WORK},@}})", "{{queue}}")],
        ),
        Panel(
            "Consumers, by queue of work",
            COUNT,
            ("Who takes from each queue. training.tasks: one for a slot of a worker. training.results, training.tasks.dead: the replicas."),
            ("0: nobody takes from it, see the runbook, LevainNoWorker and LevainConsumerDown."),
            [Query(f"max by (queue) (rabbitmq_detailed_queue_consumers{{{_WORK},@}})", "{{queue}}")],
        ),
    ],
)

_FLOW = Row(
    "Flow",
    [
        Panel(
            "Messages",
            PER_SECOND,
            ("Received from publishers, handed to consumers, acknowledged; events are handed to each replica and need no acknowledgement."),
            "Received and never delivered: no consumers, see the queues.",
            [
                _rate("rabbitmq_global_messages_received_total", "received"),
                _rate("rabbitmq_global_messages_delivered_total", "delivered"),
                _rate("rabbitmq_global_messages_acknowledged_total", "acknowledged"),
            ],
        ),
        Panel(
            "Redelivered",
            PER_SECOND,
            "Handed out once more, since a consumer was lost or gave it back.",
            "Some in each rollout. For long: workers die at work, see the board Training.",
            [_rate("rabbitmq_global_messages_redelivered_total", "redelivered")],
        ),
        Panel(
            "Unroutable",
            PER_SECOND,
            "Messages that no queue took. Dropped: events while no replica listens, harmless.",
            "Returned: work for a queue that does not exist; restart a replica, which declares it.",
            [
                _rate("rabbitmq_global_messages_unroutable_dropped_total", "dropped"),
                _rate("rabbitmq_global_messages_unroutable_returned_total", "returned"),
            ],
        ),
        Panel(
            "Dead-lettered, by cause",
            PER_SECOND,
            "Messages that a queue gave up, by cause.",
            (
                "delivery limit: a batch that came to no end at any worker, see the runbook, LevainDeadLetters. length: events that a "
                "slow replica never saw, viewers are repaired from the store. rejected: no worker could read the batch, versions "
                "differ."
            ),
            [
                _rate("rabbitmq_global_messages_dead_lettered_delivery_limit_total", "delivery limit"),
                _rate("rabbitmq_global_messages_dead_lettered_maxlen_total", "length"),
                _rate("rabbitmq_global_messages_dead_lettered_rejected_total", "rejected"),
            ],
        ),
    ],
)

_CONNECTIONS = Row(
    "Connections",
    [
        Panel(
            "Opened and closed",
            PER_SECOND,
            "Connections that come and go: near 0 in a quiet system.",
            "A steady rate: a process that comes back again and again; its log says why (a password, a queue with other arguments).",
            [_rate("rabbitmq_connections_opened_total", "opened"), _rate("rabbitmq_connections_closed_total", "closed")],
        ),
        Panel(
            "Channels",
            COUNT,
            "Open channels: a few for each connection.",
            "Grows without end: channels leak, restart the process that has most (`rabbitmqctl list_connections name channels`).",
            [Query("sum(rabbitmq_channels{@})", "open")],
        ),
        Panel(
            "Refused log-ins",
            PER_SECOND,
            "Attempts with a wrong name or password.",
            (
                "Not 0: a process with another password than RabbitMQ has. After a rotation of passwords restart it "
                "(docs/operations.md, Rotate keys)."
            ),
            [_rate("rabbitmq_auth_attempts_failed_total", "refused")],
        ),
    ],
)

_RESOURCES = Row(
    "Resources",
    [
        Panel(
            "Memory",
            BYTES,
            "What it has, and the limit above which publishers are held up.",
            "Used near the limit: look at the queue depths, or raise rabbitmq.memoryHighWatermark and rabbitmq.resources.",
            [
                Query("max(rabbitmq_process_resident_memory_bytes{@})", "used"),
                Query("max(rabbitmq_resident_memory_limit_bytes{@})", "limit"),
            ],
        ),
        Panel(
            "Free disk",
            BYTES,
            "What is free on the volume, and the limit below which publishers are held up.",
            "Falls steadily: make the volume larger (docs/operations.md).",
            [
                Query("min(rabbitmq_disk_space_available_bytes{@})", "free"),
                Query("max(rabbitmq_disk_space_available_limit_bytes{@})", "limit"),
            ],
        ),
    ],
)

BOARD = Board(
    "rabbitmq",
    "Levain / RabbitMQ",
    "The broker, by its own plugin rabbitmq_prometheus: /metrics, and of /metrics/detailed the queues one by one.",
    ("rabbitmq_identity_info",),
    (_NOW, _QUEUES, _FLOW, _CONNECTIONS, _RESOURCES),
)
