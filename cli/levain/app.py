"""The command line: options and their help. Each command imports its work when it runs, so that `--help` is instant."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from levain.backtest_command import backtest
from levain.errors import BadInput, ExitCode

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from levain.client import Api
    from levain.contact import Contact
    from levain.datadir import DataDir
    from levain.output import Output
    from levain.training import Screen, Training
    from levain_settings.readers import Listen

app = typer.Typer(
    name="levain",
    help="Trains one demand-forecast model per bakery product, in parallel, and shows each one finish live.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

MAX_HORIZON_DAYS = 365
MAX_PATIENCE_SECONDS = 86_400.0

Url = Annotated[str | None, typer.Option("--url", envvar="LEVAIN_URL", help="Address of a stack that runs elsewhere.")]
Token = Annotated[str | None, typer.Option("--token", envvar="LEVAIN_TOKEN", help="Token for --url.")]
Tenant = Annotated[str | None, typer.Option("--tenant", help="Tenant; by default the token's, else demo.")]
DataDirOption = Annotated[Path, typer.Option("--data-dir", envvar="LEVAIN_DATA_DIR", help="Folder of `levain up`.")]
Patience = Annotated[
    float, typer.Option("--patience", min=0.0, max=MAX_PATIENCE_SECONDS, help="Seconds without contact before giving up (exit code 3).")
]
Workers = Annotated[int | None, typer.Option("--workers", min=1, max=256, help="Products trained at once; by default one a CPU.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print every frame as one line of JSON, and nothing else, on standard output.")]
ServiceLevel = Annotated[
    float | None,
    typer.Option("--service-level", help="Say how many to bake so that a day's demand is covered with this probability, such as 0.85."),
]
Cost = Annotated[float | None, typer.Option("--cost", help="With --price, instead of --service-level: what one piece costs.")]
Price = Annotated[float | None, typer.Option("--price", help="What one piece sells for.")]
Prices = Annotated[
    Path | None, typer.Option("--prices", metavar="FILE", help="Costs and prices by product: a CSV file product,cost,price[,shop].")
]
DATA_DIR = Path(".levain")


@app.command()
def demo(workers: Workers = None, model: Annotated[str, typer.Option("--model", hidden=True)] = "auto") -> None:
    """Train the shipped sample on an embedded stack, watch it live, and draw a forecast."""
    from levain.demo import demo as run_demo

    screen = _screen()
    _run_embedded(lambda: run_demo(screen, os.environ, model=model, workers=workers))


@app.command()
def up(
    data_dir: DataDirOption = DATA_DIR,
    listen: Annotated[str, typer.Option("--listen", help="host:port; port 0 lets the system choose.")] = "127.0.0.1:8080",
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, max=256, help="Products trained at once; by default one a CPU, with --scale 3 processes."),
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(
            "--metrics", help="host:port of /metrics, or off; by default a free port of 127.0.0.1. With --scale each has its own."
        ),
    ] = None,
    scale: Annotated[bool, typer.Option("--scale", help="As separate processes, on RabbitMQ and PostgreSQL.")] = False,
    broker_url: Annotated[
        str | None, typer.Option("--broker-url", help="With --scale: a RabbitMQ that runs already (LEVAIN_BROKER_URL).")
    ] = None,
    database_url: Annotated[
        str | None, typer.Option("--database-url", help="With --scale: a PostgreSQL that runs already (LEVAIN_DATABASE_URL).")
    ] = None,
) -> None:
    """Run a stack until Ctrl-C, with its data in one folder: all in one process, or with --scale in many."""
    from levain.datadir import DataDir
    from levain_settings import readers

    def address_of(option: str, given: str) -> "Listen":
        try:
            return readers.listen(given)
        except ValueError as error:
            raise BadInput(f"{option} {given!r}: {error}") from None

    address = address_of("--listen", listen)
    out, folder = _screen().out, DataDir(data_dir)
    if scale:
        if metrics is not None:
            raise BadInput("--metrics goes without --scale, where each process has a port of its own")
        _up_scaled(folder, address, workers, broker_url, database_url, out)
    elif broker_url or database_url:
        raise BadInput("--broker-url and --database-url go with --scale")
    else:
        from levain.up import up as run_up

        told_at = None if metrics == "off" else address_of("--metrics", metrics or "127.0.0.1:0")
        _run_embedded(lambda: run_up(folder, (address, told_at), workers, out, os.environ), log_level="info")


@app.command()
def train(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", exists=True, dir_okay=False, readable=True, help="Sales as CSV or Parquet: date, product, quantity."
        ),
    ],
    url: Url = None,
    token: Token = None,
    tenant: Tenant = None,
    horizon: Annotated[int, typer.Option("--horizon", min=1, max=MAX_HORIZON_DAYS, help="Days to forecast.")] = 14,
    forecasts: Annotated[Path | None, typer.Option("--forecasts", help="Write all forecasts to this CSV file.")] = None,
    service_level: ServiceLevel = None,
    cost: Cost = None,
    price: Price = None,
    prices: Prices = None,
    as_json: AsJson = False,
    model: Annotated[str, typer.Option("--model", help="Trainer; `auto` is the default one.")] = "auto",
    max_failed_products: Annotated[
        int | None,
        typer.Option("--max-failed-products", min=0, help="Fail the job when more products than this fail."),
    ] = None,
    deadline_seconds: Annotated[int | None, typer.Option("--deadline-seconds", min=1, help="Fail the job when it takes longer.")] = None,
    date_format: Annotated[str | None, typer.Option("--date-format", help="How dates are written, such as %d/%m/%Y.")] = None,
    decimal: Annotated[str | None, typer.Option("--decimal", help="The decimal mark: . or ,")] = None,
    date_column: Annotated[str | None, typer.Option("--date-column", help="The file's name for the date.")] = None,
    product_column: Annotated[str | None, typer.Option("--product-column", help="The file's name for the product.")] = None,
    quantity_column: Annotated[str | None, typer.Option("--quantity-column", help="The file's name for the quantity.")] = None,
    shop_column: Annotated[str | None, typer.Option("--shop-column", help="The file's name for the shop.")] = None,
    layout: Annotated[
        str, typer.Option("--layout", help="long: a row per day and product; day_columns or product_columns: a wide file.")
    ] = "long",
    time_zone: Annotated[
        str | None, typer.Option("--time-zone", help="Times with an offset are converted to this zone, such as Europe/Paris.")
    ] = None,
    cut_over_hour: Annotated[
        int, typer.Option("--cut-over-hour", min=0, max=12, help="A sale before this hour belongs to the day before.")
    ] = 0,
    country: Annotated[str | None, typer.Option("--country", help="Whose public holidays count, such as DE.")] = None,
    subdivision: Annotated[str | None, typer.Option("--subdivision", help="The part of the country, such as BY.")] = None,
    calendar: Annotated[
        Path | None,
        typer.Option(
            "--calendar", exists=True, dir_okay=False, readable=True, help="A CSV of closings, openings and labels: date,status,label."
        ),
    ] = None,
    dataset: Annotated[str | None, typer.Option("--dataset", help="Name of the dataset; by default after the file.")] = None,
    patience: Patience = 60.0,
    workers: Workers = None,
) -> None:
    """Train a sales file and watch it live; without --url on an embedded stack that lives as long as the run."""
    from levain.levels import levels
    from levain.training import train as run_train
    from levain.training import training

    asked = training(
        file,
        dataset,
        forecasts,
        calendar,
        levels(service_level, cost, price, prices),
        horizon_days=horizon,
        model=model,
        max_failed_products=max_failed_products,
        active_deadline_seconds=deadline_seconds,
        reading={
            "columns": {"date": date_column, "product": product_column, "quantity": quantity_column, "shop": shop_column},
            "date_format": date_format,
            "decimal": decimal,
            "layout": layout,
            "time_zone": time_zone,
            "cut_over_hour": cut_over_hour,
        },
        country=country,
        subdivision=subdivision,
    )
    screen = _screen(as_json=as_json)
    if url:
        _run_client(url, token, tenant, patience, lambda api, contact: run_train(api, asked, screen, contact))
    else:
        _train_here(asked, tenant, screen, patience, workers)


@app.command()
def watch(
    job: Annotated[str, typer.Argument(metavar="JOB", help="The job's id.")],
    url: Url = None,
    token: Token = None,
    tenant: Tenant = None,
    data_dir: DataDirOption = DATA_DIR,
    as_json: AsJson = False,
    patience: Patience = 60.0,
) -> None:
    """Watch a job until it ends: exit code 0 when it completed, 1 when not."""
    from levain.training import watch as run_watch

    screen = _screen(as_json=as_json)
    url, token = _stack(url, token, tenant, data_dir)
    _run_client(url, token, tenant, patience, lambda api, contact: run_watch(api, job, screen, contact))


@app.command()
def forecast(
    product: Annotated[str, typer.Argument(metavar="PRODUCT", help="The product's name, or its id.")],
    shop: Annotated[str | None, typer.Option("--shop", help="Which shop, where several sell it.")] = None,
    service_level: ServiceLevel = None,
    cost: Cost = None,
    price: Price = None,
    prices: Prices = None,
    url: Url = None,
    token: Token = None,
    tenant: Tenant = None,
    data_dir: DataDirOption = DATA_DIR,
    patience: Patience = 60.0,
) -> None:
    """Draw a product's newest forecast, and say how many to bake."""
    from levain.forecasting import show_forecast
    from levain.levels import levels

    out, wished = _screen().out, levels(service_level, cost, price, prices)
    url, token = _stack(url, token, tenant, data_dir)

    async def show(api: "Api", _: "Contact") -> int:
        await show_forecast(api, product, shop, out, wished)
        return ExitCode.COMPLETED

    _run_client(url, token, tenant, patience, show)


