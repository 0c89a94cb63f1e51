"""A capture file played as if it came from a mirror port.

In: a path, a speed.  Out: its batches, at the pace of their packets, once or again and again.
Never: a wait of more than a tenth of a second without a word to the caller; time that goes back with a new pass.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import numpy as np

from sniffer.batch import Batch
from sniffer.capture.savefile import Savefile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECOND: Final = 1_000_000_000
SLICE: Final = SECOND // 20  # of wall time: packets of one slice are delivered together
NAP: Final = 0.1
TICK: Final = 0.001  # waits shorter than this are not worth a call
PAUSE: Final = SECOND  # of packet time, between two passes


class Replay:
    """A Source over one capture file.

    A new pass repeats the same connections, which would look like retransmissions: ``restarts`` tells the caller to
    begin with empty tables.
    """

    def __init__(
        self,
        path: str,
        *,
        speed: float | None = 1.0,
        loop: bool = False,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Prepare; the file is opened when the first batch is asked for.

        Args:
            path: pcap or pcapng.
            speed: 1 plays as recorded, 2 twice as fast; 0 or None as fast as possible.
            loop: begin again at the end; times are shifted so that they go on.
            clock: monotonic seconds.
            sleep: waits so many seconds.
        """
        self.path = path
        self.restarts = 0
        self.passes = 0  # completed
        self._speed = speed or 0.0
        self._loop = loop
        self._clock, self._sleep = clock, sleep
        self._file = Savefile(path)
        self._began = 0.0
        self._first = 0  # packet time that the clock's zero stands for
        self._latest = 0  # packet time delivered last, the largest so far

    @property
    def interfaces(self) -> list[str]:
        """Interfaces of the file, as its headers name them."""
        return self._file.interfaces

    def batches(self) -> Iterator[Batch | None]:
        """Yield batches at their time; None while waiting.

        Raises:
            InputError: it cannot be opened; or at its fault, after everything before it was delivered.
        """
        shift = 0
        while True:
            start = None
            for batch in self._file.batches():
                if not len(batch.frames):
                    continue
                if start is None:
                    start = int(batch.frames["time"][0])
                    if self.restarts:
                        shift = self._latest + PAUSE - start
                if shift:
                    batch.frames["time"] += shift
                yield from self._paced(batch)
            self.passes += 1
            if start is None or not self._loop:
                return
            self._file.close()
            self._file = Savefile(self.path)
            self.restarts += 1

    def _paced(self, batch: Batch) -> Iterator[Batch | None]:
        times = np.maximum.accumulate(batch.frames["time"])
        if not self._speed:
            self._latest = max(self._latest, int(times[-1]))
            yield batch
            return
        if not self._latest:
            self._began, self._first = self._clock(), int(times[0])
        at = 0
        step = int(SLICE * self._speed)
        while at < len(times):
            due = int(times[at])
            while (left := (due - self._first) / SECOND / self._speed - (self._clock() - self._began)) > TICK:
                self._sleep(min(left, NAP))
                if left > NAP:
                    yield None
            behind = int(np.searchsorted(times, due + step, side="left"))
            self._latest = max(self._latest, int(times[behind - 1]))
            yield Batch(batch.data, batch.frames[at:behind])
            at = behind

    def close(self) -> None:
        """Close the file."""
        self._file.close()
