"""What may stand in front of a conversation: SOCKS, HTTP CONNECT, a PROXY protocol line.

In: the first bytes of one direction.  Out: how many of them are wrapping, and where the proxy was asked to connect.
Never: state; the caller hands over a growing head until it is decided.

Sources: RFC 1928 (SOCKS5), RFC 1929 (its passwords), the SOCKS4a memo, RFC 9110 section 9.3.6 (CONNECT), the PROXY
protocol specification, versions 1 and 2.
"""

from __future__ import annotations

import ipaddress
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sniffer.model import Value

MAX_HEAD: Final = 16_384
MAX_PROXY_LINE: Final = 107
PROXY_BINARY: Final = b"\r\n\r\n\0\r\nQUIT\n"
MAX_PROXY_HEADER: Final = 2_048
MAX_HOST: Final = 255


class Wrapping(NamedTuple):
    """A recognised wrapping."""

    length: int  # bytes of the head that belong to it
    message: str = ""  # "CONNECT", "SOCKS5", … of the client; "" where nothing is told
    values: Mapping[str, Value] = MappingProxyType({})


MORE: Final = Wrapping(-1)
"""The head may be a wrapping, but is not complete."""


def unwrap(head: bytes) -> Wrapping | None:
    """Say whether a head begins with a wrapping: a Wrapping, MORE, or None (it does not)."""
    if head[:1] == b"\x05":
        return _socks5(head)
    if head[:1] == b"\x04":
        return _socks4(head)
    if head[:1] == b"\x00":
        return _socks4_reply(head)
    if PROXY_BINARY.startswith(head[: len(PROXY_BINARY)]):
        return _proxy_header(head)
    if b"PROXY ".startswith(head[:6]):
        return _proxy_line(head)
    if b"CONNECT ".startswith(head[:8]):
        return _connect(head)
    if b"HTTP/1.".startswith(head[:7]):
        return _connect_reply(head)
    return None


def _target(host: str, port: int) -> dict[str, Value]:
    name = host.rstrip(".").lower()
    is_target = 0 < len(name) <= MAX_HOST and 0 < port < 65_536
    return {"connect.host": name, "connect.port": port} if is_target else {}


def _address(head: bytes, at: int) -> tuple[str, int] | None:
    """Host and the offset behind its port, of a SOCKS5 address; None: more bytes are needed."""
    kind = head[at]
    if kind == 3:
        if len(head) < at + 2:
            return None
        end = at + 2 + head[at + 1]
        host = head[at + 2 : end].decode("ascii", "replace")
    else:
        end = at + 1 + (4 if kind == 1 else 16)
        if len(head) < end:
            return None
        host = str(ipaddress.ip_address(head[at + 1 : end]))
    return (host, end + 2) if len(head) >= end + 2 else None


def _socks5(head: bytes) -> Wrapping | None:
    if len(head) < 2:
        return MORE
    count = head[1]
    if count in (0, 2) and (count == 0 or head[2:4] == b"\x01\x00"):
        served = _socks5_reply(head, 2 if count == 0 else 4)
        if served is not None or count == 0:
            return served
    if count == 0xFF or count > 16:
        return None
    at = 2 + count
    if len(head) <= at:
        return MORE
    if head[at] == 1:  # user name and password
        user_end = at + 2 + (head[at + 1] if len(head) > at + 1 else 0)
        if len(head) <= user_end:
            return MORE
        at = user_end + 1 + head[user_end]
        if len(head) <= at:
            return MORE
    if head[at] != 5:
        return None
    if len(head) < at + 5:
        return MORE
    if head[at + 1] not in (1, 2, 3) or head[at + 2] != 0 or head[at + 3] not in (1, 3, 4):
        return None
    found = _address(head, at + 3)
    if found is None:
        return MORE
    host, end = found
    return Wrapping(end, "SOCKS5", _target(host, int.from_bytes(head[end - 2 : end], "big")))


def _socks5_reply(head: bytes, at: int) -> Wrapping | None:
    if len(head) < at + 5:
        return MORE if b"\x05\x00\x00".startswith(head[at : at + 3]) else None
    if head[at : at + 3] != b"\x05\x00\x00" or head[at + 3] not in (1, 3, 4):
        return None
    found = _address(head, at + 3)
    return Wrapping(found[1]) if found else MORE


def _socks4(head: bytes) -> Wrapping | None:
    if len(head) > 1 and head[1] not in (1, 2):
        return None
    if len(head) < 9:
        return MORE
    user_end = head.find(b"\0", 8)
    if user_end < 0:
        return MORE if len(head) < 8 + MAX_HOST else None
    port = int.from_bytes(head[2:4], "big")
    if head[4:7] != b"\0\0\0" or head[7] == 0:
        host = str(ipaddress.ip_address(head[4:8]))
        return Wrapping(user_end + 1, "SOCKS4", _target(host, port))
    host_end = head.find(b"\0", user_end + 1)
    if host_end < 0:
        return MORE if len(head) < user_end + 1 + MAX_HOST else None
    host = head[user_end + 1 : host_end].decode("ascii", "replace")
    return Wrapping(host_end + 1, "SOCKS4a", _target(host, port))


def _socks4_reply(head: bytes) -> Wrapping | None:
    if len(head) < 8:
        return MORE if len(head) < 2 or head[1] == 0x5A else None
    return Wrapping(8) if head[1] == 0x5A else None


def _proxy_line(head: bytes) -> Wrapping | None:
    end = head.find(b"\r\n", 0, MAX_PROXY_LINE)
    if end < 0:
        return MORE if len(head) < MAX_PROXY_LINE else None
    return Wrapping(end + 2)


def _proxy_header(head: bytes) -> Wrapping | None:
    """Version 2: a signature, version and command, family, length of the rest."""
    size = len(PROXY_BINARY)
    if len(head) < size + 4:
        return MORE if len(head) <= size or head[size] >> 4 == 2 else None
    length = int.from_bytes(head[size + 2 : size + 4], "big")
    if head[size] >> 4 != 2 or length > MAX_PROXY_HEADER:
        return None
    return Wrapping(size + 4 + length) if len(head) >= size + 4 + length else MORE


def _head_end(head: bytes) -> int:
    """Offset behind the empty line that ends an HTTP head; 0: not there yet; -1: never."""
    end = head.find(b"\r\n\r\n", 0, MAX_HEAD)
    if end >= 0:
        return end + 4
    return 0 if len(head) < MAX_HEAD else -1


def _connect(head: bytes) -> Wrapping | None:
    end = _head_end(head)
    if end <= 0:
        return MORE if end == 0 else None
    target = head[8:].split(b" ", 1)[0][:300].decode("ascii", "replace")
    host, colon, port = target.rpartition(":")
    if not colon or not port.isdecimal() or len(port) > 5:
        return None
    return Wrapping(end, "CONNECT", _target(host.strip("[]"), int(port)))


def _connect_reply(head: bytes) -> Wrapping | None:
    if len(head) >= 12 and not (head[8:10] == b" 2" and head[9:12].isdigit()):
        return None
    end = _head_end(head)
    if end <= 0:
        return MORE if end == 0 else None
    return Wrapping(end)
