"""From what the parent counts to the pages of the history.

In: sessions that are due, samples of buckets that are over, hits, the books of the workers.  Out: pages, a few rows each.
Never: a row that stands for an increment; a page so large that writing it, or holding it, would be felt.

A session is due when it is new, and again when one of its buckets is over; a count of hits when it is new, and again five
minutes after it has grown.  So a hundred thousand of them are written in the course of five minutes, and not at once.

Packet time may leap.  An hour that was over and comes again is counted in a row of its own: the one before stays as it is.
"""

from __future__ import annotations

import itertools
from collections import deque
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from sniffer.addresses import address_text
from sniffer.history.rows import (
    BUCKET,
    DAY,
    HOUR,
    SECOND,
    Detection,
    Health,
    Page,
    Sample,
    Session,
    Tenant,
    Traffic,
    hour_of,
)
from sniffer.size.sessions import SEEN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sniffer.size import sessions as size
    from sniffer.totals import Totals

MAX_ROWS: Final = 4_000  # in a page, about
MAX_STEP: Final = 1_000  # counts of hits that one step takes
GROWS: Final = 300 * SECOND  # nanoseconds of packet time between two rows about the same hits
MAX_DETECTIONS: Final = 200_000  # kept while their hour may get more
MAX_TRAFFIC: Final = 200_000  # counts of bytes, likewise
LATE: Final = 2 * HOUR  # after which an hour is taken to be over
MAX_HEALTH: Final = 10_000  # buckets of the sensor's health that are kept: 35 days
LEAP: Final = 30 * DAY  # seconds of packet time between two looks at the sensor that were not watched


DetectionKey: TypeAlias = tuple[str, str, str, str, int]
"""Host, tenant, rule, confidence, hour."""


class Counted(msgspec.Struct, gc=False):
    """Hits of one (host, tenant, rule, confidence) in one hour, so far."""

    severity: str
    begun: int  # makes its row another one than that of the same hour before packet time leapt
    first: int
    last: int
    hits: int = 0
    told: bool = False
    waits: bool = False  # it has grown since, and will be told again


