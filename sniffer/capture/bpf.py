"""The kernel filter: a classic BPF program that drops what no rule can want, before it costs room in the ring.

In: link type, snap length, whether to filter.  Out: the bytes of a program for SO_ATTACH_FILTER.
Never: a guess.  What is dropped, the gate would skip for what stands in this one frame, whatever it has seen before:
EtherTypes that lead nowhere, and datagrams between ports of no meaning that do not open like QUIC.  TCP, fragments,
extension headers, tunnels, tags and everything unknown pass.  Only rules on the payload of datagrams may want more; where
there are some, the daemon says that they do not go together.

The kernel takes the outermost VLAN tag out of a frame before the filter sees it; tags that remain are stepped over.
A read behind the end of a frame ends the program and drops the frame: such a frame ends inside its headers.

Ports and EtherTypes are the gate's, written down once more because the gate's modules load a compiler that the process
which opens sockets does without.  A test holds both equal.

Sources: linux/filter.h, Documentation/networking/filter.rst; decision 0017.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

IPV4: Final = 0x0800
IPV6: Final = 0x86DD
TAGS: Final = (0x8100, 0x88A8, 0x9100)
OPENED: Final = (0x8847, 0x8848, 0x8864, 0x88E5, 0x88E7, 0x8926, 0x893F, 0x894F)
"""EtherTypes behind which the gate finds more: MPLS, PPPoE, MACsec, PBB, VN-Tag, E-Tag, NSH."""
MAX_LLC: Final = 1_500  # up to here, what stands in the place of an EtherType is a length, and LLC follows
ACCESS_POINTS: Final = (0xAAAA, 0x0606)  # of LLC: SNAP and IP
MAX_TAGS: Final = 3  # that are stepped over; a frame with more passes

UDP: Final = 17
DNS_PORT: Final = 53
TUNNEL_PORTS: Final = (1701, 2152, 3544, 4754, 4789, 4790, 6081, 6635, 8472)
MANAGEMENT_PORTS: Final = (4028, 8888, 12345, 12347, 14235, 14236)  # of the destination
QUIC_SMALLEST: Final = 1_208
"""Length in the UDP header of the smallest datagram with a client's Initial (RFC 9000, section 14.1)."""

QUIC_LONG: Final = 0xC0
"""Smallest first byte of an Initial."""

ETHERNET: Final = 1
RAW_IP: Final = 101
FILTERED: Final = (ETHERNET, RAW_IP)
"""Link types for which there is a filter."""

# Instructions (linux/bpf_common.h): class, size, mode.
LOAD_HALF, LOAD_BYTE = 0x28, 0x30  # accumulator from a fixed offset
LOAD_HALF_X, LOAD_BYTE_X = 0x48, 0x50  # from X + offset
X_IS, X_IS_HEADER_LENGTH = 0x01, 0xB1  # X = k; X = 4 * (byte at k & 15)
IF_EQUAL, IF_GREATER, IF_AT_LEAST, IF_ANY_BIT = 0x15, 0x25, 0x35, 0x45
GO, RETURN = 0x05, 0x06
MAX_JUMP: Final = 255


class Instruction(NamedTuple):
    """As in ``struct sock_filter``: the jumps count instructions to leave out."""

    code: int
    yes: int
    no: int
    k: int


class Assembler:
    """Writes a program from its first instruction to the last; jumps lead forward, to names given later."""

    def __init__(self) -> None:
        self._lines: list[tuple[int, int, str, str]] = []  # code, k, where to if so, where to if not
        self._places: dict[str, int] = {}

    def do(self, code: int, k: int) -> None:
        """One instruction that does not jump."""
        self._lines.append((code, k, "", ""))

    def when(self, code: int, k: int, yes: str = "", no: str = "") -> None:
        """Compare the accumulator with ``k`` and jump; without a name, go on with the next instruction."""
        self._lines.append((code, k, yes, no))

    def when_one_of(self, values: Iterable[int], yes: str) -> None:
        """Jump when the accumulator equals one of the values."""
        for value in values:
            self.when(IF_EQUAL, value, yes)

    def go(self, place: str) -> None:
        """Jump whatever the accumulator holds."""
        self._lines.append((GO, 0, place, ""))

    def name(self, place: str) -> None:
        """Give the next instruction a name."""
        self._places[place] = len(self._lines)

    def instructions(self) -> list[Instruction]:
        """The finished program.

        Raises:
            ValueError: a jump leads backwards or too far, which only a change of this module can bring about.
        """
        return [
            Instruction(code, 0, 0, self._jump(at, yes))
            if code == GO
            else Instruction(code, self._jump(at, yes), self._jump(at, no), k)
            for at, (code, k, yes, no) in enumerate(self._lines)
        ]

    def _jump(self, at: int, place: str) -> int:
        if not place:
            return 0
        distance = self._places[place] - at - 1
        if not 0 <= distance <= MAX_JUMP:
            raise ValueError(f"no jump over {distance} instructions to {place}")
        return distance


