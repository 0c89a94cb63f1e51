"""One flow, read: which protocol each direction speaks, and what its messages say.

In: chunks of both directions, in order.  Out: facts, and a verdict whether to go on reading.
Never: rules, counting of hits, a protocol of its own.

The first bytes of a direction decide which reader it gets (a wrapping is taken off first, three at most).  Both
directions share one channel, so replies find their requests.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from sniffer.addresses import is_address
from sniffer.model import Alternative, Data, End, Facts, Gap, Role
from sniffer.protocols import wrapped
from sniffer.protocols.json_lines import JsonLines
from sniffer.protocols.reader import Channel, Exchange, Fit, Reader, Start
from sniffer.protocols.readers import MESSAGE_READERS, READERS

if TYPE_CHECKING:
    from sniffer.model import Chunk
    from sniffer.oddities import Oddities
    from sniffer.protocols.dns import Resolution
    from sniffer.protocols.session import Session

MAX_WRAPPINGS: Final = 3
MAX_HEAD: Final = 16_640  # bytes that nobody claims yet
MAX_READERS: Final = 8  # of one direction, one after the other
MAX_HUNTED: Final = 16  # segments in the middle of a stream in which HTTP may begin anew
MAX_AWAITED: Final = 16  # segments of one side while the other is expected to say who it is


class Verdict(enum.Enum):
    """What the reader wants to see next."""

    MORE = "more"  # not decided
    YES = "yes"  # mining
    NO = "no"  # nothing here that could be mining
    AGAIN = "again"  # an ordinary message of HTTP or DNS; the next one may be another matter


class Direction:
    """What is known of one direction."""

    __slots__ = ("done", "head", "hunted", "midway", "offered", "reader", "readers", "started", "wrappings")

    def __init__(self, offered: tuple[type[Reader], ...]) -> None:
        self.head = bytearray()  # bytes that nobody claims yet
        self.offered = offered  # who may claim them
        self.reader: Reader | None = None
        self.readers = 0  # it has had
        self.done = False  # read what there was to read, or found to be something else
        self.started = False  # bytes have come
        self.midway = False  # the first of them are not the first of the stream
        self.hunted = 0  # segments that nobody claimed
        self.wrappings = 0

    @property
    def held(self) -> int:
        """Bytes of unfinished messages."""
        return len(self.head) + (self.reader.held if self.reader else 0)


class Conversation:
    """Reads one flow."""

    __slots__ = ("_awaited", "_channel", "_directions", "verdict")

    def __init__(
        self, oddities: Oddities, ports: tuple[int, int] = (0, 0), *, again: Conversation | None = None
    ) -> None:
        """Begin.

        Args:
            oddities: counts nonsense.
            ports: of side 0 and side 1.
            again: the one before, whose verdict was AGAIN: what does not begin with a message is the middle of one.
        """
        offered = MESSAGE_READERS if again else READERS
        self._channel = Channel(oddities, ports)
        if again:
            self._channel.asker = again.asker
        self._directions = (Direction(offered), Direction(offered))
        self._awaited = 0
        self.verdict = Verdict.MORE

    @property
    def session(self) -> Session:
        """What the flow has told about mining."""
        return self._channel.session

    @property
    def is_named(self) -> bool:
        """Whether the flow itself has said which host it is about."""
        return self._channel.is_named

    @property
    def asker(self) -> int:
        """The side that sends HTTP requests; -1: none was seen."""
        return self._channel.asker

    @property
    def is_claimed(self) -> bool:
        """Whether a reader has taken one of the directions."""
        return any(direction.reader for direction in self._directions)

    @property
    def target(self) -> str:
        """Name of the host that a proxy was asked to reach, if this flow goes through one."""
        return self._channel.target

    @property
    def held(self) -> int:
        """Bytes of unfinished messages."""
        one, other = self._directions
        return one.held + other.held

    def take_resolutions(self) -> list[Resolution]:
        """What DNS messages in this flow have said since the last call."""
        found = self._channel.resolutions
        if found:
            self._channel.resolutions = []
        return found

    def join_midway(self, side: int) -> None:
        """Say, before any have come, that the first bytes of a direction are not the first of its stream."""
        direction = self._directions[side]
        direction.midway = direction.midway or not direction.started

    def read(self, chunk: Chunk) -> list[Facts]:
        """Read what has come and return its facts."""
        direction = self._directions[chunk.side]
        if isinstance(chunk, Data):
            out = [] if direction.done else self._read_data(direction, chunk)
            if self._channel.awaits == 1 - chunk.side:
                self._awaited += 1
        elif isinstance(chunk, Alternative):
            out = self._read_alternative(direction, chunk)
        elif isinstance(chunk, Gap):
            return self._lose(direction)
        else:
            out = self._end(direction, chunk)
        self._conclude()
        return out

    def _lose(self, direction: Direction) -> list[Facts]:
        if direction.reader:
            direction.reader.lose()
            if direction.reader.finished:
                direction.reader, direction.done = None, True
        else:
            direction.head.clear()
            direction.midway = True
        return []

    @staticmethod
    def _end(direction: Direction, chunk: End) -> list[Facts]:
        return direction.reader.end(chunk.time) if direction.reader and not direction.done else []

    def _read_alternative(self, direction: Direction, chunk: Alternative) -> list[Facts]:
        """Read another reading of bytes that were delivered, where they are lines."""
        reader = direction.reader
        if not isinstance(reader, JsonLines):
            start = Start(self._channel, chunk.side, midway=True)
            if not chunk.data.lstrip().startswith((b"{", b"[")):
                return []
            reader = JsonLines(start)
        return reader.read_alternative(chunk)

    def _conclude(self) -> None:
        if self.verdict is Verdict.YES:
            return
        channel = self._channel
        if channel.session.identified:
            self.verdict = Verdict.YES
            return
        if channel.is_ordinary and not self.held:  # else the next message has begun
            self.verdict = Verdict.AGAIN
            return
        open_ends = [
            not direction.done
            and bool(
                direction.head
                or direction.reader
                or direction.wrappings
                or direction.hunted
                or self._is_awaited(side)
            )
            for side, direction in enumerate(self._directions)
        ]
        if not any(open_ends) and any(direction.done for direction in self._directions):
            self.verdict = Verdict.NO

    def _is_awaited(self, side: int) -> bool:
        """Whether a side that has not spoken is expected to."""
        channel = self._channel
        if channel.upgrade is not Exchange.NONE:
            return True
        return channel.awaits == side and self._awaited <= MAX_AWAITED

    # ── bytes ────────────────────────────────────────────────────────────────────────────────────────────

    def _read_data(self, direction: Direction, chunk: Data) -> list[Facts]:
        out: list[Facts] = []
        direction.started = True
        while not direction.done:
            reader = direction.reader
            if reader is None:
                direction.head += chunk.data
                reader = direction.reader = self._identify(direction, chunk, out)
                if reader is None:
                    break
                direction.readers += 1
                chunk = replace(chunk, data=bytes(direction.head))
                direction.head.clear()
            out += reader.feed(chunk)
            if not reader.finished:
                break
            direction.reader = None
            direction.midway = direction.midway and not reader.rest
            may_go_on = bool(reader.rest) or self._channel.upgrade is not Exchange.NONE
            direction.done = not may_go_on or direction.readers >= MAX_READERS
            if not reader.rest:
                break
            chunk = replace(chunk, data=reader.rest)
        return out

    def _identify(self, direction: Direction, chunk: Data, out: list[Facts]) -> Reader | None:
        """Take wrappings off the head of a direction, and find the reader of what is left."""
        while direction.head:
            head = bytes(direction.head)
            wrapping = self._unwrap(direction, head)
            if wrapping is None:
                return self._choose(direction, head, chunk)
            if wrapping is wrapped.MORE:
                direction.done = len(head) > MAX_HEAD
                break
            out += self._take_wrapping(direction, head, wrapping, chunk)
        return None

    def _choose(self, direction: Direction, head: bytes, chunk: Data) -> Reader | None:
        start = Start(self._channel, chunk.side, direction.midway)
        undecided = False
        for kind in direction.offered:
            fit = kind.probe(head, start)
            if fit is Fit.YES:
                return kind(start)
            undecided = undecided or fit is Fit.MORE
        if undecided and len(head) <= MAX_HEAD:
            return None
        direction.head.clear()
        direction.hunted += 1
        direction.offered = (
            MESSAGE_READERS  # in the middle, one of the next segments may begin with a message
        )
        if direction.midway and len(head) > len(chunk.data):
            direction.head += chunk.data  # what came before does not fit, but this segment may
            return self._choose(direction, chunk.data, chunk)
        direction.done = not direction.midway or direction.hunted > MAX_HUNTED or self.session.identified
        self._channel.turns.dead |= (
            direction.done
        )  # what is nothing on this side is no handshake on the other
        return None

    # ── wrappings ────────────────────────────────────────────────────────────────────────────────────────

    def _unwrap(self, direction: Direction, head: bytes) -> wrapped.Wrapping | None:
        if direction.wrappings >= MAX_WRAPPINGS:
            return None
        other = self._directions[1] if direction is self._directions[0] else self._directions[0]
        answers = (
            head[:1] == b"\0" or head[:7] == b"HTTP/1."
        )  # a keep-alive byte, a response, unless somebody asked
        return None if answers and not other.wrappings else wrapped.unwrap(head)

    def _take_wrapping(
        self, direction: Direction, head: bytes, wrapping: wrapped.Wrapping, chunk: Data
    ) -> list[Facts]:
        direction.wrappings += 1
        direction.offered = READERS
        if direction.wrappings == MAX_WRAPPINGS:
            self._channel.oddities.count("layers_limit")
        direction.head = bytearray(head[wrapping.length :])
        if "connect.host" not in wrapping.values:
            return []
        host, port = str(wrapping.values["connect.host"]), wrapping.values["connect.port"]
        self.session.told["mining.pool"] = f"{host}:{port}"
        if not is_address(host):
            self._channel.is_named, self._channel.target = True, host
        end = chunk.end_before(len(direction.head))
        values = dict(wrapping.values)
        return [Facts("pool-connect", wrapping.message, Role.CLIENT, values, chunk.side, chunk.time, end)]
