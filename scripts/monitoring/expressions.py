"""Expressions of panels and rules name what they are about by `{@}`: `levain_training_viewers{@}`, `up{pod="a",@}`."""

_PLACE = "{@}"


def scoped(expression: str, matchers: str) -> str:
    """With these matchers in each place; without any where they are empty."""
    if not matchers:
        return expression.replace(_PLACE, "").replace(",@}", "}")
    return expression.replace("@}", matchers + "}")
