"""One flow, read: which protocol it speaks, and what its messages say.

In: chunks of both directions, in order.  Out: facts, and a verdict whether to go on reading.
Never: rules, counting of hits, a decision by port.

Each direction is a small machine: its first bytes decide what it is (a wrapping is taken off first, three at most),
then whole messages are read.  Both directions share one mining session, so replies find their requests.
"""

from __future__ import annotations

import enum
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from sniffer.model import Alternative, Data, Facts, Gap, Role
from sniffer.oddities import Oddities
from sniffer.protocols import http, tls, wrapped
from sniffer.protocols.dialects import DIALECTS
from sniffer.protocols.json_text import BLANK, MAX_TEXT, methods, parse, skim
from sniffer.protocols.lines import LineBuffer
from sniffer.protocols.session import Session

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sniffer.model import Chunk, Value

MAX_WRAPPINGS: Final = 3
MAX_HEAD: Final = tls.MAX_HELLO + 1_024
MAX_FOREIGN_LINES: Final = 64  # JSON lines that are not mining, before a flow is given up
MAX_BROKEN_LINES: Final = 3
RECENT_LINES: Final = 32  # remembered, to know which lines of another reading are the same
MAX_EAGER: Final = 4  # attempts to read a line that has no end yet
IGNORED: Final = BLANK + b"\0"  # before the first message: line ends, a keep-alive byte


class Verdict(enum.Enum):
    """What the reader wants to see next."""

    MORE = "more"  # not decided
    YES = "yes"  # mining
    NO = "no"  # nothing here that could be mining
    HTTP = "http"  # an ordinary request; the next one may be another


class Kind(enum.Enum):
    """What one direction has been found to be."""

    UNKNOWN = enum.auto()
    LINES = enum.auto()
    DONE = enum.auto()  # read what there was to read, or found to be something else


class Direction:
    """What is known of one direction."""

    __slots__ = ("broken", "eager", "foreign", "head", "kind", "lines", "midway", "recent", "wrappings")

    def __init__(self, oddities: Oddities) -> None:
        self.head = bytearray()
        self.kind = Kind.UNKNOWN
        self.lines = LineBuffer(oddities)
        self.midway = False  # the first bytes are not the first of the stream
        self.wrappings = 0
        self.foreign = 0
        self.broken = 0
        self.eager = 0
        self.recent: deque[int] = deque(maxlen=RECENT_LINES)


