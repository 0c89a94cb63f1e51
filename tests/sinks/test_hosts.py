"""The per-host book: sums that hold, a bound that holds, labels that are ours."""

from __future__ import annotations

import ipaddress
import re
import subprocess
import sys
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from sniffer.errors import UsageError
from sniffer.model import Confidence, Severity
from sniffer.sinks.hosts import MAX_TENANTS, RECENT, SERIES_CEILING, HostBook

SECOND = 1_000_000_000
T0 = 1_700_000_000 * SECOND


def packed(text: str) -> bytes:
    """An address as on the wire."""
    return ipaddress.ip_address(text).packed


def numbered(number: int) -> bytes:
    """The number-th address of 10.0.0.0/8."""
    return (0x0A000000 + number).to_bytes(4, "big")


def hit(book: HostBook, host: bytes, *, now: float = 0.0, count: int = 1, **different: Any) -> None:
    """Count hits of a usual kind."""
    kind = {"rule": "r-low", "severity": Severity.LOW, "confidence": Confidence.CONFIRMED, **different}
    kinds = kind["rule"], kind["severity"], kind["confidence"]
    book.hit(host, *kinds, count, T0 + int(now * SECOND), now, kind.get("tenant", ""))


def samples(book: HostBook, name: str, now: float = 0.0) -> dict[tuple[str, ...], float]:
    """Samples of a family by label values, read by somebody else's parser."""
    return {
        tuple(sample.labels.values()): sample.value
        for family in text_string_to_metric_families(book.render(now).decode())
        for sample in family.samples
        if sample.name == f"sniffer_{name}"
    }


def shown_hits(book: HostBook, now: float = 0.0) -> float:
    """Sum over all host series, special ones included."""
    return sum(samples(book, "host_hits_total", now).values())


# ── sums and bounds ──────────────────────────────────────────────────────────────────────────────────────


def test_counts_by_host_rule_severity_and_tenant() -> None:
    """Each kind of hit has its own series, with all four labels in order."""
    book = HostBook(tenants=["lab"])
    hit(book, packed("10.0.0.7"), count=3, tenant="lab")
    hit(book, packed("10.0.0.7"), rule="r-high", severity=Severity.HIGH, tenant="lab")
    hit(book, packed("10.0.1.7"))
    assert samples(book, "host_hits_total") == {
        ("10.0.0.7", "r-high", "high", "lab"): 1,
        ("10.0.0.7", "r-low", "low", "lab"): 3,
        ("10.0.1.7", "r-low", "low", ""): 1,
    }
    assert samples(book, "tenant_hits_total")["lab", "high"] == 1
    assert samples(book, "tenant_hits_total")["lab", "low"] == 3


