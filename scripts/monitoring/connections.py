"""The dashboard *Connections*: who watches, how fast news reach them, and who falls behind."""

from scripts.monitoring.board import BYTES_PER_SECOND, COUNT, PER_SECOND, SECONDS, Board, Panel, Query, Row


def _lag(quantile: float) -> Query:
    buckets = "sum by (le, stage) (rate(levain_training_event_lag_seconds_bucket{@}[$__rate_interval]))"
    return Query(f"histogram_quantile({quantile}, {buckets})", f"p{quantile * 100:g} {{{{stage}}}}")


_WRITTEN = 'rate(levain_training_event_lag_seconds_bucket{stage="written",@}[$__rate_interval])'

_NOW = Row(
    "Now",
    [
        Panel(
            "Open sockets",
            COUNT,
            "Live sockets of clients at the gateways.",
            "Falls to half while jobs run: look at the closes by code below.",
            [Query("sum(levain_gateway_websockets_open{@})", "open")],
            "number",
        ),
        Panel(
            "Viewers at the service",
            COUNT,
            "The same sockets as the training service counts them.",
            (
                "They differ by those on their way. A lasting difference: a gateway keeps sockets of a dead service, "
                "or viewers come past the gateway."
            ),
            [Query("sum(levain_training_viewers{@})", "viewers")],
            "number",
        ),
        Panel(
            "Slow viewers",
            COUNT,
            "Viewers whose buffer is full: their frames are conflated, and who stays slow is closed with 4408.",
            "Some are normal (phones in tunnels). Nearly all: the network of a gateway is full, look at its bytes.",
            [Query("sum(levain_training_viewers_slow{@})", "slow")],
            "number",
        ),
        Panel(
            "Lag, p99",
            SECONDS,
            "From a job's step to the frame in the sockets of its viewers.",
            "Over 1 s: see the row Lag for the stage that is late, and the runbook.",
            [Query(f"histogram_quantile(0.99, sum by (le) ({_WRITTEN}))", "p99")],
            "number",
            red_from=1,
        ),
        Panel(
            "Replicas that hear no events",
            COUNT,
            "Replicas whose consumer is down: their viewers see news only when the store is compared, every 2 s.",
            "Not 0 for minutes: look at RabbitMQ, then at the log of the replica (runbook: LevainConsumerDown).",
            [Query("count(levain_training_consumer_up{@}) - sum(levain_training_consumer_up{@})", "deaf")],
            "number",
            red_from=1,
        ),
    ],
)

_OPENING = Row(
    "Opening and closing",
    [
        Panel(
            "Connects",
            PER_SECOND,
            "Sockets that were opened.",
            "A saw of connects and closes is clients that come back again and again: the closes by code say why.",
            [
                Query("sum(rate(levain_gateway_websockets_opened_total{@}[$__rate_interval]))", "at gateways"),
                Query("sum(rate(levain_training_viewer_connects_total{@}[$__rate_interval]))", "at the service"),
            ],
        ),
        Panel(
            "Closes, by code",
            PER_SECOND,
            ("Sockets that ended, by the code that clients saw: 1000 is the job's end, 1001 and 1005 a client that left, 1012 a restart."),
            (
                "1006, 1011, 1013: something broke, see the board Gateway. 4401: tokens that expired. 4404: links to jobs that do not "
                "exist. 4408: too slow."
            ),
            [Query("sum by (code) (rate(levain_gateway_websockets_closed_total{@}[$__rate_interval]))", "{{code}}")],
            "stacked",
        ),
        Panel(
            "Refused by the service, by reason",
            PER_SECOND,
            "Sockets that ended before a first frame.",
            (
                "unauthenticated, forbidden: keys or clocks of issuers differ between gateway and service. store_away: the database. "
                "too_many: the limit on viewers is reached, add replicas. draining: a rollout."
            ),
            [Query("sum by (reason) (rate(levain_training_viewer_refusals_total{@}[$__rate_interval]))", "{{reason}}")],
            "stacked",
        ),
        Panel(
            "Pods that send viewers away",
            COUNT,
            "Gateways and replicas that drain, so that they can end: some in each rollout, and none after.",
            "Stays above 0: a pod does not end within its grace; its log says what it waits for.",
            [
                Query("sum(levain_gateway_draining{@})", "gateways"),
                Query("sum(levain_training_draining{@})", "replicas"),
            ],
        ),
    ],
)

