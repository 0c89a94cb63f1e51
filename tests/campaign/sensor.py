"""A sensor without its workers: what they would tell goes through the books of the parent, as in the daemon.

In: work of five minutes, packets that came in.  Out: pages for the history.
Never: a row of its own making.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sizerun import finished

from sniffer.history.gather import Gatherer
from sniffer.history.rows import SECOND, hour_of
from sniffer.sinks.networks import HostNames
from sniffer.size.hosts import SizeBook
from sniffer.totals import InterfaceTotals, Totals

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sniffer.history.rows import Page, Tenant
    from sniffer.size.sessions import Session
    from sniffer.size.work import Work


LOOK = 0.5  # seconds before the end of a bucket, at which the sensor looks at itself
LAST = 2.0**-10  # the same for the last look


class Rest(NamedTuple):
    """What a host carried in a bucket beside its mining."""

    host: str
    tenant: str
    bytes: int


class Sensor:
    """One run of the daemon.

    Args:
        begun: seconds since 1970.
        tenants: as configured.
        overhead: watts at the meter for a watt in a machine.
        every: seconds between two pages.
        round_: seconds between two looks of the books at every session.
    """

    def __init__(
        self, begun: int, tenants: Iterable[Tenant], overhead: float, every: int, round_: int
    ) -> None:
        self._sizes = SizeBook(HostNames(), overhead=overhead, samples=True)
        self._gatherer = Gatherer(begun * SECOND, overhead=overhead, every=every * SECOND, measures=True)
        self._gatherer.use(tenants)
        self._round = round_
        self._interface = InterfaceTotals()
        self._totals = Totals(
            one_sided_ratio=0.1, tls_hellos={"hidden": 0}, interfaces={"eth0": self._interface}
        )
        self._gatherer.watch(begun, self._totals, up=True)

    def hear(self, now: int, works: Iterable[Work], rests: Iterable[Rest], packets: int) -> list[Page]:
        """Take in what was done up to ``now``, seconds since 1970."""
        for work in works:
            self._sizes.add(work)
        hour = hour_of(now * SECOND - 1)
        for rest in rests:
            self._gatherer.carry(rest.host, rest.tenant, hour, 0, rest.bytes)
        self._interface.packets += packets
        self._totals.tls_hellos["hidden"] += packets // 200_000
        if not now % self._round:
            self._sizes.turn(now * SECOND, everything=True)
        self._gatherer.watch(now - LOOK, self._totals, up=True)
        return self._pages(now, self._sizes.take())

    def close(self, now: int) -> list[Page]:
        """Stop."""
        self._sizes.turn(now * SECOND, everything=True)
        self._gatherer.finish()
        self._gatherer.watch(now - LAST, self._totals, up=True)
        return self._pages(now, finished(self._sizes))

    def _pages(self, now: int, due: Sequence[Session]) -> list[Page]:
        return self._gatherer.pages(now * SECOND, due, self._sizes.sessions.finished)
