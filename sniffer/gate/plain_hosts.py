"""What hosts that mine carry, readably: the plain twin of ``hosts.py``.

In: what was found in each frame.  Out: sums by address.
Never: used in production; bounded (a flood of hosts is tried on the kernels alone).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sniffer.gate.hashing import MASK, MULTIPLIER
from sniffer.gate.hosts import IDLE_SECONDS, LONGEST, ONE_IN, OTHER

if TYPE_CHECKING:
    from sniffer.gate.plain_headers import Found


class PlainHosts:
    """Takes one of 64 frames, at a place that is drawn; counts it for the addresses that are watched.

    Args:
        seed: of what is drawn.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.seen: dict[bytes, int] = {}  # address: when it was last said to mine, seconds
        self.sums: dict[bytes, list[int]] = {}
        self._left = self._rest = self._draws = 0

    def watch(self, address: bytes, now: int) -> None:
        """Watch an address from now on."""
        self.seen[address] = now
        self.sums.setdefault(address, [0, 0])

    def is_taken(self) -> bool:
        """Whether the next frame is one that is looked at."""
        if self._left:
            self._left -= 1
            return False
        self._draws += 1
        place = self.draw() * ONE_IN >> 64
        self._left, self._rest = self._rest + place, ONE_IN - 1 - place
        return True

    def draw(self) -> int:
        """A number of 64 bits that nobody outside can know."""
        h = (self._seed ^ self._draws) * MULTIPLIER & MASK
        h = (h ^ h >> 32) * 0xD6E8FEB86659FD93 & MASK
        return h ^ h >> 29

    def count(self, memory: bytes, found: Found, length: int, column: int, now: int) -> None:
        """Count a frame for both of its addresses."""
        width = {0: 0, 4: 4, 6: 16}[found.family]
        for place in (found.source, found.destination):
            address = memory[place : place + width]
            if address in self.seen and now - self.seen[address] <= IDLE_SECONDS:
                self.sums[address][column] += min(length, LONGEST)

    def carried(self) -> dict[bytes, tuple[int, int]]:
        """Hand over the estimates, and begin anew."""
        told = {address: (sums[0] * ONE_IN, sums[OTHER] * ONE_IN) for address, sums in self.sums.items()}
        self.sums = {address: [0, 0] for address in self.sums}
        return {address: sums for address, sums in told.items() if any(sums)}
