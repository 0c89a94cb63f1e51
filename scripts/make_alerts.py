"""Writes all that is made of the list of alerts: rules, their tests, Grafana's file, a page of docs/.

    python scripts/make_alerts.py [--check]

In: deploy/alerts.yaml.  Out: rules and tests for promtool under deploy/prometheus/, the same alerts for Grafana's
provisioning, docs/alerts.md, the index of the runbooks; the same bytes for the same list.  ``--check`` writes nothing and says whether the files are
up to date.  Never: an alert, a threshold or a sentence about one that is not in the list.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pydantic
import yaml

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

import writing  # noqa: E402 -- from this checkout
from pages import cell  # noqa: E402
from sniffer.errors import ConfigError  # noqa: E402
from sniffer.strictyaml import load_file, validate  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

LIST = ROOT / "deploy" / "alerts.yaml"
WRITTEN = "Written by scripts/make_alerts.py; change deploy/alerts.yaml, not this file."
RUNBOOKS = "docs/runbooks"
DATASOURCE = "sniffer-prometheus"  # uid; deploy/grafana/provisioning/datasources/
FOLDER = "sniffer"  # of Grafana
SENSOR = {"job": "sniffer", "instance": "east:9478"}  # of the cases, unless they say otherwise
GROUPS = ("mining", "sensor")
SET_OPERATORS = re.compile(r"\b(?:and|or|unless)\b")
FIGURE = re.compile(r"\{\{ \$value(?: \| (\w+))? \}\}")
LABEL = re.compile(r"\{\{ \$labels\.(\w+) \}\}")

Duration = Annotated[str, pydantic.StringConstraints(pattern=r"^\d+[smhd]$")]
Text = Annotated[str, pydantic.StringConstraints(min_length=1)]
Labels = dict[str, str]


# ── the list ─────────────────────────────────────────────────────────────────────────────────────────────


class Part(pydantic.BaseModel):
    """A part of the list; unknown keys are faults."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class Firing(Part):
    """An alert that a case makes."""

    labels: Labels = {}
    value: Text  # as the texts show it


class Sample(Part):
    """A series that a case makes a recording rule give."""

    labels: Labels = {}
    value: float


class Given(Part):
    """What a case begins with."""

    says: Text
    copies: int = 1
    series: dict[str, Text]
    at: Duration

    def input_series(self) -> list[dict[str, str]]:
        """As promtool wants them."""
        return [
            {"series": on_sensor(name).replace("#", str(number)), "values": values}
            for name, values in self.series.items()
            for number in range(1, self.copies + 1)
        ]


class AlertCase(Given):
    """A case of an alert."""

    fires: list[Firing]


class RecordCase(Given):
    """A case of a recording rule."""

    gives: list[Sample]


class Record(Part):
    """A recording rule."""

    record: Annotated[str, pydantic.StringConstraints(pattern=r"^sniffer:[a-z0-9_:]+$")]
    expr: Text
    says: Text
    says_zh: Text
    cases: Annotated[list[RecordCase], pydantic.Field(min_length=1)]


class Alert(Part):
    """One alert."""

    name: Annotated[str, pydantic.StringConstraints(pattern=r"^Sniffer[A-Z][A-Za-z]+$")]
    group: Literal["mining", "sensor"]
    severity: Literal["critical", "warning", "info"]
    value: Text
    above: float | None = None
    below: float | None = None
    lasts: Annotated[Duration, pydantic.Field(alias="for")]
    when: Text
    when_zh: Text
    summary: Text
    summary_zh: Text
    description: Text
    description_zh: Text
    cases: Annotated[list[AlertCase], pydantic.Field(min_length=2)]

    @pydantic.model_validator(mode="after")
    def _has_one_threshold_and_both_kinds_of_case(self) -> Alert:
        if (self.above is None) is (self.below is None):
            raise ValueError("wants either above or below")
        if len({bool(case.fires) for case in self.cases}) < 2:
            raise ValueError("wants a case in which it fires and one in which it is silent")
        return self

    @property
    def threshold(self) -> tuple[str, float]:
        """Comparison and figure."""
        return (">", self.above) if self.above is not None else ("<", float(self.below or 0))

    @property
    def labels(self) -> Labels:
        """What it is routed by."""
        return {"severity": self.severity, "group": self.group}

    @property
    def annotations(self) -> Labels:
        """What people are told, templates in it."""
        return {
            "summary": self.summary,
            "summary_zh": self.summary_zh,
            "description": self.description,
            "description_zh": self.description_zh,
            "runbook": f"{RUNBOOKS}/{self.name}.md",
        }


