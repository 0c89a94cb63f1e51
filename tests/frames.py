"""Builds frames, batches and captures for tests, out of plain bytes."""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass, field

import numpy as np

from sniffer.batch import FRAME, Batch

SYN, ACK, FIN, RST, PSH = 0x02, 0x10, 0x01, 0x04, 0x08
MILLISECOND = 1_000_000


def ethernet(payload: bytes, *, vlans: tuple[int, ...] = (), version: int = 4) -> bytes:
    """An Ethernet frame, with 802.1Q tags from the outside in."""
    head = bytes.fromhex("02000000000102000000000a")
    for number, vlan in enumerate(vlans):
        head += struct.pack("!HH", 0x88A8 if number + 1 < len(vlans) else 0x8100, vlan)
    return head + struct.pack("!H", 0x0800 if version == 4 else 0x86DD) + payload


def ip(source: str, destination: str, protocol: int, payload: bytes) -> bytes:
    """An IPv4 or IPv6 packet."""
    a, b = ipaddress.ip_address(source), ipaddress.ip_address(destination)
    if a.version == 4:
        return (
            struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, 0)
            + a.packed
            + b.packed
            + payload
        )
    return struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64) + a.packed + b.packed + payload


def tcp(
    source: tuple[str, int], destination: tuple[str, int], flags: int, seq: int, ack: int = 0, payload: bytes = b"",
    *, vlans: tuple[int, ...] = (),
) -> bytes:  # fmt: skip
    """A TCP segment in its frame."""
    head = struct.pack(
        "!HHIIBBHHH", source[1], destination[1], seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, 0x50, flags, 65_535, 0, 0
    )
    version = ipaddress.ip_address(source[0]).version
    return ethernet(ip(source[0], destination[0], 6, head + payload), vlans=vlans, version=version)


def udp(source: tuple[str, int], destination: tuple[str, int], payload: bytes) -> bytes:
    """A UDP datagram in its frame."""
    head = struct.pack("!HHHH", source[1], destination[1], 8 + len(payload), 0)
    version = ipaddress.ip_address(source[0]).version
    return ethernet(ip(source[0], destination[0], 17, head + payload), version=version)


def batch(frames: list[tuple[int, bytes]], *, link: int = 1) -> Batch:
    """A batch of (time in nanoseconds, frame)."""
    data = np.frombuffer(bytearray(b"".join(frame for _, frame in frames) or b"\0"), dtype=np.uint8)
    rows = np.zeros(len(frames), dtype=FRAME)
    at = 0
    for row, (time, frame) in zip(rows, frames, strict=True):
        row["time"], row["offset"], row["captured"], row["length"], row["link"] = (
            time,
            at,
            len(frame),
            len(frame),
            link,
        )
        at += len(frame)
    return Batch(data, rows)


@dataclass
class Conversation:
    """A TCP connection that grows message by message; ``frames`` is what the wire saw."""

    client: tuple[str, int] = ("10.0.0.7", 40_000)
    server: tuple[str, int] = ("203.0.113.9", 3333)
    time: int = 1_700_000_000 * 10**9
    step: int = 10 * MILLISECOND
    vlans: tuple[int, ...] = ()
    frames: list[tuple[int, bytes]] = field(default_factory=list)
    seqs: list[int] = field(default_factory=lambda: [1_000, 5_000])

    def _add(self, side: int, flags: int, payload: bytes = b"", *, seq: int | None = None) -> None:
        ends = (self.client, self.server)
        self.time += self.step
        frame = tcp(
            ends[side], ends[1 - side], flags, self.seqs[side] if seq is None else seq,
            self.seqs[1 - side] if flags & ACK else 0, payload, vlans=self.vlans,
        )  # fmt: skip
        self.frames.append((self.time, frame))

    def open(self) -> Conversation:
        """The handshake."""
        self._add(0, SYN)
        self.seqs[0] += 1
        self._add(1, SYN | ACK)
        self.seqs[1] += 1
        self._add(0, ACK)
        return self

    def send(self, side: int, payload: bytes | str, *, answered: bool = True) -> Conversation:
        """A segment with payload, and the peer's acknowledgement."""
        data = payload.encode() if isinstance(payload, str) else payload
        self._add(side, PSH | ACK, data)
        self.seqs[side] += len(data)
        if answered:
            self._add(1 - side, ACK)
        return self

    def close(self) -> Conversation:
        """Both sides end."""
        self._add(0, FIN | ACK)
        self._add(1, FIN | ACK)
        return self

    def batch(self) -> Batch:
        """Everything so far as one batch."""
        return batch(self.frames)


def pcap(frames: list[tuple[int, bytes]], *, link: int = 1) -> bytes:
    """A pcap file with nanosecond stamps."""
    out = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262_144, link)
    for time, frame in frames:
        out += struct.pack("<IIII", time // 10**9, time % 10**9, len(frame), len(frame)) + frame
    return out
