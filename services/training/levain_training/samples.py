"""The shipped sample, offered to every tenant as the dataset `sample` when a setting says so."""

import hashlib
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from levain_training.store import datasets
from levain_training.store.datasets import PART_BYTES
from levain_training.store.engine import Store

NAME = "sample"


class Samples:
    def __init__(self, store: Store, path: Path | None) -> None:
        self._store = store
        self._path = path

    async def offer(self, tenant_id: str, name: str | None = NAME) -> None:
        """Gives the tenant its copy when it has none of this name. Does nothing for another name, or where no sample is offered."""
        if self._path is not None and name == NAME:
            await self._store.write(_offer, tenant_id, self._path, time.time())


def _offer(connection: sa.Connection, tenant_id: str, path: Path, now: float) -> None:
    if datasets.latest(connection, tenant_id, NAME) is None:
        body = path.read_bytes()
        datasets.add_version(connection, tenant_id, NAME, hashlib.sha256(body).hexdigest(), len(body), partial(_parts, body), now)


def _parts(body: bytes) -> Iterator[bytes]:
    return (body[i : i + PART_BYTES] for i in range(0, len(body), PART_BYTES))
