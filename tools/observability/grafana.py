"""A dashboard as Grafana's JSON, built by its own SDK so that the schema is theirs."""

import json
from typing import Final

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as dashboards
from grafana_foundation_sdk.builders import heatmap, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from tools.observability.board import CHOSEN, WIDTH, Board, Panel

_SOURCE: Final = dashboard.DataSourceRef(type_val="prometheus", uid="${datasource}")
_ROW_HEIGHT: Final = 1
_Drawn = timeseries.Panel | stat.Panel | heatmap.Panel


def as_json(board: Board) -> str:
    """The file that Grafana is provisioned with; the same for the same board."""
    built = (
        dashboards.Dashboard(board.title)
        .uid(board.uid)
        .description(board.description)
        .tags(list(board.tags))
        .readonly()
        .time("now-1h", "now")
        .refresh("30s")
        .timezone("browser")
        .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
        .variables(_variables())
        .link(
            dashboards.DashboardLink("progress-broker")
            .type(dashboard.DashboardLinkType.DASHBOARDS)
            .tags(["progress-broker"])
            .include_vars(True)
            .keep_time(True)
        )
        .build()
    )
    built.panels = _placed(board)
    text: str = json.dumps(built, cls=JSONEncoder, indent=1, sort_keys=True, ensure_ascii=False)
    return text + "\n"


def _variables() -> list[Builder[dashboard.VariableModel]]:
    return [
        dashboards.DatasourceVariable("datasource").label("Prometheus").type("prometheus"),
        _of_label("namespace", "progress_broker_build_info"),
        _of_label("job", 'progress_broker_build_info{namespace=~"$namespace"}'),
        _of_label("instance", f"progress_broker_build_info{{{CHOSEN}}}"),
    ]


def _of_label(label: str, metric: str) -> Builder[dashboard.VariableModel]:
    """The values of a label as choices, all of them chosen at first."""
    return (
        dashboards.QueryVariable(label)
        .label(label)
        .datasource(_SOURCE)
        .query(f"label_values({metric}, {label})")
        .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(dashboard.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(dashboard.VariableOption(text="All", value="$__all", selected=True))
    )


def _placed(board: Board) -> list[dashboard.Panel | dashboard.RowPanel]:
    """Rows and panels from the top left to the bottom right, each with an id of its own."""
    placed: list[dashboard.Panel | dashboard.RowPanel] = []
    y = 0
    for row in board.rows:
        heading = dashboards.Row(row.title).build()
        heading.id_val = len(placed) + 1
        heading.grid_pos = dashboard.GridPos(h=_ROW_HEIGHT, w=WIDTH, x=0, y=y)
        placed.append(heading)
        y += _ROW_HEIGHT
        x = height = 0
        for panel in row.panels:
            if x + panel.width > WIDTH:
                x, y, height = 0, y + height, 0
            place = dashboard.GridPos(h=panel.height, w=panel.width, x=x, y=y)
            placed.append(_panel(panel, len(placed) + 1, place))
            x, height = x + panel.width, max(height, panel.height)
        y += height
    return placed


def _panel(panel: Panel, number: int, place: dashboard.GridPos) -> dashboard.Panel:
    drawn = _drawn(panel)
    drawn.id(number).title(panel.title).description(panel.description).grid_pos(place)
    drawn.datasource(_SOURCE).unit(panel.unit).thresholds(_thresholds(panel))
    if panel.maximum is not None:
        drawn.max(panel.maximum)
    for index, asked in enumerate(panel.queries):
        target = prometheus.Dataquery().ref_id(chr(ord("A") + index)).datasource(_SOURCE)
        target.expr(asked.expr).legend_format(asked.legend).range()
        if panel.kind == "heatmap":
            target.format(PromQueryFormat.HEATMAP)
        drawn.with_target(target)
    return drawn.build()


def _drawn(panel: Panel) -> _Drawn:
    if panel.kind == "stat":
        return (
            stat.Panel()
            .reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"]))
            .color_mode(common.BigValueColorMode.VALUE)
            .graph_mode(common.BigValueGraphMode.AREA)
        )
    if panel.kind == "heatmap":
        scale = heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Oranges")
        return heatmap.Panel().calculate(False).color(scale.steps(64))
    drawn = (
        timeseries.Panel()
        .min(0)
        .show_points(common.VisibilityMode.NEVER)
        .fill_opacity(30 if panel.kind == "stacked" else 8)
        .legend(_legend())
        .tooltip(common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI))
    )
    if panel.kind == "stacked":
        drawn.stacking(common_builders.StackingConfig().mode(common.StackingMode.NORMAL))
    if panel.bad_above is not None or panel.bad_below is not None:
        style = common.GraphThresholdsStyleMode.DASHED
        drawn.thresholds_style(common_builders.GraphThresholdsStyleConfig().mode(style))
    return drawn


def _legend() -> common_builders.VizLegendOptions:
    return (
        common_builders.VizLegendOptions()
        .show_legend(True)
        .display_mode(common.LegendDisplayMode.TABLE)
        .placement(common.LegendPlacement.BOTTOM)
        .calcs(["lastNotNull", "max"])
    )


def _thresholds(panel: Panel) -> dashboards.ThresholdsConfig:
    steps = [dashboard.Threshold(value=None, color="green" if panel.bad_below is None else "red")]
    if panel.bad_below is not None:
        steps.append(dashboard.Threshold(value=panel.bad_below, color="green"))
    if panel.bad_above is not None:
        steps.append(dashboard.Threshold(value=panel.bad_above, color="red"))
    config = dashboards.ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE)
    return config.steps(steps)
