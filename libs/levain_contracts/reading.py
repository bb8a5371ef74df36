"""How a sales file is to be read, where its own content does not say it."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from levain_contracts.model import Name, Resource, camel

DateFormat = Annotated[str, Field(min_length=2, max_length=40)]
DecimalMark = Literal[".", ","]
ZONE_PATTERN = r"^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$"
TimeZone = Annotated[str, Field(pattern=ZONE_PATTERN, max_length=64)]
CutOverHour = Annotated[int, Field(ge=0, le=12)]


class Layout(StrEnum):
    """`LONG`: a row per day and product. `DAY_COLUMNS`: a row per product, a column per day. `PRODUCT_COLUMNS`: the other way round."""

    LONG = "long"
    DAY_COLUMNS = "day_columns"
    PRODUCT_COLUMNS = "product_columns"


class Columns(Resource):
    """The file's own names for our columns; what is None is found by its usual names."""

    date: Name | None = None
    product: Name | None = None
    quantity: Name | None = None
    shop: Name | None = None


class ReadingOptions(Resource):
    """`date_format` is a strptime pattern such as `%d/%m/%Y`; what is None is inferred from the whole column.

    `time_zone`: times with an offset are converted to it; None takes the date as written. `cut_over_hour`: a sale before it belongs
    to the day before.
    """

    columns: Columns = Columns()
    layout: Layout = Layout.LONG
    date_format: DateFormat | None = Field(None, validation_alias=camel("date_format"))
    decimal: DecimalMark | None = None
    time_zone: TimeZone | None = Field(None, validation_alias=camel("time_zone"))
    cut_over_hour: CutOverHour = Field(0, validation_alias=camel("cut_over_hour"))
