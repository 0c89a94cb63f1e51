"""``sniffer scan``: capture files through the pipeline, in this process or in several.

In: paths and settings.  Out: event lines or a table, a ``stats`` object, an exit status.
Never: state carried from one file to the next, unless they are said to be pieces of one capture.
"""

from __future__ import annotations

import heapq
import multiprocessing
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from sniffer.addresses import address_text
from sniffer.capture import savefile
from sniffer.capture.ahead import ahead
from sniffer.engine import Engine, EngineSettings
from sniffer.errors import EXIT_HITS, EXIT_OK, InputError
from sniffer.gate import gate
from sniffer.gate.compiler import watched
from sniffer.model import Confidence, Severity
from sniffer.owners.asking import make_ownership
from sniffer.owners.table import Owners
from sniffer.prepared import Prepared, prepare
from sniffer.ruleset import RuleSet, restore
from sniffer.sinks.event import encode, make_event
from sniffer.sinks.networks import HostNames
from sniffer.sinks.privacy import Privacy
from sniffer.sinks.stats import make_stats
from sniffer.size.figures import together
from sniffer.size.hosts import SizeBook
from sniffer.size.work import Tallies
from sniffer.totals import Totals, continued

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from sniffer.model import Detection
    from sniffer.owners.timeline import Change
    from sniffer.size.figures import Figures
    from sniffer.size.work import Tally

MAX_HOSTS: Final = 100_000
MAX_SERVERS: Final = 64
MAX_SIZES: Final = 1_000  # in the ``stats`` object

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ScanSettings:
    """What one scan needs to know."""

    engine: EngineSettings = field(default_factory=EngineSettings)
    sensor: str = ""
    privacy: Privacy = field(default_factory=lambda: Privacy(None))
    json: bool = False
    continuous: bool = False
    jobs: int = 1
    owners: Owners = field(default_factory=Owners)
    holders: tuple[Change, ...] = ()  # who held which address when
    overhead: float = 1.0  # watts at the meter for a watt in a machine


@dataclass(slots=True)
class Host:
    """What was found about one address."""

    hits: Counter[str] = field(default_factory=Counter)  # by rule
    confidence: Confidence = Confidence.SUSPECTED
    severity: Severity = Severity.LOW
    protocols: set[str] = field(default_factory=set)
    servers: set[tuple[bytes, int]] = field(default_factory=set)  # addresses, packed, and ports
    names: set[str] = field(default_factory=set)
    agents: set[str] = field(default_factory=set)
    first: int = 0
    last: int = 0

    def add(self, detection: Detection) -> None:
        """Count a hit."""
        self.hits[detection.rule.id] += 1
        self.confidence = max(self.confidence, detection.confidence)
        self.severity = max(self.severity, detection.rule.severity)
        self.protocols.add(detection.facts.protocol)
        if detection.server is not None:
            _add(self.servers, (detection.server, detection.server_port))
        if detection.match.endpoint is not None:
            _add(self.names, detection.match.endpoint.domain)
        agent = detection.session.get("mining.agent")
        if isinstance(agent, str):
            _add(self.agents, agent)
        time = detection.facts.time
        self.first = min(self.first or time, time)
        self.last = max(self.last, time)

    @property
    def places(self) -> set[str]:
        """Servers and names as text."""
        return self.names.union(f"{address_text(address)}:{port}" for address, port in self.servers)

    def merge(self, other: Host) -> None:
        """Add what another file said of the same address."""
        self.hits.update(other.hits)
        self.confidence = max(self.confidence, other.confidence)
        self.severity = max(self.severity, other.severity)
        self.servers |= other.servers
        for mine, theirs in (
            (self.protocols, other.protocols),
            (self.names, other.names),
            (self.agents, other.agents),
        ):
            mine.update(theirs)
        self.first = min(self.first or other.first, other.first)
        self.last = max(self.last, other.last)


def _add(known: set[T], one: T) -> None:
    if len(known) < MAX_SERVERS:
        known.add(one)


