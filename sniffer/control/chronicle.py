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
        self.gatherer = gatherer
        self._refused: deque[Page] = deque()
        self._given_up = 0

    @property
    def health(self) -> SinkHealth:
        """What became of the pages."""
        health = self._history.health
        health.dropped += self._given_up
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
        if not now:
            return
        if (clock := time.monotonic()) >= self._next_watch:
            self._next_watch = clock + WATCH_EVERY
            self.gatherer.watch(self._clock() or now / 1e9, totals(), up=up)
        self._refused += self.gatherer.pages(now, self._sizes.take(), self._sizes.sessions.finished)
        self._offer()
        while len(self._refused) > MAX_REFUSED:
            self._refused.popleft()
            self._given_up += 1

    def _offer(self) -> None:
        while (
            self._refused
            and self._history.health.waiting < MAX_PAGES
            and self._history.offer(self._refused[0])
        ):
            self._refused.popleft()

    def close(self, now: int, totals: Callable[[], Totals], seconds: float) -> None:
        """Tell what is left, and write it; for at most so many seconds."""
        deadline = time.monotonic() + seconds
        self._sizes.turn(now)
        self._sizes.finish()
        self.gatherer.finish()
        self._next_watch = 0.0
        self.step(now, totals, up=False)
        while self._refused and time.monotonic() < deadline:
            time.sleep(0.01)
            self._offer()
        self._history.close(max(deadline - time.monotonic(), 0.1))


def make_chronicle(config: Config, sizes: SizeBook, clock: Callable[[], float | None]) -> Chronicle | None:
    """The chronicle that the configuration asks for.

    Raises:
        OutputError: the history cannot be written.
    """
    history = make_history(config)
    if history is None:
        return None
    every = int(config.history.interval * SECOND)
    gatherer = Gatherer(time.time_ns(), overhead=config.size.overhead, every=every)
    return Chronicle(history, sizes, gatherer, clock)