class AlertList(Part):
    """The whole list."""

    parts: dict[str, Text]
    calm: dict[str, Text]
    records: list[Record]
    alerts: list[Alert]

    @pydantic.model_validator(mode="after")
    def _names_are_unique(self) -> AlertList:
        names = [alert.name for alert in self.alerts] + [record.record for record in self.records]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)}: named twice")
        return self

    def expression(self, text: str) -> str:
        """PromQL with its parts in their places."""
        while "$" in text:
            text = Template(text).substitute({name: part.strip() for name, part in self.parts.items()})
        return text.strip()

    def condition(self, alert: Alert) -> str:
        """PromQL that gives the series on which an alert fires."""
        value = self.expression(alert.value)
        sign, figure = alert.threshold
        if SET_OPERATORS.search(value):
            value = f"(\n{indented(value)}\n)"
        return f"{value} {sign} {number(figure)}"


def load_list(path: Path = LIST) -> AlertList:
    """Read the list.

    Raises:
        ConfigError: with every fault and its place.
    """
    document = load_file(path)
    alerts = validate(document, AlertList)
    for place, items in (("records", alerts.records), ("alerts", alerts.alerts)):
        for index, item in enumerate(items):
            key = "expr" if isinstance(item, Record) else "value"
            try:
                alerts.expression(getattr(item, key))
            except (KeyError, ValueError) as error:
                fault = document.problem(
                    (place, index, key), "part", f"no such part: {error}", "add it to parts"
                )
                raise ConfigError([fault]) from None
    return alerts


# ── Prometheus ───────────────────────────────────────────────────────────────────────────────────────────


def alert_rules(alerts: AlertList) -> dict[str, Any]:
    """Rule file of the alerts."""
    return {
        "groups": [
            {
                "name": f"sniffer-{group}",
                "rules": [
                    {
                        "alert": alert.name,
                        "expr": alerts.condition(alert),
                        "for": alert.lasts,
                        "labels": alert.labels,
                        "annotations": alert.annotations,
                    }
                    for alert in alerts.alerts
                    if alert.group == group
                ],
            }
            for group in GROUPS
        ]
    }


def recording_rules(alerts: AlertList) -> dict[str, Any]:
    """Rule file of what is recorded."""
    rules = [{"record": one.record, "expr": alerts.expression(one.expr)} for one in alerts.records]
    return {"groups": [{"name": "sniffer-recording", "rules": rules}]}


def alert_tests(alerts: AlertList) -> dict[str, Any]:
    """Each case of each alert, and the calm sensor on which none fires, for ``promtool test rules``."""
    tests: list[dict[str, Any]] = []
    for alert in alerts.alerts:
        for case in alert.cases:
            expected = []
            for firing in case.fires:
                labels = {**SENSOR, **firing.labels}
                shown = {name: shown_text(text, labels, firing) for name, text in alert.annotations.items()}
                expected.append({"exp_labels": {**present(labels), **alert.labels}, "exp_annotations": shown})
            test = {"eval_time": case.at, "alertname": alert.name, "exp_alerts": expected}
            tests.append(promtool_test(f"{alert.name}: {case.says}", case, alert_rule_test=[test]))
    calm = Given(says="nothing is wrong and nobody mines", series=alerts.calm, at="3h")
    silence = {"expr": "ALERTS", "eval_time": calm.at, "exp_samples": []}
    tests.append(promtool_test(f"calm: {calm.says}", calm, promql_expr_test=[silence]))
    return test_file("sniffer-alerts.yml", tests)


def recording_tests(alerts: AlertList) -> dict[str, Any]:
    """Each case of each recording rule."""
    tests = []
    for record in alerts.records:
        for case in record.cases:
            samples = []
            for sample in case.gives:
                labels = present({**SENSOR, **sample.labels})
                text = ",".join(f'{name}="{value}"' for name, value in labels.items())
                samples.append({"labels": f"{record.record}{{{text}}}", "value": sample.value})
            test = {"expr": record.record, "eval_time": case.at, "exp_samples": samples}
            tests.append(promtool_test(f"{record.record}: {case.says}", case, promql_expr_test=[test]))
    return test_file("sniffer-recording.yml", tests)


def promtool_test(name: str, given: Given, **wanted: list[dict[str, Any]]) -> dict[str, Any]:
    """One test of promtool."""
    return {"name": name, "interval": "1m", "input_series": given.input_series(), **wanted}


def test_file(rules: str, tests: list[dict[str, Any]]) -> dict[str, Any]:
    """A file of tests."""
    return {"rule_files": [f"../rules/{rules}"], "evaluation_interval": "1m", "tests": tests}


def shown_text(text: str, labels: Labels, firing: Firing) -> str:
    """A text as people read it."""
    return LABEL.sub(lambda found: labels.get(found[1], ""), FIGURE.sub(lambda _: firing.value, text))


