"""From what the parent counts to the pages of the history.

In: sessions that are due, samples of buckets that are over, hits, the books of the workers.  Out: pages, a few rows each.
Never: a row that stands for an increment; a page so large that writing it, or holding it, would be felt.

A session is due when it is new, and again when one of its buckets is over; so a hundred thousand of them are written in
the course of five minutes, and not at once.  A page that the history refused is offered again before any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from sniffer.addresses import address_text
from sniffer.history.rows import BUCKET, HOUR, SECOND, Detection, Health, Page, Sample, Session, Tenant
from sniffer.size.sessions import SEEN

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sniffer.size import sessions as size
    from sniffer.totals import Totals

MAX_ROWS: Final = 4_000  # of one kind in a page
MAX_DETECTIONS: Final = 200_000  # kept while their hour may get more
LATE: Final = 2 * HOUR  # after which an hour is taken to be over
EVERY: Final = (
    60 * SECOND
)  # nanoseconds of packet time between two pages that may be empty: cases wait for the time


class Counted(msgspec.Struct):
    """Hits of one (host, tenant, rule, confidence) in one hour, so far."""

    severity: str
    hits: int = 0
    first: int = 0
    last: int = 0
    changed: bool = False


class Gatherer:
    """Makes pages.

    Args:
        begun: nanoseconds since 1970 at which this run of the daemon began.
        tenants: as configured.
        overhead: watts at the meter for a watt in a machine.
    """

    def __init__(self, begun: int, *, tenants: Iterable[Tenant] = (), overhead: float = 1.0) -> None:
        self.lost = 0  # rows about hits that found no room
        self._begun, self._overhead = begun, overhead
        self._tenants: tuple[Tenant, ...] = tuple(tenants)
        self._detections: dict[tuple[str, str, str, str, int], Counted] = {}
        self._health: list[Health] = []
        self._bucket = 0  # seconds since 1970, of the health that goes on
        self._since = (0, 0, 0)  # packets, losses and hidden names when it began
        self._began = 0.0  # seconds
        self._told = 0  # packet time of the last page

    def use(self, tenants: Iterable[Tenant]) -> None:
        """Tenants have been read anew."""
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
        hour = time // SECOND // HOUR * HOUR
        key = (host, tenant, rule, confidence, hour)
        row = self._detections.get(key)
        if row is None:
            if len(self._detections) >= MAX_DETECTIONS:
                self.lost += 1
                return
            row = self._detections[key] = Counted(severity, first=time)
        row.hits += count
        row.last = max(row.last, time)
        row.changed = True

    def watch(self, now: float, totals: Totals, *, up: bool) -> None:
        """Note how well the sensor sees.

        Args:
            now: seconds since 1970.
            totals: of all workers.
            up: whether all of them read.
        """
        bucket = int(now) // BUCKET * BUCKET
        packets = sum(one.offered for one in totals.interfaces.values())
        missed = sum(one.missed for one in totals.interfaces.values())
        hidden = totals.tls_hellos.get("hidden", 0)
        if bucket != self._bucket:
            self._bucket, self._since, self._began = bucket, (packets, missed, hidden), now
        before = self._since
        self._health = [
            Health(
                start=bucket,
                seconds=min(max(now - self._began, 0.0), float(BUCKET)),
                packets=packets - before[0],
                dropped=missed - before[1],
                one_sided=totals.one_sided_ratio,
                hidden_tls=hidden - before[2],
                up=up,
            )
        ]

    def pages(self, now: int, sessions: Sequence[size.Session], finished: size.Finished | None) -> list[Page]:
        """What is to be written by now.

        Args:
            now: packet time, nanoseconds since 1970.
            sessions: those that are due.
            finished: samples of buckets that are over.
        """
        samples = [] if finished is None else [self._sample(*one) for one in finished.take()]
        rows = [self._session(session, now) for session in sessions]
        is_due = abs(now - self._told) >= EVERY
        detections = self._changed(now) if is_due else []
        if not (rows or samples or detections or is_due):
            return []
        out = []
        for at in range(0, max(len(rows), len(samples), len(detections), 1), MAX_ROWS):
            part = slice(at, at + MAX_ROWS)
            out.append(Page(now, tuple(rows[part]), tuple(samples[part]), tuple(detections[part])))
        if is_due:
            self._told = now
            health, self._health = tuple(self._health), []
            out[-1] = msgspec.structs.replace(out[-1], tenants=self._tenants, health=health)
        return out

    def _changed(self, now: int) -> list[Detection]:
        out = []
        over = now // SECOND - LATE
        for key, row in list(self._detections.items()):
            host, tenant, rule, confidence, hour = key
            if row.changed:
                row.changed = False
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
                        begun=self._begun,
                    )
                )
            if hour + HOUR < over:
                del self._detections[key]
        return out

    def _session(self, session: size.Session, now: int) -> Session:
        return Session(
            host=session.label,
            server=address_text(session.server),
            server_port=session.port,
            protocol=session.protocol,
            account=session.account,
            tenant=session.tenant,
            begun=self._begun,
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
            algorithm=session.algorithm,
            coin=session.coin,
            pool=session.pool,
            domain=session.domain,
            agent=session.agent,
            hardware=session.hardware,
            bytes_up=session.bytes_up,
            bytes_down=session.bytes_down,
        )

    def _sample(self, session: size.Session, sample: size.Sample) -> Sample:
        low, central, high = (None if each is None else each * self._overhead for each in sample.joules)
        return Sample(
            host=session.label,
            server=address_text(session.server),
            server_port=session.port,
            protocol=session.protocol,
            account=session.account,
            tenant=session.tenant,
            begun=self._begun,
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
