"""Who held which address when.

In: what accounting, DHCP and NAT logs say: somebody holds an address from a time on, or ceases to.  Out: who held it at a time.
Never: more entries than the limit (the oldest goes, and is counted); a search through what is held.

An entry is about an address or a prefix, and about a range of ports of it (NAT; else all ports).  Within one such key
entries do not overlap: a new one ends the one before it.  The narrowest key that was held at the time decides.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from operator import attrgetter
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import msgspec

from sniffer.prefixes import mask_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

OPEN: Final = (1 << 63) - 1
"""End of an entry that has none yet."""
PORTS: Final = 1 << 16
MAX_SHAPES: Final = 64
"""Kinds of keys: lengths of prefixes, and sizes of port ranges with their offset.  Each costs every look-up a step."""
SECOND_CHANCES: Final = 16
_start = attrgetter("start")


class Change(msgspec.Struct, frozen=True, array_like=True):
    """One line of a log: this is what travels to the workers."""

    what: Literal["hold", "alive", "stop"]
    address: bytes  # the first of the prefix, packed
    length: int  # of the prefix, bits
    start: int  # nanoseconds since 1970; of "stop": when it had begun, -1: not known
    end: int  # OPEN: not known; of "alive" and "stop": the time of the line
    subscriber: str = ""  # as it may be shown
    tenant: str = ""
    inside: bytes = b""  # address behind NAT, packed
    session: str = ""  # tells sessions of one address apart
    low: int = 0  # first port
    high: int = PORTS - 1


class Held(msgspec.Struct, gc=False):
    """Somebody held something for a while."""

    start: int
    end: int  # the first nanosecond when it is over
    subscriber: str
    tenant: str
    inside: bytes
    session: str
    fresh: bool = False  # told to be alive since it was last looked at

    def is_same(self, change: Change) -> bool:
        """Whether a line is about the same holder."""
        if self.session or change.session:
            return self.session == change.session
        return self.subscriber == change.subscriber and self.inside == change.inside


class Shape(NamedTuple):
    """What keys of one kind have in common."""

    width: int  # bytes of the address
    length: int  # bits of the prefix
    size: int  # ports of the range
    offset: int  # where ranges of this size begin, modulo the size

    def key(self, address: int, port: int) -> bytes:
        """The key of this shape that holds an address and a port."""
        network = address & mask_of(self.width, self.length)
        low = port - (port - self.offset) % self.size
        return b"%b%d.%d.%d" % (network.to_bytes(self.width, "big"), self.length, low, self.size)


class Timeline:
    """Entries by key and time, bounded."""

    def __init__(self, limit: int) -> None:
        """Begin with nothing; ``limit`` entries at most."""
        self.limit = limit
        self.evicted = 0
        self.refused = 0  # lines with one shape too many
        self._held: dict[bytes, list[Held]] = {}
        self._order: deque[tuple[bytes, Held]] = deque()  # as they came
        self._shapes: dict[int, list[Shape]] = {4: [], 16: []}  # narrowest first

    def __len__(self) -> int:
        return len(self._order)

    def find(self, address: bytes, port: int, time: int) -> Held | None:
        """Who held an address at a time.

        Args:
            address: packed.
            port: of that end; 0: not known, then nothing that is about ports is found.
            time: nanoseconds since 1970.
        """
        number = int.from_bytes(address, "big")
        for shape in self._shapes.get(len(address), ()):
            if not port and shape.size < PORTS:
                continue
            entries = self._held.get(shape.key(number, port))
            if not entries:
                continue
            at = bisect_right(entries, time, key=_start) - 1
            if at >= 0 and time < entries[at].end:
                return entries[at]
        return None

    def apply(self, changes: Iterable[Change]) -> None:
        """Take what logs say, in any order of time."""
        for change in changes:
            self._apply(change)

    def _apply(self, change: Change) -> None:
        size = change.high - change.low + 1
        shape = Shape(len(change.address), change.length, size, change.low % size)
        if not self._knows(shape):
            self.refused += 1
            return
        key = shape.key(int.from_bytes(change.address, "big"), change.low)
        entries = self._held.setdefault(key, [])
        if change.what != "hold":
            at = bisect_right(entries, change.end, key=_start) - 1
            nameless = not (change.session or change.subscriber or change.inside)
            if at >= 0 and change.end <= entries[at].end and (nameless or entries[at].is_same(change)):
                if change.what == "alive":
                    entries[at].fresh = True
                else:
                    entries[at].end = change.end
                return
        end = OPEN if change.what == "alive" else change.end
        if 0 <= change.start < end:
            self._insert(key, entries, change, end)
        elif not entries:
            del self._held[key]

    def _insert(self, key: bytes, entries: list[Held], change: Change, end: int) -> None:
        at = bisect_left(entries, change.start, key=_start)
        if at < len(entries):
            following = entries[at]
            if following.start == change.start:  # the same line once more, or a correction
                following.end = end if end != OPEN or not following.is_same(change) else following.end
                following.subscriber, following.tenant = change.subscriber, change.tenant
                following.inside, following.session = change.inside, change.session
                if at + 1 < len(entries):
                    following.end = min(following.end, entries[at + 1].start)
                return
            end = min(end, following.start)
        if at:
            before = entries[at - 1]
            if before.end >= change.start and before.is_same(change) and before.tenant == change.tenant:
                before.end, before.fresh = max(before.end, end), True  # renewed
                return
            before.end = min(before.end, change.start)
        one = Held(change.start, end, change.subscriber, change.tenant, change.inside, change.session)
        entries.insert(at, one)
        self._order.append((key, one))
        if len(self._order) > self.limit:
            self._evict()

    def _evict(self) -> None:
        """Let the oldest go, but not one that was told to be alive since."""
        for _ in range(SECOND_CHANCES):
            key, one = self._order[0]
            if not one.fresh:
                break
            one.fresh = False
            self._order.rotate(-1)
        key, one = self._order.popleft()
        entries = self._held[key]
        del entries[bisect_left(entries, one.start, key=_start)]
        if not entries:
            del self._held[key]
        self.evicted += 1

    def _knows(self, shape: Shape) -> bool:
        shapes = self._shapes[shape.width]
        if shape in shapes:
            return True
        if len(shapes) >= MAX_SHAPES:
            return False
        shapes.append(shape)
        shapes.sort(key=lambda one: (-one.length, one.size, one.offset))
        return True

    def changes(self) -> Iterator[Change]:
        """Everything that is held, the oldest first: for another table."""
        for key, one in self._order:
            yield _change(key, one)


def _change(key: bytes, one: Held) -> Change:
    numbers = key.rsplit(b".", 2)
    low, size = int(numbers[1]), int(numbers[2])
    width = 4 if len(numbers[0]) < 16 else 16
    return Change(
        "hold",
        numbers[0][:width],
        int(numbers[0][width:]),
        one.start,
        one.end,
        one.subscriber,
        one.tenant,
        one.inside,
        one.session,
        low,
        low + size - 1,
    )
