"""Inside a child process: a dataset's bytes -> daily series and what was repaired. The parent is `analysis`."""

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from levain_contracts.model import clip
from levain_contracts.reading import ReadingOptions
from levain_training.ingest import DataRefused, Sales, read_sales, select
from levain_training.uris import UriNotAllowed, UriNotReadable, read_chunks

Emit = Callable[[bytes], None]

_SERIES_PER_MESSAGE = 16  # 20,000 days each stay below `MAX_FRAME_BYTES`
_SKIPPED_PER_MESSAGE = 1000


def analyse(payload: bytes, emit: Emit) -> None:
    """`payload`: `path`, `reading`, `products`, and `uri`, `prefixes`, `max_bytes` where the path is to be filled from a URI.

    Emits `{"series": [[product_id, product, shop, text], …]}` and `{"skipped": [[product_id, product, shop, reason], …]}` as often
    as needed, then one `{"done": …}` or `{"refused": …}`.
    """
    order: dict[str, Any] = json.loads(payload)
    path = Path(order["path"])
    try:
        if order.get("uri"):
            _fetch(order["uri"], order["prefixes"], order["max_bytes"], path)
        sales = select(read_sales(path, ReadingOptions.model_validate(order["reading"])), order["products"])
    except DataRefused as error:
        _emit(emit, refused={"reason": error.code, "message": clip(error.message)})
    except UriNotAllowed as error:
        _emit(emit, refused={"reason": "uri_not_allowed", "message": clip(str(error))})
    except UriNotReadable as error:
        _emit(emit, refused={"reason": "uri_not_readable", "message": clip(str(error))})
    else:
        _emit_products(emit, sales)
        _emit(emit, done=_summary(sales, path))


def _fetch(uri: str, prefixes: Iterable[str], max_bytes: int, path: Path) -> None:
    size = 0
    with path.open("wb") as file:
        for chunk in read_chunks(uri, prefixes):
            size += len(chunk)
            if size > max_bytes:
                raise UriNotReadable(f"the URI's content is larger than {max_bytes} bytes")
            file.write(chunk)


def _emit_products(emit: Emit, sales: Sales) -> None:
    for i in range(0, len(sales.series), _SERIES_PER_MESSAGE):
        some = sales.series[i : i + _SERIES_PER_MESSAGE]
        _emit(emit, series=[[s.product_id, s.product, s.shop, s.model_dump_json()] for s in some])
    for i in range(0, len(sales.skipped), _SKIPPED_PER_MESSAGE):
        few = sales.skipped[i : i + _SKIPPED_PER_MESSAGE]
        _emit(emit, skipped=[[s.product_id, s.product, s.shop, s.reason] for s in few])


def _summary(sales: Sales, path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "sha256": sha256,
        "report": sales.report.model_dump(mode="json"),
        "calendars": [c.model_dump(mode="json") for c in sales.calendars],
        "forecast_start": sales.forecast_start.isoformat(),
    }


def _emit(emit: Emit, **message: Any) -> None:
    emit(json.dumps(message, ensure_ascii=False, allow_nan=False).encode())
