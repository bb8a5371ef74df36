from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from levain_contracts.persistent import Growing, Ranges, with_number


@given(st.lists(st.tuples(st.integers(0, 30), st.text("ab", max_size=3), st.integers())))
def test_versions_of_a_growing_mapping_never_see_each_others_entries(steps: list[tuple[int, str, int]]) -> None:
    versions: list[tuple[Growing[int], dict[str, int]]] = [(Growing(), {})]
    for base, key, value in steps:
        mapping, model = versions[base % len(versions)]
        if key not in model:
            versions.append((mapping.plus(key, value), {**model, key: value}))
    for mapping, model in versions:
        assert (dict(mapping), list(mapping), len(mapping)) == (model, list(model), len(model))
        assert all((key in mapping) == (key in model) for _, key, _ in steps)
        assert mapping == model


@given(st.lists(st.integers(0, 40)))
def test_ranges_are_the_set_of_their_numbers_in_its_shortest_form(numbers: list[int]) -> None:
    ranges: Ranges = ()
    for number in numbers:
        ranges = with_number(ranges, number)
    assert [n for first, last in ranges for n in range(first, last + 1)] == sorted(set(numbers))
    assert all(left[1] + 1 < right[0] for left, right in pairwise(ranges))
