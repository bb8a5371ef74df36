"""The cutting of shops: the same for the same products, never more than fits, and nothing that could stay whole is cut."""

import random
from collections import Counter, defaultdict

from hypothesis import given
from hypothesis import strategies as st

from levain_training.store.parts import Piece, Room, cut

ROOM = Room(products=8, size_bytes=100)
CALENDAR_BYTES = {"a": 10, "b": 0, "c": 20}

shop_sizes = st.dictionaries(st.sampled_from(["a", "b", "c", "", "d", "e", "f"]), st.integers(1, 40), max_size=7)


@st.composite
def many_pieces(draw: st.DrawFn, max_bytes: int = 40) -> list[Piece]:
    sizes = st.integers(1, max_bytes)
    return [Piece(shop, f"{shop or 'none'}-{i}", draw(sizes)) for shop, count in draw(shop_sizes).items() for i in range(count)]


def parts_of(pieces: list[Piece]) -> list[list[Piece]]:
    numbers = cut(pieces, CALENDAR_BYTES, ROOM)
    parts: dict[int, list[Piece]] = defaultdict(list)
    for piece in pieces:
        parts[numbers[piece.product_id]].append(piece)
    assert sorted(parts) == list(range(1, len(parts) + 1))
    assert numbers.keys() == {piece.product_id for piece in pieces}
    return [parts[number] for number in sorted(parts)]


def size_bytes(part: list[Piece]) -> int:
    return sum(p.size_bytes for p in part) + sum(CALENDAR_BYTES.get(shop, 0) for shop in {p.shop for p in part})


def whole(pieces: list[Piece]) -> dict[str, list[Piece]]:
    shops: dict[str, list[Piece]] = defaultdict(list)
    for piece in pieces:
        shops[piece.shop].append(piece)
    return shops


@given(many_pieces(max_bytes=120))
def test_a_part_holds_what_fits_or_one_product(pieces: list[Piece]) -> None:
    for part in parts_of(pieces):
        assert len(part) <= ROOM.products
        assert size_bytes(part) <= ROOM.size_bytes or len(part) == 1


@given(many_pieces(), st.randoms(use_true_random=False))
def test_the_order_of_the_products_changes_nothing(pieces: list[Piece], chance: random.Random) -> None:
    shuffled = pieces[:]
    chance.shuffle(shuffled)
    assert cut(pieces, CALENDAR_BYTES, ROOM) == cut(shuffled, CALENDAR_BYTES, ROOM)


@given(many_pieces())
def test_a_shop_is_cut_only_where_it_does_not_fit_and_then_no_other_is_in_its_parts(pieces: list[Piece]) -> None:
    parts = parts_of(pieces)
    for shop, of_shop in whole(pieces).items():
        mine = [part for part in parts if shop in {p.shop for p in part}]
        if len(of_shop) <= ROOM.products and size_bytes(of_shop) <= ROOM.size_bytes:
            assert len(mine) == 1
        else:
            assert len(mine) > 1 or len(of_shop) == 1
            assert all({p.shop for p in part} == {shop} for part in mine)


@given(many_pieces(max_bytes=1))
def test_parts_of_a_large_shop_are_even_and_no_more_than_needed(pieces: list[Piece]) -> None:
    parts = parts_of(pieces)
    for shop, of_shop in whole(pieces).items():
        if len(of_shop) > ROOM.products:
            sizes = [len(part) for part in parts if part[0].shop == shop]
            assert max(sizes) - min(sizes) <= 1
            assert len(sizes) == -(-len(of_shop) // ROOM.products)


@given(st.lists(st.integers(1, 8), max_size=30))
def test_small_shops_share_parts_and_two_neighbours_never_fit_into_one(sizes: list[int]) -> None:
    pieces = [Piece(f"shop-{n:02}", f"p-{n}-{i}", 1) for n, size in enumerate(sizes) for i in range(size)]
    filled = parts_of(pieces)
    fullest = max(map(len, filled), default=0)
    greedy = [0]
    for size in sizes:
        greedy = [*greedy[:-1], greedy[-1] + size] if greedy[-1] + size <= ROOM.products else [*greedy, size]
    assert len(filled) == (len(greedy) if sizes else 0)
    assert fullest <= max(greedy)


def test_one_shop_of_two_thousand_products_is_eight_equal_parts() -> None:
    numbers = cut([Piece("", f"product-{i}", 900) for i in range(2000)], {}, Room(256, 4_000_000))
    assert Counter(numbers.values()) == dict.fromkeys(range(1, 9), 250)


def test_parts_stay_as_they_are_when_the_code_changes() -> None:
    """Another hash would train every large shop's models on other neighbours after an update."""
    numbers = cut([Piece("", f"p{i}", 1) for i in range(10)], {}, Room(4, 100))
    assert [numbers[f"p{i}"] for i in range(10)] == [1, 3, 2, 2, 3, 2, 3, 1, 3, 1]
