"""Writes the Grafana dashboards, in English and in Chinese, from the lists of panels.

    python scripts/make_dashboards.py [--check]

In: deploy/grafana/panels/*.yaml: panels in reading order, queries, texts in both languages side by side.
Out: deploy/grafana/dashboards/NAME.json and NAME-zh.json, the same bytes for the same lists.  ``--check`` writes nothing
and says whether the files are up to date.  Never: a panel, a query or a place that differs between the languages.

The JSON is Grafana's classic model, schema 39 (Grafana 11); later versions read it and raise it to their own.
"""

# ruff: noqa: D101
# The shapes of the lists explain themselves by their fields.

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import pydantic

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

import writing  # noqa: E402 -- from this checkout
from sniffer.errors import ConfigError, SnifferError  # noqa: E402
from sniffer.strictyaml import load_file, suggest, validate  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

PANELS = ROOT / "deploy" / "grafana" / "panels"
DASHBOARDS = "deploy/grafana/dashboards"
LANGUAGES = ("en", "zh")
SCHEMA_VERSION = 39
GRID = 24  # columns of Grafana's grid
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
DATASOURCE_TITLE = {"en": "Data source", "zh": "数据源"}
LAST = {"calcs": ["lastNotNull"], "fields": "", "values": False}
Found = TypeVar("Found")


# ── shapes of the lists ──────────────────────────────────────────────────────────────────────────────────


