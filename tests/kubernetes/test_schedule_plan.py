"""A TrainingSchedule through restarts, crashes, slow caches and a clock that jumps: one TrainingJob for each time."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.kubernetes.clockwork import Clockwork

from levain_contracts.kubernetes.training_schedule import MAX_RECENT_TIMES, ConcurrencyPolicy, TrainingScheduleSpec, TrainingScheduleStatus
from levain_operator.actions import CreateTrainingJob, DeleteTrainingJob, EmitEvent, ScheduleAction, SetScheduleStatus, WaitUntil
from levain_operator.children import Child, Outcome, child_name, time_of
from levain_operator.conditions import find
from levain_operator.observed import Presence, Unreadable
from levain_operator.reading import read_schedule_status
from levain_operator.schedule_plan import SeenSchedule, plan_schedule

# The night in which the clocks of Berlin go forward.
START = datetime(2026, 3, 28, 22, 10, tzinfo=UTC)
ZONE = "Europe/Berlin"
on_any = settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def spec_of(**changes: Any) -> TrainingScheduleSpec:
    base = {"schedule": "*/20 * * * *", "timeZone": ZONE, "template": {"spec": {"dataset": {"name": "sales"}}}}
    return TrainingScheduleSpec.model_validate(base | changes)


@dataclass
class ScheduleWorld:
    spec: TrainingScheduleSpec
    now: datetime = START
    status: TrainingScheduleStatus = field(default_factory=TrainingScheduleStatus)
    children: dict[str, Child] = field(default_factory=dict)
    cached: tuple[Child, ...] = ()
    created: list[datetime] = field(default_factory=list)
    deleted: list[Child] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    remembers: bool = True

    def plan(self, *, stale: bool = False) -> tuple[ScheduleAction, ...]:
        """`stale`: the watch is behind. An operator that `remembers` knows what it made itself all the same."""
        if not stale:
            self.cached = tuple(self.children.values())
        elif self.remembers:
            known = {child.name for child in self.cached}
            self.cached += tuple(child for name, child in self.children.items() if name not in known)
        seen = SeenSchedule(
            name="nightly",
            uid="s",
            generation=1,
            presence=Presence.THERE,
            status=read_schedule_status({"status": self.status.wire()}),
            children=self.cached,
            created_at=START,
            now=self.now,
        )
        return plan_schedule(self.spec, seen)

    def turn(self, at_most: int = 99, *, stale: bool = False) -> None:
        for action in self.plan(stale=stale)[:at_most]:
            self._carry_out(action)

    def _carry_out(self, action: ScheduleAction) -> None:
        match action:
            case CreateTrainingJob(name, at):
                assert name == child_name("nightly", at)
                if name not in self.children:  # else 409: it is there
                    self.created.append(at)
                    self.children[name] = Child(name, f"uid-{len(self.created)}", at, Outcome.ACTIVE)
            case DeleteTrainingJob(name, uid):
                if name in self.children and self.children[name].uid == uid:
                    self.deleted.append(self.children.pop(name))
            case SetScheduleStatus(status):
                self.status = TrainingScheduleStatus.model_validate(status.wire())
            case EmitEvent():
                self.events.append(action.reason)

    def rest(self) -> None:
        """Turns until nothing is left but to wait."""
        for _ in range(5):
            if not [a for a in self.plan() if not isinstance(a, WaitUntil)]:
                return
            self.turn()
        raise AssertionError(f"the plan never comes to rest: {self.plan()}")

    def finish(self, outcome: Outcome) -> None:
        for name, child in self.children.items():
            if child.outcome is Outcome.ACTIVE:
                self.children[name] = child._replace(outcome=outcome, ended_at=self.now)

    def active(self) -> list[Child]:
        return [child for child in self.children.values() if child.outcome is Outcome.ACTIVE]

    def newest_named(self) -> datetime | None:
        return max(Clockwork(self.spec.schedule, self.spec.time_zone).between(START, self.now), default=None)


Step = Callable[[ScheduleWorld], None]


def _pass(minutes: float) -> Step:
    def step(world: ScheduleWorld) -> None:
        world.now += timedelta(minutes=minutes)

    return step


def _turn(at_most: int, stale: bool) -> Step:
    return lambda world: world.turn(at_most, stale=stale)


def _finish(outcome: Outcome) -> Step:
    return lambda world: world.finish(outcome)


def _suspend(suspend: bool) -> Step:
    def step(world: ScheduleWorld) -> None:
        world.spec = world.spec.model_copy(update={"suspend": suspend})

    return step


steps: st.SearchStrategy[Step] = st.one_of(
    st.builds(_pass, st.sampled_from([0.5, 1, 7, 20, 61, 300, -3, -25, -400])),
    st.builds(_turn, st.integers(0, 5) | st.just(99), st.booleans()),
    st.builds(_finish, st.sampled_from([Outcome.COMPLETED, Outcome.FAILED])),
    st.builds(_suspend, st.booleans()),
)
spelt = st.sampled_from(["*/20 * * * *", "0 * * * *", "30 2 * * *", "15 1-4 * * *", "*/7 2 * * *"])
limits = st.integers(0, 2)


@on_any
@given(spelt, st.sampled_from(ConcurrencyPolicy), limits, limits, st.lists(steps, max_size=60))
def test_no_time_has_two_jobs_whatever_the_clock_and_the_operator_do(
    schedule: str, policy: ConcurrencyPolicy, completed: int, failed: int, done: list[Step]
) -> None:
    world = ScheduleWorld(
        spec_of(schedule=schedule, concurrencyPolicy=policy, successfulJobsHistoryLimit=completed, failedJobsHistoryLimit=failed)
    )
    named = Clockwork(schedule, ZONE)
    for step in done:
        before = len(world.created)
        step(world)
        for at in world.created[before:]:
            assert START < at <= world.now
            assert named.between(at - timedelta(minutes=1), at) == [at]
    assert len(set(world.created)) == len(world.created)


@on_any
@given(spelt, st.sampled_from([ConcurrencyPolicy.ALLOW, ConcurrencyPolicy.REPLACE]), st.lists(st.lists(steps, max_size=4), max_size=12))
def test_each_time_has_its_job_when_the_operator_is_there_also_after_the_clock_was_set_back(
    schedule: str, policy: ConcurrencyPolicy, done: list[list[Step]]
) -> None:
    world = ScheduleWorld(spec_of(schedule=schedule, concurrencyPolicy=policy))
    for some in done:
        for step in some:
            step(world)
        if len(world.created) >= MAX_RECENT_TIMES:
            return
        if not world.spec.suspend:
            world.rest()
            newest = world.newest_named()
            assert newest is None or newest in world.created


@on_any
@given(st.sampled_from(ConcurrencyPolicy), limits, limits, st.lists(steps, max_size=40))
def test_the_policies_and_the_limits_hold_at_rest(policy: ConcurrencyPolicy, completed: int, failed: int, done: list[Step]) -> None:
    world = ScheduleWorld(spec_of(concurrencyPolicy=policy, successfulJobsHistoryLimit=completed, failedJobsHistoryLimit=failed))
    for step in done:
        step(world)
    world.rest()
    children = list(world.children.values())
    assert len([c for c in children if c.outcome is Outcome.COMPLETED]) <= completed
    assert len([c for c in children if c.outcome is Outcome.FAILED]) <= failed
    if policy is not ConcurrencyPolicy.ALLOW:
        assert len(world.active()) <= 1
    if policy is not ConcurrencyPolicy.REPLACE:
        assert not [c for c in world.deleted if c.outcome is Outcome.ACTIVE]
    assert world.status.active == tuple(sorted(c.name for c in world.active()))


def at(hour: int, minute: int, day: int = 28) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


def run_until(world: ScheduleWorld, end: datetime) -> None:
    while world.now < end:
        world.now += timedelta(minutes=1)
        world.rest()


def test_every_time_of_a_night_is_made_once_at_its_minute() -> None:
    world = ScheduleWorld(spec_of(concurrencyPolicy="Allow", timeZone="UTC"))
    run_until(world, at(23, 59))
    assert world.created == [at(22, 20), at(22, 40), at(23, 0), at(23, 20), at(23, 40)]
    assert world.events == ["Created"] * 5
    assert world.status.last_schedule_time == at(23, 40)
    assert world.status.next_schedule_time == at(0, 0, 29)


def test_a_clock_set_forward_and_back_costs_no_time_and_repeats_none() -> None:
    world = ScheduleWorld(spec_of(concurrencyPolicy="Allow", timeZone="UTC"))
    world.now = at(23, 5)
    world.rest()
    assert world.created == [at(23, 0)]  # 22:20 and 22:40 were missed, as far as it knows
    world.now = at(22, 15)
    run_until(world, at(23, 30))
    assert sorted(world.created) == [at(22, 20), at(22, 40), at(23, 0), at(23, 20)]


def test_a_time_is_remembered_in_the_plan_that_makes_its_job_and_comes_first_in_it() -> None:
    world = ScheduleWorld(spec_of(timeZone="UTC"), now=at(22, 20))
    assert [type(a) for a in world.plan()] == [CreateTrainingJob, EmitEvent, SetScheduleStatus, WaitUntil]
    world.turn()
    world.children.clear()  # someone deletes it
    world.rest()
    assert world.created == [at(22, 20)]


def test_a_status_that_was_lost_is_made_again_from_the_training_jobs_before_history_goes() -> None:
    world = ScheduleWorld(spec_of(timeZone="UTC", concurrencyPolicy="Allow", successfulJobsHistoryLimit=0), now=at(22, 45))
    for time in (at(22, 20), at(22, 40)):
        world.children[child_name("nightly", time)] = Child(child_name("nightly", time), f"u{time:%M}", time, Outcome.COMPLETED, time)
    assert [type(a) for a in world.plan()] == [SetScheduleStatus, DeleteTrainingJob, DeleteTrainingJob, WaitUntil]
    world.rest()
    world.now = at(22, 25)
    world.rest()
    assert world.created == []


def test_with_forbid_a_time_waits_for_its_predecessor_and_starts_late() -> None:
    world = ScheduleWorld(spec_of(timeZone="UTC"))
    run_until(world, at(22, 45))
    assert world.created == [at(22, 20)]
    ready = find(world.status.conditions, "Ready")
    assert ready is not None
    assert ready.reason == "WaitingForPredecessor"
    world.finish(Outcome.COMPLETED)
    world.rest()
    assert world.created == [at(22, 20), at(22, 40)]
    assert world.status.last_successful_time == at(22, 45)


def test_with_replace_the_job_that_still_runs_goes_before_the_next_comes() -> None:
    world = ScheduleWorld(spec_of(timeZone="UTC", concurrencyPolicy="Replace"))
    run_until(world, at(22, 40))
    assert [c.scheduled_at for c in world.deleted] == [at(22, 20)]
    assert [c.scheduled_at for c in world.active()] == [at(22, 40)]


def test_a_missed_time_past_its_deadline_is_not_made_up() -> None:
    world = ScheduleWorld(spec_of(timeZone="UTC", startingDeadlineSeconds=300))
    world.now = at(22, 26)
    world.rest()
    assert world.created == []
    world.now = at(22, 45)
    world.rest()
    assert world.created == [at(22, 40)]


def test_what_is_missed_while_suspended_counts_as_missed() -> None:
    world = ScheduleWorld(spec_of(timeZone="UTC", suspend=True))
    run_until(world, at(23, 10))
    assert world.created == []
    assert world.status.next_schedule_time is None
    world.spec = spec_of(timeZone="UTC")
    world.rest()
    assert world.created == [at(23, 0)]


def test_a_schedule_that_names_no_time_says_so_once_and_starts_nothing() -> None:
    world = ScheduleWorld(spec_of(schedule="61 * * * *"))
    run_until(world, at(22, 15))
    assert world.events == ["InvalidSchedule"]
    ready = find(world.status.conditions, "Ready")
    assert ready is not None
    assert (ready.status, ready.reason) == ("False", "InvalidSchedule")
    assert "Bad minute" in ready.message


def test_an_unreadable_or_disappearing_schedule_starts_nothing() -> None:
    world = ScheduleWorld(spec_of(timeZone="UTC"), now=at(23, 0))
    seen = SeenSchedule(
        name="nightly",
        uid="s",
        generation=1,
        presence=Presence.GONE,
        status=world.status,
        children=(),
        created_at=START,
        now=world.now,
    )
    assert plan_schedule(world.spec, seen) == ()
    unreadable = plan_schedule(Unreadable("spec.x: unknown"), SeenSchedule(**{**vars(seen), "presence": Presence.THERE}))
    assert [type(a) for a in unreadable] == [SetScheduleStatus, EmitEvent]


names = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,100}[a-z0-9])?", fullmatch=True)
minutes = st.integers(0, 30_000_000).map(lambda n: datetime(1990, 1, 1, tzinfo=UTC) + timedelta(minutes=n))


@given(names, minutes)
def test_a_childs_name_is_a_short_resource_name_that_holds_its_time(name: str, time: datetime) -> None:
    child = child_name(name, time)
    assert len(child) <= 63
    assert child[0].isalnum()
    assert time_of(child) == time
    assert child == child_name(name, time.astimezone(UTC))


@given(names, names, minutes, minutes)
def test_two_schedules_and_two_minutes_have_different_names(one: str, other: str, time: datetime, later: datetime) -> None:
    if (one, time) != (other, later):
        assert child_name(one, time) != child_name(other, later)


def test_long_names_that_begin_alike_stay_apart() -> None:
    assert child_name("a" * 60, START) != child_name("a" * 61, START)
    assert time_of("bakery") is None
    assert time_of("bakery-202613450000") is None
