"""A dataset's bytes -> what a child process made of them: for jobs, and for previews before any job."""

import json
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from levain_contracts.reading import ReadingOptions
from levain_contracts.resources import DatasetRef
from levain_contracts.tasks import ShopCalendar
from levain_training.children import ChildPool
from levain_training.settings import Settings
from levain_training.store import datasets
from levain_training.store.analyses import Prepared, SkippedProduct
from levain_training.store.engine import Store, when_back
from levain_training.uris import prefixes_of


class Source(NamedTuple):
    """`sha256`: of the tenant's stored bytes, None where `ref` is a URI."""

    tenant_id: str
    ref: DatasetRef
    sha256: str | None


class Around(NamedTuple):
    """What a job says beside its file. `calendar_sha256`: of the tenant's stored bytes."""

    horizon_days: int
    country: str | None = None
    subdivision: str | None = None
    calendar_sha256: str | None = None


@dataclass
class Reading:
    """What a child has said so far."""

    series: list[Prepared] = field(default_factory=list)
    calendars: list[ShopCalendar] = field(default_factory=list)
    skipped: list[SkippedProduct] = field(default_factory=list)
    done: dict[str, Any] | None = None
    refused: dict[str, str] | None = None

    def take(self, message: bytes) -> None:
        said: dict[str, Any] = json.loads(message)
        self.series += [Prepared(*s) for s in said.get("series", ())]
        self.calendars += [ShopCalendar.model_validate_json(text) for text in said.get("calendars", ())]
        self.skipped += [SkippedProduct(*s) for s in said.get("skipped", ())]
        self.done = said.get("done", self.done)
        self.refused = said.get("refused", self.refused)


class DatasetReader:
    def __init__(self, store: Store, pool: ChildPool, settings: Settings) -> None:
        self._store = store
        self._pool = pool
        self._settings = settings

    async def read(
        self,
        source: Source,
        options: ReadingOptions,
        products: tuple[str, ...] | None = None,
        around: Around | None = None,
        *,
        only_report: bool = False,
    ) -> Reading | None:
        """None where the dataset, or the calendar, is gone. Raises `ChildDied` and `ChildSilent`."""
        with tempfile.TemporaryDirectory(prefix="levain-") as folder:
            path = Path(folder) / "dataset"
            order: dict[str, Any] = {
                "path": str(path),
                "reading": options.model_dump() | {"time_zone": options.time_zone or self._settings.time_zone},
                "products": products,
                "only_report": only_report,
            }
            if around is not None:
                order |= {"horizon_days": around.horizon_days, "country": around.country, "subdivision": around.subdivision}
                if around.calendar_sha256 is not None:
                    calendar = Path(folder) / "calendar"
                    order["calendar"] = str(calendar)
                    if not await self._copy(source.tenant_id, around.calendar_sha256, calendar):
                        return None
            if source.ref.uri is not None:
                prefixes = prefixes_of(source.tenant_id, self._settings.uri_prefixes)
                order |= {"uri": source.ref.uri, "prefixes": prefixes, "max_bytes": self._settings.max_dataset_bytes}
            elif source.sha256 is None or not await self._copy(source.tenant_id, source.sha256, path):
                return None
            reading = Reading()
            async with self._pool.lease() as child:
                payload = json.dumps(order).encode()
                async for message in child.call("analyse", payload, silence_timeout_seconds=self._settings.analysis_seconds):
                    reading.take(message)
            return reading

    async def _copy(self, tenant_id: str, sha256: str, path: Path) -> bool:
        with path.open("wb") as file:
            async for part in self._parts(tenant_id, sha256):
                file.write(part)
        return path.stat().st_size > 0

    async def _parts(self, tenant_id: str, sha256: str) -> AsyncIterator[bytes]:
        part = 0
        while (data := await self._part(tenant_id, sha256, part)) is not None:
            yield data
            part += 1

    async def _part(self, tenant_id: str, sha256: str, part: int) -> bytes | None:
        return await when_back(lambda: self._store.read(datasets.read_blob_part, tenant_id, sha256, part))
