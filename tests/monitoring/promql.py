"""Whether an expression can say anything: by its tree, and by what a Prometheus knows."""

from collections.abc import Callable, Iterator
from itertools import chain
from math import isnan
from typing import TypeVar

import promql_parser as promql
from tests.monitoring.prometheus import Prometheus, Window

_COMPARISONS = {"==", "!=", "<", "<=", ">", ">="}
_SETS = {"and", "or", "unless"}

Kind = TypeVar("Kind", bound=promql.Expr)
Known = Callable[[str], list[dict[str, str]]]


def problems(text: str, prometheus: Prometheus, window: Window) -> Iterator[str]:
    """What keeps it from having a value anywhere in the window.

    An alert is quiet when all is well, and so is a panel that filters: each of their sides must have a value, whatever the comparison says.
    """

    def known(selector: str) -> list[dict[str, str]]:
        return prometheus.series(selector, window)

    tree = promql.parse(text)
    yield from unknown(tree, known)
    for side in _sides(_without_comparisons(tree)):
        if all(isnan(value) for value in prometheus.values(side.prettify(), window)):
            yield f"{side.prettify()} has no value"


def unknown(tree: promql.Expr, known: Known) -> Iterator[str]:
    """Selectors that nothing matches, and labels that are grouped by and that nothing has."""
    for selector in _all(tree, promql.VectorSelector):
        if not known(selector.prettify()):
            yield f"nothing matches {selector.prettify()}"
    for aggregate in _all(tree, promql.AggregateExpr):
        by = aggregate.modifier.labels if aggregate.modifier is not None else []
        series = chain.from_iterable(known(selector.prettify()) for selector in _all(aggregate, promql.VectorSelector))
        for label in set(by).difference(*series):
            yield f"nothing in {aggregate.prettify()} has the label {label}"


def metrics(text: str) -> set[str]:
    return {str(selector.name) for selector in _all(promql.parse(text), promql.VectorSelector)}


def _all(tree: promql.Expr, kind: type[Kind]) -> list[Kind]:
    found: list[Kind] = []

    def visit(node: promql.Expr) -> None:
        if isinstance(node, kind):
            found.append(node)

    promql.walk(tree, visit)
    return found


def _without_comparisons(tree: promql.Expr) -> promql.Expr:
    """`absent(x)` is a comparison too: of what is there with nothing."""

    def instead(node: promql.Expr) -> promql.Expr | None:
        if isinstance(node, promql.BinaryExpr) and str(node.op) in _COMPARISONS:
            return node.lhs
        if isinstance(node, promql.Call) and node.func.name == "absent":
            (counted,) = node.args
            assert isinstance(counted, promql.Expr)
            return counted
        return None

    return promql.transform(tree, None, instead)


def _sides(tree: promql.Expr) -> list[promql.Expr]:
    if isinstance(tree, promql.BinaryExpr) and str(tree.op) in _SETS:
        return [*_sides(tree.lhs), *_sides(tree.rhs)]
    return [tree]
