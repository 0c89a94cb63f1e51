"""Every sink that event lines go to; this is where a new one is made known.

In: a configuration, lines.  Out: each line in the outbox of each sink that the configuration asks for.
Never: a sink that another one can hold up.

A sink is a module of ``sniffer/sinks/`` with ``make_target(config)``, which gives None where the configuration asks for
none, and ``faults(config)``, which says what would keep it from working.
"""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING, Final, Protocol

from sniffer.sinks import events, syslog
from sniffer.sinks.gap import make_gap
from sniffer.sinks.metrics import SinkHealth
from sniffer.sinks.sink import Sink

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sniffer.config import Config
    from sniffer.errors import Fault
    from sniffer.sinks.sink import Target


class SinkModule(Protocol):
    """What a module of a sink has to offer."""

    def make_target(self, config: Config) -> Target | None:
        """Where its lines go; None: the configuration does not ask for it."""

    def faults(self, config: Config) -> Iterator[Fault]:
        """What would keep it from working."""


SINKS: Final[dict[str, SinkModule]] = {
    "events": events,
    "syslog": syslog,
}


class Outlets:
    """The sinks of a daemon, as one.

    Args:
        config: which sinks there are.

    Raises:
        SnifferError: one of them cannot start.
    """

    def __init__(self, config: Config) -> None:
        gap = functools.partial(make_gap, sensor=config.sensor.name)
        targets = {name: sink.make_target(config) for name, sink in SINKS.items()}
        self.sinks = [Sink(name, target, gap=gap) for name, target in targets.items() if target is not None]

    def __bool__(self) -> bool:
        return bool(self.sinks)

    def write(self, line: bytes) -> None:
        """Give a line to every sink."""
        for sink in self.sinks:
            sink.write(line)

    def reopen(self) -> None:
        """Open every file and connection anew."""
        for sink in self.sinks:
            sink.reopen()

    def close(self, seconds: float) -> None:
        """Write what waits, all sinks at the same time, for at most so many seconds."""
        deadline = time.monotonic() + seconds
        for sink in self.sinks:
            sink.finish()
        for sink in self.sinks:
            sink.close(deadline - time.monotonic())

    def health(self, lost: int = 0) -> dict[str, SinkHealth]:
        """What became of the lines, by sink; sinks that are not asked for have zeros.

        Args:
            lost: lines that found no room on their way here.
        """
        out = {name: SinkHealth() for name in SINKS}
        for sink in self.sinks:
            out[sink.name] = SinkHealth(
                sink.written, sink.dropped + lost, sink.failed, waiting=sink.waiting, up=sink.up
            )
        return out


def faults(config: Config) -> Iterator[Fault]:
    """What would keep a sink from working."""
    for sink in SINKS.values():
        yield from sink.faults(config)
