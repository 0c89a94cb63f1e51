"""TLS ClientHello: the server name and the first application protocol.

In: the first bytes of one direction, several records and segments joined.  Out: facts.
Never: anything behind the hello.

Source: RFC 8446, sections 4.1.2 and 5.1; RFC 6066, section 3; RFC 7301.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sniffer.model import Value

MAX_HELLO: Final = 32_768
HANDSHAKE: Final = 0x16
CLIENT_HELLO: Final = 1
SERVER_NAME: Final = 0
ALPN: Final = 16


def begins_record(head: bytes) -> bool:
    """Whether a head begins, or may still begin, with a handshake record."""
    return head[:1] == b"\x16" and (len(head) < 2 or head[1] == 3)


def read_hello(head: bytes) -> dict[str, Value] | None:
    """Facts of a ClientHello; None while it is incomplete; empty when it is none, malformed or too long."""
    handshake = bytearray()
    at = 0
    while len(handshake) < 4 or len(handshake) < 4 + int.from_bytes(handshake[1:4], "big"):
        if (len(handshake) >= 1 and handshake[0] != CLIENT_HELLO) or len(handshake) > MAX_HELLO:
            return {}
        if len(head) < at + 5:
            return None
        size = int.from_bytes(head[at + 3 : at + 5], "big")
        if head[at] != HANDSHAKE or head[at + 1] != 3 or not 0 < size <= 16_640:
            return {}
        handshake += head[at + 5 : at + 5 + size]
        if len(head) < at + 5 + size:
            return None if len(handshake) <= MAX_HELLO else {}
        at += 5 + size
    if handshake[0] != CLIENT_HELLO:
        return {}
    return _hello(bytes(handshake[4 : 4 + int.from_bytes(handshake[1:4], "big")]))


def _hello(body: bytes) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for kind, data in _extensions(body):
        if kind == SERVER_NAME and "tls.server_name" not in values and len(data) >= 5 and data[2] == 0:
            name = data[5 : 5 + int.from_bytes(data[3:5], "big")].rstrip(b".")
            if name and len(name) <= 255:
                values["tls.server_name"] = name.lower().decode("ascii", "replace")
        elif kind == ALPN and len(data) >= 3:
            values["tls.alpn"] = data[3 : 3 + data[2]].decode("ascii", "replace")
    return values


def _extensions(body: bytes) -> list[tuple[int, bytes]]:
    """Extensions of a ClientHello: those that lie whole inside its body."""
    at = 34  # version and random
    if len(body) <= at:
        return []
    at += 1 + body[at]  # session
    at += 2 + int.from_bytes(body[at : at + 2], "big")  # cipher suites
    if at >= len(body):
        return []
    at += 1 + body[at]  # compression
    end = min(len(body), at + 2 + int.from_bytes(body[at : at + 2], "big"))
    at += 2
    out: list[tuple[int, bytes]] = []
    while at + 4 <= end and len(out) < 256:
        size = int.from_bytes(body[at + 2 : at + 4], "big")
        if at + 4 + size > end:
            break
        out.append((int.from_bytes(body[at : at + 2], "big"), body[at + 4 : at + 4 + size]))
        at += 4 + size
    return out
