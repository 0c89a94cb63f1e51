"""The blind-spot meter: figures out of the books, and a sentence with a remedy for each that is not good."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from sniffer.blindspots import (
    Finding,
    Level,
    Limit,
    figures,
    findings,
    measure,
    percent,
    short,
    worst,
)
from sniffer.totals import InterfaceTotals, Totals

NOW = 1_764_000_000.0


def books(
    packets: int = 1_000,
    drops: int = 0,
    silent: float = 0.5,
    frames: dict[str, int] | None = None,
    **more: Any,
) -> Totals:
    """The books of one interface that is well, and what a test wants to be otherwise; ``frames`` of the interface's."""
    last = int((NOW - silent) * 1e9)
    one = InterfaceTotals(packets, packets * 100, drops, last, **(frames or {}))
    return Totals(packets=packets, interfaces={"eth1": one}, **more)


def found(totals: Totals, check: str, *, one_sided: bool = False) -> Finding:
    """The one finding of a name."""
    (one,) = (one for one in findings(measure(totals, NOW), one_sided=one_sided) if one.check == check)
    return one


CASES: dict[str, tuple[Totals, str, Level, str]] = {
    "all is read": (books(), "drops", Level.OK, "0 of 1000 packets dropped by the kernel (0 %)"),
    "one is lost": (books(99_999, 1), "drops", Level.NOTE, "1 of 100000 packets dropped by the kernel (< 0.01 %)"),
    "some are lost": (books(990, 10), "drops", Level.WARNING, "10 of 1000 packets dropped by the kernel (1.0 %)"),
    "many are lost": (books(900, 100), "drops", Level.FAULT, "100 of 1000 packets dropped by the kernel (10.0 %)"),
    "all are lost": (books(0, 100), "drops", Level.FAULT, "100 of 100 packets dropped by the kernel (100 %)"),
    "a packet just now": (books(silent=2), "traffic", Level.OK, "1000 packets, the last one 2.0 s ago"),
    "a pause": (books(silent=30), "traffic", Level.NOTE, "1000 packets, the last one 30 s ago"),
    "silence": (books(silent=61), "traffic", Level.FAULT, "1000 packets, the last one 61 s ago"),
    "a card whose clock is ahead": (books(silent=-9), "traffic", Level.OK, "1000 packets, the last one 0.0 s ago"),
    "never a packet": (books(0), "traffic", Level.FAULT, "no packet has arrived"),
    "no frame is merged": (books(), "merged frames", Level.OK, "0 of 1000 frames are longer than the interface can carry"),
    "merged frames": (
        books(frames={"merged": 3}), "merged frames", Level.NOTE,
        "3 of 1000 frames are longer than the interface can carry",
    ),
    "checksums of a wire": (books(), "checksums", Level.OK, "0 of 1000 frames have no checksum yet"),
    "frames of this machine": (
        books(frames={"unsummed": 999}), "checksums", Level.NOTE, "999 of 1000 frames have no checksum yet",
    ),
    "both directions": (
        books(flows_with_data=200, one_sided_ratio=0.05), "directions", Level.OK,
        "5.0 % of 200 TCP flows with data are heard in one direction only",
    ),
    "some routes differ": (
        books(flows_with_data=200, one_sided_ratio=0.2), "directions", Level.NOTE,
        "20.0 % of 200 TCP flows with data are heard in one direction only",
    ),
    "a direction is missing": (
        books(flows_with_data=200, one_sided_ratio=1.0), "directions", Level.WARNING,
        "100 % of 200 TCP flows with data are heard in one direction only",
    ),
    "few flows": (
        books(flows_with_data=19, one_sided_ratio=1.0), "directions", Level.OK,
        "19 TCP flows with data: too few to tell a share",
    ),
    "whole frames": (books(), "cut", Level.OK, "0 of 1000 packets are cut by the snap length (0 %)"),
    "a cut frame": (books(cut=1), "cut", Level.NOTE, "1 of 1000 packets are cut by the snap length (0.10 %)"),
    "cut frames": (books(cut=600), "cut", Level.WARNING, "600 of 1000 packets are cut by the snap length (60.0 %)"),
    "all decoded": (
        books(undecoded={"gre": 0}), "undecoded", Level.OK,
        "headers of 0 of 1000 packets could not be decoded (0 %)",
    ),
    "some odd packets": (
        books(undecoded={"gre": 2, "tcp": 5, "ipv4": 1, "udp": 0}), "undecoded", Level.NOTE,
        "headers of 8 of 1000 packets could not be decoded (0.80 %): tcp 5, gre 2, ipv4 1",
    ),
    "an unknown wrapping": (
        books(undecoded={"link": 900}), "undecoded", Level.WARNING,
        "headers of 900 of 1000 packets could not be decoded (90.0 %): link 900",
    ),
    "idle flows go": (
        books(flows_evicted={"idle": 9, "embryonic": 9}), "evictions", Level.OK,
        "0 live flows lost their place in the flow tables",
    ),
    "judged flows go": (
        books(flows_evicted={"idle": 9, "judged": 2, "undecided": 1}), "evictions", Level.NOTE,
        "3 live flows lost their place in the flow tables",
    ),
    "miners go": (
        books(flows_evicted={"judged": 2, "mining": 1}, oddities={"flow_evicted": 4}), "evictions", Level.WARNING,
        "7 live flows lost their place in the flow tables, 5 of them while being read",
    ),
    "names are readable": (
        books(tls_hellos={"readable": 99, "hidden": 1, "split": 50}), "names", Level.OK,
        "1.0 % of 100 TLS and QUIC sessions show no server name",
    ),
    "some names are hidden": (
        books(tls_hellos={"readable": 90, "hidden": 10}), "names", Level.NOTE,
        "10.0 % of 100 TLS and QUIC sessions show no server name",
    ),
    "many names are hidden": (
        books(tls_hellos={"readable": 50, "hidden": 50}), "names", Level.WARNING,
        "50.0 % of 100 TLS and QUIC sessions show no server name",
    ),
    "few hellos": (
        books(tls_hellos={"hidden": 19}), "names", Level.OK,
        "19 TLS and QUIC sessions with a whole hello: too few to tell a share",
    ),
    "no encrypted DNS": (
        books(tls_hellos={"readable": 100}), "doh", Level.OK,
        "0 % of 100 TLS and QUIC sessions go to resolvers for encrypted DNS",
    ),
    "some encrypted DNS": (
        books(tls_hellos={"readable": 90, "split": 10}, facts={"doh.resolver": 2}), "doh", Level.NOTE,
        "2.0 % of 100 TLS and QUIC sessions go to resolvers for encrypted DNS",
    ),
    "encrypted DNS whose hellos were before our time": (
        books(facts={"doh.resolver": 40}), "doh", Level.WARNING,
        "100 % of 40 TLS and QUIC sessions go to resolvers for encrypted DNS",
    ),
    "each once": (
        books(datagrams_read=50), "duplicates", Level.OK, "0 % of 50 datagrams and sampled TCP segments came twice",
    ),
    "a few twice": (
        books(datagrams_read=50, oddities={"duplicate_packet": 1}), "duplicates", Level.NOTE,
        "2.0 % of 50 datagrams and sampled TCP segments came twice",
    ),
    "two mirrors": (
        books(datagrams_read=20, segments_sampled=30, oddities={"duplicate_packet": 25}), "duplicates", Level.WARNING,
        "50.0 % of 50 datagrams and sampled TCP segments came twice",
    ),
    "steady time": (books(), "packet clock", Level.OK, "packet time goes steadily"),
    "a leap": (books(oddities={"clock_jump": 2}), "packet clock", Level.WARNING, "packet time leapt 2 times"),
}  # fmt: skip


