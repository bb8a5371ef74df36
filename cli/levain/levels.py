"""How sure each product should be not to sell out: for all alike, or from what one piece costs and brings."""

import csv
import io
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from levain.errors import BadInput
from levain_contracts.quantities import critical_ratio

COLUMNS = ("product", "cost", "price")
_MAX_BYTES = 64 * 1024 * 1024


class Levels(NamedTuple):
    """`of` gives a product's service level, None where nothing says it. `listed`: by (shop, product), shop None for all shops."""

    everywhere: float | None = None
    listed: Mapping[tuple[str | None, str], float] = {}

    def of(self, shop: str | None, product: str) -> float | None:
        return self.listed.get((shop, product), self.listed.get((None, product), self.everywhere))


def levels(service_level: float | None, cost: float | None, price: float | None, prices: Path | None) -> Levels | None:
    """What the options ask for; None where they ask for nothing. Raises `BadInput` that names the option or the file's line."""
    everywhere = _everywhere(service_level, cost, price)
    if prices is not None:
        return Levels(everywhere, read_prices(prices))
    return None if everywhere is None else Levels(everywhere)


def _everywhere(service_level: float | None, cost: float | None, price: float | None) -> float | None:
    if (cost is None) != (price is None):
        raise BadInput("--cost and --price go together: what one piece costs, and what it sells for")
    if cost is not None and price is not None:
        if service_level is not None:
            raise BadInput("give --service-level, or --cost and --price, not both: the one follows from the other")
        try:
            return _ratio(cost, price)
        except ValueError as error:
            raise BadInput(f"--cost {cost:g} --price {price:g}: {error}") from None
    if service_level is not None and not 0 < service_level < 1:
        raise BadInput(f"--service-level {service_level:g}: give a share between 0 and 1, such as 0.85")
    return service_level


def _ratio(cost: float, price: float) -> float:
    if not math.isfinite(price):
        raise ValueError("a price that is a number is needed")
    if cost <= 0:
        raise ValueError("a cost above 0 is needed: of what costs nothing there is never too much")
    return critical_ratio(cost, price)


def read_prices(path: Path) -> dict[tuple[str | None, str], float]:
    """Service level by (shop, product) from a CSV file `product,cost,price[,shop]`, parted by `,` or `;`, with decimal point or comma.

    Raises `BadInput` with the line's number; the header is line 1.
    """
    found: dict[tuple[str | None, str], float] = {}
    for line, row in _rows(path):
        where = f"--prices {path}, line {line}"
        product, shop = row["product"], row.get("shop") or None
        if not product:
            raise BadInput(f"{where}: the product's name is missing")
        cost, price = (_number(row[name], name, where) for name in ("cost", "price"))
        try:
            level = _ratio(cost, price)
        except ValueError as error:
            raise BadInput(f"{where}: {error}") from None
        if found.setdefault((shop, product), level) != level:
            raise BadInput(f"{where}: {product!r} has another cost or price further up: keep one of the two lines")
    if not found:
        raise BadInput(f"--prices {path}: there is no line below the header")
    return found


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    text = _text(path)
    head = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=";" if ";" in head else ",", strict=True)
    try:
        names = [name.strip().lower() for name in next(reader, [])]
        missing = [name for name in COLUMNS if name not in names]
        if missing:
            raise BadInput(f"--prices {path}, line 1: no column {' and '.join(missing)}; the header is product,cost,price or has shop too")
        for fields in reader:
            if not any(field.strip() for field in fields):
                continue
            if len(fields) != len(names):
                what = f"{len(fields)} fields where the header has {len(names)}"
                raise BadInput(f"--prices {path}, line {reader.line_num}: {what} (a decimal comma needs ; between fields, or quotes)")
            yield reader.line_num, {name: field.strip() for name, field in zip(names, fields, strict=True)}
    except csv.Error as error:
        raise BadInput(f"--prices {path}, line {reader.line_num}: {error}") from None


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise BadInput(f"--prices {path}: larger than {_MAX_BYTES // 2**20} MiB, which can't be a list of prices")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadInput(f"--prices {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadInput(f"--prices {path}: not UTF-8 text: save it as CSV UTF-8") from None


def _number(text: str, name: str, where: str) -> float:
    try:
        number = float(text.replace(",", ".") if "." not in text else text)
    except ValueError:
        raise BadInput(f"{where}: {name} {text!r} is no number") from None
    if not 0 <= number < 1e9:
        raise BadInput(f"{where}: {name} {text!r} is no amount of money")
    return number
