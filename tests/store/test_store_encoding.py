"""A database that can't hold every name is refused with a sentence: what it would lose is found too late otherwise."""

import os
import subprocess
import sys
from secrets import token_hex

import pytest

from levain.scaled.postgres import Postgres

pytestmark = pytest.mark.servers


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_of_another_encoding_than_utf_8_is_refused_by_name(postgres: Postgres, encoding: str) -> None:
    name = f"encoded_{token_hex(4)}"
    postgres.query(f"CREATE DATABASE {name} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    try:
        environment = os.environ | {"LEVAIN_DATABASE_URL": postgres.url(name)}
        command = [sys.executable, "-m", "levain_training", "migrate"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=50)
    finally:
        postgres.query(f"DROP DATABASE {name}")
    assert done.returncode == 78
    wanted = f"LEVAIN_DATABASE_URL: the database's encoding is {encoding}: create it WITH ENCODING 'UTF8'"
    assert done.stderr.strip() == f"levain-training: {wanted}"