@pytest.mark.parametrize(("totals", "check", "level", "says"), CASES.values(), ids=CASES)
def test_a_figure_becomes_a_sentence(totals: Totals, check: str, level: Level, says: str) -> None:
    """Each figure is told, at the level that its threshold gives, with a remedy exactly where it is not good."""
    one = found(totals, check)
    assert (one.level, one.says) == (level, says)
    assert bool(one.remedy) == (level > Level.OK)


def test_one_direction_by_design_is_no_trouble() -> None:
    """Whoever says that the mirror shows one direction is not told so again."""
    one = found(books(flows_with_data=200, one_sided_ratio=1.0), "directions", one_sided=True)
    assert (one.level, one.remedy) == (Level.OK, "")
    assert "sensor.one_sided" in one.says


def test_what_is_encrypted_has_a_remedy_of_its_own() -> None:
    """A report would not help there."""
    plain = found(books(undecoded={"link": 900, "esp": 1}), "undecoded").remedy
    encrypted = found(books(undecoded={"link": 1, "esp": 900}), "undecoded").remedy
    assert "encrypted" in encrypted
    assert "docs/protocols.md" in plain


def test_each_interface_is_told() -> None:
    """Of a split tap, the fibre that is dark is named; the sensor as a whole is not silent."""
    totals = books()
    totals.interfaces["eth2"] = InterfaceTotals()
    spots = measure(totals, NOW)
    told = {one.where: one.level for one in findings(spots) if one.check == "traffic"}
    assert told == {"eth1": Level.OK, "eth2": Level.FAULT}
    assert spots.silence == pytest.approx(0.5)


