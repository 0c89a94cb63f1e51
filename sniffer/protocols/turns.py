"""The sizes by which Stratum V2 inside Noise is known, and the order that they come in (protocols.md, 7.1 and 7.3).

In: how many bytes came from which side.  Out: the names of what has been shown: a handshake, then a steady state.
Never: bytes.

The handshake is 64 bytes of the client, 234 of the server (170 as the text of the specification has it), 61 to 300,
44; in the version of 2019 it is 34 and 172 or 174.  Then shares of one size are answered by 58 or 54 bytes each.
A turn is what one side sends until the other does, however it is cut into segments; where only one direction is
seen, a segment is taken for a message.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

HANDSHAKE: Final = "noise-handshake"
STEADY: Final = "noise-shares"
ACT_1: Final = 64
ACT_2: Final = (234, 170)
SETUP: Final = range(61, 301)
SETUP_SUCCESS: Final = 44
ACT_1_OF_2019: Final = 34
ACT_2_OF_2019: Final = (172, 174)
FIRST: Final = (ACT_1, ACT_1_OF_2019, *ACT_2, *ACT_2_OF_2019)
SHARES: Final = frozenset((62, *range(65, 96)))  # standard; extended with 2 to 32 bytes of extranonce
VERDICTS: Final = (58, 54)
ENOUGH: Final = 4  # shares with an answer
MAX_TURNS: Final = 512


@dataclass(slots=True)
class Turns:
    """What both directions of a flow have shown."""

    count: int = 0  # begun
    speaker: int = -1
    size: int = 0  # of the turn that goes on
    first: int = 0  # size of the first message of a flow of which one side is seen
    segments: int = 0  # behind the first two messages of such a flow
    last_share: int = 0  # size of the client's turn before this one
    is_old: bool = False  # the handshake of 2019
    dead: bool = False  # something did not fit
    shook: bool = False  # the handshake was told
    steady: bool = False  # the steady state was told
    pairs: Counter[int] = field(default_factory=Counter)  # shares with an answer, by size
    client_turns: int = 0

    def note(self, side: int, size: int) -> str:
        """Take note of a segment; return the message to tell of, or ""."""
        if self.dead:
            return ""
        if side != self.speaker:
            said = self._close()
            self.count += 1
            self.speaker, self.size = side, size
            self.dead = self.dead or self.count > MAX_TURNS
            return said if said or self.dead else self._open()
        self.size += size
        if self.count == 1:
            return self._alone(size)
        return self._open()

    def _open(self) -> str:
        """What the turn so far tells."""
        if self.count == 1:
            self.dead = not any(self.size <= first for first in FIRST)
        elif self.count == 4 and self.size == SETUP_SUCCESS and not self.shook and not self.is_old:
            self.shook = True
            return HANDSHAKE
        return ""

    def _close(self) -> str:
        """What a turn tells that is over."""
        size = self.size
        match self.count:
            case 0:
                return ""
            case 1:
                self.is_old = size == ACT_1_OF_2019
                self.dead = size not in (ACT_1, ACT_1_OF_2019)
            case 2:
                self.dead = size not in (ACT_2_OF_2019 if self.is_old else ACT_2)
                if self.is_old and not self.dead:
                    self.shook = True
                    return HANDSHAKE
            case 3:
                self.dead = not self.is_old and size not in SETUP
            case 4:
                self.dead = not self.is_old and size != SETUP_SUCCESS
            case turn if turn % 2:  # the client's
                self.client_turns += 1
                self.last_share = size if size in SHARES else 0
            case _:
                return self._answered(size)
        return ""

    def _answered(self, size: int) -> str:
        if self.last_share and size in VERDICTS:
            self.pairs[self.last_share] += 1
        count = max(self.pairs.values(), default=0)
        if self.steady or count < ENOUGH or 2 * count < self.client_turns:
            return ""
        self.steady = True
        return STEADY

    def _alone(self, size: int) -> str:
        """What a segment tells where the other side is never heard: each stands for a message."""
        if not self.first:
            return self._second(self.size - size, size)
        self.segments += 1
        self.dead = self.segments > MAX_TURNS
        if size in (*VERDICTS, *SHARES):
            self.pairs[size] += 1
        count = max(self.pairs.values(), default=0)
        if self.steady or count < ENOUGH or 2 * count < self.segments - 1:
            return ""
        self.steady = True
        return STEADY if self.shook else HANDSHAKE

    def _second(self, first: int, size: int) -> str:
        """What the second message of one side tells; the first may have come in pieces."""
        if first not in (ACT_1, *ACT_2):
            self.dead = self.size > max(FIRST)
            return ""
        self.first = first
        self.dead = size not in SETUP if first == ACT_1 else size != SETUP_SUCCESS
        if self.dead or first == ACT_1:
            return ""
        self.shook = True
        return HANDSHAKE
