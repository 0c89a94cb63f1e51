"""OCEAN DATUM: the gateway of a solo pool says hello (protocols.md, section 7.5).

In: the first bytes of a connection.  Out: a hint.
Never: more than the length that the first message hides; everything else is encrypted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sniffer.model import Role
from sniffer.protocols.messages import Reading
from sniffer.protocols.reader import Fit, Reader

if TYPE_CHECKING:
    from sniffer.model import Data, Facts
    from sniffer.protocols.reader import Start

KEY: Final = 0xDC871829
"""The header of the first message is laid over this (little-endian)."""
LENGTH: Final = 0x3FFFFF
SIGN: Final = b"\x87\xd7"
"""Third and fourth byte: no length in them, signed, sealed, command 1, under the key."""
SIZES: Final = range(200, 1_025)


class Datum(Reader):
    """Waits for the first message, which is as long as its header says, and comes alone."""

    __slots__ = ("_read",)

    def __init__(self, start: Start) -> None:
        super().__init__(start)
        self._read = b""

    @classmethod
    def probe(cls, head: bytes, start: Start) -> Fit:  # noqa: ARG003
        """A header whose hidden length is that of a hello."""
        if head[2:4] != SIGN[: max(0, len(head) - 2)]:
            return Fit.NO
        if len(head) < 4:
            return Fit.MORE
        return Fit.YES if hidden_length(head) in SIZES else Fit.NO

    def feed(self, chunk: Data) -> list[Facts]:
        """Tell of a hello that is whole."""
        self._read += chunk.data
        wanted = 4 + hidden_length(self._read)
        if len(self._read) < wanted:
            return []
        is_alone = len(self._read) == wanted
        self.finish()
        if not is_alone:
            return []
        reading = Reading("datum", "hello", Role.CLIENT, {}, hint=True)
        return self.channel.session.take(reading, self.origin(chunk))

    @property
    def held(self) -> int:
        """Bytes of an unfinished message."""
        return len(self._read)


def hidden_length(head: bytes) -> int:
    """Length of the message behind a header."""
    return (int.from_bytes(head[:4], "little") ^ KEY) & LENGTH
