"""DNS over UDP and TCP: which name is asked for, and what an answer leads to: other names, and addresses.

In: one datagram of port 53, or a stream of messages with their length in front.  Out: facts, one for each name; what
an answer says about addresses.
Never: a question of its own; a record beyond MAX_RECORDS; the records behind the answer.

Sources: RFC 1035; RFC 7766 for TCP; RFC 9460 for HTTPS and SVCB records.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from sniffer.model import Facts, Role, Value
from sniffer.protocols.reader import Fit, Reader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sniffer.model import Data
    from sniffer.oddities import Oddities
    from sniffer.protocols.messages import Origin
    from sniffer.protocols.reader import Start

FAMILY: Final = "pool-dns"
PORT: Final = 53
HEADER: Final = 12
MAX_MESSAGE: Final = 4_096  # over TCP; a longer one is passed over
MAX_PIPELINED: Final = 64  # messages of one segment
MAX_RECORDS: Final = 64
MAX_NAME: Final = 255
MAX_LABELS: Final = 128
MAX_POINTERS: Final = 16  # of one name
POINTER: Final = 0xC0  # a length from here on is none
LONGEST_LABEL: Final = 63
RESPONSE: Final = 0x8000
A, CNAME, AAAA, SVCB, HTTPS = 1, 5, 28, 64, 65
IPV4_HINT, IPV6_HINT = 4, 6  # parameters of an HTTPS record
TYPES: Final = {
    A: "A", 2: "NS", CNAME: "CNAME", 6: "SOA", 12: "PTR", 15: "MX", 16: "TXT", AAAA: "AAAA", 33: "SRV",
    SVCB: "SVCB", HTTPS: "HTTPS", 255: "ANY",
}  # fmt: skip
MALFORMED: Final = (IndexError, ValueError, struct.error)


class Resolution(NamedTuple):
    """A question, or what an answer makes of it."""

    identifier: int
    is_answer: bool
    names: tuple[str, ...]  # the one that is asked for, then those that it leads to
    addresses: tuple[tuple[bytes, int], ...]  # packed, and for how many seconds


class Message(NamedTuple):
    """A message, read."""

    facts: list[Facts]
    resolution: Resolution | None


def read_message(payload: bytes, origin: Origin, oddities: Oddities) -> Message:
    """Read one message: facts of the question first, then one for each other name that an answer leads to."""
    try:
        identifier, flags, questions, answers = struct.unpack_from("!4H", payload)
        name, kind, at = _read_questions(payload, questions)
        records = [*_records(payload, at, answers)] if flags & RESPONSE else []
    except MALFORMED:
        oddities.count("dns_malformed")
        return Message([], None)
    if not name:
        return Message([], None)
    sender = Role.SERVER if flags & RESPONSE else Role.CLIENT
    asked: dict[str, Value] = {"dns.query": name, "dns.type": TYPES.get(kind, str(kind))}
    what = "response" if flags & RESPONSE else "query"
    side, time, end = origin.side, origin.time, origin.end
    facts = [Facts(FAMILY, what, sender, asked, side, time, end)]
    names = [name]
    addresses: list[tuple[bytes, int]] = []
    for record in records:
        if record.owner not in names:
            continue
        if record.alias and record.alias not in names:
            names.append(record.alias)
            values: dict[str, Value] = {**asked, "dns.answer": record.alias}
            facts.append(Facts(FAMILY, what, sender, values, side, time, end, again=True))
        addresses += [(address, record.seconds) for address in record.addresses]
    return Message(facts, Resolution(identifier, bool(flags & RESPONSE), tuple(names), tuple(addresses)))


class Record(NamedTuple):
    """A record of an answer, as far as it leads somewhere."""

    owner: str
    alias: str
    addresses: tuple[bytes, ...]
    seconds: int


def _read_questions(payload: bytes, count: int) -> tuple[str, int, int]:
    """Name and type of the first question, and the offset behind all of them."""
    name, kind, at = "", 0, HEADER
    for number in range(min(count, MAX_RECORDS)):
        each, at = name_at(payload, at)
        if number == 0:
            name, kind = each, struct.unpack_from("!H", payload, at)[0]
        at += 4
    if at > len(payload):
        raise ValueError
    return name, kind, at


def _records(payload: bytes, at: int, count: int) -> Iterator[Record]:
    for _ in range(min(count, MAX_RECORDS)):
        owner, at = name_at(payload, at)
        kind, _, seconds, size = struct.unpack_from("!HHIH", payload, at)
        at += 10
        data = payload[at : at + size]
        if len(data) < size:
            raise ValueError
        if kind == CNAME:
            yield Record(owner, name_at(payload, at)[0], (), seconds)
        elif kind in (A, AAAA) and size == (4 if kind == A else 16):
            yield Record(owner, "", (data,), seconds)
        elif kind in (SVCB, HTTPS):
            target, addresses = read_service(data)
            yield Record(owner, target, addresses, seconds)
        at += size


def name_at(data: bytes, at: int) -> tuple[str, int]:
    """A name, and the offset behind it.  Pointers lead strictly backwards.

    Raises:
        IndexError: the name goes on behind the end.
        ValueError: a label, a pointer or the name as a whole cannot be.
    """
    labels: list[bytes] = []
    start, end = at, 0
    length = pointers = 0
    while size := data[at]:
        if size >= POINTER:
            end = end or at + 2
            at = (size - POINTER) << 8 | data[at + 1]
            pointers += 1
            if not HEADER <= at < start or pointers > MAX_POINTERS:
                raise ValueError
            start = at
            continue
        length += size + 1
        if size > LONGEST_LABEL or length > MAX_NAME:
            raise ValueError
        labels.append(data[at + 1 : at + 1 + size])
        at += size + 1
    return _name(labels), end or at + 1


def read_service(data: bytes) -> tuple[str, tuple[bytes, ...]]:
    """Target and address hints of an HTTPS record (RFC 9460, 2.2); the target is empty where it is the owner."""
    at = 2
    labels: list[bytes] = []
    while at < len(data) and data[at] and len(labels) < MAX_LABELS:
        labels.append(data[at + 1 : at + 1 + data[at]])
        at += 1 + data[at]
    at += 1
    addresses: list[bytes] = []
    while at + 4 <= len(data) and len(addresses) < MAX_RECORDS:
        key, size = struct.unpack_from("!HH", data, at)
        hint = data[at + 4 : at + 4 + size]
        width = {IPV4_HINT: 4, IPV6_HINT: 16}.get(key, 0)
        if width and size % width == 0 and len(hint) == size:
            addresses += [hint[i : i + width] for i in range(0, size, width)]
        at += 4 + size
    return _name(labels), tuple(addresses[:MAX_RECORDS])


def _name(labels: list[bytes]) -> str:
    """Labels as a name in lower case; "" where they are too long for one.

    A dot inside a label is written as in zone files (RFC 1035, 5.1), so that nobody takes it for the end of the label.
    """
    name = b".".join([label.replace(b".", b"\\046") for label in labels])
    return name.decode("ascii", "replace").lower() if len(name) <= MAX_NAME else ""


class DnsStream(Reader):
    """Reads messages over TCP."""

    __slots__ = ("_buffer", "_skip")

    def __init__(self, start: Start) -> None:
        super().__init__(start)
        self._buffer = bytearray()
        self._skip = 0  # bytes of a message that is too long

    @classmethod
    def probe(cls, head: bytes, start: Start) -> Fit:
        """By port: messages have no sign of their own.  The length in front must be that of a message."""
        if PORT not in start.channel.ports:
            return Fit.NO
        if len(head) < 2:
            return Fit.MORE
        return Fit.YES if HEADER < int.from_bytes(head[:2], "big") <= MAX_MESSAGE else Fit.NO

    def feed(self, chunk: Data) -> list[Facts]:
        """Read what came."""
        skipped = min(self._skip, len(chunk.data))
        self._skip -= skipped
        self._buffer += chunk.data[skipped:]
        out: list[Facts] = []
        count = 0
        while len(self._buffer) >= 2 and not self.finished:
            length = int.from_bytes(self._buffer[:2], "big")
            if length <= HEADER or count >= MAX_PIPELINED:
                self.channel.oddities.count("dns_malformed")
                return self.finish() or out
            if length > MAX_MESSAGE:
                self._skip = max(0, 2 + length - len(self._buffer))
                del self._buffer[: 2 + length]
                continue
            if len(self._buffer) < 2 + length:
                break
            payload = bytes(self._buffer[2 : 2 + length])
            del self._buffer[: 2 + length]
            count += 1
            message = read_message(payload, self.origin(chunk, len(self._buffer)), self.channel.oddities)
            out += message.facts
            if message.resolution:
                self.channel.resolutions.append(message.resolution)
        self.channel.is_ordinary = not self._buffer and not self._skip
        return out

    @property
    def held(self) -> int:
        """Bytes of an unfinished message."""
        return len(self._buffer)
