"""Whatever a worker says of a product is kept: no text and no number of the contract is too strange for either database."""

import itertools
import json

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import JsonValue
from tests.store.bookkeeper import FORECAST_START, Bookkeeper

from levain_contracts.model import MAX_MESSAGE_CHARS, clip
from levain_contracts.tasks import FailedProduct, Forecast, ResultChunk, Scores, TrainedProduct, decode_results, encode
from levain_training.store import forecasts
from levain_training.store.tables import products

_numbers = itertools.count()

# With U+0000, which JSON may hold and PostgreSQL's text may not.
TEXTS = st.text(max_size=MAX_MESSAGE_CHARS) | st.sampled_from(["\0", "a\0b", "\u2028", "\U0010ffff", "\ufffe", "'; --", "%s", ":x"])
UNITS = st.floats(-1e12, 1e12)
VALUES = st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS | st.integers()
DOCUMENTS = st.dictionaries(TEXTS, VALUES, max_size=3)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(message=TEXTS, mean=UNITS, model=DOCUMENTS)
def test_any_message_model_and_forecast_is_recorded_and_read_back(
    books: Bookkeeper, message: str, mean: float, model: dict[str, JsonValue]
) -> None:
    job = f"job-{next(_numbers)}"
    forecast = Forecast(start=FORECAST_START, mean=[mean], lo80=[mean], hi80=[mean])
    trained = TrainedProduct(product_id="brot", forecast=forecast, scores=Scores(wape=1e-300), model=model, train_seconds=0.1)
    failed = FailedProduct(product_id="brezel", reason="trainer_failed", message=message)
    chunk = decode_results(encode(ResultChunk(tenant_id="anna", job_id=job, batch=2**31 - 1, results=[trained, failed])))
    books.analysed(["brot", "brezel"], job=job)
    assert len(books.record(chunk).events) == 3
    brezel, brot = books.products(job=job)
    assert (brezel.message, brot.scores.wape) == (clip(message), 1e-300)
    assert documents(books, job) == (forecast, trained.model)


def documents(books: Bookkeeper, job: str) -> tuple[Forecast, dict[str, JsonValue]]:
    query = sa.select(products.c.forecast, products.c.model).where(products.c.job_id == job, products.c.product_id == "brot")
    row = books.read(lambda connection: connection.execute(query).one())
    return Forecast.model_validate_json(row[0]), json.loads(row[1])


def test_a_search_for_a_name_that_no_database_holds_finds_nothing(books: Bookkeeper) -> None:
    assert books.read(forecasts.sources, "anna", "a\0b", "\0", 10) == []


def test_a_message_that_no_text_column_takes_is_cleaned_where_it_enters() -> None:
    assert clip("died\0at \ud800\x1b[31m") == "died at   [31m"
    assert clip("\ud800\0") == ""
