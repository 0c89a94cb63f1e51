"""Grafana's files for provisioning: the same alerts as Prometheus's, and where they go."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import pytest
import yaml
from deploy.alertlist import DEPLOY, the_list

FOLDER = DEPLOY / "grafana" / "provisioning" / "alerting"
ALERTS = {alert.name: alert for alert in the_list().alerts}
LITERAL = re.compile(r"(?<!\$)\$(?!\$)")
"""A dollar sign that Grafana takes for an environment variable."""


@cache
def load(name: str) -> Any:
    """One of the files."""
    return yaml.safe_load((FOLDER / name).read_text("utf-8"))


def rules() -> dict[str, dict[str, Any]]:
    """Alerts of Grafana by title."""
    groups = load("sniffer-alerts.yaml")["groups"]
    return {rule["title"]: rule for group in groups for rule in group["rules"]}


def test_has_the_same_alerts() -> None:
    """Every alert of the list is there, once, in the group of its own, and no other."""
    groups = load("sniffer-alerts.yaml")["groups"]
    titles = {group["name"]: [rule["title"] for rule in group["rules"]] for group in groups}
    assert titles == {
        f"sniffer-{kind}": [name for name, alert in ALERTS.items() if alert.group == kind]
        for kind in ("mining", "sensor")
    }
    assert len({rule["uid"] for rule in rules().values()}) == len(ALERTS)
    assert all(len(rule["uid"]) <= 40 for rule in rules().values())


@pytest.mark.parametrize("name", ALERTS)
def test_asks_prometheus_the_same(name: str) -> None:
    """Query A is Prometheus's condition, B its threshold over A, and B decides; labels, duration and texts are the same."""
    rule, alert = rules()[name], ALERTS[name]
    query, threshold = rule["data"]
    assert (query["refId"], threshold["refId"], rule["condition"]) == ("A", "B", "B")
    assert query["datasourceUid"] == "sniffer-prometheus"
    assert query["model"]["expr"] == the_list().condition(alert)
    assert query["model"]["instant"] is True
    assert threshold["model"]["expression"] == "A"
    (condition,) = threshold["model"]["conditions"]
    sign, figure = alert.threshold
    assert condition["evaluator"] == {"type": {">": "gt", "<": "lt"}[sign], "params": [figure]}
    assert (rule["noDataState"], rule["execErrState"]) == ("OK", "Error")
    assert (rule["for"], rule["labels"]) == (alert.lasts, alert.labels)
    assert set(rule["annotations"]) == set(alert.annotations)


@pytest.mark.parametrize("name", ALERTS)
def test_grafana_replaces_nothing_that_is_not_meant(name: str) -> None:
    """Grafana takes ``$NAME`` for an environment variable anywhere but in annotations; there, figures are those of query A."""
    rule = rules()[name]
    told = yaml.safe_dump({key: value for key, value in rule.items() if key != "annotations"})
    assert "$" not in told
    for text in rule["annotations"].values():
        assert "$value " not in text
        assert set(re.findall(r"\$\w+(?:\.\w+)*", text)) <= {
            "$values.A.Value",
            *(f"$labels.{label}" for label in ("ip", "tenant", "instance", "interface", "worker", "sink")),
        }


def test_contact_points_are_of_the_three_kinds() -> None:
    """WeCom, DingTalk and a webhook, each with its address from the environment and none in the file."""
    points = load("sniffer-contact-points.yaml")["contactPoints"]
    receivers = [one for point in points for one in point["receivers"]]
    assert {one["type"] for one in receivers} == {"wecom", "dingding", "webhook"}
    assert len({one["uid"] for one in receivers}) == len(receivers)
    for one in receivers:
        assert re.fullmatch(r"\$[A-Z_]+", one["settings"]["url"])
        for key, value in one["settings"].items():
            if key in ("message", "title"):  # templates: their own dollar signs are doubled
                assert not LITERAL.search(value)


def test_policies_lead_to_contact_points() -> None:
    """Every route ends at a contact point that exists; mining is grouped by tenant, sensors by instance."""
    found = load("sniffer-contact-points.yaml")
    names = {point["name"] for point in found["contactPoints"]}
    (policy,) = found["policies"]
    routes = {tuple(route["object_matchers"][0]): route for route in policy["routes"]}
    assert {policy["receiver"], *(route["receiver"] for route in routes.values())} <= names
    assert routes["group", "=", "mining"]["group_by"] == ["alertname", "tenant"]
    assert routes["group", "=", "sensor"]["group_by"] == ["instance"]
