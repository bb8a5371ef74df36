"""Any event, task and result that the contracts allow."""

import string
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import strategies as st

from levain_contracts.events import AnalysisData, CompletedData, Event, EventData, FailedData, ProductData, ProductFailure, StartedData
from levain_contracts.model import MAX_MESSAGE_CHARS, MAX_NAME_CHARS, MAX_PRODUCTS, MAX_SEQ
from levain_contracts.report import DataReport, Repair, Skipped
from levain_contracts.tasks import FailedProduct as FailedResult
from levain_contracts.tasks import Forecast, MarkedDay, ResultChunk, Scores, Series, ShopCalendar, TrainedProduct, TrainingTask

_ID_CHARS = string.ascii_lowercase + string.digits
_CHARS = st.characters(exclude_categories=["Cs"])  # lone surrogates are no Unicode text: no encoder takes them

ids = st.builds(str.__add__, st.sampled_from(_ID_CHARS), st.text(_ID_CHARS + "-", max_size=62))
names = st.text(_CHARS, min_size=1, max_size=MAX_NAME_CHARS)
shops = st.none() | names
messages = st.text(_CHARS, max_size=MAX_MESSAGE_CHARS)
codes = st.builds(str.__add__, st.sampled_from(string.ascii_lowercase), st.text(_ID_CHARS + "_", max_size=63))
counts = st.integers(0, MAX_PRODUCTS)
seqs = st.integers(0, MAX_SEQ)
hashes = st.text("0123456789abcdef", min_size=64, max_size=64)
dates = st.dates()
times = st.datetimes(
    datetime(1970, 1, 1),  # noqa: DTZ001  # Hypothesis adds the zone
    datetime(2200, 1, 1),  # noqa: DTZ001
    timezones=st.integers(-23, 23).map(lambda hours: timezone(timedelta(hours=hours))) | st.just(UTC),
)
seconds = st.floats(0, 1e6)
lines = st.lists(st.integers(1, 10**9), max_size=20).map(tuple)

failures = st.lists(
    st.builds(ProductFailure, product_id=ids, product=names, shop=shops, seq=seqs, reason=codes, message=messages), max_size=20
).map(tuple)
reports = st.builds(
    DataReport,
    dataset=st.none() | names,
    dataset_version=st.none() | st.integers(1, 10**6),
    sha256=st.none() | hashes,
    format=st.text(_CHARS, max_size=200),
    columns=st.dictionaries(names, st.text(_CHARS, max_size=200), max_size=4),
    rows_read=st.integers(0, 10**9),
    rows_used=st.integers(0, 10**9),
    products=counts,
    shops=counts,
    first_date=st.none() | dates,
    last_date=st.none() | dates,
    repairs=st.lists(st.builds(Repair, code=codes, count=st.integers(1, 10**9), lines=lines, message=messages), max_size=3).map(tuple),
    skipped=st.lists(st.builds(Skipped, reason=codes, count=counts, products=st.lists(names, max_size=3).map(tuple)), max_size=3).map(
        tuple
    ),
    notes=st.lists(messages, max_size=3).map(tuple),
)
event_data: st.SearchStrategy[EventData] = st.one_of(
    st.builds(StartedData, total_products=st.none() | counts),
    st.builds(AnalysisData, step=st.just("data_analysis"), total_products=counts, report=reports),
    st.builds(
        ProductData,
        product_id=ids,
        product=names,
        shop=shops,
        status=st.sampled_from(["trained", "failed"]),
        reason=st.none() | codes,
        message=st.none() | messages,
        products_completed=counts,
        products_failed=counts,
        total_products=counts,
    ),
    st.builds(CompletedData, successful=counts, failed=counts, total_products=counts, duration_seconds=seconds, failures=failures),
    st.builds(
        FailedData,
        reason=codes,
        message=messages,
        successful=counts,
        failed=counts,
        total_products=st.none() | counts,
        duration_seconds=seconds,
        failures=failures,
    ),
)
events = st.builds(Event, tenant_id=ids, job_id=ids, seq=seqs, time=times, progress=st.integers(0, 100), data=event_data)

units = st.floats(-1e12, 1e12)
scores_of = st.none() | st.floats(-1e6, 1e6)


@st.composite
def forecasts(draw: st.DrawFn) -> Forecast:
    days = draw(st.integers(1, 5))
    values = st.lists(units, min_size=days, max_size=days)
    quartiles = {name: draw(values) for name in ("q25", "q50", "q75")} if draw(st.booleans()) else {}
    return Forecast(start=draw(dates), mean=draw(values), lo80=draw(values), hi80=draw(values), **quartiles)


tasks = st.builds(
    TrainingTask,
    tenant_id=ids,
    job_id=ids,
    batch=st.integers(1, 10**9),
    alone=st.booleans(),
    model=codes,
    horizon_days=st.integers(1, 365),
    dataset_sha256=hashes,
    forecast_start=dates,
    calendars=st.lists(
        st.builds(
            ShopCalendar,
            shop=shops,
            closed=st.lists(dates, max_size=3),
            given_closed=st.lists(dates, max_size=3),
            given_open=st.lists(dates, max_size=3),
            holidays=st.lists(st.builds(MarkedDay, date=dates, label=names), max_size=3),
        ),
        max_size=2,
    ),
    series=st.lists(
        st.builds(Series, product_id=ids, product=names, shop=shops, start=dates, values=st.lists(st.none() | units, max_size=6)),
        min_size=1,
        max_size=3,
    ),
)
json_values: st.SearchStrategy[object] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(_CHARS, max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(_CHARS, max_size=9), inner, max_size=3),
    max_leaves=8,
)
trained = st.builds(
    TrainedProduct,
    kind=st.just("trained"),
    product_id=ids,
    forecast=forecasts(),
    scores=st.builds(
        Scores,
        wape=scores_of,
        mase=scores_of,
        bias=scores_of,
        coverage80=scores_of,
        naive_wape=scores_of,
        naive_mase=scores_of,
        test_days=st.integers(0, 20_000),
        undefined=st.dictionaries(st.sampled_from(["wape", "mase"]), codes, max_size=2),
    ),
    model=st.dictionaries(st.text(_CHARS, max_size=9), json_values, max_size=3),
    train_seconds=seconds,
)
failed = st.builds(FailedResult, kind=st.just("failed"), product_id=ids, reason=codes, message=messages, train_seconds=seconds)
chunks = st.builds(
    ResultChunk, tenant_id=ids, job_id=ids, batch=st.integers(1, 10**9), results=st.lists(trained | failed, min_size=1, max_size=3)
)
