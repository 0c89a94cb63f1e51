"""The page at /: the state at a glance, everything escaped, nothing loaded from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import json
from html.parser import HTMLParser
from typing import Any

import pytest
from sizerun import START, work

from sniffer.control import page
from sniffer.control.words import CHINESE, ENGLISH, LANGUAGES, Words
from sniffer.model import Confidence, Severity
from sniffer.sinks.hosts import HostBook
from sniffer.sinks.metrics import Health, WorkerHealth
from sniffer.sinks.networks import HostNames
from sniffer.size.hosts import SizeBook
from sniffer.size.sessions import SECOND
from sniffer.totals import InterfaceTotals, Totals

NASTY = """<script>alert("1")</script>&'"""


class Reader(HTMLParser):
    """Collects what a browser would see."""

    def __init__(self, text: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.content: dict[str, str] = {}
        self.cells: list[str] = []
        self.by_id: dict[str, str] = {}
        self._tag = self._id = ""
        self.feed(text.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember a tag."""
        self.tags.append((tag, dict(attrs)))
        self._tag, self._id = tag, dict(attrs).get("id") or ""
        if tag == "td":
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002
        """Leave a tag."""
        self._tag = self._id = ""

    def handle_data(self, data: str) -> None:
        """Remember text."""
        self.content[self._tag] = self.content.get(self._tag, "") + data
        if self._id:
            self.by_id[self._id] = self.by_id.get(self._id, "") + data
        if self._tag == "td":
            self.cells[-1] += data


def healthy() -> Health:
    """Everything is as it should be."""
    return Health(
        rules_loaded=75,
        rules_version="abc",
        workers={"0": WorkerHealth(up=True)},
        interfaces={"eth1": True},
        selftest_ok=True,
    )


def busy() -> Totals:
    """A sensor that has seen traffic."""
    return Totals(
        packets=1_234_567,
        passed=89,
        flows=1000,
        hits=5,
        one_sided_ratio=0.125,
        interfaces={"eth1": InterfaceTotals(1_234_567, 9, 0, 1_763_884_800_000_000_000)},
    )


def with_hosts(tenant: str = "lab") -> HostBook:
    """Two offenders."""
    book = HostBook(tenants=[tenant])
    for host, count in (("10.0.0.7", 1500), ("192.0.2.8", 2)):
        packed = ipaddress.ip_address(host).packed
        book.hit(
            packed,
            "stratum-v1-submit",
            Severity.HIGH,
            Confidence.CONFIRMED,
            count,
            1_763_884_800 * 10**9,
            0.0,
            tenant if host.startswith("10.0.0.") else "",
        )
    return book


def overview(
    health: Health | None = None,
    totals: Totals | None = None,
    book: HostBook | None = None,
    sizes: SizeBook | None = None,
    words: Words = ENGLISH,
    **more: Any,
) -> dict[str, Any]:
    """What the page shows of these."""
    return page.overview(
        health or healthy(),
        totals or busy(),
        book or with_hosts(),
        sizes or SizeBook(HostNames()),
        words,
        clock=lambda: 1.0,
        **more,
    )


def show(words: Words = ENGLISH, **more: Any) -> Reader:
    """The page as a browser would see it."""
    return Reader(page.as_html(overview(words=words, **more), words))


def test_shows_the_sensor_at_a_glance() -> None:
    """Packets, what passed, drops, last packet, hosts, rules and the state are on the page without any script."""
    seen = show(sensor="north")
    assert seen.by_id["state"] == "watching"
    assert seen.by_id["packets"].split() == ["1", "234", "567"]
    assert seen.by_id["passed"] == "89"
    assert seen.by_id["drops"] == "0"
    assert seen.by_id["last_packet"] == "2025-11-23 08:00:00"
    assert seen.by_id["active"] == "2"
    assert seen.by_id["one_sided"] == "12%"
    assert seen.by_id["rules"] == "75"
    assert seen.cells[0] == "10.0.0.7"
    assert seen.cells[1] == "lab"
    assert seen.cells[2].split() == ["1", "500"]
    assert seen.cells[3] == "confirmed"
    assert seen.cells[5:8] == ["\N{EN DASH}"] * 3
    assert seen.cells[10] == "192.0.2.8"


def test_shows_how_big_a_host_is() -> None:
    """Hashrate, power and machines with units for people; the data has shares and bands; None where nothing is known."""
    sizes = SizeBook(HostNames())
    sizes.turn(START)
    for at in range(5, 3_600, 10):
        sizes.add(work(at, 1, host=bytes((10, 0, 0, 7)), tenant="lab"))
    sizes.turn(START + 3_600 * SECOND, everything=True)
    for words in LANGUAGES.values():
        assert show(words, sizes=sizes).cells[5:8] == ["440 GH/s sha256d", "43.5 W", "1"]
    one, other = json.loads(page.as_json(overview(sizes=sizes)))["hosts"]
    assert (one["size"]["submitted"], one["size"]["devices"]) == (360, 1)
    rate = one["size"]["hashrate"]["sha256d"]
    assert rate["low"] < rate["central"] < rate["high"]
    assert set(one["size"]["watts"]) == {"low", "central", "high"}
    assert other["size"] is None


def test_speaks_chinese() -> None:
    """The same page, all of it in the other language, with a link back."""
    seen = show(CHINESE, sensor="north")
    assert seen.tags[0] == ("html", {"lang": "zh"})
    assert seen.by_id["state"] == "正在检测"
    assert seen.cells[3] == "已确认"
    assert ("a", {"href": "/?lang=en", "lang": "en", "hreflang": "en"}) in seen.tags
    assert "Offending" not in "".join(seen.content.values())
    assert ("a", {"href": "/?lang=zh", "lang": "zh", "hreflang": "zh"}) in show().tags


STATES = [
    ({}, "good", "watching"),
    ({"health": Health()}, "bad", "no worker"),
    ({"health": Health(workers={"0": WorkerHealth(up=False)})}, "bad", "no worker"),
    (
        {"health": Health(workers={"0": WorkerHealth(up=True)}, interfaces={"eth1": False})},
        "bad",
        "interface down: eth1",
    ),
    ({"totals": Totals()}, "warn", "no packet yet"),
    ({"health": Health(workers={"0": WorkerHealth(up=True)})}, "bad", "self-test"),
    (
        {"health": Health(workers={"0": WorkerHealth(up=True)}, selftest_ok=True, reload_success=False)},
        "warn",
        "reload of rules failed",
    ),
    (
        {"totals": Totals(packets=5, interfaces={"e": InterfaceTotals(5, 5, 5, 0)})},
        "bad",
        "little or nothing",
    ),
    (
        {"totals": Totals(packets=500, interfaces={"e": InterfaceTotals(500, 5, 1, 0)})},
        "warn",
        "not everything is seen",
    ),
    (
        {
            "totals": Totals(
                packets=90, one_sided_ratio=0.9, flows_with_data=90, interfaces={"e": InterfaceTotals(90, 90)}
            )
        },
        "warn",
        "not everything is seen",
    ),
    ({"totals": busy(), "now": 1_763_884_800 + 300.0}, "bad", "little or nothing"),
]


@pytest.mark.parametrize(("change", "level", "says"), STATES)
def test_state_says_the_worst_first(change: dict[str, Any], level: str, says: str) -> None:
    """Whether the sensor sees anything is one sentence with a colour, and says why not; in both languages."""
    state = overview(**change)["state"]
    assert state["level"] == level
    assert says in state["text"]
    assert overview(words=CHINESE, **change)["state"]["level"] == level


def test_blind_spots_come_with_a_remedy() -> None:
    """What the sensor does not see is a list, the worst first, with what to do; without any, a sentence says so."""
    totals = Totals(
        packets=90,
        one_sided_ratio=0.2,
        flows_with_data=90,
        interfaces={"eth1": InterfaceTotals(90, 90, 10, 0)},
    )
    seen = show(totals=totals)
    assert [one["class"] for tag, one in seen.tags if tag == "li"] == ["fault", "note"]
    assert seen.content["b"].startswith("drops eth1")
    assert "raise capture.ring_mib" in seen.content["span"]
    assert ("p", {"id": "all", "class": "dim", "hidden": None}) in seen.tags
    assert ("p", {"id": "all", "class": "dim"}) in show().tags
    assert not [tag for tag, _ in show().tags if tag == "li"]
    health = healthy()
    health.one_sided = True
    by_design = overview(health, totals)["blind"]
    assert [one["check"] for one in by_design] == ["drops"]


def test_many_rules_are_counted() -> None:
    """A host that hits ten rules shows two and a number; the data has them all."""
    book = HostBook()
    for number in range(10):
        book.hit(b"\x0a\0\0\x07", f"rule-{number}", Severity.HIGH, Confidence.CONFIRMED, 10 - number, 1, 0.0)
    host = overview(book=book)["hosts"][0]
    assert host["cells"][-1] == ("rule-0, rule-1 … +8", "r")
    assert len(host["rules"]) == 10


def test_everything_is_escaped() -> None:
    """Text of the configuration cannot become markup, neither in the page nor in its data."""
    told = overview(
        Health(rules_version=NASTY, workers={"0": WorkerHealth(up=True)}),
        Totals(packets=9, interfaces={NASTY: InterfaceTotals(9, 9, 9, 0)}),
        book=with_hosts(NASTY),
        sensor=NASTY,
    )
    text = page.as_html(told, ENGLISH)
    seen = Reader(text)
    assert [tag for tag, _ in seen.tags].count("script") == 1
    assert seen.cells[1] == NASTY
    assert b"<script>alert" not in text
    assert json.loads(page.as_json(told))["hosts"][0]["tenant"] == NASTY


def test_policy_names_exactly_our_script_and_style() -> None:
    """The hashes of the policy are those of what is in the page; nothing else may run, nothing is loaded from elsewhere."""
    seen = show()
    for tag in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256(seen.content[tag].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in page.POLICY
    assert "default-src 'none'" in page.POLICY
    assert "unsafe" not in page.POLICY
    for _, attributes in seen.tags:
        assert not {"src", "style", "onclick", "onload", "action"} & set(attributes)
        assert (attributes.get("href") or "/").startswith(("/", "#"))


def test_script_fills_what_is_there() -> None:
    """Every name in the data has a place in the page, so that a refresh leaves nothing stale."""
    told = overview()
    for words in LANGUAGES.values():
        ids = {attributes["id"] for _, attributes in show(words).tags if "id" in attributes}
        assert set(told["shown"]) <= ids
        assert {"hosts", "none", "state", "blind", "all"} <= ids
        assert all(len(host["cells"]) == len(words.columns) for host in told["hosts"])


def test_light_and_dark() -> None:
    """The page follows the reader's colour scheme."""
    assert "prefers-color-scheme:dark" in page.STYLE
    assert "color-scheme:light dark" in page.STYLE


@pytest.mark.parametrize("nanoseconds", [-1, 0, 2**62, 2**64, 2**100])
def test_any_packet_time_has_a_text(nanoseconds: int) -> None:
    """Packet times are whatever a capture says; the page is shown all the same."""
    totals = Totals(packets=1, interfaces={"e": InterfaceTotals(1, 1, 0, nanoseconds)})
    assert page.as_html(overview(totals=totals), ENGLISH).startswith(b"<!doctype html>")
