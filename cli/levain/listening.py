"""Addresses that we listen on: how they are written, how this machine reaches them, and why one can't be had."""

import os

from levain.errors import BadInput
from levain_settings.readers import Listen


def written(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def reached_at(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # compared, not bound


def cant_listen(listen: Listen, error: OSError, option: str = "--listen") -> BadInput:
    why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
    return BadInput(f"can't listen on {written(*listen)}: {why}; choose another address by {option}")
