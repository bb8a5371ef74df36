"""The databases that the conformance suite of the store runs on. One entry in `DATABASES` adds one."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import NamedTuple


class Database(NamedTuple):
    """`hold_writes` keeps every other writer out while it is entered, as a stuck process would."""

    url: str
    hold_writes: Callable[[], AbstractContextManager[None]]


# An empty database, or a copy of the one given, which nobody has open; it is gone afterwards.
Factory = Callable[[Path, Database | None], AbstractContextManager[Database]]

_SQLITE = "sqlite:///"


@contextmanager
def sqlite_file(folder: Path, template: Database | None) -> Iterator[Database]:
    path = folder / "levain.db"
    if template is not None:
        shutil.copy(template.url.removeprefix(_SQLITE), path)

    @contextmanager
    def hold_writes() -> Iterator[None]:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")

    yield Database(f"{_SQLITE}{path}", hold_writes)


DATABASES: dict[str, Factory] = {"sqlite": sqlite_file}