class Shape(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class Text(Shape):
    en: str
    zh: str


class Variable(Shape):
    title: Text
    query: str
    many: bool = False
    all: str = ""  # what "All" stands for; "": every value that the query finds


class Value(Shape):
    value: int | str
    text: Text
    color: str


class Series(Shape):
    name: str
    text: Text
    color: str


class Common(Shape):
    variables: dict[str, Variable]
    words: dict[str, str]
    values: dict[str, list[Value]]
    series: dict[str, list[Series]]


class Step(Shape):
    color: str
    start: float | None = pydantic.Field(None, alias="from")


class Query(Shape):
    expr: str
    name: str = ""  # of a table: what columns call it
    legend: str | Text = ""
    data: Literal["required", "optional"] = "required"


class Column(Shape):
    field: str  # a label, or the name of a query
    title: Text
    unit: str = ""
    width: int | None = None
    values: str = ""
    series: str = ""
    steps: list[Step] = []
    paint: Literal["none", "text"] = "none"
    link: str = ""


class Panel(Shape):
    title: Text
    says: Text
    type: Literal["timeseries", "stat", "table", "bargauge"]
    size: tuple[int, int]  # columns of 24, rows of 30 pixels
    unit: str
    queries: list[Query]
    data: Literal["required", "optional"] = "required"  # whether a sensor at work always has some
    decimals: int | None = None
    range: tuple[float, float] | None = None
    at_least: float | None = None  # the axis reaches so far, however small the values
    steps: list[Step] = []  # colours from a value on; the first has none
    lines: bool = False  # draw the steps into the time series
    values: str = ""
    series: str = ""
    without_value: Text | None = None
    paint: Literal["none", "text", "background"] = "none"
    shows: Literal["value", "name"] = "value"
    logarithmic: bool = False  # the axis
    stacked: bool = False
    stairs: bool = False
    legend: Literal["bottom", "right"] = "bottom"
    link: str = ""
    sort: str = ""
    columns: list[Column] = []


class Dashboard(Shape):
    name: str
    title: Text
    says: Text
    range: str
    refresh: str
    variables: list[str]
    panels: list[Panel]


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────


def read_common() -> Common:
    """What the dashboards share."""
    return validate(load_file(PANELS / "common.yaml"), Common)


def read_dashboards() -> list[Dashboard]:
    """The lists, in the order in which the dashboards are named to people, each query written out."""
    series = read_common().series
    names = sorted(path.stem for path in PANELS.glob("*.yaml") if path.stem != "common")
    names.sort(key=lambda name: name != "overview")
    lists = [validate(load_file(PANELS / f"{name}.yaml"), Dashboard) for name in names]
    return [
        one.model_copy(update={"panels": [written_out(panel, series) for panel in one.panels]})
        for one in lists
    ]


def written_out(panel: Panel, series: Mapping[str, list[Series]]) -> Panel:
    """A panel with one query for each of its known series in place of a query with ``%each%``."""
    queries = []
    for query in panel.queries:
        for one in series.get(panel.series, []) if "%each%" in query.expr else [None]:
            if one is None:
                queries.append(query)
            else:
                expr = query.expr.replace("%each%", one.name)
                queries.append(query.model_copy(update={"expr": expr, "legend": one.name}))
    return panel.model_copy(update={"queries": queries})


class UnknownNameError(SnifferError):
    """A list means something that is nowhere."""

    exit_status = ConfigError.exit_status


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────────


class Writer:
    """Makes one dashboard in one language."""

    def __init__(self, dashboard: Dashboard, others: list[Dashboard], common: Common, language: str) -> None:
        self.dashboard, self.common, self.language = dashboard, common, language
        self.others = {one.name: one for one in others}

    def look_up(self, names: Mapping[str, Found], name: str, what: str) -> Found:
        """What is meant by a name in the list.

        Raises:
            SnifferError: by none that is known; with the list that says it.
        """
        if name not in names:
            where = str(PANELS / f"{self.dashboard.name}.yaml")
            raise UnknownNameError(
                f"no {what} is called {name!r}", where=where, remedy=suggest(name, list(names))
            )
        return names[name]

    def text(self, text: str | Text) -> str:
        """A text in this language."""
        return text if isinstance(text, str) else str(getattr(text, self.language))

    def uid(self, name: str) -> str:
        """The fixed identifier of a dashboard in this language."""
        return f"sniffer-{name}" + ("" if self.language == "en" else f"-{self.language}")

    def expr(self, expr: str) -> str:
        """A query with its words filled in."""
        return re.sub(
            r"%(\w+)%", lambda word: self.expr(self.look_up(self.common.words, word[1], "word")), expr
        )

    def write(self) -> dict[str, Any]:
        """The whole dashboard."""
        dashboard = self.dashboard
        return {
            "uid": self.uid(dashboard.name),
            "title": self.text(dashboard.title),
            "description": self.text(dashboard.says),
            "tags": ["sniffer", self.language],
            "schemaVersion": SCHEMA_VERSION,
            "version": 1,
            "editable": True,
            "graphTooltip": 1,
            "fiscalYearStartMonth": 0,
            "timezone": "browser",
            "time": {"from": dashboard.range, "to": "now"},
            "timepicker": {},
            "refresh": dashboard.refresh,
            "weekStart": "",
            "annotations": {"list": []},
            "links": [self.link_between(one) for one in self.others.values() if one != dashboard],
            "templating": {"list": [self.datasource(), *map(self.variable, dashboard.variables)]},
            "panels": list(self.panels()),
        }

    # ── its head ─────────────────────────────────────────────────────────────────────────────────────────

    def datasource(self) -> dict[str, Any]:
        """The choice of a Prometheus."""
        return {
            "type": "datasource",
            "name": "datasource",
            "label": DATASOURCE_TITLE[self.language],
            "query": "prometheus",
            "regex": "",
            "current": {},
            "hide": 0,
            "includeAll": False,
            "multi": False,
            "options": [],
            "refresh": 1,
            "skipUrlSync": False,
        }

    def variable(self, name: str) -> dict[str, Any]:
        """A choice among values of a label."""
        made = self.look_up(self.common.variables, name, "variable")
        query = self.expr(made.query)
        everything = {"selected": True, "text": ["All"], "value": ["$__all"]}
        return {
            "type": "query",
            "name": name,
            "label": self.text(made.title),
            "datasource": DATASOURCE,
            "definition": query,
            "query": {"query": query, "refId": name, "qryType": 1},
            "regex": "",
            "current": everything if made.many else {},
            "hide": 0,
            "includeAll": made.many,
            "multi": made.many,
            "options": [],
            "refresh": 2,
            "skipUrlSync": False,
            "sort": 1,
            **({"allValue": made.all} if made.all else {}),
        }

    def link_between(self, other: Dashboard) -> dict[str, Any]:
        """A link to another dashboard, with the choices and the time taken along."""
        return {
            "type": "link",
            "title": self.text(other.title),
            "tooltip": self.text(other.says),
            "url": f"/d/{self.uid(other.name)}",
            "icon": "dashboard",
            "asDropdown": False,
            "includeVars": True,
            "keepTime": True,
            "tags": [],
            "targetBlank": False,
        }

    # ── its panels ───────────────────────────────────────────────────────────────────────────────────────

    def panels(self) -> Iterator[dict[str, Any]]:
        """The panels, laid out from left to right in lines of one height."""
        x = y = height = 0
        for number, panel in enumerate(self.dashboard.panels, 1):
            width = panel.size[0]
            if x + width > GRID:
                x, y, height = 0, y + height, 0
            yield {
                "id": number,
                "type": panel.type,
                "title": self.text(panel.title),
                "description": self.text(panel.says),
                "datasource": DATASOURCE,
                "gridPos": {"x": x, "y": y, "w": width, "h": panel.size[1]},
                "targets": [self.target(panel, index) for index in range(len(panel.queries))],
                "fieldConfig": {"defaults": self.defaults(panel), "overrides": self.overrides(panel)},
                "options": getattr(self, f"{panel.type}_options")(panel),
                **({"transformations": self.transformations(panel)} if panel.type == "table" else {}),
            }
            x, height = x + width, max(height, panel.size[1])

    def target(self, panel: Panel, index: int) -> dict[str, Any]:
        """One query."""
        query = panel.queries[index]
        instant = panel.type != "timeseries"
        return {
            "refId": letter(index),
            "datasource": DATASOURCE,
            "editorMode": "code",
            "expr": self.expr(query.expr),
            "format": "table" if panel.type == "table" else "time_series",
            "instant": instant,
            "range": not instant,
            "legendFormat": self.text(query.legend) or "__auto",
        }

    def defaults(self, panel: Panel) -> dict[str, Any]:
        """How values are written, coloured and drawn."""
        by_steps = bool(panel.steps) or bool(panel.values)
        made: dict[str, Any] = {
            "unit": panel.unit,
            "color": {"mode": "thresholds" if by_steps and panel.type != "timeseries" else "palette-classic"},
            "thresholds": thresholds(panel.steps),
            "mappings": self.mappings(panel.values),
        }
        if panel.decimals is not None:
            made["decimals"] = panel.decimals
        if panel.range is not None:
            made["min"], made["max"] = panel.range
        elif panel.type in ("timeseries", "bargauge") and not panel.logarithmic:
            made["min"] = 0
        if panel.without_value is not None:
            made["noValue"] = self.text(panel.without_value)
        if panel.type == "timeseries":
            made["custom"] = drawing(panel)
        if panel.type == "table":
            made["custom"] = {"align": "auto", "cellOptions": {"type": "auto"}, "inspect": False}
        if panel.link:
            made["links"] = [self.link(panel.link)]
        return made

    def overrides(self, panel: Panel) -> list[dict[str, Any]]:
        """Names and colours of known series; the columns of a table."""
        made = [
            override(
                one.name,
                displayName=self.text(one.text),
                color={"mode": "fixed", "fixedColor": one.color},
            )
            for one in self.known_series(panel.series)
        ]
        return made + [self.column(column) for column in panel.columns]

    def column(self, column: Column) -> dict[str, Any]:
        """One column of a table."""
        properties: dict[str, Any] = {}
        if column.unit:
            properties["unit"] = column.unit
        if column.width:
            properties["custom.width"] = column.width
        if column.values:
            properties["mappings"] = self.mappings(column.values)
        if column.series:
            properties["mappings"] = mapping(
                (one.name, self.text(one.text), one.color) for one in self.known_series(column.series)
            )
        if column.steps:
            properties["color"] = {"mode": "thresholds"}
            properties["thresholds"] = thresholds(column.steps)
        if column.paint == "text":
            properties["custom.cellOptions"] = {"type": "color-text"}
        if column.link:
            properties["links"] = [self.link(column.link)]
        return override(self.text(column.title), **properties)

    def link(self, name: str) -> dict[str, Any]:
        """A link from a value to a dashboard that is about it."""
        other = self.look_up(self.others, name, "dashboard")
        about = "&var-ip=${__value.raw:percentencode}&var-tenant=$__all" if "ip" in other.variables else ""
        return {
            "title": self.text(other.title),
            "url": f"/d/{self.uid(name)}?${{datasource:queryparam}}&${{instance:queryparam}}{about}&${{__url_time_range}}",
            "targetBlank": False,
        }

    def mappings(self, name: str) -> list[dict[str, Any]]:
        """Words in place of values."""
        values = self.look_up(self.common.values, name, "set of values") if name else []
        return mapping((str(one.value), self.text(one.text), one.color) for one in values)

    def known_series(self, name: str) -> list[Series]:
        """Series that have names and colours of their own."""
        return self.look_up(self.common.series, name, "set of series") if name else []

    def transformations(self, panel: Panel) -> list[dict[str, Any]]:
        """One table of all queries, with the columns that are asked for, in their order."""
        fields = [self.source(panel, column.field) for column in panel.columns]
        return [
            {"id": "merge", "options": {}},
            {
                "id": "filterFieldsByName",
                "options": {"include": {"names": fields}},
            },
            {
                "id": "organize",
                "options": {
                    "excludeByName": {},
                    "indexByName": {field: index for index, field in enumerate(fields)},
                    "renameByName": {
                        field: self.text(column.title)
                        for field, column in zip(fields, panel.columns, strict=True)
                    },
                },
            },
        ]

    def source(self, panel: Panel, field: str) -> str:
        """The field of the merged frames that a column shows: a label, or the values of a query."""
        names = [query.name for query in panel.queries]
        if field not in names:
            return field
        return f"Value #{letter(names.index(field))}" if len(names) > 1 else "Value"

    # ── options of each type ─────────────────────────────────────────────────────────────────────────────

    def timeseries_options(self, panel: Panel) -> dict[str, Any]:
        """Legend and tooltip."""
        return {
            "legend": {
                "displayMode": "list",
                "placement": panel.legend,
                "showLegend": True,
                "calcs": [],
                **({"width": 210} if panel.legend == "right" else {}),
            },
            "tooltip": {"mode": "multi", "sort": "desc"},
        }

    def stat_options(self, panel: Panel) -> dict[str, Any]:
        """Large figures."""
        return {
            "colorMode": "background" if panel.paint == "background" else "value",
            "graphMode": "none",
            "justifyMode": "auto",
            "orientation": "auto",
            "reduceOptions": LAST,
            "showPercentChange": False,
            "textMode": "name" if panel.shows == "name" else ("auto" if panel.series else "value"),
            "wideLayout": True,
        }

    def bargauge_options(self, panel: Panel) -> dict[str, Any]:
        """A ranking."""
        return {
            "displayMode": "gradient" if len(panel.steps) == 1 else "lcd",
            "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": False},
            "maxVizHeight": 60,
            "minVizHeight": 16,
            "minVizWidth": 8,
            "namePlacement": "top",
            "orientation": "horizontal",
            "reduceOptions": LAST,
            "showUnfilled": True,
            "sizing": "auto",
            "valueMode": "text",
        }

    def table_options(self, panel: Panel) -> dict[str, Any]:
        """A head and an order."""
        column = self.look_up({one.field: one for one in panel.columns}, panel.sort, "column")
        # Numbers are ranked, names are read.
        descending = any(query.name == panel.sort for query in panel.queries)
        return {
            "cellHeight": "sm",
            "footer": {"show": False, "reducer": ["sum"], "countRows": False, "fields": ""},
            "showHeader": True,
            "sortBy": [{"displayName": self.text(column.title), "desc": descending}],
        }


