"""Which products go out together to a trainer that learns from whole shops: a pure function of the job's products.

It knows nothing of workers, replicas or runs: whoever cuts, and however often, the parts are the same, and so are the models.
"""

from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from itertools import groupby, pairwise
from typing import NamedTuple


class Piece(NamedTuple):
    """One product as a part sees it. `size_bytes`: of its series in a task."""

    shop: str
    product_id: str
    size_bytes: int


class Room(NamedTuple):
    """What a part may hold."""

    products: int
    size_bytes: int

    def holds(self, some: "_Some") -> bool:
        return len(some.pieces) <= self.products and some.size_bytes <= self.size_bytes


class _Some(NamedTuple):
    """Products of one shop or of several, with the bytes of their calendars in `size_bytes`."""

    pieces: list[Piece]
    size_bytes: int

    def and_(self, other: "_Some") -> "_Some":
        return _Some(self.pieces + other.pieces, self.size_bytes + other.size_bytes)


def cut(pieces: Iterable[Piece], calendar_bytes: Mapping[str, int], room: Room) -> dict[str, int]:
    """Product id -> the number of its part, from 1 on. `calendar_bytes`: of each shop's calendar in a task, where it has one.

    A shop that is too large for one part has parts of its own, as even as can be, by the hash of the product's id. Smaller shops
    are not cut: neighbours by name share a part while there is room, since a task costs the same whatever it holds. A single
    product that is larger than the room is a part of its own.
    """
    shops = [_shop(list(of_shop), calendar_bytes) for _, of_shop in groupby(sorted(pieces), key=lambda piece: piece.shop)]
    parts = [part for shop in shops if not room.holds(shop) for part in _parts_of(shop, calendar_bytes, room)]
    parts += _shared([shop for shop in shops if room.holds(shop)], room)
    return {piece.product_id: number for number, part in enumerate(parts, start=1) for piece in part.pieces}


def _shop(pieces: list[Piece], calendar_bytes: Mapping[str, int]) -> _Some:
    return _Some(pieces, calendar_bytes.get(pieces[0].shop, 0) + sum(piece.size_bytes for piece in pieces))


def _parts_of(shop: _Some, calendar_bytes: Mapping[str, int], room: Room) -> list[_Some]:
    """The fewest that fit. Their order has nothing to do with names, so that each part is a fair sample of its shop."""
    pieces = sorted(shop.pieces, key=lambda piece: sha256(piece.product_id.encode()).digest())
    count = max(-(-len(pieces) // room.products), -(-shop.size_bytes // room.size_bytes), 2)
    parts = [_shop(some, calendar_bytes) for some in _evenly(pieces, count)]
    while count < len(pieces) and not all(room.holds(part) for part in parts):
        count += 1
        parts = [_shop(some, calendar_bytes) for some in _evenly(pieces, count)]
    return parts


def _evenly(pieces: list[Piece], count: int) -> Iterator[list[Piece]]:
    """Lengths differ by one at most."""
    count = min(count, len(pieces))
    bounds = [i * len(pieces) // count for i in range(count + 1)]
    return (pieces[first:last] for first, last in pairwise(bounds))


def _shared(shops: list[_Some], room: Room) -> list[_Some]:
    """As few parts as filling them one after the other takes, with the largest as small as that leaves, so that workers end together."""
    fewest = len(_filled(shops, room))
    low, high = 1, room.products
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if len(_filled(shops, room._replace(products=middle))) <= fewest else (middle + 1, high)
    return _filled(shops, room._replace(products=high))


def _filled(shops: list[_Some], room: Room) -> list[_Some]:
    filled: list[_Some] = []
    for shop in shops:
        if filled and room.holds(both := filled[-1].and_(shop)):
            filled[-1] = both
        else:
            filled.append(shop)
    return filled