def test_nothing_is_said_of_nothing() -> None:
    """Without a packet only that is told, not shares of none."""
    assert {one.check for one in findings(measure(books(0), NOW))} == {"traffic"}
    assert findings(measure(Totals(), NOW)) == []
    assert worst([]) is Level.OK


def test_a_file_is_not_silent() -> None:
    """Packet time of a capture file is not the time of day: no silence is told."""
    spots = measure(books(silent=1e6))
    assert spots.silence is None
    assert "silent_seconds" not in figures(spots)
    assert "last packet" not in short(spots)
    (traffic,) = (one for one in findings(spots) if one.check == "traffic")
    assert traffic.level is Level.OK


def test_dropped_is_a_share_of_what_was_offered() -> None:
    """One definition: read and dropped together are the whole."""
    told = figures(measure(books(75, 25), NOW))
    assert (told["offered"], told["captured"], told["dropped"], told["dropped_ratio"]) == (100, 75, 25, 0.25)


def test_the_short_form_tells_every_figure() -> None:
    """One line for the service's status, short enough for it."""
    totals = books(
        9_990,
        10,
        frames={"filtered": 70, "merged": 6, "unsummed": 8, "stamped": 9},
        cut=5,
        undecoded={"gre": 3},
        flows_with_data=100,
        one_sided_ratio=0.25,
        flows_evicted={"judged": 4},
        tls_hellos={"readable": 97, "hidden": 3},
        facts={"doh.resolver": 5},
        datagrams_read=100,
        oddities={"duplicate_packet": 7, "clock_jump": 1},
    )
    assert short(measure(totals, NOW)) == (
        "offered 10000, captured 9990, dropped 0.10 %, last packet 0.5 s ago, one-sided 25.0 %, cut 0.05 %, "
        "filtered 70, merged 6, undecoded 0.03 %, evicted 4, names hidden 3.0 %, DoH 5.0 %, duplicates 7.0 %, clock jumps 1"
    )
    assert figures(measure(totals, NOW)) == {
        "offered": 10_000, "captured": 9_990, "dropped": 10, "filtered": 70, "merged": 6, "unsummed": 8,
        "hardware_stamped": 9, "silent_seconds": 0.5, "dropped_ratio": 0.001,
        "one_sided_ratio": 0.25, "cut_ratio": 0.000501, "undecoded_ratio": 0.0003, "hidden_names_ratio": 0.03,
        "doh_ratio": 0.05, "duplicate_ratio": 0.07, "evicted": 4, "clock_jumps": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (0, "0 %"),
        (1e-9, "< 0.01 %"),
        (0.0001, "0.01 %"),
        (0.0512, "5.1 %"),
        (0.9999, "> 99.9 %"),
        (1, "100 %"),
    ],
)
def test_a_share_never_rounds_to_none_or_all(ratio: float, text: str) -> None:
    """Something is never shown as nothing."""
    assert percent(ratio) == text


def test_a_limit_is_reached_at_its_figure() -> None:
    """The threshold itself counts as crossed."""
    limit = Limit(1, 2, 3)
    assert [limit.level(figure) for figure in (0.9, 1, 2, 3)] == list(Level)
    assert worst([Finding("a", Level.NOTE, "x"), Finding("b", Level.OK, "y")]) is Level.NOTE
    assert [level.label for level in Level] == ["ok", "note", "warning", "fault"]


def test_every_check_is_explained() -> None:
    """The page about blind spots has an entry for each finding that there can be, of the doctor's, too; and no other."""
    root = Path(__file__).parent.parent
    sources = [root / "sniffer/blindspots.py", *root.glob("sniffer/doctor/*.py")]
    text = "\n".join(path.read_text("utf-8") for path in sources)
    checks = set(re.findall(r'(?i:_?finding|_sampled)\(\s*"([a-z ]+)"', text))
    page = (root / "docs/blind-spots.md").read_text("utf-8")
    assert set(re.findall(r"^\| \*\*([a-z ]+)\*\*", page, re.MULTILINE)) == checks
    assert {check for _, check, _, _ in CASES.values()} <= checks
