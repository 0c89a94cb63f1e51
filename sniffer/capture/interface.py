"""Network interfaces of this machine: which there are, of what kind, how fast, up or down, what they received.

In: a name.  Out: index, link type, flags, speed, MTU, counters.  Never: a change to an interface.

Everything is asked for over sockets and the thread's own part of /proc, which follow the network namespace; /sys shows
the one that it was mounted in.
"""

from __future__ import annotations

import ctypes
import fcntl
import socket
import struct
from pathlib import Path
from typing import Final

from sniffer.errors import InputError

SIOCGIFFLAGS: Final = 0x8913
SIOCGIFHWADDR: Final = 0x8927
SIOCGIFMTU: Final = 0x8921
SIOCETHTOOL: Final = 0x8946
GET_SETTINGS: Final = 0x01  # of linux/ethtool.h
SETTINGS_SIZE: Final = 44  # struct ethtool_cmd
UNKNOWN_SPEED: Final = (0, 0xFFFF, 0xFFFF_FFFF)
COUNTERS: Final = Path("/proc/thread-self/net/dev")
IFF_UP: Final = 0x1
IFF_RUNNING: Final = 0x40

LINK_TYPES: Final = {
    1: 1,  # ARPHRD_ETHER: Ethernet
    772: 1,  # ARPHRD_LOOPBACK: Ethernet header with zero addresses
    65534: 101,  # ARPHRD_NONE (tun): raw IP
    519: 101,  # ARPHRD_RAWIP
    512: 9,  # ARPHRD_PPP
    513: 104,  # ARPHRD_CISCO
    801: 105,  # ARPHRD_IEEE80211, a radio in monitor mode
    802: 119,  # the same behind a Prism header
    803: 127,  # the same behind a radiotap header
}
"""Hardware type of the kernel (linux/if_arp.h) to LINKTYPE number (tcpdump.org/linktypes.html)."""


def interface_names() -> list[str]:
    """Interfaces that exist now."""
    return [name for _, name in socket.if_nameindex()]


def index_of(name: str) -> int:
    """Index of an interface.

    Raises:
        InputError: there is none of this name.
    """
    try:
        return socket.if_nametoindex(name)
    except (OSError, ValueError):
        there = ", ".join(interface_names()) or "none"
        raise InputError(
            "no such interface", where=name, remedy=f"interfaces of this machine: {there}"
        ) from None


def link_type(name: str) -> int:
    """LINKTYPE number of the frames of an interface.

    Raises:
        InputError: the interface is gone, or of a kind that the gate does not read.
    """
    hardware = int.from_bytes(_ask(name, SIOCGIFHWADDR)[16:18], "little")
    if hardware not in LINK_TYPES:
        what = f"hardware type {hardware} is not supported"
        raise InputError(what, where=name, remedy="name an Ethernet, loopback or tun interface")
    return LINK_TYPES[hardware]


def flags(name: str) -> int:
    """Flags of an interface (IFF_ bits).

    Raises:
        InputError: the interface is gone.
    """
    return int.from_bytes(_ask(name, SIOCGIFFLAGS)[16:18], "little")


def is_up(name: str) -> bool:
    """Whether an interface exists, is up and has a carrier."""
    try:
        return flags(name) & (IFF_UP | IFF_RUNNING) == IFF_UP | IFF_RUNNING
    except InputError:
        return False


def mtu(name: str) -> int:
    """Most bytes that a frame carries behind its link header; 0: the interface is gone."""
    try:
        return int.from_bytes(_ask(name, SIOCGIFMTU)[16:20], "little")
    except InputError:
        return 0


def ethtool(name: str, request: int, size: int) -> bytes | None:
    """Answer of the driver to one of the requests of linux/ethtool.h that only ask; None: it does not say.

    Args:
        name: of the interface.
        request: number; the structure begins with it.
        size: bytes of the structure.
    """
    buffer = ctypes.create_string_buffer(struct.pack("=I", request), size)
    asked = struct.pack("16sP", name.encode()[:15], ctypes.addressof(buffer)).ljust(40, b"\0")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        try:
            fcntl.ioctl(asker.fileno(), SIOCETHTOOL, asked)
        except OSError:
            return None
    return buffer.raw


def speed(name: str) -> int:
    """Megabits a second that an interface can deliver; 0: unknown, as of a tunnel or a port without a link."""
    answer = ethtool(name, GET_SETTINGS, SETTINGS_SIZE)
    if answer is None:
        return 0
    low, high = struct.unpack_from("=12xH14xH", answer)
    found: int = low | high << 16
    return 0 if found in UNKNOWN_SPEED else found


def counters(name: str, table: str | None = None) -> tuple[int, ...]:
    """What an interface counted while receiving: bytes, packets, errors, drops, overruns …; empty where that is not told.

    Args:
        name: of the interface.
        table: text of ``/proc/net/dev`` (net/core/net-procfs.c); default: that of this thread's network namespace.
    """
    try:
        table = COUNTERS.read_text("utf-8", "replace") if table is None else table
        for line in table.splitlines():
            head, colon, numbers = line.rpartition(":")
            if colon and head.strip() == name:
                return tuple(map(int, numbers.split()))
    except (OSError, ValueError):
        pass
    return ()


def received(name: str) -> int:
    """Packets that an interface counted as received since it was made; 0 where that is not told."""
    told = counters(name)
    return told[1] if len(told) > 1 else 0


def _ask(name: str, request: int) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        try:
            return fcntl.ioctl(asker.fileno(), request, struct.pack("16s24x", name.encode()[:15]))
        except OSError as error:
            raise InputError(
                f"cannot be asked: {error.strerror}", where=name, remedy="see `ip link`"
            ) from None
