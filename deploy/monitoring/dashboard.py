"""Writes dashboard.json, the Grafana dashboard: `python deploy/monitoring/dashboard.py`.

It is built with Grafana's own library, so that what is written is of Grafana's schema; the library
is in langsteer[dev]. Some figures are recorded by rules.yaml, which Prometheus has to load.
"""

from __future__ import annotations

from pathlib import Path

from grafana_foundation_sdk.builders import common
from grafana_foundation_sdk.builders.dashboard import (
    Dashboard,
    DatasourceVariable,
    QueryVariable,
    Row,
)
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.builders.timeseries import Panel
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import (
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
    TooltipDisplayMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    VariableRefresh,
)
from panels import ROWS, Graph

FILE = Path(__file__).with_name("dashboard.json")
_PROMETHEUS = DataSourceRef(type_val="prometheus", uid="${datasource}")


def dashboard() -> str:
    """The dashboard as JSON."""
    board = (
        Dashboard("langsteer")
        .uid("langsteer")
        .title("langsteer")
        .description("The language that a served model answers in: asked for, applied, found.")
        .tags(["langsteer", "vllm"])
        .refresh("30s")
        .time("now-3h", "now")
        .timezone("browser")
        .readonly()
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        .with_variable(_choice("job", "label_values(langsteer_profiles_loaded, job)"))
        .with_variable(
            _choice("instance", 'label_values(langsteer_profiles_loaded{job=~"$job"}, instance)')
        )
    )
    for title, graphs in ROWS:
        board = board.with_row(Row(title))
        for graph in graphs:
            board = board.with_panel(_panel(graph))
    return JSONEncoder(sort_keys=True, indent=1, ensure_ascii=False).encode(board.build()) + "\n"


def _choice(name: str, values: str) -> QueryVariable:
    return (
        QueryVariable(name)
        .query(values)
        .datasource(_PROMETHEUS)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .include_all(True)
        .all_value(".*")
        .multi(True)
    )


def _panel(graph: Graph) -> Panel:
    panel = (
        Panel()
        .title(graph.title)
        .description(graph.says)
        .datasource(_PROMETHEUS)
        .unit(graph.unit)
        .min(0)
        .span(8)
        .height(8)
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .line_width(1)
        .fill_opacity(40 if graph.stacked else 0)
    )
    if graph.stacked:
        panel = panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL))
    for name, (expr, legend) in zip("ABCDE", graph.queries, strict=False):
        panel = panel.with_target(Dataquery().expr(expr).legend_format(legend).ref_id(name))
    return panel


if __name__ == "__main__":
    FILE.write_text(dashboard(), encoding="utf-8")
