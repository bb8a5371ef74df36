"""The hub: order, bounds and isolation, for any interleaving of frames, joins, leaves and slow readers."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from levain_training.hub import WAITING_FRAMES, Encoded, Hub, Viewer

BUDGET_BYTES = 1000


def frame(seq: int, size: int = 100, terminal: bool = False) -> Encoded:
    return Encoded(seq, terminal, size.to_bytes(2, "big") + seq.to_bytes(2, "big") + b"x" * (size - 4))


def numbers(wire: bytes) -> Iterator[int]:
    """Of the frames in it, in order."""
    start = 0
    while start < len(wire):
        yield int.from_bytes(wire[start + 2 : start + 4], "big")
        start += int.from_bytes(wire[start : start + 2], "big")


@dataclass
class Outlet:
    """A socket whose peer reads when it is told to. A frame begins with its size and its number."""

    sent: list[int] = field(default_factory=list)
    writes: int = 0
    buffered: int = 0
    reads: bool = True
    viewer: Viewer | None = None

    def write(self, wire: bytes) -> None:
        self.writes += 1
        self.sent += numbers(wire)
        if not self.reads:
            self.buffered += len(wire)
        if self.buffered > BUDGET_BYTES and self.viewer is not None:
            self.viewer.pause()

    def drain(self) -> None:
        self.buffered = 0
        assert self.viewer is not None
        self.viewer.resume()


def waiting(outlet: Outlet) -> Viewer:
    outlet.viewer = Viewer(outlet.write, lambda: None)
    return outlet.viewer


def started(outlet: Outlet, *first: Encoded) -> Viewer:
    viewer = waiting(outlet)
    viewer.start(*first)
    return viewer


def test_a_viewer_gets_the_snapshot_first_and_then_what_arrived_meanwhile() -> None:
    outlet = Outlet()
    viewer = waiting(outlet)
    for seq in (4, 5, 6):
        viewer.offer(frame(seq))
    assert outlet.sent == []
    viewer.start(frame(5))
    viewer.offer(frame(7))
    assert outlet.sent == [5, 6, 7]


def test_what_waits_for_the_snapshot_is_bounded_and_drops_the_oldest() -> None:
    outlet = Outlet()
    viewer = waiting(outlet)
    for seq in range(1, WAITING_FRAMES + 11):
        viewer.offer(frame(seq))
    viewer.start(frame(0))
    assert outlet.sent == [0, *range(11, WAITING_FRAMES + 11)]


def test_over_its_budget_a_viewer_is_kept_the_newest_frame_only() -> None:
    outlet = Outlet(reads=False)
    viewer = started(outlet)
    for seq in range(1, 101):
        viewer.offer(frame(seq))
    assert len(outlet.sent) == BUDGET_BYTES // 100 + 1
    assert viewer.behind
    assert viewer.conflated == 100 - len(outlet.sent) - 1  # all but the newest, which is held
    outlet.drain()
    assert not viewer.behind
    assert outlet.sent[-1] == 100


def test_a_terminal_frame_is_never_replaced_by_a_later_one() -> None:
    outlet = Outlet(reads=False)
    viewer = started(outlet)
    viewer.pause()
    viewer.offer(frame(9, terminal=True))
    viewer.offer(frame(12))
    outlet.drain()
    assert outlet.sent == [9]


def test_a_viewer_that_is_full_before_its_snapshot_gets_it_when_it_drains() -> None:
    outlet = Outlet()
    viewer = waiting(outlet)
    viewer.pause()
    viewer.start(frame(3))
    assert outlet.sent == []
    outlet.drain()
    assert outlet.sent == [3]


def test_nothing_follows_the_terminal_frame_and_the_end_is_told_once() -> None:
    outlet, ends = Outlet(), []
    viewer = Viewer(outlet.write, lambda: ends.append(1))
    viewer.start(frame(1))
    viewer.offer(frame(2, terminal=True))
    viewer.offer(frame(3))
    viewer.offer(frame(2, terminal=True))
    assert outlet.sent == [1, 2]
    assert ends == [1]


def test_a_viewer_that_leaves_while_a_frame_is_delivered_disturbs_nobody() -> None:
    hub, outlet = Hub(), Outlet()
    leaving = Viewer(Outlet().write, lambda: hub.remove(("t", "j"), leaving))
    leaving.start()
    hub.add(("t", "j"), leaving)
    hub.add(("t", "j"), started(outlet))
    assert hub.deliver(("t", "j"), frame(1, terminal=True)) == 2
    assert outlet.sent == [1]
    assert len(hub.viewers()) == 1


def test_a_viewer_that_joins_with_a_newer_snapshot_does_not_vouch_for_the_others() -> None:
    hub, key = Hub(), ("t", "j")
    for known, seen in ((4, 4), (7, 4), (3, 3)):
        viewer = waiting(Outlet())
        hub.add(key, viewer)
        hub.joined(key, viewer.start(frame(known)))
        assert hub.seen() == {key: seen}
    hub.deliver(key, frame(9))
    assert hub.seen() == {key: 9}


def test_what_a_viewer_got_while_it_waited_counts_as_known() -> None:
    viewer = waiting(Outlet())
    viewer.offer(frame(6))
    assert viewer.start(frame(5)) == 6


def test_frames_of_one_moment_are_one_write_for_who_reads_and_the_newest_alone_for_who_does_not() -> None:
    hub, key, reading, stalled = Hub(), ("t", "j"), Outlet(), Outlet(reads=False)
    hub.add(key, started(reading))
    full = started(stalled)
    full.pause()
    hub.add(key, full)
    hub.deliver(key, frame(1), frame(2), frame(3))
    assert (reading.sent, reading.writes) == ([1, 2, 3], 1)
    stalled.drain()
    assert stalled.sent == [3]


def test_removing_twice_or_a_stranger_changes_nothing() -> None:
    hub = Hub()
    viewer = started(Outlet())
    hub.remove(("t", "j"), viewer)
    hub.add(("t", "j"), viewer)
    hub.remove(("t", "j"), viewer)
    hub.remove(("t", "j"), viewer)
    assert not hub.watched(("t", "j"))
    assert hub.seen() == {}


KEYS = [("anna", "job"), ("bert", "job"), ("anna", "other")]


class HubMachine(RuleBasedStateMachine):
    """Any interleaving: each viewer sees only its own job's frames, in order, within its budget."""

    def __init__(self) -> None:
        super().__init__()
        self.hub = Hub()
        self.delivered: dict[tuple[str, str], list[int]] = {key: [] for key in KEYS}
        self.open: list[tuple[tuple[str, str], Viewer, Outlet, int]] = []
        self.left: list[tuple[Outlet, int]] = []

    @rule(key=st.sampled_from(KEYS), reads=st.booleans())
    def join(self, key: tuple[str, str], reads: bool) -> None:
        outlet = Outlet(reads=reads)
        viewer = waiting(outlet)
        self.hub.add(key, viewer)
        viewer.start()
        self.open.append((key, viewer, outlet, len(self.delivered[key])))

    @rule(key=st.sampled_from(KEYS), sizes=st.lists(st.integers(4, 400), min_size=1, max_size=4))
    def deliver(self, key: tuple[str, str], sizes: list[int]) -> None:
        # The frame's content tells its job, so that a leak between jobs shows.
        first = len(self.delivered[key]) + 1
        burst = [frame(3 * (first + i) + KEYS.index(key), size) for i, size in enumerate(sizes)]
        self.delivered[key] += [f.seq for f in burst]
        assert self.hub.deliver(key, *burst) == sum(1 for k, *_ in self.open if k == key)

    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        if self.open:
            key, viewer, outlet, _ = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
            self.hub.remove(key, viewer)
            self.left.append((outlet, len(outlet.sent)))

    @rule(data=st.data())
    def drain(self, data: st.DataObject) -> None:
        if self.open:
            _, _, outlet, _ = self.open[data.draw(st.integers(0, len(self.open) - 1))]
            outlet.drain()

    @invariant()
    def frames_are_ours_in_order_and_within_the_budget(self) -> None:
        for key, viewer, outlet, joined in self.open:
            seqs = outlet.sent
            assert seqs == sorted(seqs)
            assert all(seq % 3 == KEYS.index(key) for seq in seqs)
            assert outlet.buffered <= BUDGET_BYTES + 4 * 400  # one write may cross it
            since = self.delivered[key][joined:]
            if outlet.reads:
                assert seqs == since
            elif not viewer.behind and since:
                assert seqs[-1] == since[-1]

    @invariant()
    def who_left_gets_nothing_more(self) -> None:
        assert all(len(outlet.sent) == sent for outlet, sent in self.left)

    @invariant()
    def jobs_without_viewers_are_forgotten(self) -> None:
        assert set(self.hub.seen()) == {key for key, *_ in self.open}


