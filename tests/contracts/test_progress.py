import pytest
from hypothesis import given
from hypothesis import strategies as st

from levain_contracts.progress import ANALYSED, COMPLETED, progress

COUNTS = st.integers(-10, 10**9)


@pytest.mark.parametrize(
    ("ended", "total", "percent"),
    [(0, 0, 20), (5, 0, 20), (0, 1, 20), (1, 1, 80), (1, 3, 40), (2, 3, 60), (1, 7, 28), (6, 7, 71), (7, 7, 80), (9, 7, 80), (-1, 7, 20)],
)
def test_progress_is_twenty_and_the_floor_of_sixty_times_the_share(ended: int, total: int, percent: int) -> None:
    assert progress(ended, total) == percent


@given(COUNTS, COUNTS)
def test_progress_of_any_counts_is_between_analysed_and_eighty(ended: int, total: int) -> None:
    assert ANALYSED <= progress(ended, total) <= 80 < COMPLETED


@given(COUNTS, COUNTS)
def test_progress_never_goes_back_when_one_more_product_ends(ended: int, total: int) -> None:
    assert progress(ended, total) <= progress(ended + 1, total)


@given(st.integers(1, 10**9), st.data())
def test_only_the_last_product_brings_eighty(total: int, data: st.DataObject) -> None:
    ended = data.draw(st.integers(0, total))
    assert (progress(ended, total) == 80) == (ended == total)
    assert progress(ended, total) == 20 + (ended * 60) // total
