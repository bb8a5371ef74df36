"""Inside a child process: a dataset's bytes -> daily series and what was repaired. The parent is `analysis`."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from levain_contracts.model import clip
from levain_contracts.reading import ReadingOptions
from levain_training.ingest import DailySeries, DataRefused, Sales, Surroundings, json_text, read_sales, select
from levain_training.uris import UriNotAllowed, UriNotReadable, read_chunks

Emit = Callable[[bytes], None]

_MESSAGE_BYTES = 2**19  # a reader holds one at a time; larger ones are no faster
_SKIPPED_PER_MESSAGE = 1000


def analyse(payload: bytes, emit: Emit) -> None:
    """`payload`: `path`, `reading`, `products`, `only_report`; `uri`, `prefixes`, `max_bytes` where a URI fills the path; `horizon_days`,
    `country`, `subdivision` and `calendar` (a path) where they are known.

    Emits `{"series": [[product_id, product, shop, text], …]}`, `{"calendars": [text, …]}` and
    `{"skipped": [[product_id, product, shop, reason], …]}` as often as needed, then one `{"done": …}` or `{"refused": …}`.
    """
    order: dict[str, Any] = json.loads(payload)
    path = Path(order["path"])
    try:
        if order.get("uri"):
            _fetch(order["uri"], order["prefixes"], order["max_bytes"], path)
        sales = select(read_sales(path, ReadingOptions.model_validate(order["reading"]), _around(order)), order["products"])
    except DataRefused as error:
        _emit(emit, refused={"reason": error.code, "message": clip(error.message)})
    except UriNotAllowed as error:
        _emit(emit, refused={"reason": "uri_not_allowed", "message": clip(str(error))})
    except UriNotReadable as error:
        _emit(emit, refused={"reason": "uri_not_readable", "message": clip(str(error))})
    else:
        if not order.get("only_report"):
            _emit_products(emit, sales)
        _emit(emit, done=_summary(sales, path))


def _around(order: dict[str, Any]) -> Surroundings:
    calendar = order.get("calendar")
    return Surroundings(
        horizon_days=order.get("horizon_days", 0),
        country=order.get("country"),
        subdivision=order.get("subdivision"),
        calendar=None if calendar is None else Path(calendar),
    )


def _fetch(uri: str, prefixes: Iterable[str], max_bytes: int, path: Path) -> None:
    size = 0
    with path.open("wb") as file:
        for chunk in read_chunks(uri, prefixes):
            size += len(chunk)
            if size > max_bytes:
                raise UriNotReadable(f"the URI's content is larger than {max_bytes} bytes")
            file.write(chunk)


def _emit_products(emit: Emit, sales: Sales) -> None:
    for some in _portions(_series(one) for one in sales.daily):
        emit(b'{"series": [' + b",".join(some) + b"]}")
    for some in _portions(json.dumps(one.model_dump_json()).encode() for one in sales.calendars):
        emit(b'{"calendars": [' + b",".join(some) + b"]}")
    for i in range(0, len(sales.skipped), _SKIPPED_PER_MESSAGE):
        few = sales.skipped[i : i + _SKIPPED_PER_MESSAGE]
        _emit(emit, skipped=[[s.product_id, s.product, s.shop, s.reason] for s in few])


def _series(one: DailySeries) -> bytes:
    return json.dumps([one.product_id, one.product, one.shop, json_text(one)], ensure_ascii=False).encode()


def _portions(items: Iterable[bytes]) -> Iterator[list[bytes]]:
    """In as few messages as their size allows; an item alone is below `MAX_FRAME_BYTES` by far."""
    some: list[bytes] = []
    size = 0
    for item in items:
        if some and size + len(item) > _MESSAGE_BYTES:
            yield some
            some, size = [], 0
        some.append(item)
        size += len(item)
    if some:
        yield some


def _summary(sales: Sales, path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "sha256": sha256,
        "report": sales.report.model_dump(mode="json"),
        "forecast_start": sales.forecast_start.isoformat(),
    }


def _emit(emit: Emit, **message: Any) -> None:
    emit(json.dumps(message, ensure_ascii=False, allow_nan=False).encode())
