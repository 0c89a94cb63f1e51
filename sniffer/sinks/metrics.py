"""The daemon's own metric families: what came in, what became of it, whether the sensor still sees.

In: :class:`~sniffer.totals.Totals`, :class:`Health`, the host book.  Out: the text of ``/metrics`` (format 0.0.4).
Never: a family that appears only once something has happened; a counter that falls because a worker restarted.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from sniffer import __version__
from sniffer.gate.labels import HELLOS, LAYER_NAMES
from sniffer.gate.reasons import LAYERS, SKIP_NAMES
from sniffer.oddities import ODDITIES
from sniffer.protocols.facts import FACTS
from sniffer.totals import InterfaceTotals, Totals, continued

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from prometheus_client.core import Metric

    from sniffer.sinks.hosts import HostBook
    from sniffer.size.hosts import SizeBook

REJECTIONS: Final = ("slow", "busy", "malformed", "tls", "password", "rate")
"""Why the endpoint serves a client not: too slow, no place, no HTTP, no handshake or no allowed name, no right password, too often."""
MAPPING_LINES: Final = ("read", "skipped", "bad", "untold")
"""What becomes of a line of a log of mappings."""
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

# ── counters that do not fall ────────────────────────────────────────────────────────────────────────────


class Accumulator:
    """Adds up the books of one worker over its lives: each life counts from 0, the sum never falls."""

    __slots__ = ("_base", "_life")

    def __init__(self) -> None:
        self._base, self._life = Totals(), Totals()

    @property
    def totals(self) -> Totals:
        """Counters of all lives; levels of the present one."""
        return continued(self._base, self._life)

    def begin(self) -> None:
        """Start a new life: the worker was started again."""
        self._base, self._life = self.totals, Totals()
        self._base.flows = self._base.flows_with_data = self._base.flows_read = 0

    def update(self, totals: Totals) -> Totals:
        """Take the latest snapshot and return the sums.

        A snapshot with less than the one before belongs to a new life, even if nobody said so (a looped replay starts
        its engine afresh within the same worker).
        """
        life = self._life
        if totals.packets < life.packets or totals.bytes < life.bytes or totals.hits < life.hits:
            self.begin()
        self._life = totals
        return self.totals


# ── health ───────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class SinkHealth:
    """What became of the records given to one sink."""

    written: int = 0
    dropped: int = 0  # its queue was full
    failed: int = 0  # the write went wrong
    waiting: int = 0
    up: bool = True  # its last try did not go wrong


@dataclass(slots=True)
class WorkerHealth:
    """Whether a worker makes progress."""

    up: bool = False
    restarts: int = 0
    heartbeat: float = 0.0  # seconds since 1970 at which it was last seen to go on, 0: never


@dataclass(slots=True)
class Health:
    """What the parent process knows about the parts of the daemon."""

    rules_loaded: int = 0
    rules: dict[str, None] = field(default_factory=dict)  # every rule that ever was in use
    rules_version: str = ""
    generation: int = 0  # 1 for the first rule set, one more for each that replaced it
    reload_success: bool = True
    last_reload: float = 0.0  # seconds since 1970 of the last rule set that was taken
    sinks: dict[str, SinkHealth] = field(default_factory=dict)  # every sink there can be
    workers: dict[str, WorkerHealth] = field(default_factory=dict)
    selftest_ok: bool = False  # every worker recognised the session of its last self-test
    interfaces: dict[str, bool] = field(default_factory=dict)  # whether each is up
    reopens: dict[str, int] = field(default_factory=dict)  # by interface
    http_rejected: dict[str, int] = field(default_factory=dict)  # clients of the endpoint, by reason
    one_sided: bool = False  # the mirror shows one direction by design
    tenants: int = 0  # known by configuration and files
    mappings: int = 0  # entries of who held which address when
    mappings_limit: int = 0
    mappings_evicted: int = 0
    mapping_lines: dict[str, int] = field(default_factory=dict)  # of their logs, by what became of them
    mapping_bytes_behind: int = 0
    mapping_files_unreadable: int = 0


# ── families ─────────────────────────────────────────────────────────────────────────────────────────────


class DaemonCollector(Collector):
    """Tells prometheus-client the families of one moment."""

    def __init__(self, health: Health, totals: Totals) -> None:
        self.health, self.totals = health, totals

    def collect(self) -> Iterator[Metric]:
        """All families, each with every label value it can have."""
        yield from self._capture()
        yield from self._pipeline()
        yield from self._rules()
        yield from self._owners()
        yield from self._processes()

    def _capture(self) -> Iterator[Metric]:
        names = {**self.totals.interfaces, **self.health.interfaces}
        books = {name: self.totals.interfaces.get(name, InterfaceTotals()) for name in names}
        yield _counters(
            "capture_packets",
            "Packets read from the interface.",
            "interface",
            {name: one.packets for name, one in books.items()},
        )
        yield _counters(
            "capture_bytes",
            "Bytes of these packets on the wire.",
            "interface",
            {name: one.bytes for name, one in books.items()},
        )
        yield _counters(
            "capture_drops",
            "Packets that the kernel dropped before they could be read.",
            "interface",
            {name: one.drops for name, one in books.items()},
        )
        yield _counters(
            "capture_lost",
            "Packets that were in the hand of a worker when it died: they were not read by another.",
            "interface",
            {name: one.lost for name, one in books.items()},
        )
        yield _counters(
            "capture_offered",
            "Packets that the interface offered: read, dropped or lost; drops as a share of these are the loss.",
            "interface",
            {name: one.offered for name, one in books.items()},
        )
        yield _counters(
            "capture_filtered_estimate",
            "Packets that the kernel filter dropped, at least: the kernel counts none; 0 where capture.filter is none.",
            "interface",
            {name: one.filtered for name, one in books.items()},
        )
        yield _counters(
            "capture_merged",
            "Frames that the card or the kernel had put together before they were read (GRO, LRO).",
            "interface",
            {name: one.merged for name, one in books.items()},
        )
        yield _counters(
            "capture_unsummed",
            "Frames whose checksum was left to a card (checksum offload): this machine made them, no wire carried them.",
            "interface",
            {name: one.unsummed for name, one in books.items()},
        )
        yield _counters(
            "capture_hardware_stamped",
            "Frames with a time stamp of the card; the others have one of the kernel.",
            "interface",
            {name: one.stamped for name, one in books.items()},
        )
        yield _counter(
            "capture_cut", "Packets of which only a part was captured (snap length).", self.totals.cut
        )
        yield _gauges(
            "capture_last_packet_timestamp_seconds",
            "Time of the last packet, seconds since 1970; 0: none yet.",
            "interface",
            {name: one.last_packet / 1e9 for name, one in books.items()},
        )
        yield _gauges(
            "interface_up",
            "1 if the interface is there and up.",
            "interface",
            {name: float(up) for name, up in self.health.interfaces.items()},
        )
        yield _counters(
            "capture_reopens",
            "How often the interface had to be opened again.",
            "interface",
            {name: self.health.reopens.get(name, 0) for name in names},
        )

    def _pipeline(self) -> Iterator[Metric]:
        totals = self.totals
        yield _counter("gate_passed", "Packets that may matter and were read further.", totals.passed)
        yield _counters(
            "gate_skipped",
            "Packets that were not read further, by reason; with those that passed they make all packets.",
            "reason",
            _complete(SKIP_NAMES, totals.skipped),
        )
        yield _counters(
            "undecoded_packets",
            "Packets whose headers could not be decoded, by the layer they were lost at.",
            "layer",
            _complete(LAYERS, totals.undecoded),
        )
        yield _counters(
            "wrapped_packets",
            "Decoded packets inside tags and tunnels, by kind; one inside two kinds counts at both.",
            "layer",
            _complete(LAYER_NAMES[1:], totals.wrapped),
        )
        yield _counters(
            "tls_hellos",
            "ClientHellos, of TLS and of QUIC, by whether the server name is readable, hidden, or in a later segment.",
            "name",
            _complete(HELLOS, totals.tls_hellos),
        )
        yield _counter("datagrams_read", "UDP datagrams that passed the gate.", totals.datagrams_read)
        yield _counter(
            "segments_sampled",
            "TCP segments with payload of one flow in sixteen: with the datagrams read, what duplicates are a share of.",
            totals.segments_sampled,
        )
        yield _gauge("flows", "Flows in the table of the gate now.", totals.flows)
        yield _gauge("flows_with_data", "Flows of these in which data was seen.", totals.flows_with_data)
        yield _gauge("flows_read", "Flows being reassembled and read now.", totals.flows_read)
        yield _counter(
            "flows_evicted", "Flows that made room for newer ones.", sum(totals.flows_evicted.values())
        )
        yield _gauge(
            "flows_one_sided_ratio",
            "Share of flows with data that were heard in one direction only, 0 to 1.",
            totals.one_sided_ratio,
        )
        yield _gauge(
            "sensor_one_sided",
            "1 if the mirror shows one direction by design (sensor.one_sided): one-sided flows are then no fault.",
            float(self.health.one_sided),
        )
        yield _counters(
            "facts", "Messages that told a fact, by fact.", "fact", _complete(FACTS, totals.facts)
        )
        yield _counter(
            "sightings",
            "Messages that rules with a count asked for; those that reach it are hits, unless they are suppressed.",
            totals.sightings,
        )
        yield _counters(
            "oddities",
            "Nonsense on the wire, by kind.",
            "kind",
            _complete(ODDITIES, totals.oddities),
        )

    def _rules(self) -> Iterator[Metric]:
        health = self.health
        yield _counters(
            "suppressed_hits",
            "Messages that a rule matched, and that an entry of allow keeps from being told.",
            "rule",
            _complete(health.rules, self.totals.suppressed),
        )
        yield _gauge("rules_loaded", "Rules in use.", health.rules_loaded)
        yield _gauge("rules_generation", "Number of the rule set in use, counted from 1.", health.generation)
        yield _gauge(
            "rules_reload_success",
            "1 if the last load of rules succeeded; 0: the rules before it are still in use.",
            float(health.reload_success),
        )
        yield _gauge(
            "rules_last_reload_timestamp_seconds",
            "When the rules in use were loaded, seconds since 1970.",
            health.last_reload,
        )
        info = GaugeMetricFamily(
            "sniffer_build_info",
            "Always 1; the labels say what runs.",
            labels=["version", "rules_version", "python"],
        )
        info.add_metric([__version__, health.rules_version, platform.python_version()], 1)
        yield info

    def _owners(self) -> Iterator[Metric]:
        health = self.health
        yield _gauge("tenants", "Tenants known by configuration and files.", health.tenants)
        yield _gauge(
            "mappings",
            "Entries of who held which address when, of RADIUS, DHCP and NAT logs.",
            health.mappings,
        )
        yield _gauge(
            "mappings_limit", "Entries of mappings at most; 0: no log is followed.", health.mappings_limit
        )
        yield _counter(
            "mappings_evicted", "Entries of mappings that made room for newer ones.", health.mappings_evicted
        )
        yield _counters(
            "mapping_lines",
            "Lines of logs of mappings: read, skipped (headings, others' events), bad, or untold to a worker.",
            "result",
            _complete(MAPPING_LINES, health.mapping_lines),
        )
        yield _gauge(
            "mapping_bytes_behind",
            "Bytes of logs of mappings that are still to be read.",
            health.mapping_bytes_behind,
        )
        yield _gauge(
            "mapping_files_unreadable",
            "Logs of mappings that cannot be read now.",
            health.mapping_files_unreadable,
        )

    def _processes(self) -> Iterator[Metric]:
        sinks, workers = self.health.sinks, self.health.workers
        yield _counters(
            "sink_written",
            "Records that a sink has written.",
            "sink",
            {name: one.written for name, one in sinks.items()},
        )
        yield _counters(
            "sink_dropped",
            "Records that a sink had no room for.",
            "sink",
            {name: one.dropped for name, one in sinks.items()},
        )
        yield _counters(
            "sink_failed",
            "Records that a sink could not write.",
            "sink",
            {name: one.failed for name, one in sinks.items()},
        )
        yield _gauges(
            "sink_waiting",
            "Records that a sink is still to write.",
            "sink",
            {name: one.waiting for name, one in sinks.items()},
        )
        yield _gauges(
            "sink_up",
            "0 while a sink cannot write: its last try went wrong.",
            "sink",
            {name: float(one.up) for name, one in sinks.items()},
        )
        yield _gauges(
            "worker_up",
            "1 if the worker runs and makes progress.",
            "worker",
            {name: float(one.up) for name, one in workers.items()},
        )
        yield _counters(
            "worker_restarts",
            "How often the worker was started again.",
            "worker",
            {name: one.restarts for name, one in workers.items()},
        )
        yield _gauges(
            "worker_heartbeat_timestamp_seconds",
            "When the worker was last seen to go on, seconds since 1970; 0: never.",
            "worker",
            {name: one.heartbeat for name, one in workers.items()},
        )
        yield _counters(
            "http_rejected",
            "Clients of this endpoint that were not served, by reason.",
            "reason",
            _complete(REJECTIONS, self.health.http_rejected),
        )
        yield _gauge(
            "selftest_ok",
            "1 if every worker recognised the mining session of its last self-test, once a minute.",
            float(self.health.selftest_ok),
        )


def _complete(names: Iterable[str], counts: Mapping[str, int]) -> dict[str, int]:
    return {**dict.fromkeys(names, 0), **counts}


def _counter(name: str, says: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(f"sniffer_{name}", says, value=value)


def _counters(name: str, says: str, label: str, values: Mapping[str, float]) -> CounterMetricFamily:
    family = CounterMetricFamily(f"sniffer_{name}", says, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _gauge(name: str, says: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"sniffer_{name}", says, value=value)


def _gauges(name: str, says: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"sniffer_{name}", says, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def render(
    health: Health, totals: Totals, book: HostBook, sizes: SizeBook, now: float | None = None
) -> bytes:
    """The whole text of ``/metrics``: the daemon's families, then those of hits and of sizes by host.

    Args:
        health: what the parent knows.
        totals: sums over all workers (see :class:`Accumulator`, :func:`~sniffer.totals.continued`).
        book: per-host counts.
        sizes: what hosts hash and draw.
        now: monotonic seconds for the book; default: the clock.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(DaemonCollector(health, totals))
    return generate_latest(registry) + book.render(now) + sizes.render()
