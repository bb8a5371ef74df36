import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.contracts.histories import SimulatedJob, jobs

from levain_contracts.frames import Frame, Stage, decode, encode
from levain_contracts.viewer import ProductEnd, ViewerState, apply, close_gap, same_for_viewers

TABLE = json.loads(Path(__file__).with_name("viewer_cases.json").read_text(encoding="utf-8"))
on_any_job = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def step(state: ViewerState, given_: dict[str, Any]) -> ViewerState:
    if "frame" in given_:
        received = decode(json.dumps(TABLE["frame_defaults"] | given_["frame"]))
        assert received is not None
        return apply(state, received)
    read = given_["closing_read"]
    return close_gap(state, read["seq"], [(p["seq"], ProductEnd(**{k: v for k, v in p.items() if k != "seq"})) for p in read["products"]])


def visible(s: ViewerState) -> dict[str, Any]:
    plain = [
        "progress",
        "products_completed",
        "products_failed",
        "total_products",
        "suspended",
        "reason",
        "latest_seq",
        "closed_seq",
        "gap",
    ]
    return {name: getattr(s, name) for name in plain} | {
        "stage": s.stage.value,
        "state": s.state.value if s.state else None,
        "failures": [[f.seq, f.product_id] for f in s.failures],
        "products": {p.product_id: p.status for p in s.products.values()},
    }


@pytest.mark.parametrize("case", TABLE["cases"], ids=lambda c: c["name"])
def test_the_table_of_cases(case: dict[str, Any]) -> None:
    state = ViewerState()
    for given_ in case["steps"]:
        state = step(state, given_)
    assert visible(state) == case["expect"]


def in_order(job: SimulatedJob) -> ViewerState:
    """What a viewer sees who was there from the start and missed nothing."""
    state = ViewerState()
    for frame in sorted([*job.frames, *job.snapshots], key=lambda f: f.seq):
        state = apply(state, frame)
    return close_gap(state, job.seq, job.ends_between(state.closed_seq, job.seq))


Arrival = Frame | int  # an int: a closing read, answered when the job was at that number


def arrivals(job: SimulatedJob) -> st.SearchStrategy[list[Arrival]]:
    """Frames and snapshots in any order, some twice, some never, with closing reads at any time."""
    return st.lists(st.sampled_from([*job.frames, *job.snapshots]) | st.integers(1, job.seq), max_size=3 * job.seq)


def arrive(job: SimulatedJob, state: ViewerState, arrival: Arrival) -> ViewerState:
    if isinstance(arrival, int):
        return close_gap(state, arrival, job.ends_between(state.closed_seq, arrival))
    return apply(state, arrival)


def after(job: SimulatedJob, received: Iterable[Arrival]) -> ViewerState:
    state = ViewerState()
    for arrival in received:
        state = arrive(job, state, arrival)
    return state


@on_any_job
@given(st.data())
def test_whatever_came_a_closing_read_and_a_snapshot_end_in_the_same_state(data: st.DataObject) -> None:
    job = data.draw(jobs())
    state = after(job, data.draw(arrivals(job)))
    healed = arrive(job, arrive(job, state, job.seq), job.snapshots[-1])
    assert same_for_viewers(healed, in_order(job))
    assert healed.suspended == job.suspended
    assert not healed.gap
    assert len(healed.products) == len(job.ends)


@on_any_job
@given(st.data())
def test_all_frames_in_any_order_end_in_the_same_state_without_a_read(data: st.DataObject) -> None:
    job = data.draw(jobs())
    everything = [*job.frames, *job.snapshots]
    assert same_for_viewers(after(job, data.draw(st.permutations(everything))), in_order(job))


@on_any_job
@given(st.data())
def test_nothing_that_a_viewer_sees_ever_goes_back(data: st.DataObject) -> None:
    job = data.draw(jobs())
    old = ViewerState()
    for arrival in data.draw(arrivals(job)):
        new = arrive(job, old, arrival)
        assert new.progress >= old.progress
        assert new.products_completed >= old.products_completed
        assert new.products_failed >= old.products_failed
        assert (new.latest_seq, new.closed_seq) >= (old.latest_seq, old.closed_seq)
        assert list(Stage).index(new.stage) >= list(Stage).index(old.stage)
        assert dict(old.products).items() <= dict(new.products).items()
        assert not old.ended or (new.state is old.state and new.reason == old.reason)
        old = new


@on_any_job
@given(st.data())
def test_the_join_of_frames_is_commutative_and_associative_and_idempotent(data: st.DataObject) -> None:
    job = data.draw(jobs())
    frame = st.sampled_from([*job.frames, *job.snapshots])
    start = after(job, data.draw(st.lists(frame, max_size=10)))
    a, b, c = data.draw(frame), data.draw(frame), data.draw(frame)
    assert apply(apply(start, a), b) == apply(apply(start, b), a)
    assert apply(apply(apply(start, a), b), c) == apply(apply(apply(start, c), a), b)
    assert apply(apply(start, a), a) == apply(start, a)


@on_any_job
@given(st.data())
def test_a_gap_is_seen_exactly_while_a_number_is_missing(data: st.DataObject) -> None:
    job = data.draw(jobs())
    received = data.draw(st.lists(st.sampled_from(job.frames), max_size=2 * job.seq))
    state, numbers = after(job, received), {f.seq for f in received}
    first_missing = next(n for n in range(1, job.seq + 2) if n not in numbers)
    assert state.closed_seq == first_missing - 1
    assert state.gap == (max(numbers, default=0) >= first_missing)


@on_any_job
@given(st.data())
def test_a_joined_state_leaves_the_one_before_as_it_was(data: st.DataObject) -> None:
    job = data.draw(jobs())
    start = after(job, data.draw(arrivals(job)))
    before = visible(start)
    one, other = (data.draw(st.sampled_from(job.frames)) for _ in range(2))
    left, right = apply(start, one), apply(start, other)
    assert visible(start) == before
    assert left == apply(start, one)
    assert right == apply(start, other)


@on_any_job
@given(jobs())
def test_a_simulated_job_survives_the_wire(job: SimulatedJob) -> None:
    for frame in [*job.frames, *job.snapshots]:
        assert decode(encode(frame)) == frame


def test_twenty_thousand_products_in_any_order_end_equal() -> None:
    job = SimulatedJob(20_000, None)
    job.start()
    job.analyse()
    job.snapshots.clear()
    for n in range(job.total):
        job.end_product(n, "too_short" if n % 4000 == 0 else None)
    frames = [*job.frames, job.snapshots[-1]]
    shuffled = random.Random(5).sample(frames, len(frames))
    states = after(job, frames), after(job, shuffled)
    assert same_for_viewers(*states)
    assert len(states[1].products) == 20_000
    assert not states[1].gap
