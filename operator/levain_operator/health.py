"""Why the operator is not ready, and why it should be started anew, from the signs of life of its loops."""

from levain_operator.signs import Signs

# Several times what each loop needs: a restart is no cure for a slow API server.
LONGEST_SECONDS = {"watch": 240.0, "attempt": 120.0, "lease": 30.0}
_WHAT = {"watch": "the watch", "attempt": "the poll of the training service", "lease": "the election"}
POLL_SECONDS = 30.0


def dead(signs: Signs) -> str | None:
    """A training service that is away is none of our deaths: that we ask it in vain is one of the answers of `problem`."""
    for loop, age in signs.ages().items():
        if age > LONGEST_SECONDS.get(loop, float("inf")):
            return f"{_WHAT[loop]} gave no sign of life for {age:.0f} s"
    return None


def problem(signs: Signs) -> str | None:
    """None for a process that waits to lead."""
    ages = signs.ages()
    if "attempt" in ages and "poll" not in ages:
        return "the training service has not answered yet"
    if ages.get("poll", 0.0) > POLL_SECONDS:
        return f"the training service has not answered for {ages['poll']:.0f} s"
    return dead(signs)
