"""Frames of conversations that never took place: what the self-test and the benign corpus are read from.

In: who says what.  Out: Ethernet frames with IPv4 and TCP or UDP, a batch or a capture of them.
Never: a packet on any wire; checksums, options, tunnels: what else a test needs it builds for itself.
"""

from __future__ import annotations

import itertools
import struct
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from sniffer.batch import FRAME, Batch
from sniffer.model import TcpFlag

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Party: TypeAlias = tuple[bytes, int]
"""One end: its address, packed, and its port."""
Talk: TypeAlias = "Iterable[tuple[int, bytes]]"
"""Who says what, in order: 0 the client, 1 the server."""
Frames: TypeAlias = list[tuple[int, bytes]]
"""Who sent a frame, and the frame."""

MILLISECOND: Final = 1_000_000
SEGMENT: Final = 1_448  # bytes of payload that fit into a usual frame
TCP, UDP = 6, 17


def _ip(ends: tuple[Party, Party], side: int, protocol: int, payload: bytes) -> bytes:
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0)
    return bytes(12) + b"\x08\x00" + head + ends[side][0] + ends[1 - side][0] + payload


def conversation(ends: tuple[Party, Party], talk: Talk, *, opened: bool = True) -> Frames:
    """A TCP connection; ``opened``: with its handshake."""
    sequences = [1_000, 5_000]
    frames: Frames = []

    def add(side: int, flags: int, payload: bytes = b"") -> None:
        known = sequences[1 - side] if flags & TcpFlag.ACK else 0
        ports = ends[side][1], ends[1 - side][1]
        tcp = struct.pack(">HHIIBBHHH", *ports, sequences[side], known, 0x50, flags, 65_535, 0, 0)
        frames.append((side, _ip(ends, side, TCP, tcp + payload)))
        sequences[side] += len(payload) + bool(flags & TcpFlag.SYN)

    if opened:
        add(0, TcpFlag.SYN)
        add(1, TcpFlag.SYN | TcpFlag.ACK)
        add(0, TcpFlag.ACK)
    for side, data in talk:
        for at in range(0, len(data), SEGMENT):
            add(side, TcpFlag.PSH | TcpFlag.ACK, data[at : at + SEGMENT])
    return frames


def datagrams(ends: tuple[Party, Party], talk: Talk) -> Frames:
    """A UDP datagram for each thing said."""
    return [
        (
            side,
            _ip(
                ends,
                side,
                UDP,
                struct.pack(">HHHH", ends[side][1], ends[1 - side][1], 8 + len(data), 0) + data,
            ),
        )
        for side, data in talk
    ]


def batch(frames: Sequence[bytes]) -> Batch:
    """Frames as a source hands them over, a millisecond apart."""
    rows = np.zeros(len(frames), dtype=FRAME)
    sizes = [len(frame) for frame in frames]
    rows["offset"] = [0, *itertools.accumulate(sizes[:-1])]
    rows["captured"] = rows["length"] = sizes
    rows["link"] = 1
    rows["time"] = [(number + 1) * MILLISECOND for number in range(len(frames))]
    # Writable, like all batches: for memory that is not, the kernels would have to be compiled once more.
    return Batch(np.frombuffer(bytearray(b"".join(frames)), dtype=np.uint8), rows)


def capture(frames: Iterable[bytes], start: int) -> bytes:
    """Frames as a capture file (pcap with nanoseconds), a millisecond apart from ``start`` seconds since 1970."""
    out = [struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262_144, 1)]
    for number, frame in enumerate(frames):
        seconds, milliseconds = divmod(number, 1_000)
        out.append(
            struct.pack("<IIII", start + seconds, milliseconds * MILLISECOND, len(frame), len(frame)) + frame
        )
    return b"".join(out)
