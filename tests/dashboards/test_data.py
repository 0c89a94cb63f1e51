"""Every query of every dashboard against a real Prometheus that scraped the real daemon on the traffic stories."""

from __future__ import annotations

from typing import TYPE_CHECKING

import model
import prometheus
import pytest
from ask import answers, choices, missing
from loadscript import script
from stage import MINER

if TYPE_CHECKING:
    from ask import Window
    from prometheus import Prometheus

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(prometheus.PROGRAM is None, reason=prometheus.ABSENT),
]


@pytest.mark.parametrize("name", model.NAMES)
def test_every_query_is_answered_with_data(scraped: tuple[Prometheus, Window], name: str) -> None:
    """No query has an error, and each that a sensor at work must fill has numbers."""
    server, window = scraped
    dashboard = model.load(name)
    values = choices(server, dashboard, {"ip": MINER} if "ip" in dashboard.variables else {})
    found = answers(server, dashboard, window, values)
    assert len(found) == sum(len(panel["targets"]) for panel in dashboard.panels)
    assert missing(found) == []


def test_figures_are_those_of_the_stories(scraped: tuple[Prometheus, Window]) -> None:
    """The overview says what pcaps/*/expect.yml says: who mines most, how sure, in which tenant."""
    server, window = scraped
    dashboard = model.load("overview")
    found = {
        (answer.query.panel["title"], answer.query.target["refId"]): answer.result["result"]
        for answer in answers(server, dashboard, window, choices(server, dashboard, {}))
    }

    def figures(title: str, label: str, letter: str = "A") -> dict[str, float]:
        return {one["metric"].get(label, ""): float(one["value"][1]) for one in found[title, letter]}

    sure = [figures("Active mining addresses", "none", letter)[""] for letter in "ABC"]
    assert sure == [6, 5, 1]  # confirmed, probable, suspected
    assert figures("New addresses (1 h)", "none") == {"": 12}
    expected = script("tests/test_demo.py").wanted()
    top = figures("Addresses with the most hits", "ip")
    assert top == {ip: hits.total() for ip, hits in expected.items()}
    rules = figures("Addresses with the most hits", "ip", "C")
    assert rules == {ip: len(hits) for ip, hits in expected.items()}
    severity = figures("Addresses with the most hits", "ip", "B")
    assert (severity[MINER], severity["10.20.9.40"]) == (3, 2)
    tenants = list(figures("Tenants by hits", "tenant"))
    assert tenants[0] == "hosting-hall-1"
    assert set(tenants) == {"hosting-hall-1", "office-park", "student-flats", "workshop-11"}


def test_power_of_the_stories(scraped: tuple[Prometheus, Window]) -> None:
    """Who draws most, in watts and kWh: bounds are in order, tenants add up to the whole, a browser's miner is small."""
    server, window = scraped
    dashboard = model.load("overview")
    found = {
        (answer.query.panel["title"], answer.query.target["refId"]): {
            tuple(one["metric"].get(label, "") for label in ("ip", "tenant", "algorithm")): float(
                one["value"][1] if "value" in one else one["values"][-1][1]
            )
            for one in answer.result["result"]
        }
        for answer in answers(server, dashboard, window, choices(server, dashboard, {}))
    }
    low, central, high = (found["Power", letter]["", "", ""] for letter in "ABC")
    assert 0 < low < central < high
    power = found["Addresses with the most power", "A"]
    assert sum(power.values()) == pytest.approx(central, rel=0.01)
    assert max(power, key=power.__getitem__)[1] == "hosting-hall-1"
    assert power["10.20.5.21", "office-park", ""] < 20  # a miner on a processor
    tenants = found["Power by tenant", "A"]
    assert sum(tenants.values()) == pytest.approx(
        central, rel=0.2
    )  # up to a second, 40 of the story, earlier
    assert set(found["Hashrate by algorithm", "A"]) == {
        ("", "", name) for name in ("sha256d", "randomx", "ethash", "unknown")
    }
    energy = found["Energy by tenant", "A"]
    assert next(iter(energy))[1] == "hosting-hall-1"
    assert 0 < sum(energy.values()) < central / 1_000  # less than an hour of it


def test_an_address_beyond_the_chosen_tenant_has_no_data(scraped: tuple[Prometheus, Window]) -> None:
    """The choices at the head act: with another tenant, nothing of the address is shown."""
    server, window = scraped
    dashboard = model.load("address")
    values = {**choices(server, dashboard, {"ip": MINER}), "tenant": ["office-park"]}
    assert not any(answer.has_data for answer in answers(server, dashboard, window, values))


def test_a_prefix_of_ipv6_can_be_chosen(scraped: tuple[Prometheus, Window]) -> None:
    """The address dashboard works for the label that IPv6 hosts have."""
    server, window = scraped
    dashboard = model.load("address")
    values = choices(server, dashboard, {"ip": "2001:db8:20:5::/64"})
    found = answers(server, dashboard, window, values)
    assert missing(found) == []
