"""Reading a bakery's sales file: bytes → daily series, one per shop and product, and a report of every repair."""

from levain_training.ingest.calendars import Surroundings
from levain_training.ingest.reading import Sales, read_sales, select
from levain_training.ingest.refusals import DataRefused
from levain_training.ingest.series import DailySeries, SkippedSeries
from levain_training.ingest.spelling import json_text

__all__ = ["DailySeries", "DataRefused", "Sales", "SkippedSeries", "Surroundings", "json_text", "read_sales", "select"]
