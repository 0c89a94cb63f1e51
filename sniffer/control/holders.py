"""Who holds which address, in the parent: logs are followed here, and workers told.

In: the paths of logs of RADIUS accounting, DHCP and NAT.  Out: records for workers; counts for the metrics; log lines.
Never: a wait in the event loop: files are read in a thread, one turn at a time, and a file system that hangs holds up that
thread alone; a subscriber's name, unless the configuration asks for it.
"""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import TYPE_CHECKING, Final

from sniffer.control.records import Mapped
from sniffer.log import logger
from sniffer.owners.tail import Tails
from sniffer.owners.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sniffer.config import Ownership
    from sniffer.owners.timeline import Change
    from sniffer.sinks.metrics import Health

PIECE: Final = 2_000
"""Changes in one record: a worker takes them in some milliseconds, between two batches."""


class Holders:
    """Everything about mappings.

    Args:
        settings: which logs, and how much is kept.
        hide: what is shown of a subscriber.
    """

    def __init__(self, settings: Ownership, hide: Callable[[str], str]) -> None:
        self.limit = settings.max_mappings if settings.mappings else 0
        self._timeline = Timeline(settings.max_mappings)
        self._tails = Tails(settings.mappings, hide, settings.read_back)
        self._task: asyncio.Task[list[Change]] | None = None
        self._faults: dict[str, str] = {}  # by file, as told last
        self._complained: set[str] = set()  # files of whose bad lines the log has told

    def load(self) -> None:
        """Read what is there, before anything starts."""
        if not self.limit:
            return
        for changes in self._tails.load():
            self._timeline.apply(changes)
        self._tell_faults()
        lines = self._tails.lines
        logger().info("mappings loaded", entries=len(self._timeline), lines=lines.read, bad=lines.bad)

    def known(self) -> Iterator[Mapped]:
        """Everything for a worker that starts."""
        if not self.limit:
            return
        changes = self._timeline.changes()
        while piece := tuple(islice(changes, PIECE)):
            yield Mapped(piece)
        yield Mapped(complete=True)

    async def turn(self, tell: Callable[[Mapped], None]) -> None:
        """Begin to read on if the last turn is over; take what that one found, and ``tell`` it to every worker."""
        if not self.limit:
            return
        if self._task is not None:
            if not self._task.done():
                return
            await self._take(self._task.result(), tell)
            self._tell_faults()
        self._task = asyncio.create_task(asyncio.to_thread(self._tails.turn))

    async def _take(self, changes: Iterable[Change], tell: Callable[[Mapped], None]) -> None:
        rest = iter(changes)
        while piece := tuple(islice(rest, PIECE)):
            self._timeline.apply(piece)
            tell(Mapped(piece))
            await asyncio.sleep(0)  # others have their turn

    def _tell_faults(self) -> None:
        for tail in self._tails.tails:
            name = str(tail.path)
            if tail.fault != self._faults.get(name, ""):
                self._faults[name] = tail.fault
                if tail.fault:
                    logger().warning(
                        "a log of mappings cannot be read", code="mappings", file=name, reason=tail.fault
                    )
                else:
                    logger().info("a log of mappings can be read again", file=name)
            if tail.first_bad and name not in self._complained:
                self._complained.add(name)
                logger().warning(
                    "a log of mappings has lines of no use; they are counted",
                    code="mapping_lines",
                    file=name,
                    first=tail.first_bad,
                )

    def enter(self, health: Health) -> None:
        """Enter the counts into what the metrics tell."""
        lines = self._tails.lines
        health.mappings = len(self._timeline)
        health.mappings_limit = self.limit
        health.mappings_evicted = self._timeline.evicted
        health.mapping_lines = {
            "read": lines.read,
            "skipped": lines.skipped,
            "bad": lines.bad + self._timeline.refused,
        }
        health.mapping_bytes_behind = self._tails.behind
        health.mapping_files_unreadable = self._tails.unreadable

    def close(self) -> None:
        """Let go of the files, unless one is being read: then the process ends all the same."""
        if self._task is not None:
            self._task.cancel()
        elif self.limit:
            self._tails.close()