def test_tenants_change_with_a_reload() -> None:
    """New ones begin at 0; one that is no more keeps its counter if it has hits, within a bound."""
    book = HostBook(tenants=["a", "b"])
    hit(book, numbered(1), tenant="a")
    book.declare_tenants(["b", "c"])
    hit(book, numbered(1), tenant="a")
    low = {
        tenant: count
        for (tenant, severity), count in samples(book, "tenant_hits_total").items()
        if severity == "low"
    }
    assert low == {"b": 0, "c": 0, "a": 2}
    for number in range(30):
        book.declare_tenants([f"{number}-{n}" for n in range(MAX_TENANTS // 10)])
        for n in range(MAX_TENANTS // 10):
            book._by_tenant[f"{number}-{n}", Severity.LOW] = 1
    assert len(book._by_tenant) == MAX_TENANTS * len(Severity)


def test_a_flood_of_addresses_stays_within_the_limit() -> None:
    """100 000 addresses over 1 000 series: the limit holds, every hit is somewhere, hits_total lost none."""
    book = HostBook(limit=1000)
    for number in range(100_000):
        hit(book, numbered(number), now=number / 1000, count=1 + number % 3)
    total = sum(1 + number % 3 for number in range(100_000))
    assert len(book) == 1000
    assert book.evicted == 99_000
    assert book.hits == total
    assert shown_hits(book, 100.0) + book.gone_hits == total
    assert sum(samples(book, "hits_total", 100.0).values()) == total
    assert samples(book, "host_series", 100.0) == {(): 1000}
    assert samples(book, "host_series_evicted_total", 100.0) == {(): 99_000}
    assert len(book.top(2_000)) == 1000


def test_a_high_flood_cannot_be_pushed_out_by_a_low_one() -> None:
    """High-severity series of the last hour stay; what is lower goes to _overflow, rule and severity kept."""
    book = HostBook(limit=100)
    for number in range(100):
        hit(book, numbered(number), rule="r-high", severity=Severity.HIGH)
    for number in range(100_000):
        hit(book, numbered(1000 + number), now=1.0)
    assert book.evicted == 0
    assert len(book) == 100
    shown = samples(book, "host_hits_total", 1.0)
    assert shown["_overflow", "r-low", "low", ""] == 100_000
    assert samples(book, "host_hits_overflow_total", 1.0) == {("r-high",): 0, ("r-low",): 100_000}
    assert sum(shown.values()) == book.hits == 100_100


def test_an_idle_high_series_makes_room() -> None:
    """After an hour without a hit a high-severity series is as evictable as any other."""
    book = HostBook(limit=1)
    hit(book, numbered(1), rule="r-high", severity=Severity.CRITICAL)
    hit(book, numbered(2), now=RECENT - 1)
    assert book.evicted == 0
    hit(book, numbered(2), now=RECENT)
    assert book.evicted == 1
    assert ("10.0.0.2", "r-low", "low", "") in samples(book, "host_hits_total", RECENT)


def test_high_takes_from_low_first() -> None:
    """A new high-severity series takes the place of a lower one, even if a recent high one is older."""
    book = HostBook(limit=2)
    hit(book, numbered(1), rule="r-high", severity=Severity.HIGH, now=1)
    hit(book, numbered(2), now=2)
    hit(book, numbered(3), rule="r-high", severity=Severity.HIGH, now=3)
    assert {key[0] for key in samples(book, "host_hits_total", 3)} == {"10.0.0.1", "10.0.0.3"}


def test_high_takes_from_high_when_there_is_nothing_lower() -> None:
    """Among equals the one that is idle longest goes."""
    book = HostBook(limit=2)
    for number, now in ((1, 1.0), (2, 2.0), (1, 3.0), (3, 4.0)):
        hit(book, numbered(number), rule="r-high", severity=Severity.HIGH, now=now)
    assert {key[0] for key in samples(book, "host_hits_total", 4)} == {"10.0.0.1", "10.0.0.3"}


def test_oldest_idle_goes_first() -> None:
    """A host that keeps being hit outlives those that do not."""
    book = HostBook(limit=3)
    for number in range(1000):
        hit(book, numbered(0), now=number)
        hit(book, numbered(1 + number), now=number)
    assert samples(book, "host_hits_total", 1000)["10.0.0.0", "r-low", "low", ""] == 1000


def test_outside_addresses_are_no_labels() -> None:
    """An address that is not monitored counts as _outside; rule and severity are kept."""
    book = HostBook(inside=["10.0.0.0/8"])
    hit(book, packed("203.0.113.9"), count=5)
    hit(book, packed("2001:db8::1"), rule="r-high", severity=Severity.HIGH)
    assert samples(book, "host_hits_total") == {
        ("_outside", "r-low", "low", ""): 5,
        ("_outside", "r-high", "high", ""): 1,
    }
    assert len(book) == 0
    assert book.top() == []


def test_ipv6_counts_by_network() -> None:
    """A host that changes its interface identifier with every connection is one series."""
    book = HostBook()
    for number in range(500):
        hit(book, (0x20010DB8 << 96 | 7 << 64 | number * 7919).to_bytes(16, "big"))
    assert samples(book, "host_hits_total") == {("2001:db8:0:7::/64", "r-low", "low", ""): 500}


def test_series_expire() -> None:
    """A series without a hit for expire_after goes; its hits stay in the sums."""
    book = HostBook(expire_after=100)
    hit(book, numbered(1), now=0, count=7)
    hit(book, numbered(2), now=50)
    assert len(samples(book, "host_hits_total", 100)) == 2
    assert set(samples(book, "host_hits_total", 101)) == {("10.0.0.2", "r-low", "low", "")}
    assert (book.expired, book.evicted, book.gone_hits) == (1, 0, 7)
    assert sum(samples(book, "hits_total", 101).values()) == 8
    assert [row.ip for row in book.top()] == ["10.0.0.2"]


def test_new_counters_are_held_at_zero() -> None:
    """With hold_seconds a scrape sees 0 before it sees the first hits, so that increase() counts them."""
    book = HostBook(hold_seconds=30)
    hit(book, numbered(1), now=10, count=4)
    key = ("10.0.0.1", "r-low", "low", "")
    assert samples(book, "host_hits_total", 39.9)[key] == 0
    assert samples(book, "host_hits_total", 40)[key] == 4
    assert samples(book, "host_last_hit_timestamp_seconds", 10)[key] == T0 / SECOND + 10


OPERATIONS = st.lists(
    st.tuples(
        st.integers(0, 30),  # host
        st.sampled_from(
            [("a", Severity.LOW), ("b", Severity.MEDIUM), ("c", Severity.HIGH), ("d", Severity.CRITICAL)]
        ),
        st.sampled_from(Confidence),
        st.integers(-1, 5),  # count
        st.floats(0, 3000),  # seconds that pass
    ),
    max_size=80,
)


@settings(deadline=None)
@given(OPERATIONS, st.integers(1, 8))
def test_no_hit_is_ever_lost(operations: list[Any], limit: int) -> None:
    """Whatever comes: live + gone + _overflow + _outside == hits, within the limit, no high one lost to a lower."""
    book = HostBook(limit=limit, inside=["10.0.0.0/28"], expire_after=5000)
    now = 0.0
    expected = 0
    for number, (rule, severity), confidence, count, passed in operations:
        now += passed
        recent = {key for key, one in book._high.items() if now - one.seen < RECENT}
        book.hit(numbered(number), rule, severity, confidence, count, T0, now)
        expected += max(count, 0)
        assert len(book) <= limit
        if severity < Severity.HIGH:
            assert recent <= set(book._high)
        assert sum(row.hits for row in book.top(40)) == sum(one.hits for one in book._all())
    assert shown_hits(book, now) + book.gone_hits == book.hits == expected
    assert sum(samples(book, "hits_total", now).values()) == expected


# ── what is shown ────────────────────────────────────────────────────────────────────────────────────────


def test_declared_rules_start_at_zero() -> None:
    """A loaded rule has its counters before its first hit, up to the confidence that it can claim."""
    book = HostBook(tenants=["lab"])
    book.declare([("r-one", Severity.HIGH, Confidence.PROBABLE)])
    assert samples(book, "hits_total") == {
        ("r-one", "high", "suspected"): 0,
        ("r-one", "high", "probable"): 0,
    }
    assert samples(book, "host_hits_overflow_total") == {("r-one",): 0}
    assert samples(book, "active_hosts") == {("suspected",): 0, ("probable",): 0, ("confirmed",): 0}
    assert set(samples(book, "tenant_hits_total").values()) == {0}


def test_active_hosts_by_highest_confidence_of_the_last_hour() -> None:
    """A host counts once, under the highest confidence of the last hour, and sinks as proof grows old."""
    book = HostBook()
    hit(book, numbered(1), now=0)
    hit(book, numbered(1), now=3000, rule="r-dns", confidence=Confidence.SUSPECTED)
    hit(book, numbered(2), now=3000, confidence=Confidence.PROBABLE)
    assert samples(book, "active_hosts", 3600) == {("suspected",): 0, ("probable",): 1, ("confirmed",): 1}
    assert samples(book, "active_hosts", 3601) == {("suspected",): 1, ("probable",): 1, ("confirmed",): 0}
    assert samples(book, "active_hosts", 6601) == {("suspected",): 0, ("probable",): 0, ("confirmed",): 0}


def test_one_rule_with_several_confidences() -> None:
    """A series that is confirmed now and then counts as confirmed for an hour after it was so last, and then as what it was since."""
    book = HostBook()
    for now, confidence in (
        (0, Confidence.PROBABLE), (10, Confidence.CONFIRMED), (20, Confidence.SUSPECTED), (30, Confidence.CONFIRMED),
        (40, Confidence.SUSPECTED), (3_000, Confidence.SUSPECTED),
    ):  # fmt: skip
        hit(book, numbered(1), now=now, confidence=confidence)
    assert samples(book, "active_hosts", 3630) == {("suspected",): 0, ("probable",): 0, ("confirmed",): 1}
    assert samples(book, "active_hosts", 3631) == {("suspected",): 1, ("probable",): 0, ("confirmed",): 0}
    assert book.top()[0].confidence is Confidence.CONFIRMED
    assert book.top()[0].hits == 6


def test_top_shows_most_hits_first() -> None:
    """Rows sum over a host's rules and show the highest confidence and severity."""
    book = HostBook(tenants=["lab"])
    hit(book, numbered(1), count=5)
    hit(book, numbered(2), count=2, confidence=Confidence.SUSPECTED, tenant="lab")
    hit(book, numbered(2), count=9, now=4, rule="r-high", severity=Severity.HIGH, tenant="lab")
    first, second = book.top()
    assert first == (
        "10.0.0.2",
        "lab",
        11,
        Confidence.CONFIRMED,
        Severity.HIGH,
        T0 + 4 * SECOND,
        ("r-high", "r-low"),
        numbered(2),
    )
    assert second.ip == "10.0.0.1"
    assert len(book.top(1)) == 1


def test_last_hit_is_packet_time_and_does_not_go_back() -> None:
    """The time stamp is that of the packet; an older packet that comes late does not turn it back."""
    book = HostBook()
    book.hit(numbered(1), "r", Severity.LOW, Confidence.CONFIRMED, 1, 5_500_000_000, 0.0)
    book.hit(numbered(1), "r", Severity.LOW, Confidence.CONFIRMED, 1, 1_000_000_000, 0.0)
    assert samples(book, "host_last_hit_timestamp_seconds") == {("10.0.0.1", "r", "low", ""): 5.5}


@given(st.text(max_size=30))
def test_every_tenant_name_is_escaped(name: str) -> None:
    """Quotes, backslashes and line ends in a tenant's name (an operator's text) come back from a parser unchanged."""
    name = name.encode("utf-8", "replace").decode()
    book = HostBook(tenants=[name])
    hit(book, numbered(1), tenant=name)
    lines = book.render(0.0).decode().split("\n")
    (line,) = [line for line in lines if line.startswith("sniffer_host_hits_total{")]
    written = re.search(r'tenant="((?:[^"\\]|\\.)*)"} 1$', line, re.DOTALL)
    assert written
    plain = re.sub(r"\\(.)", lambda found: {"n": "\n"}.get(found[1], found[1]), written[1])
    assert plain == name


def test_families_are_in_order() -> None:
    """Each family has HELP, TYPE and its samples together; the text ends with a line end."""
    book = HostBook()
    hit(book, numbered(1))
    text = book.render(0.0).decode()
    names = [line.split("{")[0].split(" ")[0] for line in text.splitlines() if not line.startswith("#")]
    assert [name for name, before in zip(names, ["", *names], strict=False) if name != before] == sorted(
        set(names), key=names.index
    )
    assert text.endswith("\n")
    assert text.count("# TYPE") == text.count("# HELP") == 9


@pytest.mark.parametrize("limit", [0, -1, 100_001])
def test_refuses_a_limit_beyond_the_ceiling(limit: int) -> None:
    """The ceiling is 100 000 series, whatever the configuration asks for."""
    with pytest.raises(UsageError, match="host series"):
        HostBook(limit=limit)


def test_renders_ten_thousand_series_quickly() -> None:
    """The book at the default limit costs a few hundredths of a second of a processor, a hundred thousand series not much more than ten times that.

    Not much more: what fits a processor's cache is cheaper, by half where others share it.
    """

    def best(number: int) -> float:
        book = HostBook(limit=number)
        for one in range(number):
            hit(book, numbered(one))
        least = float("inf")
        for _ in range(5):
            started = time.process_time()
            text = book.render(1.0)
            least = min(least, time.process_time() - started)
        assert text.count(b"sniffer_host_hits_total{") == number
        return least

    small, large = best(10_000), best(SERIES_CEILING)
    assert small < 0.05
    assert large < 40 * small


FLOOD = """
import resource, sys
from sniffer.model import Confidence, Severity
from sniffer.sinks.hosts import HostBook

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()

book = HostBook(expire_after=1e9)
kinds = (("r-low", Severity.LOW), ("r-high", Severity.HIGH))
for flood in range(3):
    for number in range(1_000_000):
        host = (0x0A000000 + flood * 1_000_000 + number).to_bytes(4, "big")
        rule, severity = kinds[number % 2]
        book.hit(host, rule, severity, Confidence.CONFIRMED, 1 + number % 3, number, float(number))
        if number % 100_000 == 0:
            text = book.render(float(number))
    print(resident(), sys.getallocatedblocks(), len(book))
lines = book.render(1e6).decode().splitlines()
live = sum(int(line.split()[-1]) for line in lines if line.startswith("sniffer_host_hits_total{"))
total = sum(int(line.split()[-1]) for line in lines if line.startswith("sniffer_hits_total{"))
print(live + book.gone_hits, total, book.hits)
"""


@pytest.mark.slow
def test_a_million_addresses_leave_memory_flat() -> None:
    """Three floods of a million addresses each: the third leaves no more objects than the second, and no hit is lost.

    What the process holds of the system's memory rests with its allocator: a few mebibytes up or down.  Eight are
    eight bytes an address; the smallest thing that Python can forget is several times that.
    """
    done = subprocess.run([sys.executable, "-c", FLOOD], capture_output=True, text=True, check=True)
    *floods, sums = [tuple(map(int, line.split())) for line in done.stdout.splitlines()]
    expected = 3 * sum(1 + number % 3 for number in range(1_000_000))
    assert sums == (expected,) * 3
    assert [series for _, _, series in floods] == [10_000] * 3
    _, (second, blocks, _), (third, blocks_after, _) = floods
    assert blocks_after <= blocks * 1.01
    assert third <= second + (8 << 20)


def test_eviction_costs_no_search() -> None:
    """A hit on a full book of 50 000 series takes about as long as one on a full book of 500."""

    def per_hit(limit: int) -> float:
        book = HostBook(limit=limit)
        for number in range(limit):
            hit(book, numbered(number))
        best = float("inf")
        for part in range(5):
            started = time.perf_counter()
            for number in range(2000):
                hit(book, numbered(limit + part * 2000 + number), now=1.0)
            best = min(best, time.perf_counter() - started)
        return best

    assert per_hit(50_000) < 4 * per_hit(500)
