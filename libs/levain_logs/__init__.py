"""Logs of every process: one JSON object a line, on stderr, with whatever looks like a token taken out.

What a line belongs to (`tenant_id`, `job_id`, `connection_id`, `request_id`) is bound around the work, and stands in each line of it.
"""

import json
import logging
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TextIO

_MAX_TEXT_CHARS = 16_000
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message", "taskName"}
_TOKENS = re.compile(
    r"(?i)\beyJ[\w-]+(?:\.[\w-]*)*|(?<=levain\.bearer\.)[^\s,;\"'\\]+|(?<=bearer )[^\s,;\"'\\]+|(?<=[?&]token=)[^\s&\"'\\]+"
)


_BOUND: ContextVar[Mapping[str, str | None]] = ContextVar("levain_logs_bound", default={})  # noqa: B039  # never changed in place


@contextmanager
def bound(**fields: str | None) -> Iterator[None]:
    """These fields stand in each line that is logged within, in tasks that begin within too. None is left out of the lines."""
    token = _BOUND.set({**_BOUND.get(), **fields})
    try:
        yield
    finally:
        _BOUND.reset(token)


def bound_field(name: str) -> str | None:
    return _BOUND.get().get(name)


def scrub(text: str) -> str:
    """Without tokens: JWTs wherever they stand, and what follows `Bearer`, `levain.bearer.` or `?token=`."""
    return _TOKENS.sub("[token]", text)


class JsonFormatter(logging.Formatter):
    """Fields `time`, `level`, `logger`, `message`, then what is bound or was given as `extra`; `exception` where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage()[:_MAX_TEXT_CHARS],
        }
        fields |= {name: value for name, value in _BOUND.get().items() if value is not None}
        fields |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info and record.exc_info[0] is not None:
            fields["exception"] = self.formatException(record.exc_info)[-_MAX_TEXT_CHARS:]
        return scrub(json.dumps(fields, default=str, ensure_ascii=False))


def configure(level: str = "info", stream: TextIO | None = None) -> None:
    """For `__main__`: all loggers to one handler, uvicorn's among them. Replaces what an earlier call installed."""
    handler = logging.StreamHandler(sys.stderr if stream is None else stream)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    logging.getLogger("uvicorn.error").setLevel(max(logging.WARNING, root.level))  # its info lines tell of every start and socket
