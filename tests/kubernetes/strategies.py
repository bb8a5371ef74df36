"""Any TrainingJob, any status that a CRD would take, any view of its job."""

from datetime import UTC, datetime, timedelta
from typing import TypeVar

from hypothesis import strategies as st
from pydantic import BaseModel
from tests.contracts.strategies import codes, failures, ids, messages
from tests.kubernetes.world import START, TENANT, UID

from levain_contracts.claims import Role
from levain_contracts.frames import Stage
from levain_contracts.jobs import JobState
from levain_contracts.kubernetes.base import Condition, Truth
from levain_contracts.kubernetes.training_job import (
    Dataset,
    FailureStatus,
    ProgressStatus,
    TrainingJobSpec,
    TrainingJobStatus,
)
from levain_contracts.resources import DatasetRef, Job, JobSpec
from levain_operator.observed import Marked, NoSuchJob, NotAsked, Observed, Presence, Refused, Told, Trouble, Unreadable
from levain_operator.pace import Pace
from levain_operator.reasons import Kind
from levain_operator.tenancy import NoTenant

Model = TypeVar("Model", bound=BaseModel)


def models(model: type[Model], **fields: st.SearchStrategy[object]) -> st.SearchStrategy[Model]:
    """As `st.builds`, which takes a field with an alias for two."""
    return st.fixed_dictionaries(fields).map(model.model_validate)


moments = st.integers(-86_400, 400 * 86_400).map(lambda seconds: START + timedelta(seconds=seconds))
counts = st.integers(0, 1000)
reasons = st.sampled_from(["Pending", "Accepted", "Running", "Suspended", "Completed", "Cancelled", "UnknownDataset", "ServiceUnavailable"])

specs = models(
    TrainingJobSpec,
    dataset=st.builds(Dataset, name=ids),
    suspend=st.booleans(),
    horizon_days=st.integers(1, 365),
    max_failed_products=st.none() | counts,
    ttl_seconds_after_finished=st.none() | st.sampled_from([0, 60, 86_400]),
) | st.builds(Unreadable, messages)

conditions = st.lists(
    models(
        Condition,
        type=st.sampled_from([k.value for k in Kind]),
        status=st.sampled_from(Truth),
        reason=reasons,
        message=messages,
        observed_generation=st.none() | st.integers(0, 5),
        last_transition_time=moments,
    ),
    max_size=5,
    unique_by=lambda c: c.type,
).map(tuple)

statuses = models(
    TrainingJobStatus,
    observed_generation=st.none() | st.integers(0, 5),
    job_id=st.none() | st.just(UID),
    tenant_id=st.none() | st.sampled_from([TENANT, "other"]),
    start_time=st.none() | moments,
    completion_time=st.none() | moments,
    conditions=conditions,
    progress=st.none()
    | models(
        ProgressStatus, percent=st.integers(0, 100), completed=counts, failed=counts, total=st.none() | counts, last_update_time=moments
    ),
    failures=st.lists(models(FailureStatus, product_id=ids, product=st.just("Brot"), reason=codes), max_size=3).map(tuple),
    stream_url=st.none() | st.just("wss://levain.example/x"),
)

jobs = st.builds(
    Job,
    job_id=st.just(UID),
    tenant_id=st.just(TENANT),
    spec=st.builds(JobSpec, dataset=st.builds(DatasetRef, name=ids)),
    state=st.sampled_from(JobState),
    stage=st.sampled_from(Stage),
    suspended=st.booleans(),
    progress=st.integers(0, 100),
    seq=st.integers(0, 50),
    products_completed=counts,
    products_failed=counts,
    total_products=st.none() | counts,
    failures=failures,
    reason=st.none() | codes,
    message=st.none() | messages,
    created_at=moments,
    started_at=st.none() | moments,
    ended_at=st.none() | moments,
    updated_at=moments,
    started_by=st.none() | st.sampled_from(Role),
)

views = st.one_of(
    st.sampled_from([NotAsked(), NoSuchJob(), Marked()]), st.builds(Refused, codes, messages), st.builds(Told, jobs, st.booleans())
)

observations = st.builds(
    Observed,
    uid=st.just(UID),
    name=st.just("bakery"),
    generation=st.integers(0, 5),
    presence=st.sampled_from(Presence),
    status=statuses,
    tenant=st.sampled_from([TENANT, "other"]) | st.none() | st.builds(NoTenant, messages),
    view=views,
    trouble=st.none() | st.builds(Trouble, st.integers(1, 100), moments, messages, st.none() | st.floats(0, 1e6)),
    pace=st.builds(Pace, st.none() | moments, counts, st.floats(0, 1e6), st.floats(0, 1e6)),
    now=st.datetimes(datetime(2026, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  # Hypothesis adds the zone
)
