"""The parent's end of one child process: a call goes out, its messages come back, and the process never outlives its link."""

import asyncio
import logging
import os
import signal
import struct
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress

from levain_training.child import END, MAX_FRAME_BYTES, OUT_OF_MEMORY_EXIT

log = logging.getLogger(__name__)

_STDERR_TAIL_BYTES = 4096
_END_SECONDS = 2.0
# What is read of a child ahead of use, twice this at most: it says hundreds of small things in a few milliseconds.
_AHEAD_BYTES = 128 * 1024
_LENGTH = struct.Struct(">I")
# One core per child: there are as many children as there are cores to use.
_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "POLARS_MAX_THREADS", "RAYON_NUM_THREADS"), "1"
)


class ChildDied(Exception):
    """The process ended before its call did. `reason` is `worker_process_died` or `out_of_memory`; the text says how it ended."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class ChildSilent(Exception):
    """The call said nothing for longer than it may; its process is killed."""

    reason = "time_limit"

    def __init__(self, seconds: float) -> None:
        super().__init__(f"it took longer than the limit of {seconds:g} s")


class Child:
    """One call at a time. A call that is not read to its end leaves the child `spoilt`: it can only be killed."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._said = _Frames(_pipe(process.stdout))
        self._stderr = asyncio.create_task(_tail(_pipe(process.stderr)))
        self._at_call = False
        self._killed = False
        self.calls = 0

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def spoilt(self) -> bool:
        return self._at_call or self._process.returncode is not None

    async def call(self, name: str, payload: bytes, *, silence_timeout_seconds: float | None) -> AsyncIterator[bytes]:
        """The messages of one call, each at most `MAX_FRAME_BYTES`; while they are not read, the child waits.

        `silence_timeout_seconds` bounds the wait for the first message and between two; None waits for ever.
        Raises `ChildDied` and `ChildSilent`.
        """
        self.calls += 1
        self._at_call = True
        try:
            async with asyncio.timeout(silence_timeout_seconds):
                await self._send(name.encode(), payload)
            while True:
                frame = self._said.next_at_hand()
                if frame is None:
                    async with asyncio.timeout(silence_timeout_seconds):
                        frame = await self._said.next()
                if frame == END:
                    self._at_call = False
                    return
                yield frame[1:]
        except TimeoutError:
            raise ChildSilent(silence_timeout_seconds or 0) from None
        except (ConnectionError, asyncio.IncompleteReadError):
            raise await self._obituary() from None

    def kill(self) -> None:
        """With all that it started: it leads a process group of its own. Nothing once it is gone: its number may be another's."""
        self._killed = True
        if self._process.returncode is None:
            self._kill_group()

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    async def reap(self) -> None:
        """After `kill`: returns when the process is gone and its pipes are closed, within `_END_SECONDS`."""
        stdin, stdout = self._process.stdin, _pipe(self._process.stdout)
        if stdin is not None:
            stdin.close()
        try:
            async with asyncio.timeout(_END_SECONDS):
                while await stdout.read(65_536):
                    pass
                await self._process.wait()
                await self._stderr
        except TimeoutError:
            log.warning(
                "a child's pipes stay open: something that it started outside its process group holds them", extra={"pid": self.pid}
            )

    async def _send(self, *frames: bytes) -> None:
        stdin = self._process.stdin
        assert stdin is not None
        for frame in frames:
            if len(frame) > MAX_FRAME_BYTES:
                raise ValueError(f"a call of {len(frame)} bytes is larger than a frame, {MAX_FRAME_BYTES} bytes")
            stdin.write(_LENGTH.pack(len(frame)))
            stdin.write(frame)
        await stdin.drain()

    async def _obituary(self) -> ChildDied:
        """Its pipe is closed, so it is ending; one that closed it and goes on is killed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_END_SECONDS):
                await self._process.wait()
        self._kill_group()
        code = await self._process.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(_END_SECONDS):
                stderr = await asyncio.shield(self._stderr)
            level = logging.DEBUG if self._killed else logging.WARNING  # an end that was asked for is no news
            log.log(level, "child process died", extra={"pid": self.pid, "exit_code": code, "stderr": stderr})
        if code == OUT_OF_MEMORY_EXIT:
            return ChildDied("out_of_memory", "it needed more memory than the limit")
        return ChildDied("worker_process_died", f"its process {_how(code)}")


class _Frames:
    """The frames of a pipe. What has come already is taken without a turn of the loop."""

    def __init__(self, stream: asyncio.StreamReader) -> None:
        self._stream = stream
        self._bytes = bytearray()
        self._at = 0

    def next_at_hand(self) -> bytes | None:
        """Raises `ChildDied` for a frame that is too large."""
        begin = self._at + _LENGTH.size
        if len(self._bytes) < begin:
            return None
        (size,) = _LENGTH.unpack_from(self._bytes, self._at)
        if size > MAX_FRAME_BYTES:
            raise ChildDied("worker_process_died", f"it sent a frame of {size} bytes, more than {MAX_FRAME_BYTES}")
        if len(self._bytes) < begin + size:
            return None
        self._at = begin + size
        return bytes(self._bytes[begin : self._at])

    async def next(self) -> bytes:
        """Raises `IncompleteReadError` when the pipe was closed."""
        while (frame := self.next_at_hand()) is None:
            del self._bytes[: self._at]
            self._at = 0
            more = await self._stream.read(_AHEAD_BYTES)
            if not more:
                raise asyncio.IncompleteReadError(bytes(self._bytes), None)
            self._bytes += more
        return frame


async def start_child(environment: Mapping[str, str], memory_limit_bytes: int | None, niceness: int) -> Child:
    """Spawned, not forked: a fork of a process with threads can hang in the libraries that the child needs."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "levain_training.child", *map(str, (os.getpid(), memory_limit_bytes or 0, niceness))),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=_AHEAD_BYTES,
        start_new_session=True,
        env={**environment, **_ONE_THREAD},
    )
    return Child(process)


def _how(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


def _pipe(stream: asyncio.StreamReader | None) -> asyncio.StreamReader:
    assert stream is not None
    return stream


async def _tail(stream: asyncio.StreamReader) -> str:
    """Reads to the end and keeps the last words."""
    tail = b""
    while part := await stream.read(_STDERR_TAIL_BYTES):
        tail = (tail + part)[-_STDERR_TAIL_BYTES:]
    return tail.decode(errors="replace")
