"""Payloads once more, readably: the plain twin of ``openings.py`` and of the wire part of ``names.py``.

In: a payload.  Out: what it opens like, and the names in it.
Never: used in production.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from sniffer.gate.names import (
    HTTP_HEAD,
    MAX_ALIASES,
    MAX_EXTENSIONS,
    MAX_LABELS,
    MAX_NAME,
    MAX_POINTERS,
    MAX_RECORD,
    MAX_RECORDS,
)
from sniffer.gate.openings import MAX_SCAN, MAX_SOCKS_METHOD, MAX_SOCKS_METHODS, MAX_SPACE
from sniffer.gate.plain_headers import u16

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


def is_proxy(payload: bytes) -> bool:
    """Recognise SOCKS 4 and 5, HTTP CONNECT, PROXY protocol version 1."""
    return is_socks(payload) or payload.startswith((b"CONNECT ", b"PROXY "))


def is_socks(payload: bytes) -> bool:
    """Recognise the client's first message in SOCKS 4, 4a and 5, as far as the payload goes."""
    version, rest = payload[0], payload[1:]
    if version == 5:
        return not rest or (
            1 <= rest[0] <= MAX_SOCKS_METHODS and max(rest[1 : 1 + rest[0]], default=0) <= MAX_SOCKS_METHOD
        )
    return version == 4 and (not rest or rest[0] == 1)


# ── names on the wire ────────────────────────────────────────────────────────────────────────────────────


def http_host(payload: bytes) -> bytes | None:
    """Host of an HTTP request head: None when the head goes on in a later segment, empty when it has none."""
    window = payload[:HTTP_HEAD]
    unfinished = None if len(payload) <= HTTP_HEAD else b""
    at = window.find(b"\n") + 1
    while at:
        line = window[at:]
        if line[:1] in (b"\n", b"\r"):
            return b""
        if len(line) < 5:
            return unfinished
        if line[:5].lower() == b"host:":
            rest = line[5:].lstrip(b" \t")
            stop = next((i for i, byte in enumerate(rest) if byte <= 0x20 or byte == 0x3A), -1)
            return unfinished if stop < 0 else rest[:stop]
        at = window.find(b"\n", at) + 1
    return unfinished


def server_name(payload: bytes) -> bytes:
    """Server name of a ClientHello.

    Raises:
        EOFError: it may be in a later segment or record.
        ValueError: there is none, or the message contradicts itself.
    """
    if len(payload) < 9:
        raise EOFError
    record_end = 5 + u16(payload, 3)
    if record_end < 9:
        raise EOFError
    hello_end = 9 + int.from_bytes(payload[6:9], "big")
    hello = payload[: min(record_end, hello_end)]
    at = 9 + 34

    def present(end: int) -> None:
        if end > len(hello):
            raise EOFError if len(hello) < hello_end else ValueError

    for width in (1, 2, 1):  # session id, cipher suites, compression methods
        present(at + width)
        at += width + int.from_bytes(hello[at : at + width], "big")
    if at != hello_end:
        present(at + 2)
        at += 2
    for _ in range(MAX_EXTENSIONS):
        if at == hello_end:
            break
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
    """Names in the question and in CNAME answers, as labels.

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
        if kind == 5 and at + size <= len(message) and aliases < MAX_ALIASES:
            aliases += 1
            with contextlib.suppress(ValueError):
                yield dns_name(message, at)
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
