"""Exhibits on their way to the disk: a bounded outbox, limits by time and host, and the thread that writes.

In: exhibits of all workers, the rules they were found by.  Out: bundles in the store; counters.
Never: a blocked caller, an exception for a full disk, a flood of one host that leaves no place for others in the same second.

    written + dropped + failed == produced      once closed; before that, ``waiting`` are still under way

An exhibit is *dropped* when it comes too fast, too often of one host, or finds no room in memory; it is *failed* when the disk, the
quota or the share that stays free refuses it.  It is not tried again: the flow goes on, and so does its case.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import structlog

from sniffer.errors import Fault, SnifferError, printable
from sniffer.evidence.bundle import make_files
from sniffer.evidence.exhibit import Bounds
from sniffer.evidence.keys import load_signing_key
from sniffer.evidence.rulestext import RulesText, excerpt
from sniffer.evidence.store import SECOND, Limits, RefusedError, Store
from sniffer.model import Confidence, Severity
from sniffer.sinks.folders import look_at
from sniffer.sinks.metrics import SinkHealth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sniffer.config import Config
    from sniffer.evidence.exhibit import Exhibit

MAX_WAITING: Final = 64
MAX_BYTES: Final = 32 << 20
MAX_HOSTS: Final = 10_000  # whose bundles of a day are counted
MAX_RULE_SETS: Final = 4  # in use, and before: a worker may still speak of the one before
MAX_TEXTS: Final = 256  # of rules, remembered
DAY: Final = 86_400.0
PURGE_EVERY: Final = 3_600.0

log = structlog.get_logger("sniffer.evidence")


class Pace(NamedTuple):
    """How many bundles may come."""

    per_second: int = 10
    bytes_per_second: int = 8 << 20
    per_host: int = 24  # a day


def make_bounds(config: Config) -> Bounds | None:
    """What workers keep; None where the configuration asks for no evidence."""
    evidence = config.evidence
    if evidence.directory is None:
        return None
    return Bounds(
        confidence=int(Confidence[evidence.confidence.upper()]),
        severity=int(Severity[evidence.severity.upper()]),
        flow_bytes=evidence.flow_bytes,
        flow_packets=evidence.flow_packets,
        after=int(evidence.after * SECOND),
        all_bytes=evidence.watch_bytes,
        one_sided=config.sensor.one_sided,
    )


def make_recorder(config: Config) -> Recorder | None:
    """The recorder that a configuration asks for, at work.

    Raises:
        SnifferError: the folder cannot be used, or the key not be read.
    """
    evidence = config.evidence
    if evidence.directory is None:
        return None
    store = Store(
        evidence.directory,
        Limits(evidence.total_bytes, evidence.free_percent / 100),
        key=load_signing_key(evidence.signing_key_file),
        sensor=config.sensor.name,
    )
    pace = Pace(evidence.bundles_per_second, evidence.bytes_per_second, evidence.host_bundles)
    return Recorder(store, pace, keep=evidence.keep)


def faults(config: Config) -> Iterator[Fault]:
    """Why evidence could not be kept, as far as that can be known without making a folder.

    Raises:
        ConfigError: the signing key is none.
    """
    evidence = config.evidence
    load_signing_key(evidence.signing_key_file)
    if evidence.directory is not None:
        folder = evidence.directory if evidence.directory.exists() else evidence.directory.parent
        what, remedy = look_at(folder)
        if what:
            yield Fault(("evidence", "directory"), what, remedy)


class Recorder:
    """Writes bundles, in a thread of its own.

    Args:
        store: where they go.
        pace: how many may come.
        keep: seconds after which a bundle is purged.
        clock: monotonic seconds.
        wall: seconds since 1970.
    """

    name: Final = "evidence"

    def __init__(
        self,
        store: Store,
        pace: Pace | None = None,
        *,
        keep: float = 30 * DAY,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.written = self.dropped = self.failed = 0
        self.up = True  # the last try did not go wrong
        self._store, self._pace, self._keep, self._clock = store, pace or Pace(), keep, clock
        # Retention goes by the wall clock of the start and what has passed since: a clock that leaps purges nothing.
        self._anchor = wall() - clock()
        self._queue: deque[tuple[Exhibit, Mapping[str, Any]]] = deque()
        self._bytes = 0  # in the queue
        self._in_hand = 0
        self._second = (-1, 0, 0)  # the one that is counted, bundles and bytes in it
        self._hosts: OrderedDict[bytes, tuple[float, int]] = OrderedDict()  # since when, how many
        self._rule_sets: OrderedDict[str, bytes] = OrderedDict()
        self._texts: OrderedDict[tuple[str, frozenset[str]], RulesText] = OrderedDict()
        self._changed = threading.Condition()
        self._closing = self._abandoned = False
        self._next_purge = float("-inf")
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    # ── the caller ───────────────────────────────────────────────────────────────────────────────────────

    def use_rules(self, version: str, dump: bytes) -> None:
        """Know a rule set: exhibits name the one that they were found by."""
        with self._changed:
            self._rule_sets[version] = dump
            self._rule_sets.move_to_end(version)
            while len(self._rule_sets) > MAX_RULE_SETS:
                self._rule_sets.popitem(last=False)

    def record(self, exhibit: Exhibit, sensor: Callable[[], Mapping[str, Any]]) -> bool:
        """Have an exhibit written soon.

        Args:
            exhibit: what was found.
            sensor: tells what the sensor is like just now; not asked where there is no room.

        Returns:
            Whether there was room.  If not, it is counted as dropped.
        """
        with self._changed:
            why = self._refusal(exhibit)
            self.dropped += bool(why)
        if why:
            log.warning("evidence_dropped", code="evidence_dropped", why=why, dropped=self.dropped)
            return False
        state = sensor()
        with self._changed:
            self._queue.append((exhibit, state))
            self._bytes += exhibit.size
            self._changed.notify_all()
        return True

    def _refusal(self, exhibit: Exhibit) -> str:
        """Why an exhibit is not taken, "" if it is; then it counts."""
        now, size, pace = self._clock(), exhibit.size, self._pace
        second, bundles, taken = self._second
        if second != int(now):
            second, bundles, taken = int(now), 0, 0
        since, count = self._hosts.get(exhibit.host, (now, 0))
        if now - since >= DAY:
            since, count = now, 0
        if self._closing:
            return "stopping"
        if len(self._queue) >= MAX_WAITING or self._bytes + size > MAX_BYTES:
            return "too many are waiting for the disk"
        if bundles >= pace.per_second or (bundles and taken + size > pace.bytes_per_second):
            return "too many in this second"
        if count >= pace.per_host:
            return "too many of one address today"
        self._second = (second, bundles + 1, taken + size)
        self._hosts[exhibit.host] = (since, count + 1)
        self._hosts.move_to_end(exhibit.host)
        if len(self._hosts) > MAX_HOSTS:
            self._hosts.popitem(last=False)
        return ""

    @property
    def waiting(self) -> int:
        """Exhibits that are neither written nor given up yet."""
        with self._changed:
            return len(self._queue) + self._in_hand

    @property
    def held(self) -> int:
        """Bytes on the disk."""
        return self._store.held

    def health(self, lost: int = 0) -> SinkHealth:
        """What became of the exhibits; ``lost``: those that found no room on their way here."""
        return SinkHealth(self.written, self.dropped + lost, self.failed, waiting=self.waiting, up=self.up)

    def flush(self, seconds: float = 2.0) -> bool:
        """Wait until nothing waits, at most so long; return whether that was reached."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._queue and not self._in_hand, seconds)

    def close(self, seconds: float = 2.0) -> None:
        """Write what waits, for at most so many seconds; what is left then counts as dropped."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(max(seconds, 0))
        with self._changed:
            self._abandoned = True
            self.dropped += len(self._queue) + self._in_hand
            self._queue.clear()
            self._in_hand = self._bytes = 0

    # ── the thread ───────────────────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        while True:
            if self._clock() >= self._next_purge:
                self._next_purge = self._clock() + PURGE_EVERY
                self._retain()
            with self._changed:
                self._changed.wait_for(
                    lambda: self._queue or self._closing, max(self._next_purge - self._clock(), 0)
                )
                if self._abandoned or (self._closing and not self._queue):
                    return
                if not self._queue:
                    continue
                exhibit, sensor = self._queue.popleft()
                self._bytes -= exhibit.size
                self._in_hand = 1
            fault = self._write(exhibit, sensor)
            self._settle(fault)

    def _settle(self, fault: str) -> None:
        """Count what became of the one in hand."""
        with self._changed:
            if not self._in_hand:  # close() has given up on it, and counted it already
                return
            self._in_hand = 0
            self.up = not fault
            self.failed += bool(fault)
            self.written += not fault
            self._changed.notify_all()

    def _write(self, exhibit: Exhibit, sensor: Mapping[str, Any]) -> str:
        """Write one; return what went wrong."""
        try:
            done = self._store.write(make_files(exhibit, self._text(exhibit), sensor))
        except (RefusedError, SnifferError) as refused:
            fault = printable(refused)
        except Exception as error:  # noqa: BLE001  # one exhibit must not take those after it along
            fault = printable(repr(error))
        else:
            # The hash in a log that is kept elsewhere proves that nobody has put another bundle into its place.
            log.info("evidence_recorded", bundle=done.name, sequence=done.sequence, manifest=done.sha256)
            return ""
        log.error("evidence_not_recorded", code="evidence_failed", error=fault, failed=self.failed + 1)
        return fault

    def _text(self, exhibit: Exhibit) -> RulesText:
        """The rules of its verdicts."""
        key = exhibit.rules_version, frozenset(one.rule for one in exhibit.verdicts)
        text = self._texts.get(key)
        if text is None:
            with self._changed:
                dump = self._rule_sets.get(exhibit.rules_version)
            if dump is None:
                raise RefusedError(f"rules {exhibit.rules_version} are not known any more")
            text = self._texts[key] = excerpt(dump, key[1])
            if len(self._texts) > MAX_TEXTS:
                self._texts.popitem(last=False)
        return text

    def _retain(self) -> None:
        """Purge what has been kept for long enough."""
        before = int((self._anchor + self._clock() - self._keep) * SECOND)
        try:
            names = self._store.older_than(before)
            if names:
                days = f"{self._keep / DAY:g} days"
                gone = self._store.purge(names, f"kept for {days}", "retention")
                log.info("evidence_purged", bundles=len(gone), first=gone[0], last=gone[-1])
        except (SnifferError, OSError) as fault:
            log.error("evidence_not_purged", code="evidence_purge", error=printable(fault))  # noqa: TRY400
