"""The states of a job and of a product and their legal transitions. Terminal states are final."""

from enum import StrEnum


class JobState(StrEnum):
    PENDING = "pending"
    ANALYSING = "analysing"
    TRAINING = "training"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        return not JOB_TRANSITIONS[self]


class ProductState(StrEnum):
    PENDING = "pending"
    TRAINED = "trained"
    FAILED = "failed"

    @property
    def terminal(self) -> bool:
        return not PRODUCT_TRANSITIONS[self]


_ENDS = frozenset({JobState.FAILED, JobState.CANCELLED})

JOB_TRANSITIONS: dict[JobState, frozenset[JobState]] = {
    JobState.PENDING: frozenset({JobState.ANALYSING}) | _ENDS,
    # Back to pending: the analyst's lease lapsed and another takes the job over.
    JobState.ANALYSING: frozenset({JobState.PENDING, JobState.TRAINING}) | _ENDS,
    JobState.TRAINING: frozenset({JobState.COMPLETED}) | _ENDS,
    JobState.COMPLETED: frozenset(),
    JobState.FAILED: frozenset(),
    JobState.CANCELLED: frozenset(),
}

PRODUCT_TRANSITIONS: dict[ProductState, frozenset[ProductState]] = {
    ProductState.PENDING: frozenset({ProductState.TRAINED, ProductState.FAILED}),
    ProductState.TRAINED: frozenset(),
    ProductState.FAILED: frozenset(),
}


class IllegalTransition(ValueError):
    """The job or product can't go from its state to the one asked for."""


def move(state: JobState, to: JobState) -> JobState:
    """The new state. Raises `IllegalTransition`."""
    if to not in JOB_TRANSITIONS[state]:
        raise IllegalTransition(f"a job that is {state} can't become {to}")
    return to


def verdict(total: int, completed: int, failed: int, max_failed: int | None) -> tuple[JobState, str | None]:
    """State and reason of a job in training after `completed` products ended, `failed` of them without a forecast."""
    if max_failed is not None and failed > max_failed:
        return JobState.FAILED, "too_many_failed_products"
    if completed < total:
        return JobState.TRAINING, None
    if failed == total:
        return JobState.FAILED, "all_products_failed"
    return JobState.COMPLETED, None
