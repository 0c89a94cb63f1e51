"""/metrics: the documented families, complete from the start, with counters that never fall."""

from __future__ import annotations

import gzip
import ipaddress
import os
import re
import time
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from sizerun import START, work

from sniffer.gate.labels import HELLOS, LAYER_NAMES
from sniffer.gate.reasons import LAYERS, SKIP_NAMES
from sniffer.model import Confidence, Severity
from sniffer.oddities import ODDITIES
from sniffer.protocols.facts import FACTS
from sniffer.sinks.hosts import HostBook
from sniffer.sinks.metrics import Accumulator, Health, SinkHealth, WorkerHealth, render
from sniffer.sinks.networks import HostNames
from sniffer.size.hosts import SizeBook
from sniffer.size.sessions import SECOND
from sniffer.totals import InterfaceTotals, Totals, continued

GOLDEN = Path(__file__).parent / "metrics.golden"
VOLATILE = re.compile(r'(version|python)="[^"]*"')


def busy() -> tuple[Health, Totals, HostBook, SizeBook]:
    """A sensor that has seen something of everything."""
    health = Health(
        rules={"stratum-v1-submit": None, "pool-dns": None},
        rules_loaded=2,
        rules_version="abc123",
        generation=3,
        reload_success=False,
        last_reload=1_763_884_800.5,
        sinks={"events": SinkHealth(written=12, dropped=3, failed=1, waiting=2, up=False)},
        workers={"0": WorkerHealth(up=True, restarts=1, heartbeat=1_763_884_900.25)},
        selftest_ok=True,
        interfaces={"eth1": True, "eth2": False},
        reopens={"eth2": 4},
        one_sided=True,
        tenants=7,
        mappings=90,
        mappings_limit=100,
        mappings_evicted=3,
        mapping_lines={"read": 93, "skipped": 2, "bad": 1},
        mapping_bytes_behind=512,
        mapping_files_unreadable=1,
    )
    totals = Totals(
        packets=1000,
        bytes=850_000,
        passed=7,
        skipped={"no_payload": 900, "udp_other": 93},
        undecoded={"ipv4": 2},
        cut=3,
        wrapped={"vlan": 800, "vxlan": 20},
        tls_hellos={"readable": 40, "hidden": 8, "split": 2},
        datagrams_read=6,
        segments_sampled=70,
        flows=55,
        flows_with_data=44,
        flows_read=5,
        flows_evicted={"idle": 6, "busy": 1},
        one_sided_ratio=0.25,
        facts={"stratum.method": 4},
        oddities={"json_broken": 1},
        hits=9,
        suppressed={"stratum-v1-submit": 5},
        interfaces={
            "eth1": InterfaceTotals(
                1000,
                850_000,
                17,
                1_763_884_899_500_000_000,
                filtered=400,
                merged=5,
                unsummed=6,
                stamped=900,
                lost=30,
            )
        },
    )
    book = HostBook(inside=["10.0.0.0/8", "2001:db8::/32"], tenants=['the "lab"'], limit=2)
    book.declare(
        [
            ("stratum-v1-submit", Severity.HIGH, Confidence.CONFIRMED),
            ("pool-dns", Severity.LOW, Confidence.SUSPECTED),
        ]
    )
    for host, rule, severity, confidence, count in (
        ("10.0.0.7", "stratum-v1-submit", Severity.HIGH, Confidence.CONFIRMED, 4),
        ("2001:db8::7", "stratum-v1-submit", Severity.HIGH, Confidence.PROBABLE, 2),
        ("10.0.0.8", "pool-dns", Severity.LOW, Confidence.SUSPECTED, 1),
        ("203.0.113.9", "pool-dns", Severity.LOW, Confidence.SUSPECTED, 2),
    ):
        packed = ipaddress.ip_address(host).packed
        tenant = 'the "lab"' if host.startswith("10.0.0.") else ""
        book.hit(packed, rule, severity, confidence, count, 1_763_884_800_250_000_000, 10.0, tenant)
    sizes = SizeBook(book.names, overhead=1.1)
    sizes.turn(START)
    for at in range(5, 3_600, 30):
        sizes.add(work(at, 1, host=bytes((10, 0, 0, 7)), tenant='the "lab"', bytes_up=300, bytes_down=200))
    sizes.add(work(3_500, host=bytes((203, 0, 113, 9)), submitted=2, rejected=1))
    sizes.turn(START + 3_600 * SECOND, everything=True)
    return health, totals, book, sizes


