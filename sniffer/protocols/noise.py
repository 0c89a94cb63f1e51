"""Stratum V2 inside Noise: nothing to read, only sizes and their order (protocols.md, section 7.1).

In: bytes of one direction that look random.  Out: hints: a handshake, then a steady state.
Never: a claim from random first bytes alone; other protocols begin with 64 of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sniffer.model import Role
from sniffer.protocols.messages import Reading
from sniffer.protocols.reader import Fit, Reader

if TYPE_CHECKING:
    from sniffer.model import Data, Facts
    from sniffer.protocols.reader import Start

FAMILY: Final = "stratum-v2"
NEEDED: Final = 16  # bytes before they are called random
DIFFERENT: Final = 0.7  # of the first bytes; of 64 random ones 50 to 62 are different
MAX_COMPARED: Final = 64


class Noise(Reader):
    """Counts bytes."""

    @classmethod
    def probe(cls, head: bytes, start: Start) -> Fit:
        """First bytes of a stream that look random."""
        if start.midway:
            return Fit.NO
        if len(head) < NEEDED:
            return Fit.MORE
        return Fit.YES if looks_random(head) else Fit.NO

    def feed(self, chunk: Data) -> list[Facts]:
        """Count what came."""
        turns = self.channel.turns
        said = turns.note(self.side, len(chunk.data))
        if turns.dead:
            self.finish()
        if not said:
            return []
        # Whoever spoke first is the client; of one side alone, whoever sends 64 bytes first.
        sender = Role.CLIENT if turns.count % 2 else Role.SERVER
        if turns.count == 1 and turns.shook:
            sender = Role.SERVER
        reading = Reading(FAMILY, said, sender, {"mining.algorithm": "sha256d"}, hint=True)
        return self.channel.session.take(reading, self.origin(chunk))

    def lose(self) -> None:
        """A size that is not known fits nothing."""
        self.channel.turns.dead = True
        self.finish()


def looks_random(head: bytes) -> bool:
    """Whether bytes have as many different values as random ones, and are no text."""
    first = head[:MAX_COMPARED]
    return len(set(first)) >= DIFFERENT * len(first) and not first.isascii()
