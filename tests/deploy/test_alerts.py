"""The list of alerts and what is made of it: up to date, sound, and each alert fires and is silent when it should."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from deploy.alertlist import DEPLOY, METRIC, ROOT, make_alerts, metric_names, run, the_list

from sniffer.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

ALERTS = the_list().alerts
NAMES = [alert.name for alert in ALERTS]
RULES = sorted((DEPLOY / "prometheus" / "rules").glob("*.yml"))
TESTS = sorted((DEPLOY / "prometheus" / "tests").glob("*.yml"))
SCRIPT = ROOT / "scripts" / "make_alerts.py"
CHINESE = re.compile("[\u4e00-\u9fff]")

SMALL = """
parts: {one: up}
calm: {up: 1+0x10}
records: []
alerts:
- name: SnifferSmall
  group: sensor
  severity: info
  value: $one
  below: 1
  for: 0s
  when: a
  when_zh: b
  summary: c
  summary_zh: d
  description: e
  description_zh: f
  cases:
  - {says: fires, series: {up: 0+0x10}, at: 5m, fires: [{value: "0"}]}
  - {says: silent, series: {up: 1+0x10}, at: 5m, fires: []}
"""
"""A list of one alert, without a fault."""


# ── what is made of the list ─────────────────────────────────────────────────────────────────────────────


def test_what_is_written_is_up_to_date() -> None:
    """Rules, tests, Grafana's file and the page are those that the script writes: nobody has to remember them."""
    command = [sys.executable, str(SCRIPT), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, "7 files, 0 stale\n"), "run scripts/make_alerts.py"


def test_rules_are_what_prometheus_takes() -> None:
    """Both rule files are taken by promtool, which counts as many rules as the list has."""
    said = run("promtool", "check", "rules", *RULES)
    assert f"{len(ALERTS)} rules found" in said
    assert f"{len(the_list().records)} rules found" in said


@pytest.mark.slow
@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.name)
def test_every_case_holds(file: Path) -> None:
    """In promtool's evaluation every case fires or is silent as the list says, labels and texts as people read them."""
    said = run("promtool", "test", "rules", file)
    assert "SUCCESS" in said


@pytest.mark.slow
def test_cases_can_fail(tmp_path: Path) -> None:
    """A threshold that is wrong is found by the cases: they do not hold by themselves."""
    folder = tmp_path / "prometheus"
    shutil.copytree(DEPLOY / "prometheus", folder)
    rules = folder / "rules" / "sniffer-alerts.yml"
    text = rules.read_text("utf-8")
    assert text.count("> 0.8\n") == 1
    rules.write_text(text.replace("> 0.8\n", "> 0.95\n"), encoding="utf-8")
    said = run("promtool", "test", "rules", folder / "tests" / "sniffer-alerts.yml", status=1)
    assert "SnifferSeriesLimitNear" in said
    assert "SnifferSensorDown" not in said


# ── the list ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("alert", ALERTS, ids=NAMES)
def test_every_metric_exists(alert: Any) -> None:
    """Each metric of an alert is one that sniffer exposes: none is misspelt, none has gone."""
    names = set(METRIC.findall(the_list().condition(alert)))
    assert names <= metric_names()
    assert names or 'up{job="sniffer"}' in the_list().condition(alert)


@pytest.mark.parametrize("record", the_list().records, ids=lambda record: record.record)
def test_every_recorded_metric_exists(record: Any) -> None:
    """The same for recording rules, which are made of metrics, never of each other."""
    names = set(METRIC.findall(the_list().expression(record.expr)))
    assert names
    assert names <= {name for name in metric_names() if ":" not in name}


@pytest.mark.parametrize("alert", ALERTS, ids=NAMES)
def test_series_of_cases_exist(alert: Any) -> None:
    """Cases are made of metrics that exist, so that none passes because its series are of another name."""
    for case in alert.cases:
        names = set(METRIC.findall(" ".join(case.series)))
        assert names <= metric_names()
        assert names & set(METRIC.findall(the_list().condition(alert))) or "up{" in " ".join(case.series)


def test_the_calm_sensor_has_every_metric_that_an_alert_asks_for() -> None:
    """No alert is silent on the calm sensor because its metric is missing there."""
    asked = {name for alert in ALERTS for name in METRIC.findall(the_list().condition(alert))}
    assert asked == set(METRIC.findall(" ".join(the_list().calm)))


@pytest.mark.parametrize("alert", ALERTS, ids=NAMES)
def test_texts_are_in_both_languages(alert: Any) -> None:
    """English texts have no Chinese in them, Chinese ones have; both name the same labels and figures."""
    for name in ("summary", "description", "when"):
        english, chinese = getattr(alert, name), getattr(alert, f"{name}_zh")
        assert not CHINESE.search(english)
        assert CHINESE.search(chinese)
        placeholders = re.compile(r"\{\{.*?\}\}|\{\}")
        assert sorted(set(placeholders.findall(english))) == sorted(set(placeholders.findall(chinese)))


def test_what_was_asked_for_is_there() -> None:
    """Both groups and every severity are in use, and names do not collide when case is ignored (Grafana's uids)."""
    assert {alert.group for alert in ALERTS} == {"mining", "sensor"}
    assert {alert.severity for alert in ALERTS} == {"critical", "warning", "info"}
    assert len({name.lower() for name in NAMES}) == len(NAMES)


# ── a list with faults ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("was", "becomes", "place", "says"),
    [
        ("severity: info", "severity: urgent", "8:3", "severity"),
        ("below: 1", "below: 1\n  above: 2", "6:3", "either above or below"),
        ("for: 0s", "for: soon", "11:3", "for"),
        ("value: $one", "value: $two", "9:3", "no such part: 'two'"),
        ('fires: [{value: "0"}]', "fires: []", "6:3", "one in which it is silent"),
        ("when: a", "whem: a", "12:3", "unknown key 'whem'"),
        ("name: SnifferSmall", "name: Small", "6:3", "name"),
    ],
    ids=["severity", "two thresholds", "duration", "no part", "never fires", "unknown key", "name"],
)
def test_faults_are_told_with_their_place(
    tmp_path: Path, was: str, becomes: str, place: str, says: str
) -> None:
    """A fault of the list is a line with file, line and column; a list without one is taken."""
    file = tmp_path / "alerts.yaml"
    file.write_text(SMALL)
    assert make_alerts.load_list(file).condition(make_alerts.load_list(file).alerts[0]) == "up < 1"
    assert was in SMALL
    file.write_text(SMALL.replace(was, becomes))
    with pytest.raises(ConfigError) as caught:
        make_alerts.load_list(file)
    told = "\n".join(caught.value.lines())
    assert f"{file}:{place}" in told
    assert says in told
