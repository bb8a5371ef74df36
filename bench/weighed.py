"""`weighed MODULE`: runs a command as it is, and at each SIGUSR1 says how many bytes it holds after a collection of garbage.

Anonymous memory alone: pages of files are shared with whatever else runs on the machine, and their share changes with it.
"""

import gc
import runpy
import signal
import sys
from pathlib import Path


def main() -> None:
    signal.signal(signal.SIGUSR1, lambda *_: print(_held_bytes(), flush=True))
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def _held_bytes() -> int:
    gc.collect()
    return pss_bytes("self", "Pss_Anon")


def pss_bytes(pid: int | str, kind: str = "Pss") -> int:
    """Proportional set size: what is shared between processes counts in parts."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    line = next(line for line in rollup.splitlines() if line.startswith(f"{kind}:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()
