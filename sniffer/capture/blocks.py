"""The pcapng blocks that describe rather than carry packets: section header and interface description.

In: the bytes of one block.  Out: byte order; a link type, a name, a row for the compiled walk.
Never: file positions.

Source: draft-ietf-opsawg-pcapng, sections 3.5 (options), 4.1, 4.2.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from sniffer.capture import walk
from sniffer.capture.faults import Fault
from sniffer.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

SECTION_SIZE: Final = 28
INTERFACE_SIZE: Final = 20
BYTE_ORDERS: Final = {b"\x1a\x2b\x3c\x4d": ">", b"\x4d\x3c\x2b\x1a": "<"}

IF_NAME, IF_TSRESOL, IF_TSOFFSET = 2, 9, 14
MICROSECONDS: Final = 6
MAX_NAME: Final = 64


class Interface(NamedTuple):
    """One interface description."""

    link: int
    name: str  # printable, "" when the file does not tell
    row: tuple[int, ...]  # walk.COLUMNS numbers


def section_order(head: bytes) -> str:
    """Byte order (``<`` or ``>``) of a section from the first :data:`SECTION_SIZE` bytes of its header.

    Raises:
        Fault: byte_order, version.
    """
    order = BYTE_ORDERS.get(head[8:12])
    if order is None:
        raise Fault("byte_order", f"0x{head[8:12].hex()}")
    major, minor = struct.unpack_from(order + "HH", head, 12)
    if major != 1 or minor not in (0, 2):  # 1.2 is written by some and is the same
        raise Fault("version", f"{major}.{minor}")
    return order


def read_interface(block: bytes, order: str) -> Interface:
    """Read a whole interface description block.

    Raises:
        Fault: option_length, time_resolution.
    """
    link, _, snaplen = struct.unpack_from(order + "HHI", block, 8)
    name, resolution, offset = "", MICROSECONDS, 0
    for code, value in options(block[16:-4], order):
        if code == IF_NAME:
            name = printable(value.split(b"\0")[0].decode("utf-8", "replace"), MAX_NAME)
        elif code == IF_TSRESOL and len(value) == 1:
            resolution = value[0]
        elif code == IF_TSOFFSET and len(value) == 8:
            (offset,) = struct.unpack(order + "q", value)
    multiply, divide, shift = time_unit(resolution)
    most = walk.LATEST // walk.SECOND
    seconds = max(-most, min(offset, most))
    return Interface(link, name, (link, snaplen, multiply, divide, shift, seconds * walk.SECOND))


def time_unit(resolution: int) -> tuple[int, int, int]:
    """Turn an if_tsresol byte into ``(multiply, divide, shift)`` as :func:`walk.block_time` wants them.

    Raises:
        Fault: time_resolution: finer than 64 bits can count a second in.
    """
    power = resolution & 0x7F
    if resolution & 0x80:
        if power > 63:
            raise Fault("time_resolution", f"2^-{power}")
        return (1, 1, power) if power else (walk.SECOND, 1, 0)
    if power > 19:
        raise Fault("time_resolution", f"10^-{power}")
    return (10 ** (9 - power), 1, 0) if power <= 9 else (1, 10 ** (power - 9), 0)


def options(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Yield code and value of each option up to opt_endofopt.

    Raises:
        Fault: option_length.
    """
    head = struct.Struct(order + "HH")
    at = 0
    while at + 4 <= len(data):
        code, size = head.unpack_from(data, at)
        if code == 0:
            return
        at += 4
        if at + size > len(data):
            raise Fault("option_length")
        yield code, data[at : at + size]
        at += size + 3 & ~3
