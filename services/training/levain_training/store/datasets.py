"""Datasets: named, versioned, immutable; their bytes are kept once per tenant and hash, in parts."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

import sqlalchemy as sa

from levain_contracts.resources import Dataset
from levain_training.store.clock import at
from levain_training.store.tables import blobs, datasets, jobs

PART_BYTES = 1024 * 1024

# Pieces of at most `PART_BYTES`. Called again where the transaction is made again.
Parts = Callable[[], Iterable[bytes]]


def add_blob(connection: sa.Connection, tenant_id: str, sha256: str, parts: Parts) -> None:
    """Does nothing where the tenant has these bytes already. Until the transaction ends nobody drops them."""
    # A delete of the same bytes locks their first part too, before it looks for who needs them.
    kept = sa.select(sa.literal(1)).where(*_first_part(tenant_id, sha256)).with_for_update(read=True)
    while connection.execute(kept).first() is None:
        with suppress(sa.exc.IntegrityError), connection.begin_nested():  # another upload of the same bytes was faster
            for part, data in enumerate(parts()):
                connection.execute(blobs.insert().values(tenant_id=tenant_id, sha256=sha256, part=part, data=data))
            return


def read_blob_part(connection: sa.Connection, tenant_id: str, sha256: str, part: int) -> bytes | None:
    found = sa.select(blobs.c.data).where(blobs.c.tenant_id == tenant_id, blobs.c.sha256 == sha256, blobs.c.part == part)
    return connection.execute(found).scalar()


def add_version(connection: sa.Connection, tenant_id: str, name: str, sha256: str, size_bytes: int, parts: Parts, now: float) -> Dataset:
    add_blob(connection, tenant_id, sha256, parts)
    newest = sa.select(sa.func.max(datasets.c.version)).where(datasets.c.tenant_id == tenant_id, datasets.c.name == name)
    row = {"tenant_id": tenant_id, "name": name, "sha256": sha256, "size_bytes": size_bytes, "created_at": now}
    while True:
        version = (connection.execute(newest).scalar() or 0) + 1
        with suppress(sa.exc.IntegrityError), connection.begin_nested():  # another upload may take the number first
            connection.execute(datasets.insert().values(version=version, **row))
            return Dataset(name=name, version=version, sha256=sha256, size_bytes=size_bytes, created_at=at(now))


def latest(connection: sa.Connection, tenant_id: str, name: str) -> Dataset | None:
    """Until the transaction ends nobody deletes it: a job that takes it in the same one will find its bytes."""
    return next(_datasets(connection, _of(tenant_id, name).limit(1).with_for_update(read=True)), None)


def versions(connection: sa.Connection, tenant_id: str, name: str, before: int | None, limit: int) -> list[Dataset]:
    query = _of(tenant_id, name).limit(limit)
    return list(_datasets(connection, query if before is None else query.where(datasets.c.version < before)))


def names(connection: sa.Connection, tenant_id: str, after: str, limit: int) -> list[Dataset]:
    """The latest version of each, by name."""
    newest = (
        sa.select(datasets.c.name, sa.func.max(datasets.c.version).label("version"))
        .where(datasets.c.tenant_id == tenant_id, datasets.c.name > after)
        .group_by(datasets.c.name)
        .order_by(datasets.c.name)
        .limit(limit)
        .subquery()
    )
    query = (
        sa.select(datasets)
        .join(newest, (datasets.c.name == newest.c.name) & (datasets.c.version == newest.c.version))
        .where(datasets.c.tenant_id == tenant_id)
        .order_by(datasets.c.name)
    )
    return list(_datasets(connection, query))


def delete(connection: sa.Connection, tenant_id: str, name: str) -> bool:
    """Removes all versions, and the bytes that no other version and no running job needs. False where there is none."""
    mine = (datasets.c.tenant_id == tenant_id) & (datasets.c.name == name)
    hashes = set(connection.execute(sa.select(datasets.c.sha256).where(mine)).scalars())
    connection.execute(datasets.delete().where(mine))
    drop_unused_blobs(connection, tenant_id, hashes)
    return bool(hashes)


def release(connection: sa.Connection, row: sa.RowMapping) -> None:
    """The job needs its dataset no longer: drops the bytes that were kept for it alone."""
    if row["dataset_sha256"] is not None:
        drop_unused_blobs(connection, row["tenant_id"], {row["dataset_sha256"]})


def drop_unused_blobs(connection: sa.Connection, tenant_id: str, hashes: set[str]) -> None:
    for sha256 in sorted(hashes):
        # Who takes or leaves these bytes at the same instant comes before or after this, and is seen below or finds them gone.
        connection.execute(sa.select(sa.literal(1)).where(*_first_part(tenant_id, sha256)).with_for_update())
        named = sa.select(sa.literal(1)).where(datasets.c.tenant_id == tenant_id, datasets.c.sha256 == sha256)
        waiting = sa.select(sa.literal(1)).where(
            jobs.c.tenant_id == tenant_id, jobs.c.dataset_sha256 == sha256, jobs.c.state.in_(("pending", "analysing"))
        )
        if connection.execute(sa.union_all(named, waiting).limit(1)).first() is None:
            connection.execute(blobs.delete().where(blobs.c.tenant_id == tenant_id, blobs.c.sha256 == sha256))


def _first_part(tenant_id: str, sha256: str) -> tuple[sa.ColumnElement[bool], ...]:
    return blobs.c.tenant_id == tenant_id, blobs.c.sha256 == sha256, blobs.c.part == 0


def _of(tenant_id: str, name: str) -> sa.Select[tuple[object, ...]]:
    return sa.select(datasets).where(datasets.c.tenant_id == tenant_id, datasets.c.name == name).order_by(datasets.c.version.desc())


def _datasets(connection: sa.Connection, query: sa.Select[tuple[object, ...]]) -> Iterator[Dataset]:
    for row in connection.execute(query).mappings():
        yield Dataset(
            name=row["name"],
            version=row["version"],
            sha256=row["sha256"],
            size_bytes=row["size_bytes"],
            created_at=at(row["created_at"]),
        )