def letter(index: int) -> str:
    """The name of a query as Grafana counts them."""
    return chr(ord("A") + index)


def drawing(panel: Panel) -> dict[str, Any]:
    """How a time series is drawn."""
    return {
        "drawStyle": "line",
        "lineInterpolation": "stepAfter" if panel.stairs else "linear",
        "lineWidth": 1,
        "fillOpacity": 40 if panel.stacked else 10,
        "gradientMode": "none",
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        "axisPlacement": "auto",
        "axisBorderShow": False,
        "thresholdsStyle": {"mode": "dashed" if panel.lines else "off"},
        **({"scaleDistribution": {"type": "log", "log": 10}} if panel.logarithmic else {}),
        **({"axisSoftMax": panel.at_least} if panel.at_least is not None else {}),
    }


def thresholds(steps: list[Step]) -> dict[str, Any]:
    """Colours from a value on."""
    return {
        "mode": "absolute",
        "steps": [{"color": step.color, "value": step.start} for step in steps or [Step(color="text")]],
    }


def mapping(values: Iterable[tuple[str, str, str]]) -> list[dict[str, Any]]:
    """One mapping of values to words and colours; none of none."""
    options = {
        value: {"text": text, "color": color, "index": index}
        for index, (value, text, color) in enumerate(values)
    }
    return [{"type": "value", "options": options}] if options else []


def override(name: str, **properties: Any) -> dict[str, Any]:
    """Properties of the field of a name."""
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": key, "value": value} for key, value in properties.items()],
    }


# ── the script ───────────────────────────────────────────────────────────────────────────────────────────


def files() -> dict[str, str]:
    """What is written, by path."""
    common, dashboards = read_common(), read_dashboards()
    out = {}
    for dashboard in dashboards:
        for language in LANGUAGES:
            made = Writer(dashboard, dashboards, common, language).write()
            name = dashboard.name + ("" if language == "en" else f"-{language}")
            out[f"{DASHBOARDS}/{name}.json"] = json.dumps(made, indent=1, ensure_ascii=False) + "\n"
    return out


if __name__ == "__main__":
    raise SystemExit(writing.main(__doc__, files))
