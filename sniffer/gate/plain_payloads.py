"""Payloads once more, readably: the plain twin of ``openings.py``, ``http_heads.py`` and the wire part of ``names.py``.

In: a payload.  Out: what it opens like, and the names in it.
Never: used in production.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from sniffer.gate.http_heads import HTTP_HEAD, MAX_CHUNK_SIZE, MAX_VALUE
from sniffer.gate.names import (
    MAX_ALIASES,
    MAX_EXTENSIONS,
    MAX_LABELS,
    MAX_NAME,
    MAX_POINTERS,
    MAX_RECORD,
    MAX_RECORDS,
)
from sniffer.gate.openings import (
    LEVIN,
    MAGICS,
    MANAGEMENT_PORTS,
    MAX_AGENT_FRAME,
    MAX_SCAN,
    MAX_SOCKS_METHOD,
    MAX_SOCKS_METHODS,
    MAX_SPACE,
    MAX_SV2_FRAME,
)
from sniffer.gate.plain_links import le16, u16, u32

if TYPE_CHECKING:
    from collections.abc import Iterator

SPACE: Final = b" \n\r\t"
PRINTABLE: Final = bytes(range(0x20, 0x7F)) + SPACE
VERBS: Final = (b"GET ", b"POST", b"HEAD", b"PUT ", b"OPTI", b"DELE", b"PATC")

# ── openings ─────────────────────────────────────────────────────────────────────────────────────────────


def is_printable(data: bytes) -> bool:
    """Only printable ASCII and white space."""
    return all(byte in PRINTABLE for byte in data)


def strip_space(data: bytes) -> bytes | None:
    """Drop up to 16 leading blanks; None when there are more."""
    stripped = data.lstrip(SPACE)
    return stripped if len(data) - len(stripped) <= MAX_SPACE else None


def is_json(payload: bytes) -> bool:
    """``{"`` or ``[{"``, as far as the payload goes."""
    rest = strip_space(payload)
    if rest and rest.startswith(b"["):
        rest = strip_space(rest[1:])
    if rest is None:
        return False
    if not rest:
        return True
    if not rest.startswith(b"{"):
        return False
    rest = strip_space(rest[1:])
    return rest is not None and (not rest or rest.startswith(b'"'))


def is_json_inside(payload: bytes) -> bool:
    """Find the end of one JSON line and the start of the next in the first 2 KiB."""
    for at, byte in enumerate(payload[:MAX_SCAN]):
        if byte == 0x0A and payload[:at].rstrip(SPACE).endswith(b"}"):
            rest = strip_space(payload[at + 1 :])
            if rest is not None and (not rest or (rest.startswith(b"{") and is_json(rest))):
                return True
    return False


def is_client_hello(payload: bytes) -> bool:
    """Whether a TLS record with a ClientHello opens here, as far as bytes are present."""
    if not b"\x16\x03".startswith(payload[:2]) or max(payload[2:3], default=0) > 4:
        return False
    if len(payload) > 4 and not 1 <= u16(payload, 3) <= MAX_RECORD:
        return False
    return len(payload) < 6 or payload[5] == 1


def is_server_hello(payload: bytes) -> bool:
    """Whether a TLS record with a ServerHello opens here."""
    return len(payload) >= 6 and payload[:2] == b"\x16\x03" and payload[2] <= 4 and payload[5] == 2


def hides_certificate(payload: bytes) -> bool:
    """Whether a ServerHello chooses TLS 1.3."""
    hello = payload[: 5 + u16(payload, 3)]
    at = 9 + 34
    if at + 1 > len(hello):
        return False
    at += 1 + hello[at] + 5
    for _ in range(MAX_EXTENSIONS):
        if at + 6 > len(hello):
            return False
        size = u16(hello, at + 2)
        if hello[at : at + 2] == b"\0\x2b" and size == 2 and u16(hello, at + 4) == 0x0304:
            return True
        at += 4 + size
    return False


def is_sealed(payload: bytes) -> bool:
    """Whether a TLS record behind the hello opens here."""
    return (
        len(payload) >= 5
        and payload[0] in (0x14, 0x15, 0x17)
        and payload[1] == 3
        and payload[2] <= 4
        and 1 <= u16(payload, 3) <= MAX_RECORD
    )


def is_proxy(payload: bytes) -> bool:
    """Recognise SOCKS 4 and 5, HTTP CONNECT, PROXY protocol versions 1 and 2."""
    return is_socks(payload) or payload.startswith((b"CONNECT ", b"PROXY ", b"\r\n\r\n\0\r\nQUIT\n"))


def is_socks(payload: bytes) -> bool:
    """Recognise the client's first message in SOCKS 4, 4a and 5, as far as the payload goes."""
    version, rest = payload[0], payload[1:]
    if version == 5:
        return not rest or (
            1 <= rest[0] <= MAX_SOCKS_METHODS and max(rest[1 : 1 + rest[0]], default=0) <= MAX_SOCKS_METHOD
        )
    return version == 4 and (not rest or rest[0] == 1)


def is_websocket(payload: bytes) -> bool:
    """A WebSocket frame with text or data that opens like JSON."""
    if len(payload) < 2 or payload[0] not in (0x81, 0x82, 0x01, 0x02):
        return False
    masked, length = payload[1] & 0x80, payload[1] & 0x7F
    at = 2 + {126: 2, 127: 8}.get(length, 0)
    key = payload[at : at + 4] if masked else b"\0"
    content = payload[at + 4 * bool(masked) :]
    return length >= 2 and bool(content) and content[0] ^ key[0] in b"{["


def is_binary(payload: bytes) -> bool:
    """A frame of BTCAgent, of Stratum V2 without encryption, or the hello of DATUM."""
    return is_agent_frame(payload) or is_sv2_frame(payload) or is_datum_hello(payload)


def is_agent_frame(payload: bytes) -> bool:
    """A frame of BTCAgent."""
    kinds = (1, 2, 3, 4, 5, 0x12, 0x13)
    return (
        len(payload) >= 4
        and payload[0] == 0x7F
        and payload[1] in kinds
        and 6 <= le16(payload, 2) <= MAX_AGENT_FRAME
    )


def is_sv2_frame(payload: bytes) -> bool:
    """A plain frame of Stratum V2."""
    if len(payload) < 8 or payload[0] != 0:
        return False
    kind, length = payload[2], int.from_bytes(payload[3:6], "little")
    if payload[1] == 0 and kind == 0:
        return len(payload) >= 11 and 20 <= length <= 2048 and payload[6] <= 3 and le16(payload, 7) == 2
    if payload[1] == 0 and kind == 1:
        return length == 6 and le16(payload, 6) == 2
    if payload[1] not in (0, 0x80) or not 0x10 <= kind <= 0x25 or not 4 <= length <= MAX_SV2_FRAME:
        return False
    following = payload[6 + length : 8 + length]
    return len(payload) == 6 + length or (len(following) == 2 and following[0] == 0)


def is_datum_hello(payload: bytes) -> bool:
    """The first message of DATUM."""
    length = (le16(payload, 0) ^ 0x1829) if payload[2:4] == b"\x87\xd7" else 0
    return 200 <= length <= 1024 and length + 4 >= len(payload)


def is_noise(payload: bytes) -> bool:
    """A handshake message of Stratum V2 over Noise, by its size and by looking random."""
    size = len(payload)
    if size == 34:
        return payload[:2] == b"\x20\0" and len(set(payload[2:])) >= 26
    if size in (172, 174):
        return le16(payload, 0) == size - 2 and len(set(payload[2:])) >= 100
    if size == 64:
        return len(set(payload)) >= 46
    return size in (170, 234) and len(set(payload)) >= 100


def is_peer(payload: bytes) -> bool:
    """The first message between nodes of a coin."""
    if len(payload) < 8:
        return False
    magic = u32(payload, 0)
    if magic in MAGICS:
        return 0x61 <= payload[4] <= 0x7A
    if magic == LEVIN:
        return u32(payload, 4) == 0x01010101
    size = u16(payload, 0)
    return size == len(payload) - 2 and 0x100 <= size < 0x300 and payload[2] == 4


def is_management(payload: bytes, port: int) -> bool:
    """A datagram of miners and their tools."""
    return port in MANAGEMENT_PORTS and len(payload) >= 4 and is_printable(payload[:16])


# ── HTTP heads ───────────────────────────────────────────────────────────────────────────────────────────

MINING_FIELDS: Final = (
    b"x-mining-",
    b"x-stratum:",
    b"x-long-polling:",
    b"x-roll-ntime:",
    b"x-reject-reason:",
)
RPC_KEYS: Final = (b"id", b"jsonrpc", b"result", b"error", b"method")


@dataclass
class Head:
    """What a head says."""

    host: bytes | None = None  # None: there is none, or it is cut
    features: set[str] = field(default_factory=set)
    body: bytes | None = None  # None: the head goes on, or is too long
    is_too_long: bool = False
    has_host: bool = False


def read_head(payload: bytes) -> Head:
    """Read a head as far as it is there."""
    window = payload[:HTTP_HEAD]
    head = Head()
    at = window.find(b"\n") + 1
    while at and at < len(window):
        line = window[at:]
        if line[:1] == b"\n":
            head.body = payload[at + 1 :]
            return head
        if line[:1] == b"\r":
            if at + 2 <= len(payload):
                head.body = payload[at + 2 :]
            return head
        note_field(line, head)
        if not head.has_host and line[:5].lower() == b"host:":
            head.has_host = True
            rest = line[5:].lstrip(b" \t")
            stop = next((i for i, byte in enumerate(rest) if byte <= 0x20 or byte == 0x3A), -1)
            head.host = rest[:stop] if stop >= 0 else None
            at += len(line) - len(rest) + (stop if stop >= 0 else len(rest))
        at = window.find(b"\n", at) + 1
    head.is_too_long = len(payload) > HTTP_HEAD
    return head


def note_field(line: bytes, head: Head) -> None:
    """Note what a field gives away; ``line`` goes on behind it."""
    lower = line[: MAX_VALUE + 64].lower()
    if lower.startswith(MINING_FIELDS):
        head.features.add("mining")
    elif lower.startswith(b"upgrade:") and holds(line[8:], b"websocket"):
        head.features.add("upgrade")
    elif lower.startswith(b"content-type:"):
        head.features.add("typed")
        if holds(line[13:], b"json"):
            head.features.add("json")
    elif lower.startswith(b"content-encoding:"):
        head.features.add("encoded")


def holds(rest: bytes, word: bytes) -> bool:
    """Whether the rest of a line holds a word, begun within the first bytes of the value."""
    value = rest.split(b"\n", 1)[0][:MAX_VALUE]
    return any(rest[i : i + len(word)].lower() == word for i in range(len(value)))


def json_body(body: bytes) -> bytes | None:
    """The body where JSON opens, perhaps behind the size of a chunk."""
    if is_json(body):
        return body
    size = next((i for i, byte in enumerate(body) if byte <= 0x20), len(body))
    size = min(size, MAX_CHUNK_SIZE)
    rest = body[size + 2 :]
    return rest if size and body[size : size + 2] == b"\r\n" and rest and is_json(rest) else None


def opens_rpc(body: bytes) -> bool:
    """Whether a body opens like an answer or a push of JSON-RPC, by its first key."""
    found = json_body(body)
    if found is None:
        return False
    rest = found.lstrip(SPACE)
    for bracket in (b"[", b"{"):
        if rest.startswith(bracket):
            rest = rest[1:].lstrip(SPACE)
    if not rest:
        return True
    if rest[:1] != b'"':
        return False
    key = rest[1:]
    if not key or key[:1] == b"\\":
        return True
    return any(key == each or key.startswith(each + b'"') for each in RPC_KEYS)


def path_of(payload: bytes) -> bytes | None:
    """Path of a request target, if it ends within its limits."""
    window = payload[:HTTP_HEAD]
    start = window.find(b" ") + 1
    size = next((i for i, byte in enumerate(window[start:]) if byte <= 0x20 or byte == 0x3F), None)
    return window[start : start + size] if start and size is not None and size <= MAX_VALUE else None


# ── names on the wire ────────────────────────────────────────────────────────────────────────────────────


def server_name(payload: bytes) -> bytes | None:
    """Server name of a ClientHello in its record; as :func:`hello_name`."""
    if len(payload) < 9:
        raise EOFError
    record_end = 5 + u16(payload, 3)
    if record_end < 9:
        raise EOFError
    return hello_name(payload[5:record_end])


def hello_name(message: bytes) -> bytes | None:
    """Server name of a ClientHello; None: it has none.

    Raises:
        EOFError: it may be in a part of the message that is not here.
        ValueError: the message contradicts itself.
    """
    hello_end = 4 + int.from_bytes(message[1:4], "big")
    hello = message[:hello_end]
    at = 4 + 34

    def present(end: int) -> None:
        if end > len(hello):
            raise EOFError if len(hello) < hello_end else ValueError

    for width in (1, 2, 1):  # session id, cipher suites, compression methods
        present(at + width)
        at += width + int.from_bytes(hello[at : at + width], "big")
    if at == hello_end:
        return None
    present(at + 2)
    at += 2
    for _ in range(MAX_EXTENSIONS):
        if at == hello_end:
            return None
        present(at + 4)
        kind, size, at = u16(hello, at), u16(hello, at + 2), at + 4
        if kind == 0:
            present(at + size)
            length = u16(hello, at + 3)
            if size < 5 or hello[at + 2] != 0 or length + 5 > size:
                raise ValueError
            return hello[at + 5 : at + 5 + length]
        at += size
    raise ValueError


def dns_names(message: bytes) -> Iterator[list[bytes]]:
    """Names in the question and in CNAME, SVCB and HTTPS answers, as labels.

    Raises:
        ValueError: the message contradicts itself before its question was read.
    """
    flags, questions, answers = u16(message, 2), u16(message, 4), u16(message, 6)
    if len(message) < 12 or (flags >> 11) & 0xF not in (0, 4, 5) or questions > 1:
        raise ValueError
    if questions == 0:
        return
    yield dns_name(message, 12)
    at = dns_skip(message, 12)
    if at is None or at + 4 > len(message):
        raise ValueError
    at += 4
    if not flags & 0x8000:
        return
    aliases = 0
    for _ in range(min(answers, MAX_RECORDS)):
        at = dns_skip(message, at)
        if at is None or at + 10 > len(message):
            return
        kind, size, at = u16(message, at), u16(message, at + 8), at + 10
        leads = kind == 5 or (kind in (64, 65) and size > 2)
        if leads and at + size <= len(message) and aliases < MAX_ALIASES:
            aliases += 1
            with contextlib.suppress(ValueError):
                yield dns_name(message, at if kind == 5 else at + 2)
        at += size


def dns_name(message: bytes, at: int) -> list[bytes]:
    """Labels of a name: pointers strictly backwards, at most 16, at most 255 bytes.

    Raises:
        ValueError: anything else.
    """
    labels: list[bytes] = []
    size = pointers = 0
    limit = at
    while True:
        if at >= len(message):
            raise ValueError
        length = message[at]
        if length == 0:
            return labels
        if length >= 0xC0:
            if at + 2 > len(message):
                raise ValueError
            target = u16(message, at) & 0x3FFF
            pointers += 1
            if pointers > MAX_POINTERS or not 12 <= target < limit:
                raise ValueError
            at = limit = target
            continue
        size += 1 + length
        if length >= 0x40 or at + 1 + length > len(message) or size > MAX_NAME or len(labels) >= MAX_LABELS:
            raise ValueError
        labels.append(message[at + 1 : at + 1 + length])
        at += 1 + length


def dns_skip(message: bytes, at: int) -> int | None:
    """Offset behind a name, or None."""
    for _ in range(MAX_LABELS):
        if at >= len(message):
            return None
        length = message[at]
        if length == 0:
            return at + 1
        if length >= 0xC0:
            return at + 2 if at + 2 <= len(message) else None
        if length >= 0x40:
            return None
        at += 1 + length
    return None
