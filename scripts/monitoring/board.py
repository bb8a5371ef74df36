"""A dashboard as data, and what Grafana's own builders make of it."""

import json
from collections.abc import Sequence
from typing import Literal, NamedTuple

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as shared
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    DataSourceRef,
    Threshold,
    ThresholdsMode,
    VariableRefresh,
    VariableSort,
)
from scripts.monitoring.expressions import scoped

COUNT, PER_SECOND, SECONDS, BYTES, BYTES_PER_SECOND, SHARE = (
    units.Short,
    units.OpsPerSecond,
    units.Seconds,
    units.BytesIEC,
    units.BytesPerSecondIEC,
    units.PercentUnit,
)

_SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
_PODS = 'label_values({NAMES,namespace="$namespace"}, pod)'
_MATCHERS = 'namespace="$namespace",pod=~"$pod"'
_WIDTH, _HEIGHT = 24, 8
_STAT_HEIGHT = 4


class Query(NamedTuple):
    """`legend` as Grafana writes it: `{{pod}}`."""

    expression: str
    legend: str


class Panel(NamedTuple):
    """`shows` and `when_wrong` (what to do when it looks wrong) are its description. `red_from`: a value that somebody should look at."""

    title: str
    unit: str
    shows: str
    when_wrong: str
    queries: Sequence[Query]
    kind: Literal["lines", "stacked", "number"] = "lines"
    red_from: float | None = None


class Row(NamedTuple):
    """Its panels share the width."""

    title: str
    panels: Sequence[Panel]


class Board(NamedTuple):
    """`pods_of`: the metrics by which the pods to choose from are known."""

    name: str
    title: str
    description: str
    pods_of: Sequence[str]
    rows: Sequence[Row]


def rendered(board: Board) -> str:
    names = f'__name__=~"{"|".join(board.pods_of)}"'
    built = (
        dashboard.Dashboard(board.title)
        .uid(f"levain-{board.name}")
        .description(board.description)
        .tags(["levain"])
        .readonly()
        .refresh("30s")
        .time("now-1h", "now")
        .timezone(shared.TimeZoneBrowser)
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .link(dashboard.DashboardLink("Levain").type(DashboardLinkType.DASHBOARDS).tags(["levain"]).keep_time(True).include_vars(True))
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(_values("namespace", "Namespace", f"label_values({{{names}}}, namespace)"))
        .with_variable(_values("pod", "Pod", _PODS.replace("NAMES", names)).multi(True).include_all(True).all_value(".*"))
    )
    number = 0
    for row in board.rows:
        number += 1
        built = built.with_row(dashboard.Row(row.title).id(number))
        for panel in row.panels:
            number += 1
            built = built.with_panel(_panel(panel, _WIDTH // len(row.panels)).id(number))
    return json.dumps(json.loads(JSONEncoder(sort_keys=True).encode(built.build())), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _values(name: str, label: str, query: str) -> dashboard.QueryVariable:
    variable = dashboard.QueryVariable(name).label(label).datasource(_SOURCE)
    return (
        variable.query({"query": query, "refId": name}).refresh(VariableRefresh.ON_TIME_RANGE_CHANGED).sort(VariableSort.ALPHABETICAL_ASC)
    )


def _panel(panel: Panel, width: int) -> timeseries.Panel | stat.Panel:
    made: timeseries.Panel | stat.Panel = _number() if panel.kind == "number" else _lines(stacked=panel.kind == "stacked")
    made = made.title(panel.title).description(f"{panel.shows}\n\n{panel.when_wrong}").unit(panel.unit).datasource(_SOURCE).min(0)
    made = made.span(width).height(_STAT_HEIGHT if panel.kind == "number" else _HEIGHT)
    if panel.red_from is not None:
        steps = [Threshold(color="green"), Threshold(value=panel.red_from, color="red")]
        made = made.thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
    for letter, query in zip("ABCDEF", panel.queries, strict=False):
        made = made.with_target(
            prometheus.Dataquery().ref_id(letter).expr(scoped(query.expression, _MATCHERS)).legend_format(query.legend).range()
        )
    return made


def _lines(*, stacked: bool) -> timeseries.Panel:
    legend = common.VizLegendOptions().display_mode(shared.LegendDisplayMode.TABLE).placement(shared.LegendPlacement.RIGHT)
    lines = timeseries.Panel().legend(legend.show_legend(True).calcs(["lastNotNull", "max"])).fill_opacity(10)
    lines = lines.tooltip(common.VizTooltipOptions().mode(shared.TooltipDisplayMode.MULTI).sort(shared.SortOrder.DESCENDING))
    return lines.stacking(common.StackingConfig().mode(shared.StackingMode.NORMAL)) if stacked else lines


def _number() -> stat.Panel:
    latest = common.ReduceDataOptions().calcs(["lastNotNull"])
    return stat.Panel().reduce_options(latest).color_mode(shared.BigValueColorMode.VALUE).graph_mode(shared.BigValueGraphMode.AREA)