app.command()(backtest)


@app.command()
def token(
    tenant: Annotated[str, typer.Option("--tenant", help="Whose data it opens.")] = "demo",
    role: Annotated[str, typer.Option("--role", help="trainer, or viewer: may read and watch.")] = "trainer",
    hours: Annotated[float, typer.Option("--hours", min=0.01, max=24.0, help="How long it is valid.")] = 1.0,
    subject: Annotated[str, typer.Option("--subject", help="Whom it names.")] = "levain",
    issuer: Annotated[str | None, typer.Option("--issuer", help="The issuer's name; by default that of `levain up`.")] = None,
    data_dir: DataDirOption = DATA_DIR,
) -> None:
    """Sign a token with LEVAIN_TOKEN_SECRET or the secret of `levain up`."""
    from levain import tokens
    from levain.datadir import DataDir
    from levain.target import checked_tenant
    from levain_contracts.claims import Role

    if role not in (Role.TRAINER, Role.VIEWER):
        raise BadInput(f"--role {role!r}: choose trainer or viewer")
    if not 0 < len(subject) <= tokens.MAX_SUBJECT_CHARS:
        raise BadInput(f"--subject: 1 to {tokens.MAX_SUBJECT_CHARS} characters")
    secret = tokens.secret_to_sign_with(DataDir(data_dir), os.environ)
    signer = tokens.issuer_of(secret, name=issuer or tokens.ISSUER)
    _screen().out.line(tokens.signed(signer, checked_tenant(tenant), Role(role), subject=subject, hours=hours))


