"""What would be understood of a dataset, before any job: the same reading in the same child processes, and nothing is stored."""

import asyncio
import json

from levain_contracts.reading import ReadingOptions
from levain_contracts.report import DataReport
from levain_contracts.resources import Dataset, DatasetRef
from levain_training.children import ChildDied, ChildSilent
from levain_training.dataset_reader import DatasetReader, Source
from levain_training.problems import Refused

# Previews share the analysts' processes: more at once would only wait longer, and each holds a request.
_AT_ONCE = 8


class Previews:
    def __init__(self, reader: DatasetReader) -> None:
        self._reader = reader
        self._room = asyncio.Semaphore(_AT_ONCE)

    async def report(self, tenant_id: str, dataset: Dataset, options: ReadingOptions) -> DataReport:
        """Raises `Refused`, with the code of a job that would fail for the same reason."""
        if self._room.locked():
            raise Refused(503, "busy", "many datasets are being looked at; try again", headers={"Retry-After": "2"})
        async with self._room:
            return await self._report(Source(tenant_id, DatasetRef(name=dataset.name), dataset.sha256), dataset, options)

    async def _report(self, source: Source, dataset: Dataset, options: ReadingOptions) -> DataReport:
        try:
            reading = await self._reader.read(source, options, only_report=True)
        except (ChildDied, ChildSilent):
            detail = "the process that read the dataset died: the file may be damaged or too large"
            raise Refused(422, "analysis_failed", detail) from None
        if reading is None:
            raise Refused(404, "no_such_dataset", "the dataset was deleted before it was read")
        if reading.refused is not None:
            raise Refused(422, reading.refused["reason"], reading.refused["message"])
        if reading.done is None:
            raise Refused(422, "analysis_failed", "the process that reads the dataset ended without an answer")
        report = DataReport.model_validate_json(json.dumps(reading.done["report"]))
        return report.model_copy(update={"dataset": dataset.name, "dataset_version": dataset.version, "sha256": dataset.sha256})
