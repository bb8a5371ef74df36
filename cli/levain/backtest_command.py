"""Options of `levain backtest`. The work is imported when it runs."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

MAX_ORIGINS = 52

File = Annotated[
    Path,
    typer.Argument(metavar="FILE", exists=True, dir_okay=False, readable=True, help="Sales as CSV or Parquet: date, product, quantity."),
]


def backtest(
    file: File,
    horizon: Annotated[int, typer.Option("--horizon", min=1, max=365, help="Days of each forecast.")] = 14,
    origins: Annotated[
        int, typer.Option("--origins", min=1, max=MAX_ORIGINS, help="How many forecasts, the last one up to the data's end.")
    ] = 4,
    step: Annotated[int | None, typer.Option("--step", min=1, help="Days from one to the next; by default the horizon.")] = None,
    model: Annotated[str, typer.Option("--model", help="The trainer to look at.")] = "auto",
    against: Annotated[str, typer.Option("--against", help="What to compare it with, of prophet, ets and naive, by commas.")] = "naive",
    service_level: Annotated[
        float | None, typer.Option("--service-level", help="Share of days that should not sell out, to see its waste and lost sales.")
    ] = None,
    cost: Annotated[float | None, typer.Option("--cost", min=0, help="What a piece costs that is left over; with --price.")] = None,
    price: Annotated[
        float | None, typer.Option("--price", min=0, help="What a piece sells for; with --cost it sets the service level.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else, on standard output.")] = False,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw one product's history, forecasts and intervals to this SVG file.")
    ] = None,
    product: Annotated[str | None, typer.Option("--product", help="Which one to draw; by default the one that sells most.")] = None,
    country: Annotated[str | None, typer.Option("--country", help="Whose public holidays count, such as DE.")] = None,
    subdivision: Annotated[str | None, typer.Option("--subdivision", help="The part of the country, such as BY.")] = None,
    calendar: Annotated[
        Path | None,
        typer.Option("--calendar", exists=True, dir_okay=False, readable=True, help="A CSV of closings, openings and labels."),
    ] = None,
    date_format: Annotated[str | None, typer.Option("--date-format", help="How dates are written, such as %d/%m/%Y.")] = None,
    decimal: Annotated[str | None, typer.Option("--decimal", help="The decimal mark: . or ,")] = None,
) -> None:
    """Forecast a file's past again, and say how good that was and what a service level would have cost."""
    from levain.backtesting import Asked, backtest_file
    from levain.output import Output

    asked = Asked(
        file=file,
        model=model,
        against=tuple(dict.fromkeys(name.strip() for name in against.split(",") if name.strip())),
        horizon_days=horizon,
        origins=origins,
        step_days=step or horizon,
        service_level=service_level,
        cost=cost,
        price=price,
        plot=plot,
        product=product,
        country=country,
        subdivision=subdivision,
        calendar=calendar,
        reading={"date_format": date_format, "decimal": decimal},
    )
    backtest_file(asked, Output(sys.stdout, os.environ), Output(sys.stderr, os.environ), as_json=as_json)
