"""The programs that a node is made of: where `scripts/node` put them, and whether a node can run here."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.cache import cache

from levain.errors import CommandFailed

_SCRIPT = Path(__file__).parents[2] / "scripts" / "node"


def missing() -> str | None:
    """Why no node can run here, in a line; None where it can."""
    if os.geteuid() != 0:
        return "only root can run a Kubernetes node"
    done = subprocess.run([_SCRIPT, "--is-built"], capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else done.stdout.strip() or "the parts of a Kubernetes node are not built (make cluster)"


def program(name: str) -> str:
    """Its path. Raises `CommandFailed` where it was not built."""
    built = sorted((cache() / "bin").glob(f"{name}-v*")) or [cache() / "bin" / name]
    if not built[-1].exists():
        raise CommandFailed(f"{name} is not built: run scripts/node")
    return str(built[-1])


def done(*command: str | Path, seconds: float = 60.0, env: Mapping[str, str] | None = None) -> str:
    """What the command printed. Raises `CommandFailed` with what it said on stderr."""
    ran = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False, env=env)
    if ran.returncode:
        raise CommandFailed(f"{' '.join(map(str, command))}: {ran.stderr.strip() or ran.stdout.strip()}")
    return str(ran.stdout)
