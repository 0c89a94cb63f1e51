"""Capture files as bytes, right and wrong, and a reader of them for tests."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from sniffer.capture.savefile import Savefile
from sniffer.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

MICRO, NANO, MODIFIED = 0xA1B2C3D4, 0xA1B23C4D, 0xA1B2CD34
WHOLE: Final = -1  # an original length equal to the captured one


class Frame(NamedTuple):
    """What a test compares of a frame."""

    time: int
    data: bytes
    length: int
    link: int = 1
    interface: int = 0


def pcap_header(
    order: str = "<", magic: int = MICRO, link: int = 1, version: tuple[int, int] = (2, 4)
) -> bytes:
    """The 24 bytes before the first record."""
    return struct.pack(order + "IHHiIII", magic, *version, 0, 0, 262_144, link)


def pcap_record(
    data: bytes,
    seconds: int = 1,
    fraction: int = 2,
    length: int = WHOLE,
    order: str = "<",
    *,
    modified: bool = False,
) -> bytes:
    """A record; the modified format has eight more bytes of header."""
    head = struct.pack(order + "IIII", seconds, fraction, len(data), len(data) if length == WHOLE else length)
    return head + (struct.pack(order + "IHBx", 3, 0x800, 0) if modified else b"") + data


def block(
    kind: int, body: bytes, order: str = "<", *, length: int | None = None, trailer: int | None = None
) -> bytes:
    """A pcapng block; ``length`` and ``trailer`` lie if given."""
    body += bytes(-len(body) % 4)
    total = 12 + len(body) if length is None else length
    last = total if trailer is None else trailer
    return struct.pack(order + "II", kind, total) + body + struct.pack(order + "I", last)


def option(code: int, value: bytes, order: str = "<") -> bytes:
    """An option of a block."""
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def section(order: str = "<", version: tuple[int, int] = (1, 0), options: bytes = b"") -> bytes:
    """A section header."""
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, *version, -1) + options, order)


def interface(order: str = "<", link: int = 1, snaplen: int = 0, options: bytes = b"") -> bytes:
    """An interface description."""
    return block(1, struct.pack(order + "HHI", link, 0, snaplen) + options, order)


def enhanced(
    data: bytes,
    stamp: int = 0,
    number: int = 0,
    length: int = WHOLE,
    order: str = "<",
    *,
    captured: int | None = None,
    options: bytes = b"",
) -> bytes:
    """An enhanced packet block; ``captured`` lies if given."""
    kept = len(data) if captured is None else captured
    wire = len(data) if length == WHOLE else length
    head = struct.pack(order + "IIIII", number, stamp >> 32, stamp & 0xFFFFFFFF, kept, wire)
    return block(6, head + data + bytes(-len(data) % 4) + options, order)


def old_packet(data: bytes, stamp: int = 0, number: int = 0, order: str = "<") -> bytes:
    """An obsolete packet block; seven packets were dropped before it."""
    head = struct.pack(order + "HHIIII", number, 7, stamp >> 32, stamp & 0xFFFFFFFF, len(data), len(data))
    return block(2, head + data, order)


def simple(data: bytes, length: int = WHOLE, order: str = "<") -> bytes:
    """A simple packet block."""
    return block(3, struct.pack(order + "I", len(data) if length == WHOLE else length) + data, order)


def read(path: Path | str, *, batch_frames: int = 8_192, window: int = 4 << 20) -> tuple[list[Frame], str]:
    """Frames of a file, and the error line at its end, if there is one.

    Frames that reach outside their batch fail the test that reads them.
    """
    source = Savefile(str(path), batch_frames=batch_frames, window=window)
    frames: list[Frame] = []
    error = ""
    try:
        for batch in source.batches():
            assert batch.data.flags.writeable
            assert batch.data.flags.c_contiguous
            assert 0 < len(batch.frames) <= batch_frames
            for time, offset, captured, length, link, number, tci, protocol in batch.frames.tolist():
                assert offset + captured <= len(batch.data)
                assert number < len(source.interfaces)
                assert (tci, protocol) == (0, 0)
                data = batch.data[offset : offset + captured].tobytes()
                frames.append(Frame(time, data, length, link, number))
    except InputError as fault:
        error = str(fault)
        assert "\n" not in error
        assert f"(record {len(frames) + 1}): " in error
    assert source.packets == len(frames)
    return frames, error