def present(labels: Labels) -> Labels:
    """Labels without those that are empty, which Prometheus does not tell from absent ones."""
    return {name: value for name, value in labels.items() if value}


def on_sensor(name: str) -> str:
    """A series of the sensor of the cases."""
    return name.replace("$on", ",".join(f'{label}="{value}"' for label, value in SENSOR.items()))


# ── Grafana ──────────────────────────────────────────────────────────────────────────────────────────────


def grafana_alerts(alerts: AlertList) -> dict[str, Any]:
    """The same alerts in Grafana's format of files for provisioning.

    The query gives only series that are wrong; the threshold behind it says so to Grafana.  No data is thus what is wanted,
    but for a sensor that is not there, which has alerts of its own.  Grafana puts environment variables in the
    place of ``$NAME`` everywhere but in annotations: no query has a ``$``.
    """
    return {
        "apiVersion": 1,
        "groups": [
            {
                "orgId": 1,
                "name": f"sniffer-{group}",
                "folder": FOLDER,
                "interval": "1m",
                "rules": [grafana_rule(alerts, alert) for alert in alerts.alerts if alert.group == group],
            }
            for group in GROUPS
        ],
    }


def grafana_rule(alerts: AlertList, alert: Alert) -> dict[str, Any]:
    """One alert of Grafana."""
    sign, figure = alert.threshold
    query = {"refId": "A", "expr": alerts.condition(alert), "instant": True, "range": False}
    expressions = {"type": "__expr__", "uid": "__expr__"}
    evaluator = {"type": {">": "gt", "<": "lt"}[sign], "params": [figure]}
    threshold = {
        "refId": "B",
        "type": "threshold",
        "datasource": expressions,
        "expression": "A",
        "conditions": [{"evaluator": evaluator}],
    }
    return {
        "uid": alert.name.lower(),
        "title": alert.name,
        "condition": "B",
        "data": [
            {
                "refId": "A",
                "relativeTimeRange": {"from": 600, "to": 0},
                "datasourceUid": DATASOURCE,
                "model": query,
            },
            {
                "refId": "B",
                "relativeTimeRange": {"from": 0, "to": 0},
                "datasourceUid": "__expr__",
                "model": threshold,
            },
        ],
        "noDataState": "OK",
        "execErrState": "Error",
        "for": alert.lasts,
        "labels": alert.labels,
        "annotations": {name: grafana_text(text) for name, text in alert.annotations.items()},
    }


def grafana_text(text: str) -> str:
    """A text in the words of Grafana's templates: the figure is that of query A."""

    def figure(found: re.Match[str]) -> str:
        return f"{{{{ {found[1] or 'humanize'} $values.A.Value }}}}"

    return FIGURE.sub(figure, text)


# ── the page ─────────────────────────────────────────────────────────────────────────────────────────────

ENGLISH = """\
Prometheus evaluates them (`deploy/prometheus/rules/`), Alertmanager sends them (`deploy/alertmanager/alertmanager.yml`); or
Grafana does both (`deploy/grafana/provisioning/alerting/`). Use one of the two, or everybody is told twice. Each alert has
a runbook: what it means, how to confirm it, what to do, how to close it, and what rings falsely.

- Copy `prometheus.yml` and `rules/` to where your Prometheus reads its configuration, `alertmanager.yml` likewise, and put your
  addresses and secrets in.
- `critical`: act now, the sensor is blind or mining breaks out. `warning`: today. `info`: good to know.
- The group `mining` is for those who deal with miners, `sensor` for those who run the sensor; routes go by this label.
- Texts are in English (`summary`, `description`) and Chinese (`summary_zh`, `description_zh`).
- To change a threshold, change `deploy/alerts.yaml` and run `scripts/make_alerts.py`; `promtool test rules
  deploy/prometheus/tests/*.yml` tells whether each alert still fires and still is silent when it should.
- Rules that need `job="sniffer"` say so: name the job in Prometheus like that (`deploy/prometheus/prometheus.yml`). The scrape
  interval may be up to a minute."""

CHINESE = """\
告警由 Prometheus 评估（`deploy/prometheus/rules/`）、Alertmanager 发送（`deploy/alertmanager/alertmanager.yml`）；也可以全部交给
Grafana（`deploy/grafana/provisioning/alerting/`）。两者只用其一，否则会重复通知。每条告警都有处置手册：含义、如何确认、如何处理、
如何关闭、常见误报。

- 把 `prometheus.yml` 和 `rules/`、`alertmanager.yml` 复制到各自的配置目录，填入实际地址和密钥文件。
- `critical`：立即处理，传感器失明或挖矿爆发。`warning`：当天处理。`info`：知悉即可。
- `mining` 组发给处置挖矿的人员，`sensor` 组发给维护传感器的人员，路由按此标签划分。
- 文本有英文（`summary`、`description`）和中文（`summary_zh`、`description_zh`）两种。
- 修改阈值请改 `deploy/alerts.yaml` 后运行 `scripts/make_alerts.py`；`promtool test rules deploy/prometheus/tests/*.yml`
  可检验每条告警该响时响、不该响时不响。
- Prometheus 中的抓取任务须命名为 `sniffer`（见 `deploy/prometheus/prometheus.yml`），抓取间隔不超过一分钟。"""


