"""How long tests sleep between two looks at something that they wait for."""

from collections.abc import Iterator

_FIRST_SECONDS = 0.01
_GROWTH = 1.5
_LAST_SECONDS = 0.1


def pauses() -> Iterator[float]:
    """Ever longer: a look at a job's state or a metric is a request that costs some 5 ms of processor, which others wait for."""
    seconds = _FIRST_SECONDS
    while True:
        yield seconds
        seconds = min(seconds * _GROWTH, _LAST_SECONDS)
