"""What the live client does when its socket closes: one row a close code. Pure."""

from enum import StrEnum
from typing import NamedTuple

from levain_contracts.closecodes import CloseCode, retry_ms


class Then(StrEnum):
    STOP = "stop"
    RETURN = "return"  # after the pause that the server asks for, else like BACK_OFF
    BACK_OFF = "back off"


class Reaction(NamedTuple):
    then: Then
    line: str
    pause_seconds: float | None = None


_ROWS: dict[int, Reaction] = {
    # 1000 without a terminal frame before it: the snapshot of the next connection tells.
    CloseCode.JOB_ENDED: Reaction(Then.BACK_OFF, "the server ended the stream"),
    CloseCode.RESTARTING: Reaction(Then.RETURN, "the server restarts"),
    CloseCode.TRY_AGAIN_LATER: Reaction(Then.BACK_OFF, "the training service is away"),
    CloseCode.MALFORMED: Reaction(Then.STOP, "the server calls the request malformed"),
    CloseCode.UNAUTHENTICATED: Reaction(Then.STOP, "the token is missing, invalid or expired: give a new one by --token or LEVAIN_TOKEN"),
    CloseCode.FORBIDDEN: Reaction(Then.STOP, "the token is not for this tenant: see --tenant"),
    CloseCode.NO_SUCH_JOB: Reaction(Then.STOP, "there is no such job for this tenant"),
    CloseCode.TOO_SLOW: Reaction(Then.BACK_OFF, "we read too slowly"),
    CloseCode.TOO_MANY: Reaction(Then.BACK_OFF, "there are too many connections"),
}
_UNKNOWN = Reaction(Then.BACK_OFF, "the connection was cut")

# What a refused upgrade means, where something in between answers HTTP instead of accepting and closing.
_CODE_OF_STATUS = {
    400: CloseCode.MALFORMED,
    401: CloseCode.UNAUTHENTICATED,
    403: CloseCode.FORBIDDEN,
    404: CloseCode.NO_SUCH_JOB,
    429: CloseCode.TOO_MANY,
}


def reaction(code: int | None, reason: str = "") -> Reaction:
    """`code` is None or 1006 where the connection ended without a close frame."""
    row = _ROWS.get(code or 0, _UNKNOWN)
    if row.then is not Then.RETURN:
        return row
    milliseconds = retry_ms(reason)
    return row if milliseconds is None else row._replace(pause_seconds=milliseconds / 1000)


def reaction_to_status(status: int) -> Reaction:
    """Of an HTTP answer other than 101."""
    if status in _CODE_OF_STATUS:
        return reaction(_CODE_OF_STATUS[status])
    if status >= 500:
        return reaction(CloseCode.TRY_AGAIN_LATER)
    return Reaction(Then.STOP, f"the server answered the live stream with HTTP {status}: is the address right?")
