"""The shipped dashboards as tests read them.

In: deploy/grafana/dashboards, the lists they were written from.  Out: :class:`Dashboard`, its panels and queries.
Never: a guess about what Grafana would add.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from loadscript import script

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "grafana" / "dashboards"
RULES = ROOT / "deploy" / "prometheus" / "rules"
NAMES = ("overview", "address", "sensor")
LANGUAGES = ("en", "zh")

METRIC = re.compile(r"([A-Za-z_:][A-Za-z0-9_:]*)\s*[{\[]")
"""A name before a selector or a range; what is between braces has none of these behind it."""
VARIABLE = re.compile(r"\$(?:\{(\w+)(?::\w+)?\}|(\w+))")


class Query(NamedTuple):
    """One query of a panel."""

    dashboard: str  # as its file is called
    panel: dict[str, Any]
    target: dict[str, Any]
    required: bool  # a sensor at work always has an answer to it
    panel_required: bool  # ... or to another query of the panel

    @property
    def place(self) -> str:
        """Where it stands, for people."""
        return f"{self.dashboard}: {self.panel['title']}: {self.target['refId']}"


@dataclass(frozen=True)
class Dashboard:
    """One dashboard in one language."""

    name: str
    language: str
    json: dict[str, Any]

    @property
    def file(self) -> str:
        """Name of its file without the ending."""
        return self.name + ("" if self.language == "en" else f"-{self.language}")

    @property
    def panels(self) -> list[dict[str, Any]]:
        """Its panels in reading order."""
        return list(self.json["panels"])

    @property
    def variables(self) -> dict[str, dict[str, Any]]:
        """The choices at its head, by name."""
        return {one["name"]: one for one in self.json["templating"]["list"]}

    def queries(self) -> list[Query]:
        """Every query, with what its list says of its data."""
        listed = next(
            one for one in script("scripts/make_dashboards.py").read_dashboards() if one.name == self.name
        )
        return [
            Query(self.file, panel, target, said.data == query.data == "required", said.data == "required")
            for panel, said in zip(self.panels, listed.panels, strict=True)
            for target, query in zip(panel["targets"], said.queries, strict=True)
        ]


def load(name: str, language: str = "en") -> Dashboard:
    """A shipped dashboard."""
    file = FOLDER / (name + ("" if language == "en" else f"-{language}") + ".json")
    return Dashboard(name, language, json.loads(file.read_text(encoding="utf-8")))


def metrics_of(expr: str) -> set[str]:
    """Names of the metrics that a query asks for."""
    return set(METRIC.findall(re.sub(r'"(?:\\.|[^"\\])*"', '""', expr)))


def variables_of(text: str) -> set[str]:
    """Names of the variables that a text uses; built-in ones begin with two underscores."""
    return {first or second for first, second in VARIABLE.findall(text)}
