"""`levain backtest`: a sales file -> its past forecast again, in a table or as JSON, and a drawing. No stack: all in this process."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from levain.errors import BadInput, CommandFailed
from levain.formatting import plural, series_name
from levain.levels import levels
from levain.outfile import check_writable, replacing
from levain.output import Output
from levain_contracts.reading import ReadingOptions

if TYPE_CHECKING:
    from levain_training.forecasting.rolling.held import Held
    from levain_training.forecasting.rolling.measures import Baked
    from levain_training.forecasting.rolling.run import Outcome
    from levain_training.ingest import Sales

_PEERS = ("naive", "ets", "prophet")


class Asked(NamedTuple):
    """What `levain backtest` was asked for."""

    file: Path
    model: str
    against: tuple[str, ...]
    horizon_days: int
    origins: int
    step_days: int
    service_level: float | None
    cost: float | None
    price: float | None
    plot: Path | None
    product: str | None
    country: str | None
    subdivision: str | None
    calendar: Path | None
    reading: Mapping[str, Any]


def backtest_file(asked: Asked, out: Output, err: Output, *, as_json: bool) -> None:
    """Raises `BadInput` for a wrong option or file, `CommandFailed` when there is nothing to test."""
    level = _checked(asked)
    sales = _read(asked)
    outcome = _run(asked, sales, err)
    if not outcome.held:
        raise CommandFailed(
            f"no product of {asked.file} has four weeks before the first of {plural(asked.origins, 'origin')}: fewer --origins?"
        )
    found = _report(asked, outcome, level)
    if as_json:
        out.line(json.dumps(found, allow_nan=False))
    else:
        for line in _table(found, asked):
            out.line(line)
    if asked.plot is not None:
        _plot(asked.plot, _chosen(asked, outcome.held), sales, asked.model)


def _checked(asked: Asked) -> float | None:
    """The service level."""
    strangers = [name for name in asked.against if name not in _PEERS]
    if strangers:
        raise BadInput(f"--against {strangers[0]!r}: choose of {', '.join(_PEERS)}")
    if asked.plot is not None and asked.plot.suffix.lower() != ".svg":
        raise BadInput(f"--plot {asked.plot}: the drawing is an SVG, give a name that ends in .svg")
    if asked.plot is not None:
        check_writable(asked.plot)
    if (asked.cost is None) != (asked.price is None):
        raise BadInput("--cost and --price go together")
    found = levels(asked.service_level, None, None, None) or levels(None, asked.cost, asked.price, None)
    return None if found is None else found.everywhere


def _read(asked: Asked) -> "Sales":
    from levain_training.ingest import DataRefused, Surroundings, read_sales

    around = Surroundings(asked.horizon_days, asked.country, asked.subdivision, asked.calendar)
    try:
        return read_sales(asked.file, ReadingOptions.model_validate(dict(asked.reading)), around)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise BadInput(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except DataRefused as error:
        raise BadInput(f"{asked.file}: {error.message}") from None
    except OSError as error:
        raise BadInput(f"{asked.file}: {error.strerror}") from None


def _run(asked: Asked, sales: "Sales", err: Output) -> "Outcome":
    from levain_training.forecasting.registry import TrainerNotLoadable, UnknownModel
    from levain_training.forecasting.rolling.run import Plan, backtest

    plan = Plan(asked.model, asked.against, asked.horizon_days, asked.origins, asked.step_days)
    try:
        return backtest(
            sales.series,
            sales.calendars,
            sales.forecast_start,
            plan,
            lambda day: err.line(f"forecasting from {day} on") if err.terminal else None,
        )
    except UnknownModel as error:
        raise BadInput(f"--model: {error}") from None
    except TrainerNotLoadable as error:
        raise BadInput(str(error)) from None


def _report(asked: Asked, outcome: "Outcome", level: float | None) -> dict[str, Any]:
    from levain_training.forecasting.rolling.measures import baked_as_last_week, baked_by_level, by_product, measure

    names = list(dict.fromkeys((asked.model, *asked.against)))
    found: dict[str, Any] = {
        "file": str(asked.file),
        "horizon_days": asked.horizon_days,
        "origins": sorted({str(one.start) for one in outcome.held}),
        "failed": outcome.failed,
        "models": {name: asdict(measure(outcome.held, name)) | {"cpu_seconds": round(outcome.cpu_seconds[name], 3)} for name in names},
        "products": [
            {"product_id": some[0].product_id, "product": some[0].product, "shop": some[0].shop}
            | {"models": {name: asdict(measure(some, name)) for name in names}}
            for some in by_product(outcome.held)
        ],
    }
    if level is not None:
        ours, last_week = baked_by_level(outcome.held, asked.model, level), baked_as_last_week(outcome.held)
        found["service_level"] = level
        found["baked"] = {asked.model: _costs(ours, asked), "same as last week": _costs(last_week, asked)}
    return found


def _costs(baked: "Baked", asked: Asked) -> dict[str, float]:
    units = {name: round(value, 3) for name, value in asdict(baked).items()}
    if asked.cost is None or asked.price is None:
        return units
    return units | {"money": round(baked.cost(asked.cost, asked.price), 2)}


def _table(found: Mapping[str, Any], asked: Asked) -> list[str]:
    tested = (
        f"{plural(len(found['products']), 'product')}, {plural(len(found['origins']), 'origin')} of {plural(asked.horizon_days, 'day')}"
    )
    lines = [tested, "", f"{'model':<18}{'WAPE':>9}{'/ last week':>13}{'MASE':>8}{'bias':>9}{'in 80 %':>9}{'CPU s':>9}"]
    for name, m in found["models"].items():
        shares = f"{_percent(m['wape']):>9}{_number(m['wape_to_naive']):>13}{_number(m['mase']):>8}{_percent(m['bias'], '+'):>9}"
        lines.append(f"{name:<18}{shares}{_percent(m['coverage80']):>9}{m['cpu_seconds']:>9.2f}")
    if "baked" in found:
        lines += ["", f"at a service level of {_percent(found['service_level'])}, had as much been asked for as was sold:"]
        lines.append(f"{'':<18}{'baked':>12}{'left over':>12}{'missing':>12}{'cost':>12}")
        for name, b in found["baked"].items():
            money = f"{b['money']:>12,.2f}" if "money" in b else f"{'-':>12}"
            lines.append(f"{name:<18}{b['baked']:>12,.0f}{b['waste']:>12,.0f}{b['lost']:>12,.0f}{money}")
    return lines


def _percent(share: float | None, sign: str = "") -> str:
    return "-" if share is None else f"{share * 100:{sign}.1f} %"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _chosen(asked: Asked, held: "list[Held]") -> "list[Held]":
    from levain_training.forecasting.rolling.measures import by_product

    groups = list(by_product(held))
    if asked.product is None:
        return max(groups, key=lambda some: sum(actual or 0.0 for one in some for actual in one.actual))
    for some in groups:
        if asked.product in (some[0].product, some[0].product_id):
            return some
    raise BadInput(f"--product {asked.product!r}: no such product was tested")


def _plot(path: Path, held: "list[Held]", sales: "Sales", model: str) -> None:
    from levain.svgplot import Window, drawing

    (series,) = (one for one in sales.series if one.product_id == held[0].product_id)
    windows = []
    for one in held:
        curve = one.curves[model]
        quantiles = curve.quantiles or [(mean, mean) for mean in curve.mean]
        windows.append(Window(one.start, curve.mean, [day[0] for day in quantiles], [day[-1] for day in quantiles]))
    with replacing(path) as file:
        file.write(drawing(series_name(held[0].product, held[0].shop), series.start, series.values, windows).encode())
