"""Reading a bakery's sales file: bytes → daily series, one per shop and product, and a report of every repair."""

from levain_training.ingest.reading import Sales, read_sales, select
from levain_training.ingest.refusals import DataRefused
from levain_training.ingest.series import SkippedSeries

__all__ = ["DataRefused", "Sales", "SkippedSeries", "read_sales", "select"]