def _screen(*, as_json: bool = False) -> "Screen":
    import sys

    from levain.output import Output
    from levain.training import Screen

    return Screen(Output(sys.stdout, os.environ), Output(sys.stderr, os.environ), as_json)


def _stack(url: str | None, token: str | None, tenant: str | None, data_dir: Path) -> tuple[str, str | None]:
    """The stack to talk to: the one named, else that of the `levain up` that runs on `data_dir`."""
    from levain import tokens
    from levain.datadir import DataDir
    from levain.target import DEFAULT_TENANT, checked_tenant

    if url:
        return url, token
    found = DataDir(data_dir).endpoint()
    if found is None:
        raise BadInput(
            "no stack to talk to: give --url (LEVAIN_URL) and --token (LEVAIN_TOKEN), or run `levain up` here or with --data-dir"
        )
    if token is None:
        secret = tokens.secret_to_sign_with(DataDir(data_dir), os.environ)
        token = tokens.signed(tokens.issuer_of(secret), checked_tenant(tenant or DEFAULT_TENANT))
    return found, token


def _run_client(url: str, token: str | None, tenant: str | None, patience: float, work: "Callable[[Api, Contact], Awaitable[int]]") -> None:
    from levain.client import connected
    from levain.contact import Contact
    from levain.runner import run
    from levain.target import target

    where = target(url, token, tenant, os.environ)

    async def main() -> int:
        contact = Contact(patience)
        async with connected(where, contact) as api:
            return await work(api, contact)

    raise typer.Exit(run(main))


def _up_scaled(
    folder: "DataDir", listen: "Listen", workers: int | None, broker_url: str | None, database_url: str | None, out: "Output"
) -> None:
    from levain.scaled.up import STOP_SECONDS, up

    servers = (
        broker_url or os.environ.get("LEVAIN_BROKER_URL") or None,
        database_url or os.environ.get("LEVAIN_DATABASE_URL") or None,
    )
    _run_embedded(lambda: up(folder, listen, workers, servers, out, os.environ), stop_seconds=STOP_SECONDS)


def _train_here(asked: "Training", tenant: str | None, screen: "Screen", patience: float, workers: int | None) -> None:
    from levain.target import DEFAULT_TENANT, checked_tenant
    from levain.training import train_here

    owner = checked_tenant(tenant or DEFAULT_TENANT)
    _run_embedded(lambda: train_here(asked, owner, screen, patience, workers, os.environ))


def _run_embedded(main: "Callable[[], Awaitable[int]]", *, log_level: str = "warning", stop_seconds: float | None = None) -> None:
    import logging

    import uvloop

    from levain.runner import run
    from levain_logs import configure

    configure(log_level)
    logging.getLogger("alembic").setLevel(logging.WARNING)  # its info lines name its own plugins at every start
    raise typer.Exit(run(main, new_loop=uvloop.new_event_loop, stop_seconds=stop_seconds))  # type: ignore[arg-type]
