"""Whatever happens between a TrainingJob and its job, the same end is told, once."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.kubernetes.strategies import observations, specs
from tests.kubernetes.world import FAILING, PRODUCTS, Weather, World

from levain_contracts.jobs import JobState
from levain_contracts.kubernetes.base import Truth
from levain_contracts.kubernetes.training_job import TrainingJobSpec, TrainingJobStatus
from levain_operator.actions import CancelJob, PutJob, ResumeJob, SetStatus, SuspendJob, WaitUntil
from levain_operator.conditions import ended, find, is_true
from levain_operator.observed import Observed, Presence
from levain_operator.plan import plan
from levain_operator.status import Spec

on_any = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
SPEC = TrainingJobSpec.model_validate({"dataset": {"name": "sales"}})

Step = Callable[[World], Any]


def _lose_store(world: World) -> None:
    world.service.job, world.service.marked = None, False


def _restart(world: World) -> None:
    world.restart()


def _weather(weather: Weather) -> Step:
    return lambda world: setattr(world.service, "weather", weather)


def _turn(at_most: int, writes: bool) -> Step:
    return lambda world: world.turn(at_most, writes=writes)


def _poll(age: int) -> Step:
    return lambda world: world.poll(age)


def _work(steps: int) -> Step:
    return lambda world: world.service.work(steps)


def _pass(seconds: float) -> Step:
    return lambda world: world.pass_seconds(seconds)


def _suspend(suspend: bool) -> Step:
    return lambda world: world.edit(suspend=suspend)


# The clock may be set back a little.
ordinary: st.SearchStrategy[Step] = st.one_of(
    st.builds(_turn, st.integers(0, 4) | st.just(99), st.booleans()),
    st.builds(_poll, st.integers(0, 3)),
    st.builds(_work, st.integers(1, 5)),
    st.builds(_pass, st.sampled_from([0.5, 2.0, 30.0, 120.0, -5.0])),
    st.builds(_weather, st.sampled_from(Weather)),
    st.builds(_suspend, st.booleans()),
    st.sampled_from([_restart, World.flush]),
)
anything = ordinary | st.just(_lose_store)


def told(status: TrainingJobStatus) -> dict[str, Any]:
    """All but the times and the generation: what must not depend on what happened."""
    progress = None if status.progress is None else status.progress.model_dump(exclude={"last_update_time"})
    conditions = [(c.type, c.status, c.reason, c.message) for c in status.conditions]
    return {"conditions": conditions, "progress": progress, "failures": status.failures, "url": status.stream_url, "id": status.job_id}


def undisturbed(spec: TrainingJobSpec) -> World:
    world = World(spec)
    world.settle()
    return world


@on_any
@given(st.lists(ordinary, max_size=40), st.sampled_from([None, 0, 1, FAILING]))
def test_any_order_of_events_losses_and_restarts_ends_in_the_same_state(steps: list[Step], max_failed: int | None) -> None:
    world = World(SPEC.model_copy(update={"max_failed_products": max_failed}))
    for step in steps:
        step(world)
    world.edit(suspend=False)
    world.settle()
    assert told(world.stored) == told(undisturbed(world.spec).stored)
    assert world.service.starts == 1


@on_any
@given(st.lists(anything, max_size=40))
def test_even_a_service_that_loses_its_store_is_asked_until_the_job_has_ended(steps: list[Step]) -> None:
    world = World(SPEC)
    for step in steps:
        step(world)
    world.edit(suspend=False)
    world.settle()
    assert is_true(world.stored.conditions, "Complete")
    assert world.stored.progress is not None
    assert (world.stored.progress.percent, world.stored.progress.display) == (100, f"{PRODUCTS}/{PRODUCTS}")


@on_any
@given(st.lists(anything, max_size=40), st.lists(anything, max_size=20))
def test_a_job_that_ended_is_never_started_again_whatever_disappears(before: list[Step], after: list[Step]) -> None:
    world = World(SPEC)
    for step in before:
        step(world)
    world.edit(suspend=False)
    world.settle()
    starts = world.service.starts
    for step in [*after, _lose_store, _restart, *after]:
        step(world)
    world.settle()
    assert (world.service.starts, world.puts_after_end) == (starts, 0)


@on_any
# A list from before the store was lost tells of a job that is further than the new one, and lacks its failures.
@example([_turn(99, True), _work(3), _poll(0), _lose_store, _turn(3, True), _turn(99, True), _poll(1)])
# A job that was begun anew has fewer failures than the one before it had.
@example([_turn(99, True), _work(4), _poll(0), _turn(99, True), _turn(99, True), _lose_store])
@given(st.lists(anything, max_size=60))
def test_what_was_written_never_goes_back(steps: list[Step]) -> None:
    world = World(SPEC)
    for step in steps:
        step(world)
    world.settle()
    for old, new in pairwise(world.written):
        assert (new.progress.percent if new.progress else 0) >= (old.progress.percent if old.progress else 0)
        assert len(new.failures) >= len(old.failures)
        if ended(old):
            ends = ("Complete", "Failed", "Succeeded")
            assert [find(new.conditions, kind) for kind in ends] == [find(old.conditions, kind) for kind in ends]
            assert (new.completion_time, new.progress) == (old.completion_time, old.progress)
            assert new.failures[: len(old.failures)] == old.failures


@on_any
@given(st.lists(anything, max_size=60))
def test_a_transition_time_moves_only_when_the_status_flips(steps: list[Step]) -> None:
    world = World(SPEC)
    for step in steps:
        step(world)
    world.settle()
    for old, new in world.decisions:
        for condition in new.conditions:
            known = find(old.conditions, condition.type)
            if known is not None and known.status is condition.status:
                assert known.last_transition_time == condition.last_transition_time


@on_any
@given(st.lists(anything, max_size=40), st.sampled_from([Presence.DELETING, Presence.GONE]))
def test_the_job_of_a_resource_that_goes_does_not_go_on(steps: list[Step], presence: Presence) -> None:
    world = World(SPEC)
    for step in steps:
        step(world)
    world.presence = presence
    world.settle()
    assert world.service.job is None or world.service.job.state.terminal
    starts = world.service.starts
    world.settle(5)
    assert world.service.starts == starts


@on_any
@given(st.lists(ordinary, max_size=40))
def test_a_suspended_job_hands_out_no_work_and_keeps_what_ended(steps: list[Step]) -> None:
    world = World(SPEC)
    for step in steps:
        step(world)
    world.edit(suspend=True)
    world.settle(4)
    job = world.service.job
    world.settle(4)
    assert world.service.job == job
    assert job is None or job.suspended or job.state.terminal
    if not ended(world.stored):
        assert is_true(world.stored.conditions, "Suspended")
        assert world.stored.progress is None or world.stored.progress.eta_seconds is None


@on_any
@given(
    st.lists(ordinary, max_size=25),
    st.sampled_from(
        [(404, "unknown_dataset"), (422, "uri_not_allowed"), (422, "unknown_model"), (422, "invalid_request"), (413, "too_large")]
    ),
)
def test_a_refusal_for_good_ends_it_and_nothing_is_asked_any_more(steps: list[Step], refusal: tuple[int, str]) -> None:
    world = World(SPEC)
    world.service.refusal = refusal
    for step in steps:
        step(world)
    world.edit(suspend=False)
    world.settle(8)
    failed = find(world.stored.conditions, "Failed")
    assert failed is not None
    assert (failed.status, failed.reason) == (Truth.TRUE, "".join(w.capitalize() for w in refusal[1].split("_")))
    assert find(world.stored.conditions, "Accepted").status is Truth.FALSE  # type: ignore[union-attr]
    calls = world.service.calls
    world.restart()
    world.settle(5)
    assert (world.service.calls, world.service.starts) == (calls, 0)


@on_any
@given(specs, observations)
def test_a_plan_is_total_and_its_status_is_one_that_the_crd_takes(spec: Spec, seen: Observed) -> None:
    actions = plan(spec, seen)
    for action in actions:
        if isinstance(action, SetStatus):
            assert TrainingJobStatus.model_validate(action.status.wire()) == action.status
            assert action.ended == ended(action.status)
    assert len([a for a in actions if isinstance(a, PutJob | SuspendJob | ResumeJob | CancelJob)]) <= 1


@on_any
@given(specs, observations)
def test_a_status_that_was_decided_is_not_decided_again(spec: Spec, seen: Observed) -> None:
    decided = [a for a in plan(spec, seen) if isinstance(a, SetStatus)]
    if decided:
        again = plan(spec, Observed(**{**vars(seen), "status": decided[0].status}))
        assert not [a for a in again if isinstance(a, SetStatus)]


@on_any
@given(specs, observations)
def test_every_end_is_one_end_with_its_time(spec: Spec, seen: Observed) -> None:
    for action in plan(spec, seen):
        if isinstance(action, SetStatus) and action.ended:
            conditions = action.status.conditions
            assert is_true(conditions, "Complete") != is_true(conditions, "Failed")
            assert action.status.completion_time is not None
            summary = find(conditions, "Succeeded")
            assert summary is not None
            assert (summary.status is Truth.TRUE) == is_true(conditions, "Complete")


@on_any
@given(specs, observations)
def test_an_ended_resource_starts_nothing(spec: Spec, seen: Observed) -> None:
    if ended(seen.status):
        assert not [a for a in plan(spec, seen) if isinstance(a, PutJob | ResumeJob | SuspendJob)]


def test_the_undisturbed_run_asks_little_and_says_each_thing_once() -> None:
    world = undisturbed(SPEC)
    assert world.service.calls <= 1 + FAILING + 1
    assert [event.reason for event in world.events] == ["Accepted", "Completed"]
    assert world.service.job is not None
    assert world.service.job.state is JobState.COMPLETED
    assert all(isinstance(action, WaitUntil) for action in world.plan())


@pytest.mark.parametrize("weather", [Weather.AWAY, Weather.BUSY, Weather.BROKEN, Weather.WRONG])
def test_a_service_in_trouble_is_asked_with_growing_delays_and_a_cap(weather: Weather) -> None:
    world = World(SPEC)
    world.service.weather = weather
    times: list[float] = []
    for second in range(600):
        before = world.service.calls
        world.turn()
        if world.service.calls > before:
            times.append(second)
        world.pass_seconds(1)
    delays = [b - a for a, b in pairwise(times)]
    assert delays == sorted(delays)
    assert delays[-1] <= 60
    assert len(times) <= 18
    assert [event.reason for event in world.events] == ["ServiceUnavailable"]
    world.settle()
    assert is_true(world.stored.conditions, "Complete")