def families(text: bytes) -> dict[str, dict[tuple[str, ...], float]]:
    """Samples by name and label values, read by somebody else's parser."""
    out: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            out.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return out


def test_is_the_golden_page() -> None:
    """The whole text, versions blanked.  SNIFFER_GOLDEN=1 writes it anew, to be reviewed as a difference."""
    text = VOLATILE.sub(r'\1="…"', render(*busy(), now=20.0).decode())
    if os.environ.get("SNIFFER_GOLDEN"):
        GOLDEN.write_text(text, "utf-8")
    assert text == GOLDEN.read_text("utf-8")


def test_every_kind_is_there_from_the_start() -> None:
    """Before the first packet every reason, layer, fact and oddity is 0, and every single-valued family is there."""
    health = Health(interfaces={"eth1": True}, workers={"0": WorkerHealth()}, sinks={"events": SinkHealth()})
    shown = families(render(health, Totals(), HostBook(), SizeBook(HostNames()), now=0.0))
    for name, kinds in (
        ("sniffer_gate_skipped_total", SKIP_NAMES),
        ("sniffer_undecoded_packets_total", LAYERS),
        ("sniffer_facts_total", FACTS),
        ("sniffer_oddities_total", ODDITIES),
        ("sniffer_wrapped_packets_total", LAYER_NAMES[1:]),
        ("sniffer_tls_hellos_total", HELLOS),
    ):
        assert shown[name] == {(kind,): 0 for kind in kinds}
    for name in (
        "packets_total",
        "bytes_total",
        "drops_total",
        "lost_total",
        "offered_total",
        "filtered_estimate_total",
        "merged_total",
        "unsummed_total",
        "hardware_stamped_total",
        "reopens_total",
        "last_packet_timestamp_seconds",
    ):
        assert shown[f"sniffer_capture_{name}"] == {("eth1",): 0}
    for name in (
        "sniffer_flows",
        "sniffer_flows_evicted_total",
        "sniffer_gate_passed_total",
        "sniffer_capture_cut_total",
    ):
        assert shown[name] == {(): 0}
    assert shown["sniffer_sink_written_total"] == {("events",): 0}
    assert shown["sniffer_worker_up"] == {("0",): 0}
    assert len(shown["sniffer_build_info"]) == 1


def test_has_the_families_that_others_rely_on() -> None:
    """Each name of the documented table is exposed, but for those of parts that do not exist yet."""
    documented = {
        "host_hits_total", "host_last_hit_timestamp_seconds", "hits_total", "tenant_hits_total", "active_hosts",
        "host_series", "host_series_limit", "host_series_evicted_total", "host_hits_overflow_total",
        "capture_packets_total", "capture_bytes_total", "capture_drops_total", "capture_last_packet_timestamp_seconds",
        "gate_passed_total", "gate_skipped_total", "flows", "flows_evicted_total", "flows_one_sided_ratio",
        "undecoded_packets_total", "facts_total", "oddities_total", "rules_loaded", "rules_generation",
        "rules_reload_success", "rules_last_reload_timestamp_seconds", "sink_written_total", "sink_dropped_total",
        "sink_failed_total", "sink_waiting", "sink_up", "worker_up", "worker_restarts_total", "worker_heartbeat_timestamp_seconds", "interface_up",
        "capture_reopens_total", "build_info",
    }  # fmt: skip
    shown = families(render(*busy(), now=20.0))
    assert {f"sniffer_{name}" for name in documented} <= set(shown)
    assert not [name for name in shown if name.endswith("_created")]
    help_lines = [
        line for line in render(*busy(), now=20.0).decode().splitlines() if line.startswith("# HELP")
    ]
    assert len(help_lines) == len({line.split()[2] for line in help_lines})
    assert all(len(line.split()) > 4 for line in help_lines)


