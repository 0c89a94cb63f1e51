"""A worker's news on their way to the parent: merged while they wait, bounded always.

In: detections, sightings, lines, tallies, traffic of hosts, exhibits, records.  Out: frames written to a non-blocking socket.
Never: a wait for the parent; a capture does not stop because a pipe is full.

While the parent does not read, hits of the same (host, rule, confidence, tenant) add up in one row, so that none is lost;
beyond the limits, what finds no room is counted.
"""

from __future__ import annotations

import itertools
from collections import deque
from typing import TYPE_CHECKING, Final, TypeAlias

from sniffer.control.records import Carried, HitDelta, News, frame
from sniffer.history.rows import hour_of
from sniffer.model import Confidence, Severity

if TYPE_CHECKING:
    import socket

    from sniffer.control.records import FromWorker
    from sniffer.counts import Sighting
    from sniffer.evidence.exhibit import Exhibit
    from sniffer.model import Detection
    from sniffer.size.work import Tally, Work

MAX_ROWS: Final = 200_000
MAX_LINES: Final = 10_000
NEWS_LINES: Final = 2_000  # in one record
NEWS_ROWS: Final = 20_000
NEWS_SIGHTINGS: Final = 5_000
MAX_SIGHTINGS: Final = 10_000
NEWS_TALLIES: Final = 2_000
MAX_TALLIES: Final = 200_000
NEWS_CARRIED: Final = 5_000
MAX_CARRIED: Final = 200_000
NEWS_WATCHED: Final = 5_000
MAX_WATCHED: Final = 65_536
MAX_EXHIBITS: Final = 64
MAX_EXHIBIT_BYTES: Final = 16 << 20

HitKey: TypeAlias = tuple[bytes, str, int, int, str]
"""Host (packed), rule, severity, confidence, tenant; the two as integers, which hash faster than members of an enumeration."""


class Outbox:
    """Hits, sightings, lines, work and traffic that the parent has not got yet."""

    def __init__(
        self,
        sock: socket.socket,
        *,
        rows: int = MAX_ROWS,
        lines: int = MAX_LINES,
        sightings: int = MAX_SIGHTINGS,
        tallies: int = MAX_TALLIES,
    ) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._max_rows, self._max_lines, self._max_sightings = rows, lines, sightings
        self._sightings: deque[Sighting] = deque()
        self._hits: dict[HitKey, tuple[int, int]] = {}
        self._lines: deque[bytes] = deque()
        self._max_tallies = tallies
        self._tallies: deque[Tally] = deque()
        self._carried: dict[tuple[bytes, int], tuple[int, int]] = {}
        self._watched: dict[bytes, None] = {}
        self._pending = bytearray()
        self.dropped_hits = 0
        self.dropped_events = 0
        self._exhibits: deque[Exhibit] = deque()
        self._exhibit_bytes = 0
        self.dropped_exhibits = 0
        self.closed = False  # the parent has gone

    def hit(self, detection: Detection) -> None:
        """Count a hit."""
        rule = detection.rule
        key = (
            detection.host,
            rule.id,
            int(rule.severity),
            int(detection.confidence),
            detection.tenant,
        )
        count, last = self._hits.get(key, (0, 0))
        if not count and len(self._hits) >= self._max_rows:
            self.dropped_hits += 1
            return
        self._hits[key] = (count + 1, max(last, detection.facts.time))

    def sighting(self, sighting: Sighting) -> None:
        """Queue a sighting."""
        if len(self._sightings) >= self._max_sightings:
            self.dropped_hits += 1
            return
        self._sightings.append(sighting)

    def tally(self, tally: Tally) -> None:
        """Fetch the work of a flow with the next record; until then it adds up there."""
        if len(self._tallies) >= self._max_tallies:
            self._tallies.popleft().take()  # lost; from its next message on it is queued again
            self.dropped_hits += 1
        self._tallies.append(tally)

    def carry(self, host: bytes, time: int, mining: int, other: int) -> None:
        """Add to what a host has carried in the hour of a packet time."""
        key = host, hour_of(time)
        past = self._carried.get(key)
        if past is None and len(self._carried) >= MAX_CARRIED:
            self.dropped_hits += 1
            return
        self._carried[key] = (past[0] + mining, past[1] + other) if past else (mining, other)

    def watch(self, host: bytes) -> None:
        """Queue a host that the other workers shall watch; what finds no room is said again in some minutes."""
        if len(self._watched) >= MAX_WATCHED and host not in self._watched:
            self.dropped_hits += 1
            return
        self._watched[host] = None

    def line(self, line: bytes) -> None:
        """Queue an event line."""
        if len(self._lines) >= self._max_lines:
            self.dropped_events += 1
            return
        self._lines.append(line)

    def exhibit(self, exhibit: Exhibit) -> None:
        """Queue an exhibit."""
        size = exhibit.size
        if len(self._exhibits) >= MAX_EXHIBITS or self._exhibit_bytes + size > MAX_EXHIBIT_BYTES:
            self.dropped_exhibits += 1
            return
        self._exhibits.append(exhibit)
        self._exhibit_bytes += size

    @property
    def has_news(self) -> bool:
        """Whether hits, lines, sightings, work, traffic or exhibits wait to be put into a record."""
        return bool(
            self._hits
            or self._lines
            or self._sightings
            or self._tallies
            or self._carried
            or self._watched
            or self._exhibits
        )

    @property
    def is_clear(self) -> bool:
        """Whether the last record has left for good."""
        return not self._pending

    def put(self, record: FromWorker) -> None:
        """Queue a record."""
        self._pending += frame(record)
        self.flush()

    def put_news(self) -> None:
        """Put what waits into a record, as much as one takes, if the way is free."""
        while self._exhibits and not self._pending:
            exhibit = self._exhibits.popleft()
            self._exhibit_bytes -= exhibit.size
            self.put(exhibit)
        if self._pending or not self.has_news:
            return
        hits = tuple(self._delta(key) for key in list(itertools.islice(self._hits, NEWS_ROWS)))
        lines = tuple(self._lines.popleft() for _ in range(min(NEWS_LINES, len(self._lines))))
        seen = self._sightings
        sightings = tuple(seen.popleft() for _ in range(min(NEWS_SIGHTINGS, len(seen))))
        works: list[Work] = []
        for _ in range(min(NEWS_TALLIES, len(self._tallies))):
            works += self._tallies.popleft().take()
        rows = list(itertools.islice(self._carried, NEWS_CARRIED))
        carried = tuple(Carried(*key, *self._carried.pop(key)) for key in rows)
        watched = tuple(itertools.islice(self._watched, NEWS_WATCHED))
        for host in watched:
            del self._watched[host]
        self.put(News(hits, lines, sightings, tuple(works), carried, watched))

    def _delta(self, key: HitKey) -> HitDelta:
        host, rule, severity, confidence, tenant = key
        count, last = self._hits.pop(key)
        return HitDelta(host, rule, Severity(severity), Confidence(confidence), count, last, tenant)

    def flush(self) -> None:
        """Write what the socket takes."""
        try:
            while self._pending:
                sent = self._sock.send(memoryview(self._pending)[: 1 << 20])
                del self._pending[:sent]
        except BlockingIOError:
            pass
        except OSError:
            self.closed = True
            self._pending.clear()
