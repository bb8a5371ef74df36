"""A training service, an API server and an operator in memory: one TrainingJob through whatever happens to it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum

from levain_contracts.claims import Role
from levain_contracts.events import ProductFailure
from levain_contracts.frames import Stage
from levain_contracts.jobs import JobState, verdict
from levain_contracts.kubernetes.training_job import TrainingJobSpec, TrainingJobStatus, to_job_spec
from levain_contracts.progress import progress
from levain_contracts.resources import Job, JobSpec, Problem
from levain_operator.actions import Action, AskJob, Call, CancelJob, DeleteTrainingJob, EmitEvent, PutJob, SetStatus, SuspendJob, WaitUntil
from levain_operator.answers import Answer, NoAnswer, heard, told, unlisted
from levain_operator.conditions import ended
from levain_operator.observed import NotAsked, Observed, Presence, Told, Trouble, View
from levain_operator.pace import Pace, look
from levain_operator.plan import Rules, plan
from levain_operator.reading import read_job_status

START = datetime(2026, 3, 1, 2, 30, tzinfo=UTC)
UID = "0e6a3c1c-6f0e-4a1b-9a53-2f6f8d0c7f11"
TENANT = "corner-bakery"
PRODUCTS = 7
FAILING = 2  # of them
_STAGES = {JobState.PENDING: Stage.STARTED, JobState.ANALYSING: Stage.ANALYSING, JobState.TRAINING: Stage.TRAINING}


class Weather(Enum):
    """How the service answers. `DEAF` does what it is asked and no answer comes; `AWAY` does not."""

    FINE = "fine"
    AWAY = "away"
    DEAF = "deaf"
    BUSY = "busy"
    BROKEN = "broken"
    WRONG = "wrong"


def problem(status: int, code: str) -> Answer:
    body = Problem(type=f"urn:levain:problem:{code}", title=code, status=status, detail=f"it is {code}", code=code)
    return Answer(status, body.model_dump_json().encode())


def make_job(now: datetime, spec: JobSpec, *, tenant: str = TENANT, job_id: str = UID, state: JobState = JobState.PENDING) -> Job:
    return Job(
        job_id=job_id,
        tenant_id=tenant,
        spec=spec,
        state=state,
        stage=_STAGES.get(state, Stage.DONE),
        suspended=False,
        progress=0,
        seq=1,
        products_completed=0,
        products_failed=0,
        total_products=None,
        created_at=now,
        updated_at=now,
        started_by=Role.OPERATOR,
    )


@dataclass
class Service:
    """As docs/errors.md and the routes of jobs have it. `refusal`: what a PUT of an unknown job is refused with."""

    now: Callable[[], datetime]
    job: Job | None = None
    marked: bool = False
    weather: Weather = Weather.FINE
    refusal: tuple[int, str] | None = None
    starts: int = 0
    calls: int = 0

    def answer(self, call: Call) -> Answer | NoAnswer:
        self.calls += 1
        if self.weather is Weather.AWAY:
            return NoAnswer("timeout")
        if self.weather is Weather.BUSY:
            return Answer(429, b"slow down", 3.0)
        if self.weather is Weather.BROKEN:
            return problem(503, "store_unavailable")
        given = self._do(call)
        if self.weather is Weather.DEAF:
            return NoAnswer("timeout")
        return Answer(200, b'{"job_id": 7}') if self.weather is Weather.WRONG else given

    def _do(self, call: Call) -> Answer:
        match call:
            case PutJob():
                return self._put(call)
            case CancelJob():
                return self._cancel()
            case AskJob():
                return problem(404, "no_such_job") if self.job is None else self._tells()
        if self.job is None:
            return problem(404, "no_such_job")
        if self.job.state.terminal:
            return problem(409, "already_ended")
        self.change(suspended=isinstance(call, SuspendJob))
        return self._tells()

    def _put(self, call: PutJob) -> Answer:
        if self.job is not None:
            return self._tells() if self.job.spec == call.spec else problem(409, "other_spec")
        if self.refusal is not None:
            return problem(*self.refusal)
        self.job = make_job(self.now(), call.spec)
        if self.marked:
            self._end(JobState.CANCELLED, "cancelled")
        else:
            self.starts += 1
        return self._tells(202)

    def _cancel(self) -> Answer:
        if self.job is None:
            self.marked = True
            return Answer(204, b"")
        if not self.job.state.terminal:
            self._end(JobState.CANCELLED, "cancelled")
        return self._tells()

    def _tells(self, status: int = 200) -> Answer:
        assert self.job is not None
        return Answer(status, self.job.model_dump_json().encode())

    def change(self, **values: object) -> None:
        assert self.job is not None
        self.job = self.job.model_copy(update={"seq": self.job.seq + 1, "updated_at": self.now(), **values})

    def _end(self, state: JobState, reason: str | None) -> None:
        self.change(state=state, stage=Stage.DONE, reason=reason, ended_at=self.now(), suspended=False)

    def work(self, steps: int = 1) -> None:
        """Steps of the job, if it may take them."""
        for _ in range(steps):
            self._step()

    def _step(self) -> None:
        job = self.job
        if job is None or job.suspended or job.state.terminal:
            return
        if job.state is JobState.PENDING:
            self.change(state=JobState.ANALYSING, stage=Stage.ANALYSING, started_at=self.now())
        elif job.state is JobState.ANALYSING:
            self.change(state=JobState.TRAINING, stage=Stage.TRAINING, total_products=PRODUCTS, progress=20)
        else:
            self._product_ends(job)

    def _product_ends(self, job: Job) -> None:
        done = job.products_completed + 1
        failed = min(done, FAILING)
        failures = job.failures
        if failed > job.products_failed:
            lost = ProductFailure(product_id=f"p{done}", product=f"Pain {done}", seq=job.seq + 1, reason="too_little_history")
            failures = (*failures, lost)
        state, reason = verdict(PRODUCTS, done, failed, job.spec.max_failed_products)
        self.change(products_completed=done, products_failed=failed, failures=failures, progress=progress(done, PRODUCTS))
        if state.terminal:
            self._end(state, reason)
            if state is JobState.COMPLETED:
                self.change(progress=100)


@dataclass
class World:
    """`written`: every status that the API server has had, in order. `decisions`: what each was decided from. The operator's memory is
    what `restart` forgets.
    """

    spec: TrainingJobSpec
    now: datetime = START
    presence: Presence = Presence.THERE
    generation: int = 1
    written: list[TrainingJobStatus] = field(default_factory=list)
    decisions: list[tuple[TrainingJobStatus, TrainingJobStatus]] = field(default_factory=list)
    events: list[EmitEvent] = field(default_factory=list)
    deleted_at: datetime | None = None
    lists: list[Job] = field(default_factory=list)
    rules: Rules = field(default_factory=lambda: Rules(stream_base="wss://levain.example"))
    puts_after_end: int = 0

    def __post_init__(self) -> None:
        self.service = Service(lambda: self.now)
        self.restart()

    @property
    def stored(self) -> TrainingJobStatus:
        """As the API server gives it back: through JSON."""
        return read_job_status({"status": self.written[-1].wire()}) if self.written else TrainingJobStatus()

    def restart(self) -> None:
        self.view: View = NotAsked()
        self.trouble: Trouble | None = None
        self.pace = Pace()
        self.decided: TrainingJobStatus | None = None

    def seen(self) -> Observed:
        return Observed(
            uid=UID,
            name="bakery",
            generation=self.generation,
            presence=self.presence,
            status=self.decided or self.stored,
            tenant=TENANT,
            view=self.view,
            trouble=self.trouble,
            pace=self.pace,
            now=self.now,
        )

    def plan(self) -> tuple[Action, ...]:
        return () if self.deleted_at is not None else plan(self.spec, self.seen(), self.rules)

    def turn(self, at_most: int = 99, *, writes: bool = True) -> tuple[Action, ...]:
        """One plan, and the first of its actions. `writes`: the throttle lets the status through at once."""
        actions = self.plan()
        for action in actions[:at_most]:
            self._carry_out(action, writes)
        return actions

    def _carry_out(self, action: Action, writes: bool) -> None:
        match action:
            case SetStatus(status):
                self.decisions.append((self.decided or self.stored, status))
                self.decided = status
                if writes:
                    self.flush()
            case EmitEvent():
                self.events.append(action)
            case DeleteTrainingJob():
                self.deleted_at = self.now
            case WaitUntil():
                pass
            case _:
                self._call(action)

    def flush(self) -> None:
        """The newest decided status is written. The API server checks it as the CRD says."""
        if self.decided is not None and self.presence is not Presence.GONE:
            self.written.append(TrainingJobStatus.model_validate(self.decided.wire()))

    def _call(self, call: Call) -> None:
        if isinstance(call, PutJob):
            self.puts_after_end += ended(self.stored)
            assert call.spec == to_job_spec(self.spec)
        self.view, self.trouble = heard(self.view, self.trouble, call, self.service.answer(call), self.now)
        self._look()

    def poll(self, age: int = 0) -> None:
        """What changed: the job as the service lists it, without its failures; perhaps as it was some polls ago."""
        if self.service.weather not in (Weather.FINE, Weather.DEAF):
            return
        if self.service.job is None:
            self.view = unlisted(self.view)
            return
        self.lists.append(self.service.job.model_copy(update={"failures": ()}))
        listed = self.lists[-1 - min(age, len(self.lists) - 1)]
        self.view = told(self.view, listed, full=False)
        self._look()

    def _look(self) -> None:
        if isinstance(self.view, Told):
            self.pace = look(self.pace, self.view.job, self.now)

    def pass_seconds(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def edit(self, **spec: object) -> None:
        if self.presence is Presence.THERE:
            self.spec = self.spec.model_copy(update=spec)
            self.generation += 1

    def settle(self, rounds: int = 14) -> None:
        """Fine weather until nothing moves any more."""
        self.service.weather = Weather.FINE
        for _ in range(rounds):
            self.pass_seconds(70)  # past every delay
            self.service.work()
            self.poll()
            for _ in range(6):
                if not [a for a in self.turn() if not isinstance(a, WaitUntil)]:
                    break
            else:
                raise AssertionError(f"the plan never comes to rest: {self.plan()}")
            self.flush()
