"""A program that we run as a private process of ours: it is in our hands alone, and ends when we do."""

import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from levain.errors import CommandFailed

_POLL_SECONDS = 0.05
_LAST_WORDS_BYTES = 2000

# The kernel ends a program with the thread that started it: this one lives as long as our process.
_starter = ThreadPoolExecutor(1, thread_name_prefix="start-programs")


class Program:
    """What it prints is kept in `log`. `stop_signal` is its polite request. `user`: run as this one, where we are root."""

    def __init__(self, name: str, log: Path, *, stop_signal: signal.Signals = signal.SIGTERM, user: str | None = None) -> None:
        self.name, self.log = name, log
        self._stop_signal, self._user = stop_signal, user
        self._process: subprocess.Popen[bytes] | None = None
        self._said_before = 0

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.name} was not started"
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        with self.log.open("ab") as log:
            self._said_before = log.tell()
            starting = _starter.submit(
                subprocess.Popen,
                [*self._launcher(), *command],
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.log.parent,
                start_new_session=True,  # Ctrl-C on our terminal is for us: we end programs in their order
            )
            self._process = starting.result()

    def wait_until(self, answers: Callable[[], bool], seconds: float) -> None:
        """Raises `CommandFailed` with the program's last words where it ends before, or takes longer."""
        deadline = time.monotonic() + seconds
        while not answers():
            if not self.running or time.monotonic() > deadline:
                what = "did not answer in time" if self.running else "ended at once"
                raise CommandFailed(f"{self.name} {what}: {self.last_words()}")
            time.sleep(_POLL_SECONDS)

    def said(self) -> bytes:
        """Since it was started last."""
        with self.log.open("rb") as log:
            log.seek(self._said_before)
            return log.read()

    def last_words(self) -> str:
        text = self.said()[-_LAST_WORDS_BYTES:].decode(errors="replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return lines[-1] if lines else "it said nothing"

    def how_it_ended(self) -> str:
        code = 0 if self._process is None else self._process.poll() or 0
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self, seconds: float = 20.0) -> int:
        """Politely, then by force. Its exit code, 0 where it never ran."""
        if self._process is None:
            return 0
        self._process.send_signal(signal.SIGCONT)
        self._process.send_signal(self._stop_signal)
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._process.returncode

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _launcher(self) -> list[str]:
        """`setpriv` of util-linux ties its life to ours and lowers its rights; without it a program may outlive a kill of ours."""
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            return []
        launcher = [setpriv, f"--pdeathsig={self._stop_signal.name.removeprefix('SIG')}"]
        if self._user is not None:
            who = pwd.getpwnam(self._user)
            launcher += [f"--reuid={who.pw_uid}", f"--regid={who.pw_gid}", "--clear-groups"]
        return [*launcher, "--"]