class Conversation:
    """Reads one flow."""

    __slots__ = ("_directions", "_oddities", "session", "verdict")

    def __init__(self, oddities: Oddities) -> None:
        self._oddities = oddities
        self._directions = (Direction(oddities), Direction(oddities))
        self.session = Session(DIALECTS, oddities)
        self.verdict = Verdict.MORE

    def join_midway(self, side: int) -> None:
        """Say that the first bytes of a direction are not the first of its stream."""
        self._directions[side].midway = True

    def read(self, chunk: Chunk) -> list[Facts]:
        """Read what has come and return its facts."""
        direction = self._directions[chunk.side]
        if isinstance(chunk, Gap):
            self._lose(direction)
            return []
        if isinstance(chunk, Alternative):
            return self._read_alternative(direction, chunk)
        if not isinstance(chunk, Data) or direction.kind is Kind.DONE:
            return []
        if direction.kind is Kind.LINES:
            out = self._read_lines(direction, chunk)
        else:
            out = self._identify(direction, chunk)
        self._conclude()
        return out

    def _lose(self, direction: Direction) -> None:
        if direction.kind is Kind.UNKNOWN:
            direction.head.clear()
            direction.midway = True
        direction.lines.lose()
        if direction.kind is Kind.UNKNOWN:
            direction.lines.skipping = False

    def _conclude(self) -> None:
        if self.session.identified:
            self.verdict = Verdict.YES
        elif (
            self.verdict is Verdict.MORE
            and all(
                direction.kind is Kind.DONE
                or not (direction.head or self.session.heard[side] or direction.wrappings)
                for side, direction in enumerate(self._directions)
            )
            and any(direction.kind is Kind.DONE for direction in self._directions)
        ):
            self.verdict = Verdict.NO

    # ── the first bytes ──────────────────────────────────────────────────────────────────────────────────

    def _identify(self, direction: Direction, chunk: Data) -> list[Facts]:
        direction.head += chunk.data
        out: list[Facts] = []
        while direction.kind is Kind.UNKNOWN:
            head = (
                bytes(direction.head.lstrip(IGNORED))
                if direction.head[:1] != b"\0"
                else bytes(direction.head)
            )
            if not head:
                break
            wrapping = self._unwrap(direction, head)
            if wrapping is not None:
                if wrapping is wrapped.MORE:
                    if len(head) > MAX_HEAD:
                        direction.kind = Kind.DONE
                    break
                out += self._take_wrapping(direction, head, wrapping, chunk)
                continue
            head = head.lstrip(IGNORED)
            if not head:
                break
            if head[0] in b"{[":
                out += self._begin_lines(direction, head, chunk)
            elif tls.begins_record(head):
                if not self._read_hello(direction, head, chunk, out):
                    break
            elif http.begins_request(head):
                if not self._read_request(direction, head, chunk, out):
                    break
            elif not (direction.midway and self._resume_lines(direction, head, chunk, out)):
                if (
                    direction.midway
                    and direction.kind is Kind.UNKNOWN
                    and b"\n" not in head
                    and len(head) <= MAX_TEXT
                ):
                    break  # the tail of a line whose end has not come
                direction.kind = Kind.DONE
        if direction.kind is not Kind.UNKNOWN:
            direction.head.clear()
        return out

    def _unwrap(self, direction: Direction, head: bytes) -> wrapped.Wrapping | None:
        if direction.wrappings >= MAX_WRAPPINGS or (direction.midway and not head[:1].isalpha()):
            return None
        if head[:1] == b"\0" and not any(other.wrappings for other in self._directions):
            return None  # a keep-alive byte; a SOCKS4 reply only answers a SOCKS4 request
        found = wrapped.unwrap(head)
        if found is None or head[:7] != b"HTTP/1.":
            return found
        return found if any(other.wrappings for other in self._directions if other is not direction) else None

    def _take_wrapping(
        self, direction: Direction, head: bytes, wrapping: wrapped.Wrapping, chunk: Data
    ) -> list[Facts]:
        direction.wrappings += 1
        if direction.wrappings == MAX_WRAPPINGS:
            self._oddities.count("layers_limit")
        direction.head = bytearray(head[wrapping.length :])
        if "connect.host" not in wrapping.values:
            return []
        host, port = wrapping.values["connect.host"], wrapping.values["connect.port"]
        self.session.told["mining.pool"] = f"{host}:{port}"
        return [
            self._name_facts("pool-connect", wrapping.message, wrapping.values, chunk, len(direction.head))
        ]

    @staticmethod
    def _name_facts(
        protocol: str, message: str, values: Mapping[str, Value], chunk: Data, behind: int
    ) -> Facts:
        end = chunk.end if chunk.end < 0 else (chunk.end - behind) & 0xFFFFFFFF
        return Facts(protocol, message, Role.CLIENT, dict(values), chunk.side, chunk.time, end)

    def _read_hello(self, direction: Direction, head: bytes, chunk: Data, out: list[Facts]) -> bool:
        values = tls.read_hello(head)
        if values is None:
            return False
        if values:
            out.append(self._name_facts("pool-tls", "ClientHello", values, chunk, 0))
        direction.kind = Kind.DONE
        return True

    def _read_request(self, direction: Direction, head: bytes, chunk: Data, out: list[Facts]) -> bool:
        values = http.read_request(head)
        if values is None:
            return len(head) >= http.MAX_HEAD
        if values:
            out.append(self._name_facts("pool-http", str(values["http.method"]), values, chunk, 0))
        direction.kind = Kind.DONE
        self.verdict = Verdict.HTTP
        return True

    # ── lines ────────────────────────────────────────────────────────────────────────────────────────────

    def _begin_lines(self, direction: Direction, head: bytes, chunk: Data) -> list[Facts]:
        direction.kind = Kind.LINES
        return self._read_lines(direction, chunk._replace(data=head))

    def _resume_lines(self, direction: Direction, head: bytes, chunk: Data, out: list[Facts]) -> bool:
        """Take up a stream in the middle of a line.

        The tail of a JSON line ends in a bracket, and the next line begins with one; a protocol that only quotes
        JSON (Redis, a log over TCP) ends its lines otherwise.
        """
        tail, newline, rest = head.partition(b"\n")
        if not newline or tail.rstrip(BLANK)[-1:] not in (b"}", b"]"):
            return False
        following = rest.lstrip(IGNORED)
        if following and following[0] not in b"{[":
            return False
        if not following:
            direction.head.clear()  # the next segment decides
            return True
        out += self._begin_lines(direction, following, chunk)
        return True

    def _read_lines(self, direction: Direction, chunk: Data) -> list[Facts]:
        out: list[Facts] = []
        for line in direction.lines.feed(chunk.data):
            direction.eager = 0
            out += self._read_line(direction, line.text, line.tail, chunk, line.behind)
            if direction.kind is Kind.DONE:
                return out
        rest = direction.lines.unfinished
        if rest and direction.eager < MAX_EAGER and rest.rstrip(BLANK)[-1:] == b"}":
            # Some programs write a message without a line end.
            direction.eager += 1
            balanced = rest.count(b"{") <= rest.count(b"}")
            if balanced and parse(rest.strip(IGNORED), Oddities()) is not None:  # a guess: not an oddity yet
                out += self._read_line(direction, direction.lines.take_unfinished(), None, chunk, 0)
        return out

    def _read_line(
        self, direction: Direction, text: bytes, tail: bytes | None, chunk: Data, behind: int
    ) -> list[Facts]:
        text = text.strip(IGNORED)
        if not text:
            return []
        if tail is not None:
            document: Any = skim(text, tail)
            names = [document["method"]] if isinstance(document.get("method"), str) else []
        elif text[0] not in b"{[":
            return self._foreign(direction, broken=not self.session.identified)
        else:
            document = parse(text, self._oddities)
            if document is None:
                return self._foreign(direction, broken=True)
            names = methods(text, document) if isinstance(document, dict) else []
        direction.recent.append(hash(text))
        end = chunk.end if chunk.end < 0 else (chunk.end - behind) & 0xFFFFFFFF
        weak = self.session.weak
        out = self.session.read(document, names, chunk.side, chunk.time, end, cut=tail is not None)
        if not out and self.session.weak == weak:
            return self._foreign(direction, broken=False)
        return out

    def _read_alternative(self, direction: Direction, chunk: Alternative) -> list[Facts]:
        """Read the lines of another reading of the same bytes, except those that both readings share."""
        if direction.kind is not Kind.LINES and not chunk.data.lstrip(IGNORED).startswith((b"{", b"[")):
            return []
        out: list[Facts] = []
        for text in (line.strip(IGNORED) for line in chunk.data.split(b"\n")):
            if text[:1] in (b"{", b"[") and len(text) <= MAX_TEXT and hash(text) not in direction.recent:
                out += self._read_line(direction, text, None, Data(*chunk), 0)
        self._conclude()
        return out

    @property
    def held(self) -> int:
        """Bytes of unfinished messages."""
        return sum(len(each.head) + len(each.lines.unfinished) for each in self._directions)

    def _foreign(self, direction: Direction, *, broken: bool) -> list[Facts]:
        """Count a line that is not mining; give up a flow that has only such."""
        direction.foreign += 1
        direction.broken += broken
        if not self.session.identified and (
            direction.foreign > MAX_FOREIGN_LINES or direction.broken >= MAX_BROKEN_LINES
        ):
            direction.kind = Kind.DONE
        return []
