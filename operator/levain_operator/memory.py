"""What the operator knows, from the watch, lists and the training service in any order: TrainingJobs, TrainingSchedules, namespaces."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from levain_contracts.kubernetes.training_job import TrainingJobStatus
from levain_contracts.kubernetes.training_schedule import TrainingScheduleSpec, TrainingScheduleStatus
from levain_contracts.resources import Job
from levain_operator.actions import Call
from levain_operator.answers import Answer, NoAnswer, heard, told, unlisted
from levain_operator.children import Child
from levain_operator.manifests import Json, Ref, job_ref, schedule_ref
from levain_operator.observed import NotAsked, Observed, Presence, Told, Trouble, Unreadable, View
from levain_operator.orphans import Listed
from levain_operator.pace import Pace, look
from levain_operator.reading import (
    Identity,
    read_child,
    read_identity,
    read_job_spec,
    read_job_status,
    read_schedule_spec,
    read_schedule_status,
)
from levain_operator.schedule_plan import SeenSchedule
from levain_operator.status import Spec
from levain_operator.tenancy import NoTenant, tenant_of

_MAX_GONE = 100_000


class Version(NamedTuple):
    """How new a body is. A resourceVersion that is a number grows with each write; where it is none, the generation is all."""

    generation: int
    resource_version: int

    @classmethod
    def of(cls, identity: Identity, body: Mapping[str, Any]) -> "Version":
        text = str(body["metadata"].get("resourceVersion") or "")
        return cls(identity.generation, int(text) if text.isdecimal() else 0)


@dataclass
class TrackedJob:
    """`status`: as last decided, else as the API server had it. `watched`: the newest version that the watch has shown."""

    ref: Ref
    identity: Identity
    version: Version
    spec: Spec
    status: TrainingJobStatus
    child: Child | None
    presence: Presence
    watched: Version | None = None
    decided: bool = False
    tenant: str | NoTenant | None = None
    view: View = field(default_factory=NotAsked)
    trouble: Trouble | None = None
    pace: Pace = field(default_factory=Pace)

    def observed(self, now: datetime) -> Observed:
        return Observed(
            uid=self.ref.uid,
            name=self.ref.name,
            generation=self.version.generation,
            presence=self.presence,
            status=self.status,
            tenant=self.tenant,
            view=self.view,
            trouble=self.trouble,
            pace=self.pace,
            now=now,
        )

    def hear(self, call: Call, answer: Answer | NoAnswer, now: datetime) -> None:
        self.view, self.trouble = heard(self.view, self.trouble, call, answer, now)
        self._look(now)

    def tell(self, job: Job, now: datetime) -> bool:
        """Whether that was news."""
        before, self.view = self.view, told(self.view, job, full=True)
        self._look(now)
        return self.view is not before

    def _look(self, now: datetime) -> None:
        if isinstance(self.view, Told):
            self.pace = look(self.pace, self.view.job, now)


@dataclass
class TrackedSchedule:
    """`trouble`: plans in a row that could not be carried out."""

    ref: Ref
    identity: Identity
    version: Version
    spec: TrainingScheduleSpec | Unreadable
    status: TrainingScheduleStatus
    presence: Presence
    trouble: Trouble | None = None

    def seen(self, children: Iterable[Child], now: datetime) -> SeenSchedule:
        return SeenSchedule(
            name=self.ref.name,
            uid=self.ref.uid,
            generation=self.version.generation,
            presence=self.presence,
            status=self.status,
            children=tuple(children),
            created_at=self.identity.created_at,
            now=now,
        )


@dataclass
class Memory:
    """Whoever changes something here wakes whom it concerns: `saw_…` and `tell` return their UIDs."""

    jobs: dict[str, TrackedJob] = field(default_factory=dict)
    schedules: dict[str, TrackedSchedule] = field(default_factory=dict)
    _tenants: dict[str, str | NoTenant] = field(default_factory=dict)
    _children: dict[str, set[str]] = field(default_factory=dict)
    _gone: dict[str, None] = field(default_factory=dict)

    def saw_job(self, body: Mapping[str, Any], *, watched: bool = False, deleted: bool = False) -> tuple[str, ...]:
        """A body that is older than what is known changes nothing, and one that is gone never comes back."""
        identity = read_identity(body)
        version, known = Version.of(identity, body), self.jobs.get(identity.uid)
        if identity.uid in self._gone:
            return ()
        if known is None and deleted:
            return self._bury(identity.uid)
        if known is None:
            known = self._track_job(identity, version, body)
        elif version >= known.version:
            self._update_job(known, identity, version, body)
        if watched:
            known.watched = version if known.watched is None else max(known.watched, version)
        return self.lost_job(identity.uid) if deleted else self._concerned(known)

    def lost_job(self, uid: str) -> tuple[str, ...]:
        """It is gone from the API server."""
        known = self.jobs.get(uid)
        self._bury(uid)
        if known is None:
            return ()
        known.presence = Presence.GONE
        if known.identity.owner_uid is not None:
            self._children.get(known.identity.owner_uid, set()).discard(uid)
        return self._concerned(known)

    def forget_job(self, uid: str) -> None:
        """Nothing is left to do for it."""
        self.jobs.pop(uid, None)

    def saw_schedule(self, body: Mapping[str, Any], *, deleted: bool = False) -> tuple[str, ...]:
        identity = read_identity(body)
        version, known = Version.of(identity, body), self.schedules.get(identity.uid)
        if identity.uid in self._gone:
            return ()
        if deleted:
            return self.lost_schedule(identity.uid)
        if known is None:
            ref = schedule_ref(identity.namespace, identity.name, identity.uid)
            spec, status = read_schedule_spec(body), read_schedule_status(body)
            self.schedules[identity.uid] = TrackedSchedule(ref, identity, version, spec, status, identity.presence)
        elif version >= known.version:
            known.identity, known.version, known.presence = identity, version, identity.presence
            known.spec = read_schedule_spec(body)
        return (identity.uid,)

    def lost_schedule(self, uid: str) -> tuple[str, ...]:
        self.schedules.pop(uid, None)
        self._children.pop(uid, None)
        return self._bury(uid)

    def saw_namespace(self, name: str, labels: Mapping[str, str]) -> tuple[str, ...]:
        """Known beyond its end: the jobs that go with it are cancelled for its tenant."""
        tenant = tenant_of(name, labels)
        if self._tenants.get(name) == tenant:
            return ()
        self._tenants[name] = tenant
        concerned = [job for job in self.jobs.values() if job.ref.namespace == name]
        for job in concerned:
            job.tenant = tenant
        return tuple(job.ref.uid for job in concerned)

    def only_namespaces(self, names: Iterable[str]) -> None:
        """A complete list of those that there are: the others are forgotten, once no job of theirs is left."""
        kept = {*names, *(job.ref.namespace for job in self.jobs.values())}
        self._tenants = {name: tenant for name, tenant in self._tenants.items() if name in kept}

    def tell(self, job: Job, now: datetime) -> tuple[str, ...]:
        """What the service tells of a job. Another tenant's job of the same id is none of ours."""
        known = self.jobs.get(job.job_id)
        if known is None or known.tenant != job.tenant_id:
            return ()
        return self._concerned(known) if known.tell(job, now) else ()

    def unlist(self, uid: str) -> tuple[str, ...]:
        """A complete list of the jobs that run left this one out."""
        known = self.jobs.get(uid)
        if known is None:
            return ()
        before, known.view = known.view, unlisted(known.view)
        return (uid,) if known.view != before else ()

    def children(self, schedule_uid: str) -> list[Child]:
        known = [self.jobs[uid] for uid in sorted(self._children.get(schedule_uid, ())) if uid in self.jobs]
        return [job.child for job in known if job.child is not None and job.presence is not Presence.GONE]

    def listed(self, bodies: Iterable[Json], asked_at: datetime) -> Listed:
        """A complete list of TrainingJobs as the rule of orphans wants it."""
        keys, without = set(), set()
        for body in bodies:
            identity = read_identity(body)
            tenant = self._tenants.get(identity.namespace)
            if isinstance(tenant, str):
                keys.add((tenant, identity.uid))
            else:
                without.add(identity.uid)
        return Listed(True, asked_at, frozenset(keys), frozenset(without))

    def _track_job(self, identity: Identity, version: Version, body: Mapping[str, Any]) -> TrackedJob:
        known = TrackedJob(
            ref=job_ref(identity.namespace, identity.name, identity.uid),
            identity=identity,
            version=version,
            spec=read_job_spec(body),
            status=read_job_status(body),
            child=read_child(body),
            presence=identity.presence,
            tenant=self._tenants.get(identity.namespace),
        )
        self.jobs[identity.uid] = known
        if identity.owner_uid is not None:
            self._children.setdefault(identity.owner_uid, set()).add(identity.uid)
        return known

    def _update_job(self, known: TrackedJob, identity: Identity, version: Version, body: Mapping[str, Any]) -> None:
        known.identity, known.version, known.spec, known.child = identity, version, read_job_spec(body), read_child(body)
        if known.presence is not Presence.GONE:
            known.presence = identity.presence
        if not known.decided:
            known.status = read_job_status(body)

    def _concerned(self, job: TrackedJob) -> tuple[str, ...]:
        owner = job.identity.owner_uid
        return (job.ref.uid, owner) if owner in self.schedules else (job.ref.uid,)

    def _bury(self, uid: str) -> tuple[str, ...]:
        """UIDs never come again, so that the oldest may be forgotten once nothing that is under way can speak of them."""
        self._gone[uid] = None
        if len(self._gone) > _MAX_GONE:
            del self._gone[next(iter(self._gone))]
        return (uid,)


def tenant_labels(body: Mapping[str, Any]) -> Mapping[str, str]:
    return body["metadata"].get("labels") or {}
