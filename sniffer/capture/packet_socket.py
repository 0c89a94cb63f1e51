"""The AF_PACKET socket behind a ring: opening it, its statistics, its state.

In: an interface and :class:`RingSettings`.  Out: a bound socket with a TPACKET_V3 ring, ready to be mapped.
Never: numba (the parent process opens sockets and compiles nothing), a privilege beyond CAP_NET_RAW.

Sources: packet(7), Documentation/networking/packet_mmap.rst, linux/if_packet.h.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import errno
import socket
import struct
import sys
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias

from sniffer.capture import bpf
from sniffer.capture.interface import index_of, link_type
from sniffer.errors import AccessError, InputError

SOL_PACKET: Final = 263
PACKET_ADD_MEMBERSHIP: Final = 1
PACKET_RX_RING: Final = 5
PACKET_STATISTICS: Final = 6
PACKET_VERSION: Final = 10
PACKET_TIMESTAMP: Final = 17
PACKET_FANOUT: Final = 18
PACKET_IGNORE_OUTGOING: Final = 23
PACKET_MR_PROMISC: Final = 1
FANOUT_HASH: Final = 0
FANOUT_QUEUE: Final = 5  # PACKET_FANOUT_QM
FANOUT_UNIQUE: Final = 0x2000  # the kernel chooses a number that nobody uses
FANOUT_DEFRAGMENT: Final = 0x8000
TPACKET_V3: Final = 2
ETH_P_ALL: Final = 3
SO_ATTACH_FILTER: Final = 26
SOF_TIMESTAMPING_RAW_HARDWARE: Final = 1 << 6
WHOLE: Final = 262_144
FRAME_SIZE: Final = 2_048  # a formality: version 3 packs frames of any length into a block

Sharing: TypeAlias = Literal["hash", "queue"]


class NoMemoryError(AccessError):
    """The kernel has no memory for a ring."""


@dataclass(frozen=True, slots=True)
class RingSettings:
    """Geometry and manner of a ring."""

    ring_mib: int = 64
    block_kib: int = 1_024
    promiscuous: bool = True
    snaplen: int = WHOLE
    retire_ms: int = 60  # a block is handed over at the latest after this long
    drop: bool = False  # have the kernel drop what no rule can want
    hardware_time: bool = False  # take the card's time stamps, where it makes them
    shrinks: bool = False  # the size was not asked for by anybody: take less where the kernel has less

    @property
    def block_bytes(self) -> int:
        """Bytes of a block."""
        return self.block_kib << 10

    @property
    def ring_bytes(self) -> int:
        """Bytes of the ring."""
        return self.block_bytes * self.blocks

    @property
    def blocks(self) -> int:
        """Blocks of the ring, two at least: one is read while the other fills."""
        return max(2, (self.ring_mib << 10) // self.block_kib)


class Position(NamedTuple):
    """How far a ring has been read."""

    socket: int = 0  # inode of the ring's socket; 0: none
    read: int = 0  # number of the last block that was read to its end, counted from 1 by the kernel
    taken: int = 0  # frames of the next block that were read


@dataclass(slots=True)
class Statistics:
    """What the kernel says of a socket since it was opened, and what the walk over its ring has met."""

    packets: int = 0  # that the filter let pass, dropped ones included
    drops: int = 0  # did not fit into the ring
    freezes: int = 0  # times the ring was full
    received: int = (
        0  # by the interface's own counter, whoever reads them; 0 where the kernel does not filter
    )
    stamped: int = 0  # with a time of the card
    unsummed: int = 0  # whose checksum this machine left to the card: they never were on a wire
    merged: int = 0  # longer than the interface can carry: put together by the kernel or the card (GRO, LRO)
    lost: int = 0  # in the hand of a reader that died

    def __add__(self, other: Statistics) -> Statistics:
        """Of two sockets that had their turn on the same interface."""
        return Statistics(*map(sum, zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True)))

    @property
    def filtered(self) -> int:
        """Packets that the kernel filter dropped: an estimate, for it counts none.

        The interface counts what comes off the wire, and cards tell their counters late; frames that were merged count
        several times there.  Where several workers share an interface out, ``received`` is the same for all, and
        ``packets`` of all have to be taken.
        """
        return max(0, self.received - self.packets)

    def read(self, sock: socket.socket) -> None:
        """Add what has happened since the last reading; the kernel starts at zero with each."""
        packets, drops, freezes = struct.unpack("III", sock.getsockopt(SOL_PACKET, PACKET_STATISTICS, 12))
        self.packets += packets
        self.drops += drops
        self.freezes += freezes


def has_packet_sockets() -> bool:
    """Whether this system has AF_PACKET, in the byte order that the ring is read in."""
    return hasattr(socket, "AF_PACKET") and sys.byteorder == "little"


def open_ring(interface: str, settings: RingSettings) -> tuple[socket.socket, RingSettings]:
    """Open a ring of the size that the kernel has memory for, if the settings leave it that choice.

    Returns:
        The socket, and the settings that hold for it.

    Raises:
        InputError: as :func:`open_ring_socket`.
        AccessError: as there.
    """
    while True:
        try:
            return open_ring_socket(interface, settings), settings
        except NoMemoryError:
            if not settings.shrinks or settings.ring_mib == 1:
                raise
            settings = dataclasses.replace(settings, ring_mib=settings.ring_mib // 2)


def open_ring_socket(interface: str, settings: RingSettings) -> socket.socket:
    """Open a packet socket with a ring on one interface.

    Packets that this machine sends are left out where the kernel can (4.20): a mirror port has none, and on ``lo``
    each packet would come twice.

    Raises:
        InputError: no such interface, or of a kind that the gate does not read.
        AccessError: the kernel refuses the socket.
        NoMemoryError: the kernel refuses the memory of the ring.
    """
    index = index_of(interface)
    program = bpf.build(link_type(interface), settings.snaplen, drop=settings.drop)
    try:
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)  # protocol 0: nothing arrives before bind
    except PermissionError:
        remedy = "start it by its systemd unit, or: setcap cap_net_raw+eip on the Python interpreter; or run as root"
        raise AccessError(
            "may not open a packet socket (CAP_NET_RAW)", where=interface, remedy=remedy
        ) from None
    except OSError as error:
        raise AccessError(
            f"no packet socket: {error.strerror}", where=interface, remedy="a Linux kernel with AF_PACKET"
        ) from None
    try:
        _set_up(sock, interface, index, settings, program)
    except BaseException:
        sock.close()
        raise
    return sock


def _set_up(
    sock: socket.socket, interface: str, index: int, settings: RingSettings, program: list[bpf.Instruction]
) -> None:
    try:
        sock.setsockopt(SOL_PACKET, PACKET_VERSION, TPACKET_V3)
        with contextlib.suppress(OSError):  # older kernels: the walk leaves outgoing packets out
            sock.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        if settings.hardware_time:
            # A wish: cards that make no stamps, or were not told to (which takes more than CAP_NET_RAW), leave it at
            # the kernel's, and each packet says which it has.
            with contextlib.suppress(OSError):
                sock.setsockopt(SOL_PACKET, PACKET_TIMESTAMP, SOF_TIMESTAMPING_RAW_HARDWARE)
        if len(program) > 1 or settings.snaplen < WHOLE:
            attach_filter(sock, program, interface)
        frames = settings.block_bytes // FRAME_SIZE * settings.blocks
        request = struct.pack(
            "7I", settings.block_bytes, settings.blocks, FRAME_SIZE, frames, settings.retire_ms, 0, 0
        )
        sock.setsockopt(SOL_PACKET, PACKET_RX_RING, request)
        if settings.promiscuous:
            member = struct.pack("iHH8x", index, PACKET_MR_PROMISC, 0)
            sock.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, member)
        sock.bind((interface, ETH_P_ALL))
    except OSError as error:
        if error.errno in (errno.ENOMEM, errno.EINVAL):
            what = f"the kernel has no {settings.ring_mib} MiB for the ring ({error.strerror})"
            raise NoMemoryError(
                what, where=interface, remedy="lower capture.ring_mib or capture.block_kib"
            ) from None
        if error.errno in (errno.ENODEV, errno.ENXIO):
            raise InputError("the interface has just gone", where=interface, remedy="see `ip link`") from None
        if error.errno == errno.ENETDOWN:
            remedy = f"ip link set {interface} up"
            raise InputError("the interface is down", where=interface, remedy=remedy) from None
        raise AccessError(
            f"no ring: {error.strerror}", where=interface, remedy="see the kernel log"
        ) from None


def share_out(sock: socket.socket, by: Sharing, group: int | None) -> int:
    """Make a bound ring socket one of those among which the kernel shares out the packets of its interface.

    Args:
        sock: bound, with its ring.
        by: ``hash``: of both ends of a flow, the same in both directions, IPv4 fragments put together first;
            ``queue``: of the card, where its own hash is symmetric.
        group: number of the group to join; None: found one.

    Returns:
        The number of the group.  Packets go to its members in the order in which they joined.

    Raises:
        AccessError: the kernel refuses.
    """
    kind = FANOUT_HASH | FANOUT_DEFRAGMENT if by == "hash" else FANOUT_QUEUE
    if group is None:
        kind |= FANOUT_UNIQUE
    try:
        sock.setsockopt(SOL_PACKET, PACKET_FANOUT, struct.pack("I", (group or 0) | kind << 16))
        return sock.getsockopt(SOL_PACKET, PACKET_FANOUT) & 0xFFFF
    except OSError as error:
        what = f"the kernel does not share packets out by {by} ({error.strerror})"
        raise AccessError(
            what, where=sock.getsockname()[0], remedy="set capture.workers to 1, or capture.fanout to hash"
        ) from None


def attach_filter(sock: socket.socket, program: list[bpf.Instruction], interface: str) -> None:
    """Have the kernel run a BPF program over each packet: how many bytes of it to keep, 0 to drop it.

    Raises:
        AccessError: the kernel refuses.
    """
    packed = ctypes.create_string_buffer(bpf.pack(program))
    head = struct.pack("@HP", len(program), ctypes.addressof(packed))  # struct sock_fprog
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, head)
    except OSError as error:
        raise AccessError(
            f"the kernel refuses the filter ({error.strerror})",
            where=interface,
            remedy="set capture.filter to none, and leave capture.snaplen at its default",
        ) from None


def is_gone(sock: socket.socket) -> bool:
    """Whether the interface of a bound socket was removed; such a socket stays silent for ever."""
    return not sock.getsockname()[0]
