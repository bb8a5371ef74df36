"""The scripts of docs/operations.md that back SQLite up and restore it, as they stand there, on a database that is being written to."""

import re
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.chart.pages import commands

from levain_training.store.engine import make_engine

BACKUP, RESTORE = commands("### SQLite")
(SCRIPT,) = re.findall(r"<<'EOF'\n(.*?)^EOF$", BACKUP, re.DOTALL | re.MULTILINE)
(PUT_BACK,) = re.findall(r"sh -ec '(.*?)' <levain.db", RESTORE, re.DOTALL)


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """The volume. Its database is open as the service has it, and each transaction writes into both tables."""
    folder = tmp_path / "data"
    folder.mkdir()
    engine = make_engine(f"sqlite:///{folder}/levain.db").execution_options(levain_writes=True)
    with engine.begin() as connection:
        for table in ("one", "two"):
            connection.exec_driver_sql(f"CREATE TABLE {table} (text TEXT)")
    stopping = threading.Event()

    def write() -> None:
        while not stopping.is_set():
            with engine.begin() as connection:
                for table in ("one", "two"):
                    connection.exec_driver_sql(f"INSERT INTO {table} VALUES ('{'x' * 2000}')")

    writer = threading.Thread(target=write)
    writer.start()
    yield folder
    stopping.set()
    writer.join()
    engine.dispose()


def backed_up(data: Path) -> bytes:
    script = SCRIPT.replace("/data/", f"{data}/")
    assert script != SCRIPT
    done: bytes = subprocess.run([sys.executable, "-"], input=script.encode(), capture_output=True, check=True, timeout=50).stdout
    return done


def counts(file: Path) -> tuple[int, int]:
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        one, two = (connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("one", "two"))
        return one, two


def test_a_backup_of_a_database_that_is_being_written_to_is_whole(data: Path, tmp_path: Path) -> None:
    copy = tmp_path / "levain.db"
    before = counts(data / "levain.db")[0]
    copy.write_bytes(backed_up(data))
    one, two = counts(copy)
    assert one == two >= before
    assert counts(data / "levain.db")[0] >= one


def test_what_is_put_back_is_the_backup_and_nothing_of_what_stood_there(data: Path, tmp_path: Path) -> None:
    backup = backed_up(data)
    (tmp_path / "levain.db").write_bytes(backup)
    # What a service that was killed leaves: a database with a log that belongs to it.
    volume = tmp_path / "volume"
    volume.mkdir()
    for name in ("levain.db", "levain.db-wal", "levain.db-shm"):
        (volume / name).write_bytes((data / name).read_bytes())
    script = PUT_BACK.replace("/data/", f"{volume}/")
    subprocess.run(["sh", "-ec", script], input=backup, check=True, timeout=20)
    assert [path.name for path in volume.iterdir()] == ["levain.db"]
    assert counts(volume / "levain.db") == counts(tmp_path / "levain.db")
