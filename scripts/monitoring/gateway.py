"""The dashboard *Gateway*: requests, refusals, tunnels, and what goes wrong with the training service behind it."""

from scripts.monitoring.board import BYTES_PER_SECOND, COUNT, PER_SECOND, SECONDS, SHARE, Board, Panel, Query, Row

_NOW = Row(
    "Now",
    [
        Panel(
            "Open sockets",
            COUNT,
            "Live sockets that are tunnelled now.",
            "Falls while jobs run: the board Connections says why they close.",
            [Query("sum(levain_gateway_websockets_open{@})", "open")],
            "number",
        ),
        Panel(
            "Requests",
            PER_SECOND,
            "HTTP requests that were answered, by all gateways.",
            "Far more than there are people: a client that polls without a pause; the refusals and the gateway's log name it.",
            [Query("sum(rate(levain_gateway_http_requests_total{@}[$__rate_interval]))", "requests")],
            "number",
        ),
        Panel(
            "Server errors",
            SHARE,
            "Share of answers of 5xx.",
            "Above 1 %: see what went wrong with the training service below.",
            [
                Query(
                    'sum(rate(levain_gateway_http_requests_total{status="5xx",@}[$__rate_interval]))'
                    " / (sum(rate(levain_gateway_http_requests_total{@}[$__rate_interval])) > 0)",
                    "5xx",
                )
            ],
            "number",
            red_from=0.01,
        ),
        Panel(
            "Trouble with the service",
            PER_SECOND,
            "Requests and sockets that the training service did not serve.",
            "Not 0 for minutes: see the runbook, LevainUpstreamFailures.",
            [Query("sum(rate(levain_gateway_upstream_failures_total{@}[$__rate_interval]))", "failures")],
            "number",
        ),
        Panel(
            "Gateways without a service",
            COUNT,
            "Gateways whose training service says that it is not ready.",
            "Not 0 for minutes: `/readyz` of a replica says what it lacks.",
            [Query("count(levain_gateway_upstream_ready{@}) - sum(levain_gateway_upstream_ready{@})", "without")],
            "number",
            red_from=1,
        ),
    ],
)

_HTTP = Row(
    "Requests",
    [
        Panel(
            "Answers, by class",
            PER_SECOND,
            "Answers by the class of their status.",
            "4xx are clients' mistakes: see the refusals. 5xx are ours: see the trouble with the service.",
            [Query("sum by (status) (rate(levain_gateway_http_requests_total{@}[$__rate_interval]))", "{{status}}")],
            "stacked",
        ),
        Panel(
            "Refused here, by reason",
            PER_SECOND,
            "What the gateway refused by itself, by the reasons of docs/gateway.md.",
            (
                "token_invalid of all clients at once: the issuer changed its keys or a clock is wrong. too_many_connections: one "
                "address or tenant opens more than it may. upstream_…: the training service."
            ),
            [Query("sum by (reason) (rate(levain_gateway_refusals_total{@}[$__rate_interval]))", "{{reason}}")],
            "stacked",
        ),
        Panel(
            "Trouble with the service, by kind",
            PER_SECOND,
            "Requests and sockets that the training service did not serve.",
            (
                "connect: no replica is there, look at its pods. timeout: it takes too long, look at its store. answer: it spoke no "
                "HTTP, versions differ. lost: it died amid a response or socket."
            ),
            [Query("sum by (kind) (rate(levain_gateway_upstream_failures_total{@}[$__rate_interval]))", "{{kind}}")],
        ),
        Panel(
            "Time to an answer",
            SECONDS,
            "From a request to the head of its answer.",
            (
                "Slow together with the store's transactions (board Training): the database. Slow alone: uploads, or gateways without "
                "processor."
            ),
            [
                Query(
                    f"histogram_quantile({quantile}, sum by (le) "
                    f"(rate(levain_gateway_http_response_seconds_bucket{{@}}[$__rate_interval])))",
                    f"p{quantile * 100:g}",
                )
                for quantile in (0.5, 0.99)
            ],
        ),
    ],
)

_SOCKETS = Row(
    "Sockets",
    [
        Panel(
            "Open sockets, by pod",
            COUNT,
            "Live sockets of each gateway; they stay where they are until their job ends.",
            "All on one pod for hours: the load balancer does not spread new ones. Uneven after a rollout is normal.",
            [Query("sum by (pod) (levain_gateway_websockets_open{@})", "{{pod}}")],
            "stacked",
        ),
        Panel(
            "Opened and closed",
            PER_SECOND,
            "Sockets that come and go.",
            "Both high and the open ones level: clients come back again and again, see the closes by code on the board Connections.",
            [
                Query("sum(rate(levain_gateway_websockets_opened_total{@}[$__rate_interval]))", "opened"),
                Query("sum(rate(levain_gateway_websockets_closed_total{@}[$__rate_interval]))", "closed"),
            ],
        ),
        Panel(
            "Handshake",
            SECONDS,
            "From a live request to its tunnel, or to its refusal.",
            "opened is slow: the training service answers late. refused is slow: it is away, and the gateway waited for it.",
            [
                Query(
                    "histogram_quantile(0.99, sum by (le, outcome) (rate(levain_gateway_handshake_seconds_bucket{@}[$__rate_interval])))",
                    "p99 {{outcome}}",
                )
            ],
        ),
        Panel(
            "No handshake",
            PER_SECOND,
            "Upgrades that were no WebSocket handshake.",
            "All of them, and no socket opens: a proxy in front strips Upgrade and Connection; see the annotations of the Ingress.",
            [Query("sum by (status) (rate(levain_gateway_handshakes_failed_total{@}[$__rate_interval]))", "{{status}}")],
        ),
    ],
)

_BYTES = Row(
    "Tunnels",
    [
        Panel(
            "Bytes",
            BYTES_PER_SECOND,
            "Down to clients and up from them.",
            ("Up is as large as down: somebody sends on live sockets, which have nothing to hear; the service closes who says too much."),
            [Query("sum by (direction) (rate(levain_gateway_tunnel_bytes_total{@}[$__rate_interval]))", "{{direction}}")],
        ),
        Panel(
            "Slow clients",
            COUNT,
            "Clients that do not read as fast as they are sent.",
            "All of one pod: its network. Some: phones in tunnels; the service closes who stays slow.",
            [Query("sum by (pod) (levain_gateway_websockets_slow{@})", "{{pod}}")],
        ),
        Panel(
            "Frames to clients",
            PER_SECOND,
            ("Frames that went through to clients."),
            (
                "Far below what the service sends (board Connections) for long: tunnels are slow, look at the gateways' processor and "
                "network."
            ),
            [Query("sum(rate(levain_gateway_tunnel_frames_total{@}[$__rate_interval]))", "frames")],
        ),
    ],
)

BOARD = Board(
    "gateway",
    "Levain / Gateway",
    "What comes in from outside, what is refused, and how the training service behind it does.",
    ("levain_gateway_websockets_open",),
    (_NOW, _HTTP, _SOCKETS, _BYTES),
)