TestHub = HubMachine.TestCase
TestHub.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@given(st.lists(st.tuples(st.sampled_from(KEYS), st.integers(0, 10**6)), max_size=50))
def test_seen_is_the_newest_number_of_each_watched_job(calls: list[tuple[tuple[str, str], int]]) -> None:
    hub = Hub()
    watched = KEYS[:2]
    for key in watched:
        hub.add(key, started(Outlet()))
    for key, seq in calls:
        hub.deliver(key, Encoded(seq, False, b""))
    assert hub.seen() == {key: max((s for k, s in calls if k == key), default=0) for key in watched}


@given(st.lists(st.sampled_from(("offer", "pause", "resume")), max_size=60))
def test_each_frame_is_sent_conflated_dropped_or_held(steps: list[str]) -> None:
    outlet = Outlet()
    viewer = started(outlet, frame(0))
    offered = 1
    for seq, step in enumerate(steps, start=1):
        if step == "offer":
            viewer.offer(frame(seq))
            offered += 1
        else:
            getattr(viewer, step)()
        assert offered == viewer.sent_frames + viewer.conflated + viewer.dropped + viewer.behind
    viewer.end()
    assert (offered, viewer.sent_frames) == (viewer.sent_frames + viewer.conflated + viewer.dropped, len(outlet.sent))
