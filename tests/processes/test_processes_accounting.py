"""The accounting finds what went wrong: an honest history is clean, and each that was tampered with is told for what it is."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from tests.contracts.histories import SimulatedJob
from tests.processes.accounting import Account, Expected, Seen, Stored, account

from levain_contracts.events import DATA_OF, CompletedData, Event, EventData, ProductData
from levain_contracts.frames import FRAME_OF, Frame
from levain_contracts.jobs import JobState
from levain_contracts.persistent import Growing
from levain_contracts.viewer import ViewerState, apply

KIND_OF = {frame: kind for kind, frame in FRAME_OF.items()}
EXPECTED = Expected(frozenset({"P 0", "P 1", "P 3", "P 4"}), {"P 2": "too_short"})


@dataclass
class History:
    stored: Stored
    events: list[Event]
    viewer: Seen

    def found(self) -> Account:
        return account(EXPECTED, self.stored, self.events, [self.viewer])

    def with_store(self, **changes: object) -> None:
        self.stored = replace(self.stored, state=replace(self.stored.state, **changes))  # type: ignore[arg-type]
        self.viewer.end = self.stored.state


def honest() -> History:
    job = SimulatedJob(5, None)
    job.start()
    job.analyse()
    for n in range(5):
        job.end_product(n, "too_short" if n == 2 else None)
    states = [ViewerState()]
    for frame in job.frames:
        states.append(apply(states[-1], frame))
    viewer = Seen(list(job.frames), states[1:], states[-1], [1000])
    return History(Stored(job.seq, states[-1]), [event_of(frame) for frame in job.frames], viewer)


def event_of(frame: Frame) -> Event:
    kind = KIND_OF[frame.type]
    data: EventData = DATA_OF[kind].model_validate_json(json.dumps(frame.data))
    return Event(frame.tenant_id, frame.job_id, frame.seq, frame.time, frame.progress, data)


def without(state: ViewerState, product_id: str) -> Growing[object]:
    left: Growing[object] = Growing()
    for key, end in state.products.items():
        if key != product_id:
            left = left.plus(key, end)
    return left


def a_product_has_no_end(h: History) -> None:
    h.with_store(products=without(h.stored.state, "p-3"), products_completed=4)


def a_viewer_lacks_a_product(h: History) -> None:
    h.viewer.end = replace(h.viewer.end, products=without(h.viewer.end, "p-3"))  # type: ignore[arg-type]


def a_viewer_never_saw_the_end(h: History) -> None:
    h.viewer.end = h.viewer.states[-2]


def a_product_ended_twice(h: History) -> None:
    again = next(e for e in h.events if isinstance(e.data, ProductData))
    h.stored = replace(h.stored, seq=h.stored.seq + 1)
    h.events.append(again._replace(seq=h.stored.seq))


def the_job_ended_twice(h: History) -> None:
    h.stored = replace(h.stored, seq=h.stored.seq + 1)
    h.events.append(h.events[-1]._replace(seq=h.stored.seq))


def a_viewer_saw_a_product_end_twice(h: History) -> None:
    again = h.viewer.frames[2]
    h.viewer.frames.insert(3, again.model_copy(update={"seq": 99}))


def an_event_came_again(h: History) -> None:
    h.events.append(h.events[3])


def an_event_was_lost(h: History) -> None:
    del h.events[3]


def an_event_was_invented(h: History) -> None:
    h.events.append(h.events[1]._replace(seq=h.stored.seq + 1))


def an_event_came_again_with_another_content(h: History) -> None:
    last = h.events[-1]
    assert isinstance(last.data, CompletedData)
    h.events.append(last._replace(data=last.data.model_copy(update={"successful": 1})))


def an_innocent_product_failed(h: History) -> None:
    guilty = replace(h.stored.state.products["p-3"], status="failed", reason="worker_lost")
    h.with_store(products=without(h.stored.state, "p-3").plus("p-3", guilty))


def a_product_that_must_fail_was_trained(h: History) -> None:
    spared = replace(h.stored.state.products["p-2"], status="trained", reason=None)
    h.with_store(products=without(h.stored.state, "p-2").plus("p-2", spared))


def the_job_ended_otherwise(h: History) -> None:
    h.with_store(state=JobState.FAILED)


def the_counter_is_wrong(h: History) -> None:
    h.with_store(products_completed=6)


def progress_went_back(h: History) -> None:
    h.viewer.states[4] = h.viewer.states[2]


def an_end_was_taken_back(h: History) -> None:
    h.viewer.states.append(replace(h.viewer.states[-1], state=JobState.FAILED))


def a_frame_came_behind_the_last(h: History) -> None:
    h.viewer.frames.append(h.viewer.frames[2])


def a_connection_was_cut(h: History) -> None:
    h.viewer.codes.append(1006)


MUTANTS: dict[Callable[[History], None], str] = {
    a_product_has_no_end: "lost",
    a_viewer_lacks_a_product: "lost",
    a_viewer_never_saw_the_end: "lost",
    a_product_ended_twice: "duplicated",
    the_job_ended_twice: "duplicated",
    a_viewer_saw_a_product_end_twice: "duplicated",
    an_event_came_again: "recovered",
    an_event_was_lost: "recovered",
    an_event_was_invented: "unexpected",
    an_event_came_again_with_another_content: "unexpected",
    an_innocent_product_failed: "unexpected",
    a_product_that_must_fail_was_trained: "unexpected",
    the_job_ended_otherwise: "unexpected",
    the_counter_is_wrong: "unexpected",
    progress_went_back: "unexpected",
    an_end_was_taken_back: "unexpected",
    a_frame_came_behind_the_last: "unexpected",
    a_connection_was_cut: "unexpected",
}


def test_an_honest_history_has_nothing_to_tell() -> None:
    assert honest().found() == Account()


@pytest.mark.parametrize(("mutant", "kind"), MUTANTS.items(), ids=[mutant.__name__ for mutant in MUTANTS])
def test_what_is_wrong_is_told_for_what_it_is(mutant: Callable[[History], None], kind: str) -> None:
    history = honest()
    mutant(history)
    found = history.found()
    assert getattr(found, kind), found
    assert found.clean is (kind == "recovered")
