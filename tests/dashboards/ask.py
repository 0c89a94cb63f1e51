"""Asks Prometheus what Grafana would ask for a dashboard.

In: a dashboard, a running Prometheus, a time range.  Out: for each panel the answers of its queries, as JSON can hold them.
Never: a query that differs from the panel's by more than its variables.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from model import VARIABLE, Dashboard, Query

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prometheus import Prometheus

PANEL_PIXELS = 800  # Grafana asks for about one point a pixel
ANY_VALUE = "$__all"


@dataclass(frozen=True)
class Window:
    """What is looked at, and how finely.

    Attributes:
        start, end: seconds since 1970.
        scrape: seconds between two scrapes, as the data source says (``timeInterval``).
    """

    start: float
    end: float
    scrape: float

    @property
    def step(self) -> float:
        """``$__interval``: never finer than the scrapes."""
        return max(self.scrape, math.ceil((self.end - self.start) / PANEL_PIXELS))

    def built_in(self) -> dict[str, str]:
        """Grafana's own variables."""
        return {
            "__interval": f"{self.step:g}s",
            "__rate_interval": f"{max(self.step + self.scrape, 4 * self.scrape):g}s",
            "__range": f"{max(1, round(self.end - self.start))}s",
        }


class Answer(NamedTuple):
    """What Prometheus said to one query."""

    query: Query
    result: dict[str, Any]  # resultType and result, as its API has them

    @property
    def has_data(self) -> bool:
        """Whether there is any number in it."""
        return any(
            value[1] != "NaN"
            for one in self.result["result"]
            for value in one.get("values") or [one["value"]]
        )


def choices(prometheus: Prometheus, dashboard: Dashboard, chosen: Mapping[str, str]) -> dict[str, list[str]]:
    """The values of each variable that is a query: what was chosen, all of them, or the first, as Grafana does.

    Args:
        prometheus: to be asked for values.
        dashboard: its variables, in order; later ones may use earlier ones.
        chosen: values that somebody has picked, by variable.
    """
    values: dict[str, list[str]] = {}
    for name, variable in dashboard.variables.items():
        if variable["type"] != "query":
            continue
        selector, label = re.fullmatch(r"label_values\((.+), *(\w+)\)", variable["definition"]).groups()  # type: ignore[union-attr]
        series = prometheus.ask("series", **{"match[]": fill(selector, dashboard, values)})
        found = sorted({one.get(label, "") for one in series})
        assert found, f"{dashboard.file}: nothing to choose for {name}"
        values[name] = [chosen[name]] if name in chosen else found if variable["includeAll"] else found[:1]
    return values


def fill(
    expr: str, dashboard: Dashboard, values: Mapping[str, list[str]], window: Window | None = None
) -> str:
    """A query with its variables filled in, as Grafana writes them for Prometheus."""
    built_in = window.built_in() if window else {}

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name in built_in:
            return built_in[name]
        variable = dashboard.variables[name]
        if variable.get("allValue") and len(values[name]) != 1:
            return str(variable["allValue"])
        if not variable["multi"]:
            return values[name][0]
        quoted = [re.sub(r"[][{}()*+?.^$|\\]", lambda one: "\\\\" + one[0], text) for text in values[name]]
        return quoted[0] if len(quoted) == 1 else "(" + "|".join(quoted) + ")"

    return VARIABLE.sub(value, expr)


def answers(
    prometheus: Prometheus, dashboard: Dashboard, window: Window, values: Mapping[str, list[str]]
) -> list[Answer]:
    """What Prometheus says to every query of a dashboard.

    Raises:
        PrometheusError: a query has an error; it is named.
    """
    out = []
    for query in dashboard.queries():
        expr = fill(query.target["expr"], dashboard, values, window)
        if query.target["instant"]:
            result = prometheus.ask("query", query=expr, time=window.end)
        else:
            start = window.start - window.start % window.step  # Grafana aligns ranges to their steps
            result = prometheus.ask("query_range", query=expr, start=start, end=window.end, step=window.step)
        out.append(Answer(query, result))
    return out


def missing(found: list[Answer]) -> list[str]:
    """What has no data and should: queries, and panels none of whose queries has any."""
    with_data = {answer.query.panel["id"] for answer in found if answer.has_data}
    return [
        answer.query.place
        for answer in found
        if (answer.query.required and not answer.has_data)
        or (answer.query.panel_required and answer.query.panel["id"] not in with_data)
    ]


def as_json(
    dashboard: Dashboard, window: Window, values: Mapping[str, list[str]], found: list[Answer]
) -> dict[str, Any]:
    """What the render page reads: the dashboard, the choices, the answers by panel and query."""
    panels: dict[str, dict[str, Any]] = {}
    for answer in found:
        panels.setdefault(str(answer.query.panel["id"]), {})[answer.query.target["refId"]] = answer.result
    return {
        "dashboard": dashboard.json,
        "language": dashboard.language,
        "values": dict(values),
        "window": {"from": window.start * 1000, "to": window.end * 1000, "step": window.step * 1000},
        "answers": panels,
    }
