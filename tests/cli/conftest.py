from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.command import Up, base_csv, up


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One `levain up` for all tests that only need a stack; the tenant is `demo`."""
    with up(tmp_path_factory.mktemp("up")) as running:
        (running.folder / "base.csv").write_text(base_csv())
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty working directory with the file `base.csv`."""
    (tmp_path / "base.csv").write_text(base_csv())
    return tmp_path
