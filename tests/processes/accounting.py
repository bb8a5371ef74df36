"""What a fault cost: how often something was lost, doubled, healed or wrong, in the store, among the events and before a viewer's eyes."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from levain_contracts.events import Event, ProductData
from levain_contracts.frames import Frame
from levain_contracts.jobs import JobState
from levain_contracts.viewer import ViewerState, same_for_viewers

# A connection that is cut, and a server that failed. Who kills a gateway must expect the first and leaves `codes` empty.
IMPOLITE = (1006, 1011)


@dataclass
class Account:
    """One line a finding. `recovered` is allowed: a repair, a repeated event or a closing read made it good."""

    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    recovered: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not (self.lost or self.duplicated or self.unexpected)


@dataclass(frozen=True)
class Expected:
    """Products by their names: what must be trained, and why others fail."""

    trained: frozenset[str]
    failed: dict[str, str] = field(default_factory=dict)
    state: JobState = JobState.COMPLETED


def account(expected: Expected, stored: "Stored", events: Sequence[Event], viewers: Iterable["Seen"]) -> Account:
    found = Account()
    _in_the_store(found, expected, stored)
    _among_the_events(found, stored, events)
    for viewer in viewers:
        _before_a_viewers_eyes(found, stored, viewer)
    return found


@dataclass(frozen=True)
class Stored:
    """A job as REST tells it: its last `seq`, and the viewer's state that follows from its rows."""

    seq: int
    state: ViewerState


@dataclass
class Seen:
    """A viewer: every frame as it came, its state after each, its state at the end, and how its connections were closed."""

    frames: list[Frame] = field(default_factory=list)
    states: list[ViewerState] = field(default_factory=list)
    end: ViewerState = field(default_factory=ViewerState)
    codes: list[int | None] = field(default_factory=list)


def _in_the_store(found: Account, expected: Expected, stored: Stored) -> None:
    state = stored.state
    if state.state is not expected.state:
        found.unexpected.append(f"the job is {state.state}, not {expected.state}")
    ends = {end.product: end for end in state.products.values()}
    for name in sorted(expected.trained | expected.failed.keys()):
        if name not in ends and expected.state is JobState.COMPLETED:
            found.lost.append(f"{name} has no end")
    for name, end in ends.items():
        if end.reason != expected.failed.get(name):
            found.unexpected.append(f"{name} is {end.status} ({end.reason}: {end.message})")
    if state.products_completed != len(ends):
        found.unexpected.append(f"{state.products_completed} products are counted and {len(ends)} have ended")


def _among_the_events(found: Account, stored: Stored, events: Sequence[Event]) -> None:
    times = Counter(event.seq for event in events)
    found.recovered += [f"event {seq} was published {n} times" for seq, n in sorted(times.items()) if n > 1]
    found.recovered += [f"event {seq} was never published" for seq in range(1, stored.seq + 1) if seq not in times]
    found.unexpected += [f"event {seq} is of no step in the store" for seq in times if seq > stored.seq]
    found.unexpected += [f"event {seq} was published with another content" for seq in _changed(events)]
    numbers: dict[str, set[int]] = {}
    for event in events:
        what = event.data.product_id if isinstance(event.data, ProductData) else _kind(event)
        numbers.setdefault(what, set()).add(event.seq)
    found.duplicated += [f"{what} ended under the numbers {sorted(seqs)}" for what, seqs in numbers.items() if len(seqs) > 1]


def _changed(events: Sequence[Event]) -> list[int]:
    """A repetition says the same, and may say it later."""
    first = {event.seq: event for event in reversed(events)}
    return sorted({e.seq for e in events if (e.data, e.progress) != (first[e.seq].data, first[e.seq].progress)})


def _kind(event: Event) -> str:
    return "the job" if event.type.value in ("training.completed", "training.failed") else event.type.value


def _before_a_viewers_eyes(found: Account, stored: Stored, viewer: Seen) -> None:
    if not same_for_viewers(viewer.end, stored.state):
        missing = [end.product for id_, end in stored.state.products.items() if id_ not in viewer.end.products]
        found.lost.append(f"a viewer ended otherwise than the store; without {missing or _differences(viewer.end, stored.state)}")
    for before, after in zip(viewer.states, viewer.states[1:], strict=False):
        if after.progress < before.progress or after.products_completed < before.products_completed:
            found.unexpected.append(f"progress went back from {before.progress} to {after.progress}")
        if before.ended and after.state is not before.state:
            found.unexpected.append(f"the job was {before.state} and then {after.state}")
    terminal = next((i for i, frame in enumerate(viewer.frames) if frame.terminal), len(viewer.frames))
    found.unexpected += [f"{frame.type} came behind the terminal frame" for frame in viewer.frames[terminal + 1 :]]
    found.unexpected += [f"a connection ended with {code}" for code in viewer.codes if code in (None, *IMPOLITE)]
    ends: dict[Any, set[int]] = {}
    for frame in viewer.frames:
        if product_id := frame.data.get("product_id"):
            ends.setdefault(product_id, set()).add(frame.seq)
        elif frame.terminal:
            ends.setdefault("the job", set()).add(frame.seq)
    found.duplicated += [f"a viewer saw {what} end under {sorted(seqs)}" for what, seqs in ends.items() if len(seqs) > 1]


def _differences(one: ViewerState, other: ViewerState) -> list[str]:
    names = ("stage", "state", "progress", "products_completed", "products_failed", "failures")
    return [name for name in names if getattr(one, name) != getattr(other, name)]
