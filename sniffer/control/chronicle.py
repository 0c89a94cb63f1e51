"""What the parent tells the history: sizes, hits and how well the sensor sees, a few rows at a time.

In: the size book, hits, the books of the workers; packet time.  Out: pages in the queue of the history.
Never: a wait for the disk; pages that pile up: what the queue refuses is offered again, and given up beyond a bound.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Final

from sniffer.history.gather import Gatherer
from sniffer.history.recorder import MAX_PAGES, History, make_history
from sniffer.history.rows import SECOND, Tenant
from sniffer.log import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sniffer.config import Config
    from sniffer.history.rows import Page
    from sniffer.owners.table import Owner
    from sniffer.sinks.metrics import SinkHealth
    from sniffer.size.hosts import SizeBook
    from sniffer.totals import Totals

MAX_REFUSED: Final = 64  # pages
WATCH_EVERY: Final = 10.0  # seconds between two looks at the sensor's own health


class Chronicle:
    """Keeps the history of one daemon.

    Args:
        history: where pages go.
        sizes: the book whose sessions are told.
        gatherer: makes the pages.
        clock: the time of day, seconds since 1970, by which the sensor's own health is told; None: packet time.
    """

    def __init__(
        self, history: History, sizes: SizeBook, gatherer: Gatherer, clock: Callable[[], float | None]
    ) -> None:
        self._history, self._sizes, self._clock = history, sizes, clock
        self._next_watch = 0.0
        self._up = False  # as it was told last
        self._lost = 0  # rows that found no room, of which the log has told
        self.gatherer = gatherer
        self._refused: deque[Page] = deque()
        self._given_up = 0
        self._deadline = float("inf")  # of close(), monotonic

    @property
    def health(self) -> SinkHealth:
        """What became of the pages; those that are to be offered again wait, too."""
        health = self._history.health
        health.dropped += self._given_up
        health.waiting += len(self._refused)
        return health

    def use(self, tenants: Iterable[Owner]) -> None:
        """Tenants have been read anew."""
        self.gatherer.use(
            Tenant(one.tenant, one.site, one.district, one.kind, one.contact) for one in tenants
        )

    def step(self, now: int, totals: Callable[[], Totals], *, up: bool) -> None:
        """Tell what is due.

        Args:
            now: packet time, nanoseconds since 1970; 0 before the first packet.
            totals: makes those of all workers; asked now and then.
            up: whether all of them read.
        """
        self._up = up
        self._tell(now, totals)
        while len(self._refused) > MAX_REFUSED:
            self._refused.popleft()
            self._given_up += 1

    def _tell(self, now: int, totals: Callable[[], Totals]) -> None:
        moment = self._clock()
        by_packets = moment is None
        seconds = now / SECOND if moment is None else moment
        if seconds and (clock := time.monotonic()) >= self._next_watch:
            self._next_watch = clock + WATCH_EVERY
            self.gatherer.watch(seconds, totals(), up=self._up, by_packets=by_packets)
            self._complain()
        if not now:
            return  # how silent it was is told with the first packet
        self._refused += self.gatherer.pages(now, self._sizes.take(), self._sizes.sessions.finished)
        self._offer()

    def _complain(self) -> None:
        """Tell of rows that found no room since the last time."""
        finished = self._sizes.sessions.finished
        samples = finished.lost if finished is not None else 0
        if (lost := self.gatherer.lost + samples) > self._lost:
            self._lost = lost
            logger().warning(
                "the history has no room for so many addresses and rules",
                code="history_rows_lost",
                rows=self.gatherer.lost,
                samples=samples,
            )

    def _offer(self) -> None:
        while (
            self._refused
            and self._history.health.waiting < MAX_PAGES
            and self._history.offer(self._refused[0])
        ):
            self._refused.popleft()

    def close(self, now: int, totals: Callable[[], Totals], seconds: float) -> None:
        """Tell what is left, and have it written; for at most so many seconds.  What is not written then counts as dropped."""
        self._deadline = min(self._deadline, time.monotonic() + seconds)
        self._sizes.turn(now)
        for due in self._sizes.finish():  # a part at a time: the rows of all would be too many at once
            self._refused += self.gatherer.full_pages(now, due, self._sizes.sessions.finished)
            self._hand_over()
        self.gatherer.finish()
        self._next_watch = 0.0
        self._tell(now, totals)
        self._hand_over()
        self._history.close(max(self._deadline - time.monotonic(), 0.1))
        self._given_up += len(self._refused)
        self._refused.clear()

    def _hand_over(self) -> None:
        """Wait until the pages are in the queue.

        Where there is a fault there is no use in a wait; the last of the pages in the queue finds out whether it is over.
        """
        self._offer()
        while self._refused and self._history.health.up and time.monotonic() < self._deadline:
            time.sleep(0.01)
            self._offer()

    def hurry(self, seconds: float) -> None:
        """Have :meth:`close` end within so many seconds from now, if it would last longer."""
        self._deadline = min(self._deadline, time.monotonic() + seconds)
        self._history.hurry(seconds)


def make_chronicle(
    config: Config, sizes: SizeBook, clock: Callable[[], float | None], *, filtered: bool = False
) -> Chronicle | None:
    """The chronicle that the configuration asks for.

    ``filtered``: the kernel leaves out packets, so that nobody can tell how much hosts carry in all.

    Raises:
        OutputError: the history cannot be written.
    """
    history = make_history(config)
    if history is None:
        return None
    every = int(config.history.interval * SECOND)
    gatherer = Gatherer(time.time_ns(), overhead=config.size.overhead, every=every, measures=not filtered)
    return Chronicle(history, sizes, gatherer, clock)
