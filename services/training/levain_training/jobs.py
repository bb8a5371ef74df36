"""What can be asked of a job: each request is one transaction, then its events are published and the work is woken."""

import time
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

import sqlalchemy as sa

from levain_contracts.claims import Role
from levain_contracts.jobs import JobState
from levain_contracts.report import DataReport
from levain_contracts.resources import MAX_SELECTED_PRODUCTS, Dataset, DatasetRef, Job, JobSpec
from levain_training.connections import ConnectionManager
from levain_training.dispatcher import Dispatcher
from levain_training.forecasting.registry import TrainerNotLoadable, UnknownModel, plan_of
from levain_training.problems import Refused
from levain_training.publisher import EventPublisher
from levain_training.samples import Samples
from levain_training.settings import Settings
from levain_training.store import datasets, jobs, products
from levain_training.store.clock import at, maybe_at
from levain_training.store.engine import Store
from levain_training.store.live import stage
from levain_training.uris import UriNotAllowed, allowed, prefixes_of

NO_SUCH_JOB = "this tenant has no job of this id"


class _UnknownDataset(Exception):
    def __init__(self, field: str, name: str) -> None:
        super().__init__(field, name)
        self.field = field
        self.name = name


class Starter(NamedTuple):
    """Who starts a job, and by which request."""

    role: Role
    request_id: str | None = None