@dataclass(slots=True)
class Result:
    """What came of one file, or of all of them."""

    files: int = 0
    totals: Totals = field(default_factory=Totals)
    hosts: dict[bytes, Host] = field(default_factory=dict)
    sizes: dict[bytes, Figures] = field(default_factory=dict)  # of those that mine
    expected: int = 0  # bytes of the files
    unreadable: int = 0  # bytes behind the fault of a damaged file
    faults: list[str] = field(default_factory=list)
    events: list[bytes] = field(default_factory=list)
    hits: Counter[tuple[str, str]] = field(default_factory=Counter)  # by rule and confidence
    differing: list[str] = field(default_factory=list)  # rules about which both matchers disagreed

    def merge(self, other: Result) -> None:
        """Add the result of another file."""
        self.files += other.files
        self.totals = continued(self.totals, other.totals)
        for address, host in other.hosts.items():
            mine = self.hosts.get(address)
            if mine is not None:
                mine.merge(host)
            elif len(self.hosts) < MAX_HOSTS:
                self.hosts[address] = host
        self.add_sizes(other.sizes.items())
        self.expected += other.expected
        self.unreadable += other.unreadable
        self.faults += other.faults
        self.differing = sorted({*self.differing, *other.differing})
        self.hits.update(other.hits)

    def add_sizes(self, sizes: Iterable[tuple[bytes, Figures]]) -> None:
        """Add how big addresses were in a later capture."""
        for address, figures in sizes:
            before = self.sizes.get(address)
            if before is not None:
                self.sizes[address] = together(before, figures)
            elif len(self.sizes) < MAX_HOSTS:
                self.sizes[address] = figures


class Scanner:
    """Runs files through engines and keeps the result."""

    def __init__(
        self,
        rules: RuleSet | Prepared,
        settings: ScanSettings,
        write: Callable[[bytes], None] | None = None,
    ) -> None:
        """Begin with nothing found.

        Args:
            rules: the rules; prepared ones are shared by the engines of all files.
            settings: what one scan needs to know.
            write: gets each event line at once; None: they are kept in the result.
        """
        self.result = Result()
        self._rules = rules
        self._settings = settings
        self._write = write or self.result.events.append
        self._file = ""
        self._ownership = make_ownership(settings.owners, settings.holders)
        self._engine: Engine | None = None
        self._sizes = self._new_sizes()
        self._due: list[Tally] = []  # whose work is to be fetched
        self._interfaces: list[str] = []

    def scan(self, path: str, progress: Callable[[int, int], None] = lambda _done, _all: None) -> None:
        """Scan one file; a fault goes into the result, after everything readable."""
        self.result.files += 1
        source = savefile.Savefile(path)
        self._file = "" if path == "-" else Path(path).name
        self.result.expected += source.size
        if self._engine is None or not self._settings.continuous:
            self.finish()
            self._interfaces = []
            self._engine = Engine(
                self._rules,
                interfaces=self._interfaces,
                settings=self._settings.engine,
                hit=self._hit,
                event=self._event,
                ownership=self._ownership,
                tallies=Tallies(self._due.append, self._settings.privacy.hide),
            )
        first = len(self._interfaces)
        try:
            batches = source.batches()
            for batch in ahead(batches) if source.size else batches:  # a pipe may keep us waiting
                self._interfaces[first:] = source.interfaces
                if first:
                    batch.frames["interface"] += first
                self._engine.process(batch)
                self._fetch()
                progress(source.position, source.size)
        except InputError as error:
            self.result.faults += error.lines()
            self.result.unreadable += source.unreadable
        finally:
            source.close()
        if not self._settings.continuous:
            self.finish()

    def finish(self) -> None:
        """Close the books of the engine in use."""
        if self._engine is not None:
            self._engine.finish()
            self._fetch()
            self.result.add_sizes(self._sizes.settle(self._engine.gate.last_packet))
            self._sizes = self._new_sizes()
            self.result.totals = continued(self.result.totals, self._engine.totals())
            self.result.differing = sorted({*self.result.differing, *self._engine.differing})
            self._engine = None

    def _new_sizes(self) -> SizeBook:
        return SizeBook(HostNames(ipv6_prefix=128), overhead=self._settings.overhead)

    def _fetch(self) -> None:
        for tally in self._due:
            for work in tally.take():
                self._sizes.add(work)
        self._due.clear()

    def _hit(self, detection: Detection) -> None:
        result = self.result
        result.hits[detection.rule.id, detection.confidence.label] += 1
        host = result.hosts.get(detection.host)
        if host is None:
            if len(result.hosts) >= MAX_HOSTS:
                return
            host = result.hosts[detection.host] = Host()
        host.add(detection)

    def _event(self, detection: Detection) -> None:
        if self._settings.json:
            settings = self._settings
            event = make_event(
                detection,
                sensor=settings.sensor,
                interfaces=self._interfaces,
                privacy=settings.privacy,
                filename=self._file,
                tenant=detection.owned.as_event() if detection.owned is not None else None,
            )
            self._write(encode(event))


