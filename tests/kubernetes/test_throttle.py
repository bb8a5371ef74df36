"""Status writes under any load: newest wins, no end is lost, and the API server is asked no more than it should be."""

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from levain_operator.throttle import Bucket, Throttle, Write

INTERVAL = 2.0
RATE = 5.0
BURST = 3
on_any = settings(max_examples=300, deadline=None)


@dataclass
class Bench:
    """Values are (key, number); writes take `latency` and may fail."""

    throttle: Throttle[str, int] = field(default_factory=lambda: Throttle(interval_seconds=INTERVAL, bucket=Bucket(RATE, BURST)))
    now: float = 100.0
    begun: list[tuple[float, Write[str, int]]] = field(default_factory=list)
    in_flight: list[Write[str, int]] = field(default_factory=list)
    stored: dict[str, int] = field(default_factory=dict)
    offered: dict[str, int] = field(default_factory=dict)
    number: int = 0

    def offer(self, key: str, *, ended: bool = False) -> None:
        self.number += 1
        self.offered[key] = self.number
        self.throttle.offer(key, self.number, ended=ended)

    def take(self) -> list[Write[str, int]]:
        writes = self.throttle.take(self.now)
        self.begun += [(self.now, write) for write in writes]
        self.in_flight += writes
        return writes

    def answer(self, *, written: bool) -> None:
        if self.in_flight:
            write = self.in_flight.pop(0)
            if written:
                self.stored[write.key] = write.value
            self.throttle.done(write, written=written)

    def drain(self) -> None:
        """Sleeps as it is told to, until nothing waits."""
        for _ in range(10_000):
            while self.in_flight:
                self.answer(written=True)
            at = self.throttle.next_at(self.now)
            if at is None:
                return
            assert at >= self.now
            self.now = at
            assert self.take(), "it said that something would be ready by now"
        raise AssertionError("it never comes to rest")


keys = st.sampled_from(["a", "b", "c", "d", "e"])
operations = st.lists(
    st.one_of(
        st.tuples(st.just("offer"), keys),
        st.tuples(st.just("end"), keys),
        st.tuples(st.just("pass"), st.sampled_from([0.01, 0.3, 1.0, 2.5])),
        st.tuples(st.just("take"), st.none()),
        st.tuples(st.just("answer"), st.booleans()),
    ),
    max_size=120,
)


def played(done: list[tuple[str, object]]) -> tuple[Bench, dict[str, int]]:
    """The bench afterwards, and the first end that was offered of each key: what comes after it is no news."""
    bench, last = Bench(), dict[str, int]()
    ended: set[str] = set()
    for what, value in done:
        if what in ("offer", "end"):
            key = str(value)
            bench.offer(key, ended=what == "end")
            if what == "end" or key not in ended:
                last[key] = bench.number
            ended |= {key} if what == "end" else set()
        elif what == "pass":
            assert isinstance(value, float)
            bench.now += value
        elif what == "take":
            bench.take()
        else:
            bench.answer(written=bool(value))
    return bench, last


@on_any
@given(operations)
def test_the_newest_of_each_is_written_in_the_end_and_an_end_is_never_lost(done: list[tuple[str, object]]) -> None:
    bench, last = played(done)
    bench.drain()
    assert bench.stored == last


@on_any
@given(operations)
def test_no_resource_is_written_more_than_once_in_an_interval_or_twice_at_a_time(done: list[tuple[str, object]]) -> None:
    bench, _ = played(done)
    assert len({write.key for write in bench.in_flight}) == len(bench.in_flight)
    bench.drain()
    by_key: dict[str, list[float]] = defaultdict(list)
    for at, write in bench.begun:
        by_key[write.key].append(at)
    assert all(b - a >= INTERVAL for times in by_key.values() for a, b in pairwise(times))


@on_any
@given(operations)
def test_writes_of_all_stay_below_the_rate(done: list[tuple[str, object]]) -> None:
    bench, _ = played(done)
    bench.drain()
    times = [at for at, _ in bench.begun]
    for i, begin in enumerate(times):
        for j in range(i, len(times)):
            assert j - i + 1 <= BURST + (times[j] - begin) * RATE + 1e-6


@on_any
@given(operations)
def test_values_of_one_resource_are_written_in_their_order(done: list[tuple[str, object]]) -> None:
    bench, _ = played(done)
    bench.drain()
    newest: dict[str, int] = {}
    for _, write in bench.begun:
        assert write.value >= newest.get(write.key, 0)
        newest[write.key] = write.value


@on_any
@given(operations)
def test_every_value_is_counted_as_made_merged_or_waiting(done: list[tuple[str, object]]) -> None:
    bench, _ = played(done)
    bench.drain()
    throttle = bench.throttle
    # A write that failed is a value again, unless a newer one had come.
    assert throttle.made == len(bench.begun) - throttle.refused
    assert throttle.made + throttle.merged <= bench.number
    assert throttle.made >= len(bench.offered)


def test_ends_go_first_then_who_waited_longest() -> None:
    bench = Bench()
    for key in ("a", "b", "c", "d", "e", "f"):
        bench.offer(key)
    bench.offer("f", ended=True)
    bench.offer("a")  # newer, but it has waited all the while
    assert [write.key for write in bench.take()] == ["f", "a", "b"]
    bench.now += 10
    assert [write.key for write in bench.take()] == ["c", "d", "e"]


def test_two_hundred_ends_at_once_are_all_written_at_the_rate() -> None:
    bench = Bench()
    for n in range(200):
        bench.offer(str(n))
        bench.offer(str(n), ended=True)
    begin = bench.now
    bench.drain()
    assert bench.stored == bench.offered
    assert bench.now - begin == pytest.approx((200 - BURST) / RATE, abs=0.01)
    assert (bench.throttle.made, bench.throttle.merged) == (200, 200)


def test_a_write_that_fails_is_made_again_unless_there_is_newer() -> None:
    bench = Bench()
    bench.offer("a")
    bench.take()
    bench.answer(written=False)
    bench.now += INTERVAL
    assert [write.value for write in bench.take()] == [1]
    bench.offer("a")
    bench.answer(written=False)
    bench.now += INTERVAL
    assert bench.take() == []
    bench.now += INTERVAL
    assert [write.value for write in bench.take()] == [2]
    assert bench.throttle.refused == 2


def test_writes_that_fail_again_and_again_come_ever_later_and_one_that_is_made_ends_that() -> None:
    bench = Bench()
    bench.offer("a")
    delays = []
    for _ in range(9):
        bench.take()
        began = bench.now
        bench.answer(written=False)
        bench.now = bench.throttle.next_at(bench.now) or 0
        delays.append(bench.now - began)
    assert delays == pytest.approx([2, 4, 8, 16, 32, 60, 60, 60, 60])
    bench.take()
    bench.answer(written=True)
    bench.offer("a")
    assert bench.throttle.next_at(bench.now) == pytest.approx(bench.now + INTERVAL)


def test_a_resource_that_is_gone_is_forgotten_with_its_write_in_flight() -> None:
    bench = Bench()
    bench.offer("a")
    bench.take()
    bench.throttle.forget("a")
    bench.answer(written=False)
    assert bench.throttle.next_at(bench.now) is None


def test_a_clock_that_stands_gives_no_tokens_and_takes_none() -> None:
    bucket = Bucket(1.0, 1)
    assert bucket.take(5.0)
    assert not bucket.take(5.0)
    assert not bucket.take(4.0)
    assert bucket.next_at(5.0) > 5.0
    with pytest.raises(ValueError, match="rate"):
        Bucket(0, 1)