class Jobs:
    def __init__(
        self,
        store: Store,
        publisher: EventPublisher,
        wake_analysts: Callable[[], None],
        dispatcher: Dispatcher,
        connections: ConnectionManager,
        samples: Samples,
        settings: Settings,
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._wake_analysts = wake_analysts
        self._dispatcher = dispatcher
        self._connections = connections
        self._samples = samples
        self._settings = settings

    async def put(self, tenant_id: str, job_id: str, spec: JobSpec, starter: Starter, retry_of: str | None = None) -> tuple[Job, bool]:
        """The job, and whether it was made now. Raises `Refused`."""
        spec = await self._checked(tenant_id, spec)

        def create(connection: sa.Connection) -> jobs.Step | None:
            known = jobs.find(connection, tenant_id, job_id)
            columns = {} if known is not None else _columns(connection, tenant_id, spec, starter)
            return jobs.create(connection, tenant_id, job_id, spec, columns, time.time(), retry_of)

        try:
            step = await self._store.write(create)
        except jobs.OtherSpec:
            raise Refused(409, "other_spec", "a job of this id exists with another spec; choose another id") from None
        except _UnknownDataset as error:
            raise _unknown_dataset(error) from None
        return await self._begun(tenant_id, job_id, step)

    async def post(self, tenant_id: str, spec: JobSpec, starter: Starter, idempotency_key: str | None) -> tuple[Job, bool]:
        """As `put`, with an id of ours; a repeated key gives the first request's job. Raises `Refused`."""
        new_id = str(uuid.uuid4())
        if idempotency_key is None:
            return await self.put(tenant_id, new_id, spec, starter)
        spec = await self._checked(tenant_id, spec)

        def create(connection: sa.Connection) -> tuple[str, jobs.Step | None]:
            def dataset_of() -> dict[str, Any]:
                return _columns(connection, tenant_id, spec, starter)

            return jobs.create_once(connection, tenant_id, new_id, spec, dataset_of, time.time(), idempotency_key)

        try:
            job_id, step = await self._store.write(create)
        except jobs.OtherBody:
            detail = "this key came with another body before; use a new key for a new job"
            raise Refused(422, "idempotency_key_reused", detail, field="Idempotency-Key") from None
        except _UnknownDataset as error:
            raise _unknown_dataset(error) from None
        return await self._begun(tenant_id, job_id, step)

    async def _checked(self, tenant_id: str, spec: JobSpec) -> JobSpec:
        """The spec with a normalised URI, when it can be tried at all."""
        try:
            plan_of(spec.model)
        except UnknownModel as error:
            raise Refused(422, "unknown_model", str(error), field="model") from None
        except TrainerNotLoadable as error:
            raise Refused(422, "model_not_installed", str(error), field="model") from error
        if spec.dataset.uri is None:
            await self._samples.offer(tenant_id, spec.dataset.name)
            return spec
        try:
            uri = allowed(spec.dataset.uri, prefixes_of(tenant_id, self._settings.uri_prefixes))
        except UriNotAllowed as error:
            raise Refused(422, "uri_not_allowed", str(error), field="dataset.uri") from None
        return spec.model_copy(update={"dataset": DatasetRef(uri=uri)})

    async def _begun(self, tenant_id: str, job_id: str, step: jobs.Step | None) -> tuple[Job, bool]:
        if step is not None:
            await self._publisher.publish_step(step.events)
            self._wake_analysts()
        return await self.get(tenant_id, job_id), step is not None

    async def get(self, tenant_id: str, job_id: str) -> Job:
        """Raises `Refused`."""
        return await self._store.read(_read_job, tenant_id, job_id)

    async def cancel(self, tenant_id: str, job_id: str) -> tuple[Job | None, bool]:
        """The job, and whether it was cancelled now. None where the id is unknown: it is marked, and a late creation starts nothing."""
        try:
            step = await self._store.write(jobs.cancel, tenant_id, job_id, time.time())
        except jobs.AlreadyEnded:
            step = None
        if step is not None:
            await self._publisher.publish_step(step.events)
        row = await self._store.read(jobs.find, tenant_id, job_id)
        assert row is not None
        return (None if row["spec"] is None else await self.get(tenant_id, job_id)), step is not None

    async def set_suspended(self, tenant_id: str, job_id: str, suspended: bool) -> Job:
        """Raises `Refused`."""
        try:
            row = await self._store.write(jobs.set_suspended, tenant_id, job_id, suspended, time.time())
        except jobs.AlreadyEnded as error:
            raise Refused(409, "already_ended", f"the job is {error}, and what ended is final") from None
        if row is None:
            raise Refused(404, "no_such_job", NO_SUCH_JOB)
        await self._connections.refresh((tenant_id, job_id))
        if not suspended:
            self._wake_analysts()
            self._dispatcher.room_for(tenant_id, job_id)
        return await self.get(tenant_id, job_id)

    async def retry(self, tenant_id: str, job_id: str, starter: Starter) -> Job:
        """A new job with the failed products of an ended one. Raises `Refused`."""
        job = await self.get(tenant_id, job_id)
        if not job.state.terminal:
            raise Refused(409, "not_ended", "the job has not ended; retry its failed products when it has")
        failed = await self._store.read(_failed_ids, tenant_id, job_id)
        if not failed:
            raise Refused(409, "nothing_failed", "no product of this job failed")
        if len(failed) > MAX_SELECTED_PRODUCTS:
            raise Refused(409, "too_many_failed", f"more than {MAX_SELECTED_PRODUCTS} products failed; start a new job on all of them")
        spec = job.spec.model_copy(update={"products": tuple(failed)})
        again, _ = await self.put(tenant_id, str(uuid.uuid4()), spec, starter, retry_of=job_id)
        return again


def _unknown_dataset(error: _UnknownDataset) -> Refused:
    detail = f"this tenant has no dataset {error.name!r}; upload one of this name first"
    return Refused(404, "unknown_dataset", detail, field=error.field)


def _columns(connection: sa.Connection, tenant_id: str, spec: JobSpec, starter: Starter) -> dict[str, Any]:
    """What a new job's row holds beside its spec. Raises `_UnknownDataset`."""
    if spec.calendar is not None and datasets.latest(connection, tenant_id, spec.calendar) is None:
        raise _UnknownDataset("calendar", spec.calendar)
    return {"started_by": starter.role.value, "request_id": starter.request_id} | _dataset_of(connection, tenant_id, spec.dataset)


def _dataset_of(connection: sa.Connection, tenant_id: str, ref: DatasetRef) -> dict[str, Any]:
    """The columns that write down which version a job takes. Raises `_UnknownDataset`."""
    if ref.name is None:
        return {}
    found: Dataset | None = datasets.latest(connection, tenant_id, ref.name)
    if found is None:
        raise _UnknownDataset("dataset.name", ref.name)
    return {"dataset_name": found.name, "dataset_version": found.version, "dataset_sha256": found.sha256}


def _failed_ids(connection: sa.Connection, tenant_id: str, job_id: str) -> list[str]:
    row = jobs.find(connection, tenant_id, job_id)
    return [] if row is None else products.failed_ids(connection, row)


def find_job(connection: sa.Connection, tenant_id: str, job_id: str) -> sa.RowMapping:
    """The row of a job that is more than a mark. Raises `Refused`."""
    row = jobs.find(connection, tenant_id, job_id)
    if row is None or row["spec"] is None:
        raise Refused(404, "no_such_job", NO_SUCH_JOB)
    return row


def _read_job(connection: sa.Connection, tenant_id: str, job_id: str) -> Job:
    row = find_job(connection, tenant_id, job_id)
    return to_job(row).model_copy(update={"failures": products.first_failures(connection, row)})


def to_job(row: sa.RowMapping) -> Job:
    """Without its failures, which are a query of their own."""
    return Job(
        job_id=row["job_id"],
        tenant_id=row["tenant_id"],
        spec=JobSpec.model_validate_json(row["spec"]),
        state=JobState(row["state"]),
        stage=stage(row),
        suspended=bool(row["suspended"]),
        progress=jobs.percent(row),
        seq=row["seq"],
        products_completed=row["products_completed"],
        products_failed=row["products_failed"],
        total_products=row["total_products"],
        reason=row["reason"],
        message=row["message"],
        retry_of=row["retry_of"],
        started_by=None if row["started_by"] is None else Role(row["started_by"]),
        report=None if row["report"] is None else DataReport.model_validate_json(row["report"]),
        created_at=at(row["created_at"]),
        started_at=maybe_at(row["started_at"]),
        ended_at=maybe_at(row["ended_at"]),
        updated_at=at(row["updated_at"]),
    )