class Gatherer:
    """Makes pages.

    Args:
        begun: nanoseconds since 1970 at which this run of the daemon began.
        overhead: watts at the meter for a watt in a machine.
        every: nanoseconds of packet time between two pages, unless there are many rows; cases wait for the time, so some are empty.
        measures: what hosts carry in all is counted; else it is told as 0, which stands for unknown.
    """

    def __init__(
        self,
        begun: int,
        *,
        overhead: float = 1.0,
        every: int = 60 * SECOND,
        measures: bool = False,
    ) -> None:
        self.measures = measures
        self.lost = 0  # hits, and growth of bytes, that found no room
        self._begun, self._overhead, self._every = begun, overhead, every
        self._tenants: tuple[Tenant, ...] = ()
        self._detections: dict[DetectionKey, Counted] = {}  # by hour, oldest first, about
        self._new: deque[DetectionKey] = deque()  # not yet told
        self._grown: deque[tuple[DetectionKey, int]] = deque()
        """Grown since they were told, and when to tell it: earliest first, about."""
        self._stamp = (
            begun  # of new counts of hits; another one once counts of hours that were over have gone
        )
        self._traffic: dict[
            tuple[str, str, int], tuple[int, int]
        ] = {}  # bytes of mining and in all by host, tenant, hour, oldest first, about
        self._carried: dict[tuple[str, str, int], None] = {}  # of these, what has grown since it was told
        self._rows: tuple[list[Session], list[Sample], list[Detection]] = ([], [], [])
        self._health: dict[int, Health] = {}  # by bucket; told ones, too, as time may come back to them
        self._unsaid: dict[int, None] = {}  # buckets that are to be told
        self._seen = (0, 0, 0)  # packets that were read, losses and hidden names at the last look
        self._looked = 0.0  # when that was, seconds since 1970
        self._told = 0  # packet time of the last page
        self._last = False  # no more pages will come

    def use(self, tenants: Iterable[Tenant]) -> None:
        """Tenants have been read, for the first time or anew."""
        self._tenants = tuple(tenants)

    def hit(
        self, host: str, tenant: str, rule: str, severity: str, confidence: str, count: int, time: int
    ) -> None:
        """Enter hits.

        Args:
            host: as it may be written.
            tenant: its owner.
            rule: its identifier.
            severity: of the rule.
            confidence: of the hits.
            count: how many.
            time: packet time of the last of them, nanoseconds since 1970.
        """
        key = (host, tenant, rule, confidence, hour_of(time))
        row = self._detections.get(key)
        if row is None:
            if len(self._detections) >= MAX_DETECTIONS:
                self.lost += count
                return
            row = self._detections[key] = Counted(severity, self._stamp, time, time)
            self._new.append(key)
        elif row.told and not row.waits:
            row.waits = True
            self._grown.append((key, time + GROWS))
        row.hits += count
        if time >= row.last:
            row.last = time
        elif time < row.first:
            row.first = time

    def watch(self, now: float, totals: Totals, *, up: bool, by_packets: bool = False) -> None:
        """Note how well the sensor sees.  What has come since the last look is of the bucket of now.

        Args:
            now: seconds since 1970.
            totals: of all workers.
            up: whether all of them read.
            by_packets: ``now`` is packet time, which may pass an hour between two looks: what has come is spread over it.
        """
        seen = (
            sum(one.packets for one in totals.interfaces.values()),
            sum(one.missed for one in totals.interfaces.values()),
            totals.tls_hellos.get("hidden", 0),
        )
        news = [new - old for new, old in zip(seen, self._seen, strict=True)]
        since, self._seen, self._looked = self._looked, seen, now
        if not since:
            firsts = (one.first_packet / SECOND for one in totals.interfaces.values() if one.first_packet)
            since = min(firsts, default=now) if by_packets else now
        if not 0 <= now - since <= (LEAP if by_packets else BUCKET):
            since = now  # nobody watched
        first, last = int(since) // BUCKET, int(now) // BUCKET
        for number in range(first, last + 1):
            start, left = number * BUCKET, last + 1 - number
            seconds = min(now, start + BUCKET) - max(since, start)
            if number < last and not by_packets:
                share = [0, 0, 0]
            else:
                share = [each // left for each in news]
                news = [all_ - each for all_, each in zip(news, share, strict=True)]
            self._see(start, seconds, share, totals.one_sided_ratio, up=up)

    def _see(self, start: int, seconds: float, news: Sequence[int], one_sided: float, *, up: bool) -> None:
        """Add to a bucket.  It is up if it was so once: whoever is about to stop has watched until then."""
        past = self._health.get(start) or Health(start, 0.0, 0, 0, 0.0, 0, up=False)
        packets, dropped, hidden = news
        self._health[start] = Health(
            start=start,
            seconds=min(past.seconds + (seconds if up or past.up else 0.0), float(BUCKET)),
            packets=past.packets + packets,
            dropped=past.dropped + dropped,
            one_sided=one_sided,
            hidden_tls=past.hidden_tls + hidden,
            up=past.up or up,
        )
        self._unsaid[start] = None
        if len(self._health) > MAX_HEALTH:
            gone = next(iter(self._health))
            del self._health[gone]
            self._unsaid.pop(gone, None)

    def finish(self) -> None:
        """The next pages are the last: they have everything."""
        self._last = True

    def pages(self, now: int, sessions: Sequence[size.Session], finished: size.Finished | None) -> list[Page]:
        """What is to be written by now.

        Args:
            now: packet time, nanoseconds since 1970.
            sessions: those that are due.
            finished: samples of buckets that are over.
        """
        is_due = (
            self._last or abs(now - self._told) >= self._every or len(self._unsaid) > 1
        )  # a bucket is over
        self._take_detections(now, self._rows[-1])
        out = self.full_pages(now, sessions, finished)
        if is_due:
            self._told = now
            health, self._unsaid = tuple(self._health[start] for start in self._unsaid), {}
            last = self._page(now, MAX_ROWS)
            out.append(msgspec.structs.replace(last, tenants=self._tenants, health=health))
        return out

    def full_pages(
        self, now: int, sessions: Sequence[size.Session], finished: size.Finished | None
    ) -> list[Page]:
        """The same, without what does not fill a page: more will come at once."""
        rows, samples, detections = self._rows
        rows += [self._session(session, now) for session in sessions]
        if finished is not None:
            samples += [self._sample(*one) for one in finished.take()]
        out = []
        while len(rows) + len(samples) + len(detections) + len(self._carried) > MAX_ROWS:
            out.append(self._page(now, MAX_ROWS // 4))
        return out

    def _page(self, now: int, most: int) -> Page:
        """A page of the rows that wait, so many of each kind."""
        sessions, samples, detections = self._rows
        page = Page(
            now,
            tuple(sessions[:most]),
            tuple(samples[:most]),
            tuple(detections[:most]),
            traffic=tuple(self._take_traffic(now, most)),
        )
        for rows in self._rows:
            del rows[:most]
        return page

    def _take_detections(self, now: int, out: list[Detection]) -> None:
        """Make rows of the hits that are due; let go of hours that are over."""
        keys: list[DetectionKey] = []
        while self._new and (self._last or len(keys) < MAX_STEP):
            keys.append(self._new.popleft())
        for _ in range(len(self._grown) if self._last else min(len(self._grown), MAX_STEP)):
            key, when = self._grown[0]
            if 0 < when - now <= 2 * GROWS and not self._last:  # more than that: packet time has leapt back
                break
            self._grown.popleft()
            keys.append(key)
        for key in keys:
            row = self._detections[key]
            row.told, row.waits = True, False
            host, tenant, rule, confidence, hour = key
            out.append(
                Detection(
                    host=host,
                    tenant=tenant,
                    rule=rule,
                    severity=row.severity,
                    confidence=confidence,
                    hour=hour,
                    hits=row.hits,
                    first=row.first,
                    last=row.last,
                    begun=row.begun,
                )
            )
        seconds = now // SECOND
        for key in list(itertools.islice(self._detections, MAX_STEP)):
            hour = key[-1]
            is_open = seconds - LATE <= hour + HOUR and hour <= seconds + LATE
            row = self._detections[key]
            if is_open or row.waits or not row.told:
                break
            del self._detections[key]
            self._stamp += 1

    def _carry(self, session: size.Session) -> None:
        """Enter what a session has carried since it was told last, as of the hour of its last message."""
        carried = session.bytes_up + session.bytes_down
        grown, session.told_bytes = carried - session.told_bytes, carried
        hour = hour_of(session.last)
        self._grow((session.label, session.key.tenant, hour), grown, grown)

    def carry(self, host: str, tenant: str | None, hour: int, mining: int, other: int) -> None:
        """Enter what a host has carried beside the work of its sessions.

        Args:
            host: as it may be written.
            tenant: who mined there last, whose it is taken to be; None: nobody is known, and it is lost.
            hour: seconds since 1970, a multiple of an hour.
            mining: bytes of connections that mine, which are not in the work of sessions.
            other: bytes of everything else.
        """
        if tenant is None:
            self.lost += 1
        else:
            self._grow((host, tenant, hour), mining, mining + other)

    def _grow(self, key: tuple[str, str, int], mining: int, every: int) -> None:
        """Add bytes of mining, and of everything."""
        if key not in self._traffic and len(self._traffic) >= MAX_TRAFFIC:
            self.lost += 1
        elif every:
            past = self._traffic.get(key, (0, 0))
            self._traffic[key] = past[0] + mining, past[1] + every
            self._carried[key] = None

    def _take_traffic(self, now: int, most: int) -> Iterator[Traffic]:
        """Rows of what has been carried, so many; hours that are over go."""
        for key in list(itertools.islice(self._carried, most)):
            del self._carried[key]
            mining, every = self._traffic[key]
            yield Traffic(*key, bytes=every if self.measures else 0, mining_bytes=mining)
        seconds = now // SECOND
        for key in list(itertools.islice(self._traffic, most)):
            is_open = seconds - LATE <= key[-1] + HOUR and key[-1] <= seconds + LATE
            if is_open or key in self._carried:
                break
            del self._traffic[key]

    def _known_by(self, session: size.Session) -> dict[str, Any]:
        """What the rows of a session have in common."""
        return {
            "host": session.label,
            "server": address_text(session.key.server),
            "server_port": session.key.port,
            "protocol": session.key.protocol,
            "account": session.key.account,
            "tenant": session.key.tenant,
            "begun": self._begun + session.number,
        }

    def _session(self, session: size.Session, now: int) -> Session:
        self._carry(session)
        return Session(
            **self._known_by(session),
            first=session.first,
            last=session.last,
            submitted=session.submitted,
            accepted=session.accepted,
            rejected=session.rejected,
            unknown=session.unknown,
            difficulty=session.difficulty,
            stated=session.stated_rate(now),
            devices=session.devices(now),
            seen=SEEN[session.seen],
            **session.known._asdict(),
            bytes_up=session.bytes_up,
            bytes_down=session.bytes_down,
        )

    def _sample(self, session: size.Session, sample: size.Sample) -> Sample:
        low, central, high = (None if each is None else each * self._overhead for each in sample.joules)
        return Sample(
            **self._known_by(session),
            start=sample.start // SECOND,
            seconds=sample.seconds,
            shares=sample.shares,
            hashes=sample.hashes,
            squares=sample.squares,
            unknown=sample.unknown,
            stated=sample.stated,
            joules_low=low,
            joules=central,
            joules_high=high,
        )
