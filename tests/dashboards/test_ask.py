"""Variables of queries are filled in as Grafana does it."""

from __future__ import annotations

import model
import pytest
from ask import Answer, Window, fill, missing
from model import Dashboard, Query


@pytest.fixture
def address() -> Dashboard:
    """A dashboard with all kinds of variables."""
    return model.load("address")


@pytest.mark.parametrize(
    ("expr", "values", "filled"),
    [
        ('up{instance=~"$instance"}', {"instance": ["a:1"]}, 'up{instance=~"a:1"}'),
        ('up{instance=~"$instance"}', {"instance": ["a:1", "b:2"]}, 'up{instance=~"(a:1|b:2)"}'),
        ('up{instance=~"${instance:regex}"}', {"instance": ["a.b:1"]}, r'up{instance=~"a\\.b:1"}'),
        ('x{tenant=~"$tenant"}', {"tenant": ["", "a"]}, 'x{tenant=~".*"}'),
        ('x{tenant=~"$tenant"}', {"tenant": ["a (b)"]}, r'x{tenant=~"a \\(b\\)"}'),
        ('x{ip="$ip"}', {"ip": ["2001:db8::/64"]}, 'x{ip="2001:db8::/64"}'),
        ("rate(x[$__rate_interval])", {}, "rate(x[60s])"),
        ("x[$__range:$__interval]", {}, "x[600s:15s]"),
    ],
)
def test_variables(address: Dashboard, expr: str, values: dict[str, list[str]], filled: str) -> None:
    """One value as it is, many as alternatives, special characters quoted, All as the dashboard says."""
    assert fill(expr, address, values, Window(0, 600, scrape=15)) == filled


@pytest.mark.parametrize(
    ("seconds", "scrape", "step", "rate"),
    [(600, 15, 15, "60s"), (6 * 3600, 15, 27, "60s"), (86_400, 15, 108, "123s"), (120, 1, 1, "4s")],
)
def test_rates_are_over_four_scrapes_at_least(seconds: float, scrape: float, step: float, rate: str) -> None:
    """``$__rate_interval`` is the larger of four scrapes, and of one step and one scrape."""
    window = Window(0, seconds, scrape)
    assert (window.step, window.built_in()["__rate_interval"]) == (step, rate)


def answer(*, panel: int, required: bool, panel_required: bool = True, values: list[str]) -> Answer:
    """What Prometheus said, at one moment each."""
    query = Query(
        "overview", {"id": panel, "title": f"panel {panel}"}, {"refId": "A"}, required, panel_required
    )
    return Answer(query, {"result": [{"metric": {}, "value": [0, value]} for value in values]})


def test_nothing_and_nan_are_no_data() -> None:
    """A panel lacks data where a query that must have some has none or NaN, or none of its queries has."""
    found = [
        answer(panel=1, required=True, values=["0"]),
        answer(panel=2, required=True, values=[]),
        answer(panel=3, required=True, values=["NaN"]),
        answer(panel=4, required=False, values=[]),
        answer(panel=4, required=False, values=["1"]),
        answer(panel=5, required=False, values=[]),
        answer(panel=6, required=False, panel_required=False, values=[]),
    ]
    assert missing(found) == ["overview: panel 2: A", "overview: panel 3: A", "overview: panel 5: A"]
