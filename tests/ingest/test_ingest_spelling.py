from datetime import date

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from levain_contracts.tasks import Series
from levain_training.ingest import DailySeries, json_text

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
values = st.one_of(
    st.lists(st.integers(0, 5000).map(float) | st.just(float("nan")), max_size=30),
    st.lists(st.floats(0, 1e12) | st.just(float("nan")), max_size=30),
)


@given(names, st.none() | names, st.dates(), values)
def test_the_text_of_a_series_reads_back_as_that_series(product: str, shop: str | None, start: date, sold: list[float]) -> None:
    series = DailySeries("p-1", product, shop, start, np.array(sold, dtype=np.float64))
    assert Series.model_validate_json(json_text(series)) == series.series()