_LAG = Row(
    "Lag",
    [
        Panel(
            "Lag by stage",
            SECONDS,
            (
                "From a job's step until its event is with the broker (published), at a replica (received), in the viewers' sockets "
                "(written)."
            ),
            (
                "The first stage that is late is the one to look at: published: the broker blocks or is away; received: the consumer; "
                "written: the replica has no processor left."
            ),
            [_lag(0.5), _lag(0.99)],
        ),
        Panel(
            "Handshake",
            SECONDS,
            "From a live request to its first frames, or to its refusal, at the service.",
            "Slow together with the store's transactions: the database. Slow alone: too many viewers came at once, it passes.",
            [
                Query(
                    "histogram_quantile(0.99, sum by (le, outcome) (rate(levain_training_handshake_seconds_bucket{@}[$__rate_interval])))",
                    "p99 {{outcome}}",
                )
            ],
        ),
    ],
)

_FAN_OUT = Row(
    "Fan-out",
    [
        Panel(
            "Frames sent",
            PER_SECOND,
            "Frames to viewers: events times their viewers.",
            "Falls to 0 while products end (board Training): viewers hear nothing, look at the consumers.",
            [Query("sum by (pod) (rate(levain_training_frames_sent_total{@}[$__rate_interval]))", "{{pod}}")],
            "stacked",
        ),
        Panel(
            "Bytes sent",
            BYTES_PER_SECOND,
            "Bytes of these frames.",
            (
                "Near the limit of the network, or far above frames times 300 bytes: snapshots of large jobs, so clients that connect "
                "again and again."
            ),
            [Query("sum by (pod) (rate(levain_training_frame_bytes_sent_total{@}[$__rate_interval]))", "{{pod}}")],
            "stacked",
        ),
        Panel(
            "Events consumed",
            PER_SECOND,
            "What the replicas made of events: delivered to viewers, or unwatched.",
            (
                "unknown_type: a newer version publishes, finish the rollout. unreadable: somebody else writes into our exchange; it is "
                "logged."
            ),
            [Query("sum by (type, outcome) (rate(levain_training_events_consumed_total{@}[$__rate_interval]))", "{{type}} {{outcome}}")],
        ),
    ],
)

_TROUBLE = Row(
    "Slow and dead viewers",
    [
        Panel(
            "Slow viewers",
            COUNT,
            "Viewers with a full buffer, by replica.",
            "All on one replica: its node's network. All on all: a gateway in between is full.",
            [Query("sum by (pod) (levain_training_viewers_slow{@})", "{{pod}}")],
        ),
        Panel(
            "Dead viewers",
            PER_SECOND,
            "Viewers that were dropped since no pong came: networks that went silent.",
            "A burst: a network or a gateway died without a word; look at the nodes of the gateways.",
            [Query("sum by (pod) (rate(levain_training_viewers_dead_total{@}[$__rate_interval]))", "{{pod}}")],
        ),
        Panel(
            "Frames conflated and dropped",
            PER_SECOND,
            (
                "Conflated: a newer frame took the place of one that waited; the viewer misses nothing in the end. Dropped: the viewer "
                "was closed, and comes back."
            ),
            "Dropped for long: clients can't keep up; look at their network, and at the slow clients on the board Gateway.",
            [
                Query("sum(rate(levain_training_frames_conflated_total{@}[$__rate_interval]))", "conflated"),
                Query("sum(rate(levain_training_frames_dropped_total{@}[$__rate_interval]))", "dropped"),
            ],
        ),
        Panel(
            "Events lost, viewers found behind",
            PER_SECOND,
            "Events that could not be published, and viewers that a comparison with the store found behind: something was lost on its way.",
            (
                "Some while RabbitMQ restarts: harmless, viewers are repaired. For longer: lost is the broker, see its alarms; behind "
                "alone is a queue of events that overflows, see the board RabbitMQ."
            ),
            [
                Query('sum(rate(levain_training_events_published_total{outcome="lost",@}[$__rate_interval]))', "lost"),
                Query('sum(rate(levain_training_repairs_total{kind="viewer_behind",@}[$__rate_interval]))', "behind"),
            ],
        ),
    ],
)

BOARD = Board(
    "connections",
    "Levain / Connections",
    "Live sockets: who watches, how fast news reach them, and who falls behind.",
    ("levain_training_viewers", "levain_gateway_websockets_open"),
    (_NOW, _OPENING, _LAG, _FAN_OUT, _TROUBLE),
)
