"""Who may do what on a private RabbitMQ: users with passwords of their own, and patterns of the names that each may touch."""

import base64
import hashlib
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple


class User(NamedTuple):
    """Each right is a pattern of names of queues and exchanges. What is not matched is refused."""

    name: str
    configure: str
    write: str
    read: str


# One user a service. A worker takes tasks and sends results and the rest of a batch: with its password nobody reads a result.
TRAINING = User("training", r"^training\..*", r"^training\..*", r"^training\..*")
WORKER = User("worker", "^$", r"^training\.work$", r"^training\.tasks$")


def passwords(folder: Path, users: Sequence[User]) -> Mapping[str, str]:
    """Made once, and kept in the folder."""
    file = folder / "passwords.json"
    known: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    if any(user.name not in known for user in users):
        known = {user.name: secrets.token_hex(16) for user in users} | known
        _write_private(file, known)
    return known


def write_definitions(folder: Path, users: Sequence[User]) -> Path:
    """For `load_definitions`: with it RabbitMQ makes neither its user `guest` nor a virtual host by itself."""
    known = passwords(folder, users)
    rights = [{"user": user.name, "vhost": "/"} | {k: v for k, v in user._asdict().items() if k != "name"} for user in users]
    file = folder / "definitions.json"
    accounts = [
        {
            "name": user.name,
            "password_hash": _hashed(known[user.name]),
            "hashing_algorithm": "rabbit_password_hashing_sha256",
            "tags": "",
        }
        for user in users
    ]
    _write_private(file, {"vhosts": [{"name": "/"}], "users": accounts, "permissions": rights})
    return file


def _hashed(password: str) -> str:
    """As RabbitMQ keeps it: four bytes of salt, then SHA-256 of salt and password."""
    salt = os.urandom(4)
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def _write_private(file: Path, content: Any) -> None:
    file.touch(mode=0o600)
    file.write_text(json.dumps(content, indent=1))
