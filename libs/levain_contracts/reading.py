"""How a sales file is to be read, where its own content does not say it."""

from typing import Annotated, Literal

from pydantic import Field

from levain_contracts.model import Name, Resource

DateFormat = Annotated[str, Field(min_length=2, max_length=40)]
DecimalMark = Literal[".", ","]


class Columns(Resource):
    """The file's own names for our columns; what is None is found by its usual names."""

    date: Name | None = None
    product: Name | None = None
    quantity: Name | None = None
    shop: Name | None = None


class ReadingOptions(Resource):
    """`date_format` is a strptime pattern such as `%d/%m/%Y`; what is None is inferred from the whole column."""

    columns: Columns = Columns()
    date_format: DateFormat | None = None
    decimal: DecimalMark | None = None
