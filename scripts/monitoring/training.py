"""The dashboard *Training*: jobs, products, queues, workers, the store, and the operator that starts jobs."""

from scripts.monitoring.board import COUNT, PER_SECOND, SECONDS, Board, Panel, Query, Row

_NOW = Row(
    "Now",
    [
        Panel(
            "Jobs open",
            COUNT,
            "Jobs that have not ended, in the whole store, suspended ones too.",
            "Grows all day: more is started than trained; see the ETA and the workers.",
            [Query("sum(max by (state) (levain_training_jobs_open{@}))", "open")],
            "number",
        ),
        Panel(
            "Products waiting or training",
            COUNT,
            "Products that have not ended, of jobs that are not suspended.",
            "Not 0 and not moving: see the runbook, LevainTasksStuck and LevainNoWorker.",
            [Query("max(levain_training_products_open{@})", "open")],
            "number",
        ),
        Panel(
            "ETA",
            SECONDS,
            "Time until all of them have ended, at the pace of the last 5 minutes; empty where nothing trains.",
            "Too long: add workers (workers.replicas, or KEDA).",
            [Query("max(levain_training_products_open{@}) / (sum(rate(levain_training_products_ended_total{@}[5m])) > 0)", "left")],
            "number",
        ),
        Panel(
            "Workers",
            COUNT,
            "Slots of workers that train one batch each.",
            "0 while products wait: no worker is up, see the runbook, LevainNoWorker.",
            [Query("sum(levain_worker_slots{@})", "slots")],
            "number",
        ),
        Panel(
            "Slots at work",
            COUNT,
            "Batches that are trained now.",
            (
                "All slots at work and the queue deep: add workers. Few at work and the queue deep: workers can't take batches, look at "
                "their consumers on the board RabbitMQ."
            ),
            [Query("sum(levain_worker_tasks_running{@})", "running")],
            "number",
        ),
    ],
)

_JOBS = Row(
    "Jobs",
    [
        Panel(
            "Jobs, by state",
            COUNT,
            "Jobs that have not ended.",
            (
                "Many pending: the analysts are behind, one dataset after the other is read; add replicas. Many analysing for long: "
                "datasets that are slow to read."
            ),
            [Query("max by (state) (levain_training_jobs_open{@})", "{{state}}")],
            "stacked",
        ),
        Panel(
            "Jobs started and ended",
            PER_SECOND,
            "Started, and ended by terminal state.",
            "Started without ends: see the products. Failed: the reasons are beside this.",
            [
                Query("sum(rate(levain_training_jobs_accepted_total{@}[$__rate_interval]))", "started"),
                Query("sum by (state) (rate(levain_training_jobs_ended_total{@}[$__rate_interval]))", "{{state}}"),
            ],
        ),
        Panel(
            "Failed jobs, by reason",
            PER_SECOND,
            "Jobs that failed, by the reasons of docs/errors.md.",
            (
                "A code of a file: tell who sends it. analysis_failed: the reader died, look for its memory limit. "
                "too_many_failed_products, all_products_failed: see the reasons of products."
            ),
            [Query("sum by (reason) (rate(levain_training_job_failures_total{@}[$__rate_interval]))", "{{reason}}")],
            "stacked",
        ),
    ],
)

_PRODUCTS = Row(
    "Products",
    [
        Panel(
            "Products ended",
            PER_SECOND,
            "Products a second, trained and failed.",
            "0 while products wait: see the workers. Mostly failed: see the reasons.",
            [Query("sum by (outcome) (rate(levain_training_products_ended_total{@}[$__rate_interval]))", "{{outcome}}")],
            "stacked",
        ),
        Panel(
            "Failed products, by reason",
            PER_SECOND,
            "Products that failed, by the reasons of docs/errors.md. too_little_history, dormant, no_sales are the data's.",
            (
                "out_of_memory, time_limit, worker_process_died: raise the workers' limits, or look at the trainer. worker_lost: whole "
                "workers vanish, look at evictions."
            ),
            [Query("sum by (reason) (rate(levain_training_product_failures_total{@}[$__rate_interval]))", "{{reason}}")],
            "stacked",
        ),
        Panel(
            "Training one product",
            SECONDS,
            "Median and p99 by trainer.",
            "Slower on all trainers: workers share their cores, look at throttling. Slower on one: its data or its version changed.",
            [
                Query(
                    f"histogram_quantile({quantile}, sum by (le, trainer) "
                    f"(rate(levain_worker_product_seconds_bucket{{@}}[$__rate_interval])))",
                    f"p{quantile * 100:g} {{{{trainer}}}}",
                )
                for quantile in (0.5, 0.99)
            ],
        ),
    ],
)