def page(alerts: AlertList) -> Iterator[str]:
    """docs/alerts.md."""
    yield from ("# Alerts", "", f"<!-- {WRITTEN} -->", "", f"{len(alerts.alerts)} alerts. {ENGLISH}")
    yield from ("", "| alert | severity | group | fires when | for | runbook |", "| --- " * 6 + "|")
    for one in alerts.alerts:
        yield f"| `{one.name}` | {one.severity} | {one.group} | {cell(when(one, one.when))} | {one.lasts} | {link(one)} |"
    yield from ("", "Recorded for dashboards (`deploy/prometheus/rules/sniffer-recording.yml`):", "")
    yield from (f"- `{record.record}`: {record.says}" for record in alerts.records)
    yield from ("", "---", "", "## 中文", "", f"共 {len(alerts.alerts)} 条告警。{CHINESE}")
    yield from ("", "| 告警 | 级别 | 分组 | 触发条件 | 持续 | 处置手册 |", "| --- " * 6 + "|")
    for one in alerts.alerts:
        yield f"| `{one.name}` | {one.severity} | {one.group} | {cell(when(one, one.when_zh))} | {one.lasts} | {link(one)} |"
    yield from ("", "供仪表盘使用的记录规则（`deploy/prometheus/rules/sniffer-recording.yml`）：", "")
    yield from (f"- `{record.record}`：{record.says_zh}" for record in alerts.records)


def index(alerts: AlertList) -> Iterator[str]:
    """docs/runbooks/README.md."""
    yield from ("# Runbooks", "", f"<!-- {WRITTEN} -->", "")
    yield "One page for each alert, in English and Chinese: what it means, how to confirm it, what to do, how to close it, false"
    yield "alarms. [alerts.md](../alerts.md) has severities and thresholds. 每条告警一页，先英文后中文。"
    for group, title in (("mining", "Mining / 挖矿"), ("sensor", "Sensor / 传感器")):
        yield from ("", f"## {title}", "")
        yield from (
            f"- [{one.name}]({one.name}.md): {when(one, one.when)} / {when(one, one.when_zh)}"
            for one in alerts.alerts
            if one.group == group
        )


def when(alert: Alert, text: str) -> str:
    """When it fires, with its figure in the unit that its texts have."""
    _, figure = alert.threshold
    is_share = "humanizePercentage" in alert.summary + alert.description
    return text.replace("{}", f"{100 * figure:g} %" if is_share else number(figure))


def link(alert: Alert) -> str:
    """To its runbook, from docs/."""
    return f"[{alert.name}](runbooks/{alert.name}.md)"


# ── files ────────────────────────────────────────────────────────────────────────────────────────────────


def number(figure: float) -> str:
    """A figure as people write it."""
    return f"{figure:g}"


def indented(text: str) -> str:
    """Two blanks in front of each line."""
    return "\n".join(f"  {line}" for line in text.splitlines())


class Dumper(yaml.SafeDumper):
    """Writes text of several lines as it is."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


Dumper.add_representer(str, _text)


def as_yaml(data: dict[str, Any]) -> str:
    """A YAML file."""
    body = yaml.dump(data, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=10_000)
    return f"# {WRITTEN}\n{body}"


def files() -> dict[str, str]:
    """What is written, by path."""
    alerts = load_list()
    return {
        "deploy/prometheus/rules/sniffer-alerts.yml": as_yaml(alert_rules(alerts)),
        "deploy/prometheus/rules/sniffer-recording.yml": as_yaml(recording_rules(alerts)),
        "deploy/prometheus/tests/sniffer-alerts.yml": as_yaml(alert_tests(alerts)),
        "deploy/prometheus/tests/sniffer-recording.yml": as_yaml(recording_tests(alerts)),
        "deploy/grafana/provisioning/alerting/sniffer-alerts.yaml": as_yaml(grafana_alerts(alerts)),
        "docs/alerts.md": "\n".join(page(alerts)) + "\n",
        "docs/runbooks/README.md": "\n".join(index(alerts)) + "\n",
    }


if __name__ == "__main__":
    raise SystemExit(writing.main(__doc__, files))