def build(link: int, snaplen: int, *, drop: bool) -> list[Instruction]:
    """The program for frames of a link type.

    Args:
        link: LINKTYPE number; of those that are not in :data:`FILTERED` every frame passes.
        snaplen: bytes to keep of a frame that passes.
        drop: whether to leave out what no rule can want.
    """
    out = Assembler()
    if not drop or link not in FILTERED:
        out.do(RETURN, snaplen)
    elif link == RAW_IP:
        out.do(LOAD_BYTE, 0)
        out.when(IF_AT_LEAST, 0x70, "drop")
        out.when(IF_AT_LEAST, 0x60, "six")
        out.when(IF_AT_LEAST, 0x50, "drop")
        out.when(IF_AT_LEAST, 0x40, "four", "drop")
        _ip(out, 0, snaplen, "")
    else:
        for tags in range(MAX_TAGS + 1):
            _ethernet(out, 12 + 4 * tags, snaplen, tags)
    return out.instructions()


def _ethernet(out: Assembler, at: int, snaplen: int, tags: int) -> None:
    """What follows an Ethernet header or a tag: the EtherType is at ``at``."""
    mine = f" behind {tags} tags"
    out.name(f"ethertype{mine}")
    out.do(LOAD_HALF, at)
    out.when(IF_EQUAL, IPV4, "four" + mine)
    out.when(IF_EQUAL, IPV6, "six" + mine)
    out.when_one_of(TAGS, f"ethertype behind {tags + 1} tags" if tags < MAX_TAGS else "pass" + mine)
    out.when_one_of(OPENED, "pass" + mine)
    out.when(IF_GREATER, MAX_LLC, "drop" + mine)
    out.do(LOAD_HALF, at + 2)
    out.when_one_of(ACCESS_POINTS, "pass" + mine)
    out.go("drop" + mine)
    _ip(out, at + 2, snaplen, mine)


def _ip(out: Assembler, at: int, snaplen: int, mine: str) -> None:
    """What follows where an IP header begins at ``at``, and the two ends of the program."""
    drop, keep = "drop" + mine, "pass" + mine
    out.name("six" + mine)
    out.do(LOAD_BYTE, at + 6)
    out.when(IF_EQUAL, UDP, "", keep)
    out.do(X_IS, 40)
    out.go("udp" + mine)
    out.name("four" + mine)
    out.do(LOAD_BYTE, at + 9)
    out.when(IF_EQUAL, UDP, "", keep)
    out.do(LOAD_HALF, at + 6)
    out.when(IF_ANY_BIT, 0x3FFF, keep)  # more fragments, or an offset
    out.do(X_IS_HEADER_LENGTH, at)
    out.name("udp" + mine)
    out.do(LOAD_HALF_X, at)
    out.when_one_of((DNS_PORT, *TUNNEL_PORTS), keep)
    out.do(LOAD_HALF_X, at + 2)
    out.when_one_of((DNS_PORT, *TUNNEL_PORTS, *MANAGEMENT_PORTS), keep)
    out.do(LOAD_HALF_X, at + 4)
    out.when(IF_EQUAL, 0, "quic" + mine)  # segmentation offload: the datagram was bigger than the field
    out.when(IF_AT_LEAST, QUIC_SMALLEST, "", drop)
    out.name("quic" + mine)
    out.do(LOAD_BYTE_X, at + 8)
    out.when(IF_AT_LEAST, QUIC_LONG, keep)
    out.name(drop)
    out.do(RETURN, 0)
    out.name(keep)
    out.do(RETURN, snaplen)


def pack(program: Iterable[Instruction]) -> bytes:
    """A program as an array of ``struct sock_filter``."""
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