_WORK = Row(
    "Queues and batches",
    [
        Panel(
            "Queue depth",
            COUNT,
            (
                "Messages that wait, as the replicas see them; a gap means that the broker did not say. training.tasks is deep by "
                "design, up to LEVAIN_BATCHES_OUT a job."
            ),
            (
                "training.results grows: the replicas can't store what workers report, look at the store. training.tasks.dead stays "
                "above 0: no reconcile runs."
            ),
            [Query("max by (queue) (levain_training_queue_messages{@})", "{{queue}}")],
        ),
        Panel(
            "Batches out",
            COUNT,
            "Batches with workers or on their way, and those whose lease ran out.",
            "Lapsed stays above 0: see the runbook, LevainLeasesLapse.",
            [
                Query("max(levain_training_batches_out{@})", "out"),
                Query("max(levain_training_batches_lapsed{@})", "lapsed"),
            ],
        ),
        Panel(
            "Batches sent, redelivered, dead-lettered",
            PER_SECOND,
            (
                "Batches on their way to workers. Redelivered: a worker had it and did not settle it. Dead-lettered: it came to no end "
                "however often it was tried."
            ),
            "Redelivered outside a rollout: workers die, see their deaths below. Dead-lettered: see the runbook, LevainDeadLetters.",
            [
                Query("sum(rate(levain_training_tasks_sent_total{@}[$__rate_interval]))", "sent"),
                Query("sum(rate(levain_worker_tasks_redelivered_total{@}[$__rate_interval]))", "redelivered"),
                Query("sum(rate(levain_training_tasks_dead_lettered_total{@}[$__rate_interval]))", "dead-lettered"),
            ],
        ),
        Panel(
            "Sessions with the broker",
            COUNT,
            "1 while every replica has this session: publishing, watching events, and taking results and dead letters.",
            "0: a replica can't do that; its readiness and its log say why. All at once: look at RabbitMQ.",
            [Query("min by (session) (levain_training_broker_session_up{@})", "{{session}}")],
        ),
    ],
)

_WORKERS = Row(
    "Workers",
    [
        Panel(
            "Slots and batches at work",
            COUNT,
            "Slots that are open, and batches that are trained.",
            "A pod without a line is down or not scraped: look for it with kubectl get pods.",
            [
                Query("sum by (pod) (levain_worker_slots{@})", "slots {{pod}}"),
                Query("sum by (pod) (levain_worker_tasks_running{@})", "at work {{pod}}"),
            ],
        ),
        Panel(
            "Deaths of child processes",
            PER_SECOND,
            "Trainers that died at work.",
            (
                "out_of_memory: raise LEVAIN_CHILD_MEMORY_BYTES and the pod's limit. time_limit: a product that takes too long. "
                "worker_process_died: the trainer crashed, its last words are in the worker's log."
            ),
            [Query("sum by (reason) (rate(levain_worker_child_deaths_total{@}[$__rate_interval]))", "{{reason}}")],
        ),
        Panel(
            "Workers that are handed batches",
            COUNT,
            "1 while a worker's consumer is up.",
            "0 on one: its log says why it can't reach RabbitMQ. 0 on all: look at RabbitMQ.",
            [Query("min by (pod) (levain_worker_consumer_up{@})", "{{pod}}")],
        ),
    ],
)