def test_gate_balances() -> None:
    """What passed and what was skipped make all packets, as exposed."""
    shown = families(render(*busy(), now=20.0))
    passed = shown["sniffer_gate_passed_total"][()]
    assert passed + sum(shown["sniffer_gate_skipped_total"].values()) == 1000
    assert shown["sniffer_flows_evicted_total"][()] == 7


# ── counters that do not fall ────────────────────────────────────────────────────────────────────────────


def life(packets: int, drops: int = 0, **more: int) -> Totals:
    """A snapshot of a worker."""
    return Totals(
        packets=packets,
        bytes=packets * 100,
        passed=packets // 10,
        skipped={"judged": packets - packets // 10},
        flows=packets // 2,
        interfaces={"eth1": InterfaceTotals(packets, packets * 100, drops, packets * 1_000_000_000)},
        **more,
    )


def test_counters_survive_a_restart() -> None:
    """A worker that starts again counts from 0: sums go on, levels are those of now."""
    books = Accumulator()
    books.update(life(100, drops=5))
    assert books.update(life(250, drops=9)).packets == 250
    after = books.update(life(40, drops=1))
    assert (after.packets, after.passed, after.skipped["judged"]) == (290, 29, 261)
    assert after.flows == 20
    assert after.interfaces["eth1"] == InterfaceTotals(290, 29_000, 10, 250_000_000_000)
    assert books.update(life(60, drops=1)).packets == 310


def test_a_restart_that_was_announced() -> None:
    """A new life that already counts more than the old one did is added all the same."""
    books = Accumulator()
    books.update(life(100))
    books.begin()
    assert books.totals.packets == 100
    assert books.totals.flows == 0
    assert books.update(life(5000)).packets == 5100


def test_never_falls_over_many_lives() -> None:
    """Whatever lives follow one another, no counter of any kind ever falls, and the end is the sum of all lives."""
    books = Accumulator()
    lives = [[10, 20, 30], [5], [4, 4, 90], [100], [1, 2]]
    before = Totals()
    for snapshots in lives:
        books.begin()
        for packets in snapshots:
            now = books.update(life(packets, drops=packets // 3, hits=packets // 2))
            assert now.packets >= before.packets
            assert now.hits >= before.hits
            assert all(now.skipped.get(kind, 0) >= count for kind, count in before.skipped.items())
            for name, one in before.interfaces.items():
                assert now.interfaces[name].drops >= one.drops
                assert now.interfaces[name].last_packet >= one.last_packet
            before = now
    assert before.packets == sum(snapshots[-1] for snapshots in lives)


def test_snapshots_are_not_changed() -> None:
    """Adding up makes new books; those of a worker stay as they were."""
    one, other = life(10), life(20)
    total = continued(one, other)
    assert (one.packets, other.packets, total.packets) == (10, 20, 30)
    assert one.interfaces["eth1"].packets == 10
    assert total.skipped == {"judged": 27}


def test_a_scrape_of_ten_thousand_series_costs_little() -> None:
    """Hits and sizes at the default limit, rendered and compressed: less than 50 ms of a processor."""
    book = HostBook()
    for number in range(10_000):
        host = (0x0A000000 + number).to_bytes(4, "big")
        book.hit(host, "stratum-v1-submit", Severity.HIGH, Confidence.CONFIRMED, 3, number * 10**9, 0.0)
    sizes = SizeBook(HostNames())
    for number in range(10_000):
        sizes.add(work(number % 300, 1, host=(0x0A000000 + number).to_bytes(4, "big")))
    sizes.turn(START + 600 * SECOND, everything=True)
    best = float("inf")
    for _ in range(5):
        started = time.process_time()
        packed = gzip.compress(render(Health(), Totals(), book, sizes, 1.0), 1, mtime=0)
        best = min(best, time.process_time() - started)
    assert len(book) == 10_000
    assert len(packed) < 200_000
    assert best < 0.05
