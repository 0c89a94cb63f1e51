"""Frames as a capture file that every tool reads: pcapng (draft-ietf-opsawg-pcapng), nanoseconds.

In: frames, names of interfaces.  Out: the bytes of a file.
Never: a name of the wire; anything that depends on when it is written.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from sniffer.errors import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sniffer.evidence.exhibit import Frame

SECTION, INTERFACE, PACKET = 0x0A0D0D0A, 1, 6
NAME, RESOLUTION = 2, 9
NANOSECONDS: Final = b"\x09"
MAX_NAME: Final = 64


def encode(frames: Sequence[Frame], interfaces: Sequence[str]) -> bytes:
    """A capture of these frames; an interface that has frames of several link types is there several times."""
    numbers: dict[tuple[int, int], int] = {}
    for frame in frames:
        numbers.setdefault((frame.interface, frame.link), len(numbers))
    out = [_block(SECTION, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))]
    for interface, link in numbers:
        name = printable(interfaces[interface], MAX_NAME).encode("ascii")
        options = _option(NAME, name) + _option(RESOLUTION, NANOSECONDS) + bytes(4)
        out.append(_block(INTERFACE, struct.pack("<HHI", link, 0, 0) + options))
    for frame in frames:
        time = max(frame.time, 0)
        head = struct.pack(
            "<IIIII",
            numbers[frame.interface, frame.link],
            time >> 32,
            time & 0xFFFFFFFF,
            len(frame.data),
            frame.length,
        )
        out.append(_block(PACKET, head + _padded(frame.data)))
    return b"".join(out)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _option(code: int, data: bytes) -> bytes:
    return struct.pack("<HH", code, len(data)) + _padded(data)


def _block(kind: int, body: bytes) -> bytes:
    total = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + total + body + total