_STORE = Row(
    "Store and reconcile",
    [
        Panel(
            "Store transactions",
            SECONDS,
            "The slowest of a hundred, as their callers see them, with the wait for a connection.",
            ("write above 0.1 s: the database's disk, or one job's row that all want. Everything above 1 s: look at the database first."),
            [
                Query(
                    "histogram_quantile(0.99, sum by (le, kind) "
                    "(rate(levain_training_store_transaction_seconds_bucket{@}[$__rate_interval])))",
                    "p99 {{kind}}",
                )
            ],
        ),
        Panel(
            "Store away",
            PER_SECOND,
            "Transactions that found no database.",
            "Clients get 503 meanwhile, results wait in training.results. Not 0: look at the database.",
            [Query("sum by (kind) (rate(levain_training_store_failures_total{@}[$__rate_interval]))", "{{kind}}")],
        ),
        Panel(
            "Repairs, by kind",
            PER_SECOND,
            "What a comparison had to mend.",
            (
                "All 0 in a quiet system; some after something died. For longer: messages or processes are being lost, see the runbook, "
                "LevainRepairs."
            ),
            [Query("sum by (kind) (rate(levain_training_repairs_total{@}[$__rate_interval]))", "{{kind}}")],
        ),
        Panel(
            "Reconcile",
            SECONDS,
            "How long a comparison takes.",
            "Longer than LEVAIN_RECONCILE_SECONDS: what is lost is found late; look at the store.",
            [Query("histogram_quantile(0.99, sum by (le) (rate(levain_training_reconcile_seconds_bucket{@}[$__rate_interval])))", "p99")],
        ),
    ],
)

_OPERATOR = Row(
    "Operator",
    [
        Panel(
            "Leaders",
            COUNT,
            "Operators that hold the Lease: 1.",
            "0: nobody serves TrainingJobs, see the runbook, LevainNoOperatorLeads. Empty: the operator is off, or not scraped.",
            [Query("sum(levain_operator_leading{@})", "leaders")],
        ),
        Panel(
            "Age of the last sign",
            SECONDS,
            "Since the watch showed something, and since the training service told what changed.",
            (
                "watch over 240 s: the process is started anew. poll grows: the service can't be reached, the status of TrainingJobs "
                "stands still."
            ),
            [
                Query("max(levain_operator_watch_age_seconds{@})", "watch"),
                Query("max(levain_operator_poll_age_seconds{@})", "poll"),
            ],
        ),
        Panel(
            "Resources whose turn it is",
            COUNT,
            "Resources that wait for their plan, or are at work.",
            "Grows: the API server or the training service answers too slowly, see the errors beside this.",
            [Query("max(levain_operator_resources_waiting{@})", "waiting")],
        ),
    ],
)

_RECONCILES = Row(
    "Plans of the operator",
    [
        Panel(
            "Plans",
            PER_SECOND,
            "Plans that were carried out, by kind and outcome.",
            "failed, error: the operator's log names the resource.",
            [Query("sum by (kind, outcome) (rate(levain_operator_reconciles_total{@}[$__rate_interval]))", "{{kind}} {{outcome}}")],
        ),
        Panel(
            "Time of a plan",
            SECONDS,
            "From a resource's turn to the end of its plan.",
            "Slow: calls of the API server are (levain_operator_api_call_seconds), or the service's.",
            [
                Query(
                    "histogram_quantile(0.99, sum by (le, kind) (rate(levain_operator_reconcile_seconds_bucket{@}[$__rate_interval])))",
                    "p99 {{kind}}",
                )
            ],
        ),
        Panel(
            "Repairs of the operator",
            PER_SECOND,
            "What a comparison had to mend.",
            "Some after a restart. For long: the watch loses events, look at the API server.",
            [Query("sum by (kind) (rate(levain_operator_repairs_total{@}[$__rate_interval]))", "{{kind}}")],
        ),
        Panel(
            "Errors of the API server",
            PER_SECOND,
            "Calls that failed, by status; 0 means no answer.",
            "403: the operator's rights, upgrade the release. 409: some are normal. 429, 5xx: it is overloaded.",
            [Query("sum by (status) (rate(levain_operator_api_errors_total{@}[$__rate_interval]))", "{{status}}")],
        ),
    ],
)

BOARD = Board(
    "training",
    "Levain / Training",
    "Jobs and products, the queues and workers that they go through, the store, and the operator.",
    ("levain_training_viewers", "levain_worker_children", "levain_operator_leading"),
    (_NOW, _JOBS, _PRODUCTS, _WORK, _WORKERS, _STORE, _OPERATOR, _RECONCILES),
)
