"""What the analysis understood of a file and what it repaired: in the event, in the job and on the page alike."""

from datetime import date
from typing import Annotated

from pydantic import Field

from levain_contracts.model import Code, Count, Message, Name, Wire

MAX_LINES = 20
Rows = Annotated[int, Field(ge=0, le=10**9)]
Lines = Annotated[tuple[int, ...], Field(max_length=MAX_LINES)]


class Repair(Wire):
    """One kind of repair: how often, the first lines (the header is line 1 of a file that starts with it) and an example."""

    code: Code
    count: Annotated[int, Field(ge=1, le=10**9)]
    lines: Lines = ()
    message: Message


class Skipped(Wire):
    """Products that can't be trained, by reason, with the first names."""

    reason: Code
    count: Count
    products: Annotated[tuple[Name, ...], Field(max_length=MAX_LINES)] = ()


class DataReport(Wire):
    """`winsorised`: days that training sees clipped to what is usual; the series keep them."""

    dataset: Name | None = None
    dataset_version: Annotated[int, Field(ge=1)] | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    format: Annotated[str, Field(max_length=200)]  # "CSV, ';', dd/mm/yyyy, '.' groups thousands"
    columns: dict[str, Annotated[str, Field(max_length=200)]] = Field(default_factory=dict, max_length=16)
    rows_read: Rows = 0
    rows_used: Rows = 0
    products: Count = 0
    shops: Count = 0
    first_date: date | None = None
    last_date: date | None = None
    repairs: Annotated[tuple[Repair, ...], Field(max_length=50)] = ()
    winsorised: Repair | None = None
    skipped: Annotated[tuple[Skipped, ...], Field(max_length=50)] = ()
    notes: Annotated[tuple[Message, ...], Field(max_length=20)] = ()