def warm_up(tell: Callable[[int, int], None] = lambda _done, _all: None) -> None:
    """Compile the kernels that a scan needs, or load them from disk; so processes find them there.

    Args:
        tell: told, when kernels are compiled, how many are done, of about how many.
    """
    with watched(tell):
        savefile.warm_up()
        gate.warm_up()


def scan_files(
    paths: Sequence[str],
    ruleset: RuleSet,
    settings: ScanSettings,
    write: Callable[[bytes], None],
    progress: Callable[[str, int, int], None] = lambda _path, _done, _all: None,
) -> Result:
    """Scan files in order and return what came of all of them; kernels are there already (:func:`warm_up`)."""
    if settings.jobs > 1 and len(paths) > 1 and not settings.continuous:
        return _scan_in_processes(paths, ruleset, settings, write, progress)
    scanner = Scanner(prepare(ruleset), settings, write)
    for path in paths:
        scanner.scan(path, lambda done, size, path=path: progress(path, done, size))  # type: ignore[misc]
    scanner.finish()
    return scanner.result


_process: dict[str, Any] = {}


def _begin_process(dump: bytes, settings: ScanSettings) -> None:
    _process["rules"], _process["settings"] = prepare(restore(dump)), settings


def _scan_one(path: str) -> Result:
    scanner = Scanner(_process["rules"], _process["settings"])
    scanner.scan(path)
    scanner.finish()
    return scanner.result


def _scan_in_processes(
    paths: Sequence[str],
    ruleset: RuleSet,
    settings: ScanSettings,
    write: Callable[[bytes], None],
    progress: Callable[[str, int, int], None],
) -> Result:
    whole = Result()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(settings.jobs, context, _begin_process, (ruleset.dump(), settings)) as pool:
        for path, result in zip(paths, pool.map(_scan_one, paths), strict=True):
            for line in result.events:
                write(line)
            whole.merge(result)
            progress(path, 1, 1)
    return whole


def stats(result: Result) -> dict[str, Any]:
    """The ``stats`` object that ends ``scan --json``."""
    return make_stats(
        result.totals,
        sensor="",
        hosts=len(result.hosts),
        files=result.files,
        hits_by_rule=by_rule(result),
        expected=result.expected,
        unreadable=result.unreadable,
        faults=len(result.faults),
        sizes=[
            {"ip": address_text(address), **msgspec.to_builtins(figures)}
            for address, figures in largest(result, MAX_SIZES)
        ],
    )


def largest(result: Result, number: int) -> list[tuple[bytes, Figures]]:
    """The addresses that draw most, or have most shares where no power is known."""
    return heapq.nlargest(
        number,
        result.sizes.items(),
        key=lambda item: (item[1].watts.high or item[1].watts.low or 0.0, item[1].submitted, item[0]),
    )


def by_rule(result: Result) -> dict[str, int]:
    """Hits of each rule."""
    counts: Counter[str] = Counter()
    for (rule, _), count in result.hits.items():
        counts[rule] += count
    return dict(sorted(counts.items()))


def exit_status(result: Result, *, fail_on_hit: bool) -> int:
    """Status of a scan: a damaged file counts more than what was found."""
    if result.faults:
        return InputError.exit_status
    return EXIT_HITS if fail_on_hit and result.totals.hits else EXIT_OK


def ranked(result: Result) -> Iterator[tuple[str, Host, Figures | None]]:
    """Addresses, what was found about them and how big they are, the surest and busiest first."""
    hosts = sorted(
        result.hosts.items(), key=lambda item: (-item[1].confidence, -item[1].hits.total(), item[0])
    )
    for address, host in hosts:
        yield address_text(address), host, result.sizes.get(address)
