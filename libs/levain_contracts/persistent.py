"""Two values that grow by one at little cost and never change for those who hold an older one: they carry a viewer's state."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Generic, TypeVar

V = TypeVar("V")

Ranges = tuple[tuple[int, int], ...]


class Growing(Mapping[str, V], Generic[V]):
    """A mapping of the first `_size` entries of a dict that younger ones share; only the youngest may append to it in place.

    So N additions one after the other cost O(N), where N copies would cost O(N²); an addition to an older one copies.
    """

    __slots__ = ("_shared", "_size")

    def __init__(self) -> None:
        self._shared: dict[str, tuple[int, V]] = {}
        self._size = 0

    def plus(self, key: str, value: V) -> "Growing[V]":
        """With one entry more. `key` must be new."""
        grown: Growing[V] = Growing()
        newest = len(self._shared) == self._size
        grown._shared = self._shared if newest else dict(islice(self._shared.items(), self._size))
        grown._shared[key] = (self._size, value)
        grown._size = self._size + 1
        return grown

    def __getitem__(self, key: str) -> V:
        position, value = self._shared[key]
        if position >= self._size:
            raise KeyError(key)
        return value

    def __iter__(self) -> Iterator[str]:
        return islice(self._shared, self._size)

    def __len__(self) -> int:
        return self._size

    def __repr__(self) -> str:
        return repr(dict(self))


def with_number(ranges: Ranges, number: int) -> Ranges:
    """The sorted, disjoint, inclusive ranges with `number` in them; neighbours are merged."""
    at = bisect_left(ranges, (number + 1,))
    if at and number <= ranges[at - 1][1]:
        return ranges
    first, last, start, stop = number, number, at, at
    if at and ranges[at - 1][1] == number - 1:
        first, start = ranges[at - 1][0], at - 1
    if at < len(ranges) and ranges[at][0] == number + 1:
        last, stop = ranges[at][1], at + 1
    return (*ranges[:start], (first, last), *ranges[stop:])
