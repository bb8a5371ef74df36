"""Close codes of the live socket: each is a row that says what the other side should do."""

import json
from enum import IntEnum
from typing import NamedTuple


class CloseCode(IntEnum):
    JOB_ENDED = 1000
    RESTARTING = 1012
    TRY_AGAIN_LATER = 1013
    MALFORMED = 4400
    UNAUTHENTICATED = 4401
    FORBIDDEN = 4403
    NO_SUCH_JOB = 4404
    TOO_SLOW = 4408
    TOO_MANY = 4429


class Row(NamedTuple):
    meaning: str
    client: str


TABLE: dict[CloseCode, Row] = {
    CloseCode.JOB_ENDED: Row("the job ended; its terminal frame came before", "done"),
    CloseCode.RESTARTING: Row('restarting; the reason is {"retry_ms": n}', "reconnect after n milliseconds"),
    CloseCode.TRY_AGAIN_LATER: Row("upstream or broker away", "back off"),
    CloseCode.MALFORMED: Row("malformed request: two tokens, or a bad id", "stop"),
    CloseCode.UNAUTHENTICATED: Row("the token is missing, invalid or expired", "reconnect with a new token"),
    CloseCode.FORBIDDEN: Row("the token is not for this tenant, or the Origin is not allowed", "stop"),
    CloseCode.NO_SUCH_JOB: Row("no such job for this tenant", "stop"),
    CloseCode.TOO_SLOW: Row("too slow: the connection's buffer stayed full", "reconnect"),
    CloseCode.TOO_MANY: Row("too many connections or messages", "back off"),
}


FINAL = frozenset({CloseCode.JOB_ENDED, CloseCode.MALFORMED, CloseCode.UNAUTHENTICATED, CloseCode.FORBIDDEN, CloseCode.NO_SUCH_JOB})


def restart_reason(retry_ms: int) -> str:
    return json.dumps({"retry_ms": retry_ms}, separators=(",", ":"))


def retry_ms(reason: str) -> int | None:
    """The pause that a 1012 asks for, or None where the reason holds none."""
    try:
        value = json.loads(reason)["retry_ms"]
    except (ValueError, KeyError, TypeError):
        return None
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 600_000 else None
