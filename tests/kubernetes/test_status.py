"""What a TrainingJob shows at each step of its job."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.kubernetes.world import START, TENANT, UID, World, make_job

from levain_contracts.events import MAX_FAILURES, ProductFailure
from levain_contracts.frames import Stage
from levain_contracts.jobs import JobState
from levain_contracts.kubernetes.base import Truth, whole_second
from levain_contracts.kubernetes.training_job import MAX_ETA_SECONDS, TrainingJobSpec, TrainingJobStatus, to_job_spec
from levain_contracts.resources import DatasetRef, Job, JobSpec
from levain_operator.actions import AskJob, Call, CancelJob, DeleteTrainingJob, PutJob, SetStatus, WaitUntil
from levain_operator.conditions import find
from levain_operator.observed import NoSuchJob, NotAsked, Observed, Presence, Refused, Told, Trouble, Unreadable
from levain_operator.pace import MEMORY_SECONDS, Pace, eta_seconds, look
from levain_operator.plan import Rules, plan
from levain_operator.reasons import STATE_WORDS, reason_of
from levain_operator.tenancy import NoTenant

SPEC = TrainingJobSpec.model_validate({"dataset": {"name": "sales"}})
JOB = make_job(START, JobSpec(dataset=DatasetRef(name="sales")))


def job(state: JobState = JobState.TRAINING, **changes: Any) -> Job:
    stages = {JobState.PENDING: Stage.STARTED, JobState.ANALYSING: Stage.ANALYSING, JobState.TRAINING: Stage.TRAINING}
    return JOB.model_copy(update={"state": state, "stage": stages.get(state, Stage.DONE), **changes})


def seen(view: Any = NotAsked(), **changes: Any) -> Observed:
    known = Observed(
        uid=UID,
        name="bakery",
        generation=1,
        presence=Presence.THERE,
        status=TrainingJobStatus(),
        tenant=TENANT,
        view=view,
        trouble=None,
        pace=Pace(),
        now=START + timedelta(seconds=100),
    )
    return replace(known, **changes)


def status_of(observed: Observed, spec: Any = SPEC, rules: Rules = Rules()) -> TrainingJobStatus:
    (decided,) = [a for a in plan(spec, observed, rules) if isinstance(a, SetStatus)]
    return decided.status


def words(status: TrainingJobStatus) -> dict[str, str]:
    return {c.type: f"{c.status} {c.reason}" for c in status.conditions}


@pytest.mark.parametrize("state", [s for s in JobState if not s.terminal])
def test_the_summary_names_the_state_in_one_word(state: JobState) -> None:
    assert words(status_of(seen(Told(job(state), True)))) == {
        "Accepted": "True Accepted",
        "Suspended": "False NotSuspended",
        "Complete": "False NotEnded",
        "Failed": "False NotEnded",
        "Succeeded": f"Unknown {STATE_WORDS[state]}",
    }


@pytest.mark.parametrize(
    ("ended", "reason", "expected"),
    [
        (JobState.COMPLETED, None, ("True Completed", "False Completed", "True Completed")),
        (JobState.FAILED, "too_many_failed_products", ("False TooManyFailedProducts", "True TooManyFailedProducts", "False Failed")),
        (JobState.FAILED, None, ("False Unknown", "True Unknown", "False Failed")),
        (JobState.CANCELLED, "cancelled", ("False Cancelled", "True Cancelled", "False Cancelled")),
    ],
)
def test_an_end_is_told_by_exactly_one_condition(ended: JobState, reason: str | None, expected: tuple[str, ...]) -> None:
    at = START + timedelta(seconds=50, milliseconds=700)
    status = status_of(seen(Told(job(ended, reason=reason, ended_at=at), True)))
    told = words(status)
    assert (told["Complete"], told["Failed"], told["Succeeded"]) == expected
    assert (told["Suspended"], told["Accepted"]) == ("False Ended", "True Accepted")
    assert status.completion_time == whole_second(at)


def test_progress_shows_what_the_store_says() -> None:
    running = job(progress=41, products_completed=7, products_failed=1, total_products=20, started_at=START)
    status = status_of(seen(Told(running, True)), rules=Rules(stream_base="wss://levain.example"))
    assert status.progress is not None
    assert status.wire() | {"conditions": []} == {
        "observedGeneration": 1,
        "jobId": UID,
        "tenantId": TENANT,
        "startTime": "2026-03-01T02:30:00Z",
        "conditions": [],
        "progress": {
            "percent": 41,
            "completed": 7,
            "failed": 1,
            "total": 20,
            "display": "7/20",
            "lastUpdateTime": "2026-03-01T02:31:40Z",
        },
        "failures": [],
        "streamUrl": f"wss://levain.example/api/v1/tenants/{TENANT}/training/jobs/{UID}/live",
    }


def test_at_most_twenty_failures_are_shown() -> None:
    failures = tuple(ProductFailure(product_id=f"p{n}", product=f"Pain {n}", seq=n, reason="no_sales") for n in range(MAX_FAILURES))
    status = status_of(seen(Told(job(failures=failures, products_failed=500, products_completed=500, total_products=900), True)))
    assert [f.product_id for f in status.failures] == [f"p{n}" for n in range(20)]
    assert plan(SPEC, seen(Told(job(failures=failures, products_failed=500), False), status=status)) == ()


def test_progress_does_not_go_back_when_the_service_begins_anew() -> None:
    before = status_of(seen(Told(job(progress=41, products_completed=7, total_products=20), True)))
    anew = job(JobState.PENDING, progress=0, created_at=START + timedelta(seconds=60))
    after = status_of(seen(Told(anew, True), status=before))
    assert after.progress is not None
    assert (after.progress.percent, after.progress.display) == (41, "7/20")
    assert words(after)["Succeeded"] == "Unknown Accepted"


@pytest.mark.parametrize(
    ("observed", "spec", "reason"),
    [
        (seen(), Unreadable("spec.colour: extra"), "InvalidSpec"),
        (seen(tenant=NoTenant("no id")), SPEC, "InvalidTenant"),
        (seen(Refused("unknown_dataset", "upload one first")), SPEC, "UnknownDataset"),
        (seen(Refused("other_spec", "x")), SPEC, "OtherSpec"),
    ],
)
def test_what_can_never_run_is_refused_with_its_reason_and_nothing_is_called(observed: Observed, spec: Any, reason: str) -> None:
    status = status_of(observed, spec)
    told = words(status)
    assert (told["Accepted"], told["Failed"], told["Succeeded"]) == (f"False {reason}", f"True {reason}", "False Failed")
    assert status.completion_time == START + timedelta(seconds=100)
    assert [type(a).__name__ for a in plan(spec, observed)] == ["SetStatus", "EmitEvent"]
    assert plan(spec, replace(observed, status=status)) == ()


def test_a_namespace_that_changes_hands_ends_the_job_and_starts_none_for_the_other() -> None:
    before = status_of(seen(Told(job(), True)))
    moved = seen(Told(job(), True), status=before, tenant="other-bakery")
    assert words(status_of(moved))["Failed"] == "True TenantChanged"
    assert not [a for a in plan(SPEC, moved) if isinstance(a, PutJob | CancelJob)]
    assert words(status_of(seen(status=before, tenant=NoTenant("x"))))["Failed"] == "True TenantChanged"


def test_after_a_restart_a_job_that_was_accepted_is_asked_for_and_any_other_is_put() -> None:
    """The service checks a spec before it looks whether it runs the job: a trainer that is gone by now would end it as refused."""
    accepted = status_of(seen(Told(job(), True)))
    assert plan(SPEC, seen(status=accepted)) == (AskJob(TENANT, UID),)
    assert [a for a in plan(SPEC, seen()) if isinstance(a, Call)] == [PutJob(TENANT, UID, to_job_spec(SPEC))]
    assert [a for a in plan(SPEC, seen(NoSuchJob(), status=accepted)) if isinstance(a, Call)] == [PutJob(TENANT, UID, to_job_spec(SPEC))]


def test_an_end_waits_for_its_failures_but_not_for_a_service_in_trouble() -> None:
    listed = seen(Told(job(JobState.COMPLETED, ended_at=START, products_completed=3, products_failed=1, total_products=3), False))
    asked = plan(SPEC, listed)
    assert asked[-1] == AskJob(TENANT, UID)
    assert words(status_of(listed))["Succeeded"] == "Unknown Accepted"
    in_trouble = replace(listed, trouble=Trouble(1, START, "status 503"))
    ended = status_of(in_trouble)
    assert words(ended)["Complete"] == "True Completed"
    assert plan(SPEC, replace(in_trouble, status=ended)) == (AskJob(TENANT, UID),)  # its failures are still wanted


def test_a_resource_that_goes_after_its_end_asks_nothing_of_the_service() -> None:
    ended = status_of(seen(Told(job(JobState.COMPLETED, ended_at=START), True)))
    for presence in (Presence.DELETING, Presence.GONE):
        assert plan(SPEC, seen(status=ended, presence=presence)) == ()


def test_a_job_that_has_not_moved_is_not_told_anew() -> None:
    running = job(products_completed=12, total_products=20, progress=56, started_at=START)
    before = seen(Told(running, True), pace=look(Pace(), running, START + timedelta(seconds=90)))
    status = status_of(before)
    assert status.progress is not None
    assert status.progress.eta_seconds == 60
    later = START + timedelta(seconds=200)
    assert plan(SPEC, replace(before, status=status, now=later, pace=look(before.pace, running, later))) == ()


def test_while_the_namespace_is_not_known_nothing_is_called() -> None:
    assert [type(a) for a in plan(SPEC, seen(tenant=None))] == [SetStatus]


def test_no_job_runs_on_under_a_resource_that_failed() -> None:
    failed = status_of(seen(Refused("unknown_model", "x")))
    assert plan(SPEC, seen(Told(job(), True), status=failed)) == (CancelJob(TENANT, UID),)
    not_ours = status_of(seen(Refused("other_spec", "x")))
    assert plan(SPEC, seen(Told(job(), True), status=not_ours)) == ()
    complete = status_of(seen(Told(job(JobState.COMPLETED), True)))
    assert plan(SPEC, seen(Told(job(), True), status=complete)) == ()  # a service from its backup makes its forecasts again


def test_a_finished_resource_is_deleted_after_its_time_and_was_seen_before() -> None:
    spec = SPEC.model_copy(update={"ttl_seconds_after_finished": 30})
    over = seen(Told(job(JobState.COMPLETED, ended_at=START), True))
    decided = plan(spec, over)
    assert isinstance(decided[0], SetStatus)
    assert decided[-1] == WaitUntil(over.now)
    late = replace(over, status=decided[0].status)
    assert plan(spec, late) == (DeleteTrainingJob("bakery", UID),)
    assert plan(spec, replace(late, now=START + timedelta(seconds=29))) == (WaitUntil(START + timedelta(seconds=30)),)
    assert plan(SPEC, late) == ()
    assert plan(spec, replace(late, presence=Presence.DELETING)) == ()


def test_both_ends_written_by_someone_count_as_a_failure() -> None:
    status = status_of(seen(Told(job(JobState.COMPLETED, ended_at=START), True)))
    failed = find(status.conditions, "Failed")
    assert failed is not None
    both = tuple(c.model_copy(update={"status": Truth.TRUE}) for c in status.conditions)
    mended = status_of(seen(status=status.model_copy(update={"conditions": both, "completion_time": None})))
    assert (words(mended)["Complete"][:5], words(mended)["Failed"][:4]) == ("False", "True")
    assert mended.completion_time == failed.last_transition_time


def test_suspending_and_resuming_are_said_and_counted_once() -> None:
    world = World(SPEC)
    world.turn()
    world.service.work(3)
    world.poll()
    world.turn()
    world.edit(suspend=True)
    for _ in range(4):
        world.turn()
        world.poll()
    assert words(world.stored)["Suspended"] == "True Suspended"
    assert words(world.stored)["Succeeded"] == "Unknown Suspended"
    assert world.stored.observed_generation == 2
    world.edit(suspend=False)
    for _ in range(4):
        world.turn()
        world.poll()
    assert words(world.stored)["Succeeded"] == "Unknown Running"
    assert [e.reason for e in world.events] == ["Accepted", "Suspended", "Resumed"]
    assert world.stored.progress is not None
    assert world.stored.progress.completed == 1


def test_a_job_that_is_suspended_from_the_start_is_not_sent() -> None:
    world = World(SPEC.model_copy(update={"suspend": True}))
    world.settle(3)
    assert world.service.job is None
    assert words(world.stored)["Accepted"] == "Unknown Suspended"
    assert words(world.stored)["Succeeded"] == "Unknown Suspended"
    world.edit(suspend=False)
    world.settle()
    assert words(world.stored)["Complete"] == "True Completed"


def paced(seconds_each: float, ended: int, total: int) -> tuple[Pace, Job]:
    pace, running = Pace(), job(total_products=total)
    for n in range(ended + 1):
        running = job(products_completed=n, total_products=total)
        pace = look(pace, running, START + timedelta(seconds=n * seconds_each))
    return pace, running


@given(st.floats(0.01, 60), st.integers(10, 200), st.integers(0, 1000))
def test_at_a_steady_pace_the_eta_is_right(seconds_each: float, ended: int, left: int) -> None:
    eta = eta_seconds(*paced(seconds_each, ended, ended + left))
    assert eta is not None
    assert abs(eta - left * seconds_each) <= 1 + left * seconds_each * 1e-3


@pytest.mark.parametrize(
    ("ended", "total", "told"), [(9, 1000, False), (10, 1000, True), (1, 20, True), (0, 20, False), (4, 100, False), (5, 100, True)]
)
def test_there_is_no_eta_before_ten_products_or_five_percent(ended: int, total: int, told: bool) -> None:
    assert (eta_seconds(*paced(1.0, ended, total)) is not None) == told


def test_workers_that_come_later_are_noticed_and_a_pause_does_not_count() -> None:
    pace, running = paced(10.0, 100, 1000)
    at = START + timedelta(seconds=1000)
    for n in range(101, 401):
        at += timedelta(seconds=MEMORY_SECONDS / 100)
        running = job(products_completed=n, total_products=1000)
        pace = look(pace, running, at)
    eta = eta_seconds(pace, running)
    assert eta is not None
    assert eta == pytest.approx(600 * MEMORY_SECONDS / 100, rel=0.1)
    paused = job(products_completed=400, total_products=1000, suspended=True)
    after = look(look(pace, paused, at + timedelta(days=1)), running, at + timedelta(days=1, seconds=1))
    assert eta_seconds(pace, paused) is None
    assert eta_seconds(after, running) == pytest.approx(eta, rel=0.02, abs=2)


def test_a_pace_of_next_to_nothing_gives_the_longest_time() -> None:
    running = job(products_completed=400, total_products=1000)
    assert eta_seconds(Pace(START, 400, 5e-324, 1.0), running) == MAX_ETA_SECONDS


def test_an_operator_that_was_restarted_guesses_by_the_average() -> None:
    running = job(products_completed=50, total_products=100, started_at=START)
    assert eta_seconds(look(Pace(), running, START + timedelta(seconds=100)), running) == 100


def test_a_job_whose_products_all_ended_at_once_has_no_time_left() -> None:
    assert eta_seconds(*paced(0.0, 20, 20)) == 0


@given(st.from_regex(r"[a-z][a-z0-9_]{0,63}", fullmatch=True))
def test_every_code_is_a_reason_of_kubernetes(code: str) -> None:
    reason = reason_of(code)
    assert reason.isalnum()
    assert reason[0].isalpha()
    assert len(reason) <= 64
