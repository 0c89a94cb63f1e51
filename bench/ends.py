"""Frames of the benchmark's traffic, one flow at a time.

In: a source of chance, ports.  Out: Ethernet frames between two ends, IPv4 or IPv6, with or without a VLAN tag.
Never: a real address; a checksum, which no sensor on a mirror port may count on.

Millions of frames come from here, so what stays the same in a flow is laid out once.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

SYN, ACK, PSH = 0x02, 0x10, 0x08
MACS = bytes.fromhex("020000000001020000000002")
TAG = struct.Struct("!HH")
LENGTH = struct.Struct("!H")
PORTS = struct.Struct("!HH")
TCP = struct.Struct("!IIBBHHH")
UDP = struct.Struct("!HH")


def chance(rng: random.Random) -> Callable[[int], int]:
    """Whole numbers below a bound: what ``rng.randrange`` draws, in a third of the time."""
    bits = rng.getrandbits

    def below(bound: int) -> int:
        width = bound.bit_length()
        drawn = bits(width)
        while drawn >= bound:
            drawn = bits(width)
        return drawn

    return below


class Ends:
    """Two ends of a flow; writes frames between them.

    Args:
        rng: where addresses, sequence numbers and tags come from.
        client_port: of the end that begins.
        server_port: of the other.
        version: 4 or 6; 0: a quarter of all flows is IPv6.
        client: address of the end that begins, in place of one by chance.
        tagged: some flows carry a VLAN tag.
    """

    def __init__(
        self,
        rng: random.Random,
        client_port: int,
        server_port: int,
        *,
        version: int = 0,
        client: bytes = b"",
        tagged: bool = True,
    ) -> None:
        below = chance(rng)
        self.version = version or (6 if rng.random() < 0.25 else 4)
        if self.version == 4:
            self.client = client or bytes((10, below(64), below(256), 1 + below(254)))
            self.server = bytes(((198, 203)[below(2)], *((51, 100), (0, 113))[below(2)], 1 + below(254)))
            kind, self._over = b"\x08\x00\x45\x00", 20
            before = b"\0\0\x40\0\x40%c\0\0"
        else:
            self.client = client or bytes.fromhex("20010db800010000") + rng.randbytes(8)
            self.server = bytes.fromhex("20010db8ffff0000") + rng.randbytes(8)
            kind, self._over = b"\x86\xdd\x60\0\0\0", 0
            before = b"%c\x40"
        self.seq = [rng.getrandbits(32), rng.getrandbits(32)]
        tag = TAG.pack(0x8100, 2 + below(3_998)) if tagged and rng.random() < 1 / 16 else b""
        self._front = MACS + tag + kind
        there = self.client + self.server + PORTS.pack(client_port, server_port)
        back = self.server + self.client + PORTS.pack(server_port, client_port)
        self._tcp = (before % 6 + there, before % 6 + back)
        self._udp = (before % 17 + there, before % 17 + back)

    def tcp(self, side: int, flags: int, payload: bytes = b"") -> bytes:
        """A segment; sequence numbers move on."""
        own = self.seq[side]
        size = len(payload)
        self.seq[side] = (own + size + (flags & SYN) // SYN) & 0xFFFFFFFF
        return (
            self._front
            + LENGTH.pack(self._over + 20 + size)
            + self._tcp[side]
            + TCP.pack(own, self.seq[1 - side] if flags & ACK else 0, 0x50, flags, 65_535, 0, 0)
            + payload
        )

    def udp(self, side: int, payload: bytes) -> bytes:
        """A datagram."""
        size = 8 + len(payload)
        return self._front + LENGTH.pack(self._over + size) + self._udp[side] + UDP.pack(size, 0) + payload
