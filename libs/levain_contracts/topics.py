"""Names on the broker. DESIGN: events fan out over a topic exchange, work goes through direct queues."""

from enum import StrEnum

EVENTS_EXCHANGE = "training.events"
# `training.*` is one word only and would miss `training.product.completed`.
EVENTS_BINDING = "training.#"
WORK_EXCHANGE = "training.work"


class WorkQueue(StrEnum):
    TASKS = "training.tasks"
    RESULTS = "training.results"
    DEAD_TASKS = "training.tasks.dead"


# A queue allows `DELIVERY_LIMIT + 1` deliveries before it dead-letters; results have no limit, so that none is lost.
DELIVERY_LIMIT = 3
