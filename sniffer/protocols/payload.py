"""How a flow or a datagram opens, told only where a rule names such bytes.

In: the first chunks of each side of a flow, or a datagram; the patterns of the rules.
Out: one record of facts for each side whose opening fits a pattern: its bytes, its first line, who sent it.
Never: a decision which rule it is; more than :data:`MAX_TEXT` bytes of a side; a second record of one side.

Which patterns fit and what the first line is does not depend on how the bytes are cut into segments: what may still fit is
waited for, and so is the end of a line, as far as :data:`MAX_TEXT` bytes.  The caller says when nothing more will come in
time (:meth:`Openings.close`).
"""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING, Final

from sniffer.model import OPENING, Data, End, Facts, Gap, Role

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sniffer.model import Chunk, Pattern, Value

FAMILY: Final = "payload"
MESSAGE: Final = "opening"
MAX_TEXT: Final = 256
TEXT = re.compile(rb"[ -~]*")


class Stage(enum.Enum):
    """How far the opening of a side is read."""

    WANTED = "wanted"  # it may still fit
    FITS = "fits"  # its line goes on
    DONE = "done"


class Openings:
    """The openings of both sides of one flow."""

    __slots__ = ("_ends", "_heads", "_opener", "_patterns", "_ports", "_stages", "_times")

    def __init__(self, patterns: Sequence[Pattern], ports: tuple[int, int], opener: int = -1) -> None:
        """Begin.

        Args:
            patterns: that rules name for this transport.
            ports: of side 0 and side 1.
            opener: the side that opened the connection; -1: not known.
        """
        self._patterns = patterns
        self._ports = ports
        self._opener = opener
        self._heads = (bytearray(), bytearray())
        self._stages = [Stage.WANTED, Stage.WANTED]
        self._times = [0, 0]  # of the last byte taken
        self._ends = [-1, -1]  # sequence number behind it

    def has_begun(self, side: int) -> bool:
        """Whether a side has begun and is not done."""
        return bool(self._heads[side])

    def is_done(self, side: int) -> bool:
        """Whether a side needs no more bytes."""
        return self._stages[side] is Stage.DONE

    @property
    def is_open(self) -> bool:
        """Whether a side has begun and is not done."""
        return bool(self._heads[0] or self._heads[1])

    def read(self, chunk: Chunk) -> list[Facts]:
        """Read what has come; what is lost or over ends an opening."""
        side = chunk.side
        if self._stages[side] is Stage.DONE:
            return []
        if isinstance(chunk, Data):
            return self._take(side, chunk)
        return self.close(side) if isinstance(chunk, Gap | End) else []

    def close(self, side: int) -> list[Facts]:
        """No more bytes are waited for on this side."""
        fits = self._stages[side] is Stage.FITS
        self._stages[side] = Stage.DONE
        head = bytes(self._heads[side])
        self._heads[side].clear()
        if not fits:
            return []
        sender = sender_of(side, self._ports, self._opener, fitting(head, self._patterns))
        return [facts_of(head, sender, side, self._times[side], self._ends[side])]

    def _take(self, side: int, chunk: Data) -> list[Facts]:
        head = self._heads[side]
        taken = chunk.data[: MAX_TEXT - len(head)]
        head += taken
        self._times[side] = chunk.time
        left = len(chunk.data) - len(taken)
        self._ends[side] = chunk.end_before(left)
        if self._stages[side] is Stage.WANTED and fitting(head, self._patterns):
            self._stages[side] = Stage.FITS
        if any(may_fit(head, one) for one in self._patterns):
            return []
        has_line = len(head) >= MAX_TEXT or len(text_of(head)) < len(head)
        return self.close(side) if has_line or self._stages[side] is Stage.WANTED else []


def read_datagram(
    payload: bytes, ports: tuple[int, int], patterns: Sequence[Pattern], time: int
) -> list[Facts]:
    """Facts of a datagram that opens like a pattern; ``ports``: of its sender and its receiver."""
    found = fitting(payload, patterns)
    return [facts_of(payload, sender_of(0, ports, -1, found), 0, time, -1)] if found else []


def facts_of(head: bytes, sender: Role, side: int, time: int, end: int) -> Facts:
    """The record of an opening."""
    values: dict[str, Value] = {"payload.hex": head[:OPENING].hex(), "payload.side": sender.value}
    text = text_of(head)
    if text:
        values["payload.text"] = text
    return Facts(FAMILY, MESSAGE, sender, values, side, time, end)


def text_of(head: bytes | bytearray) -> str:
    """Printable ASCII up to the first byte that is not, :data:`MAX_TEXT` characters at most."""
    found = TEXT.match(head, 0, MAX_TEXT)
    return found.group().decode("ascii") if found else ""


def fitting(head: bytes | bytearray, patterns: Iterable[Pattern]) -> list[Pattern]:
    """The patterns that an opening fits."""
    return [one for one in patterns if head.startswith(one.data, one.at)]


def may_fit(head: bytes | bytearray, pattern: Pattern) -> bool:
    """Whether an opening that is too short agrees with a pattern so far."""
    return len(head) < pattern.at + len(pattern.data) and pattern.data.startswith(head[pattern.at :])


def sender_of(side: int, ports: tuple[int, int], opener: int, patterns: Iterable[Pattern]) -> Role:
    """Who sent an opening: the client is who opened the connection, whoever began to talk.

    Where that was not seen, the rules may say who sends such bytes; else the lower port is the server's.
    """
    if opener >= 0:
        return Role.CLIENT if side == opener else Role.SERVER
    said = {one.side for one in patterns} - {"any"}
    if len(said) == 1:
        return Role(said.pop())
    return Role.CLIENT if ports[side] >= ports[1 - side] else Role.SERVER
