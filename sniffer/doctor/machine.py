"""The machine under the sensor: kernel, permission, memory, compiled kernels, clock.

In: what the sensor is going to need.  Out: findings.
Never: a change to the clock or to anything else.

Sources: adjtimex(2), linux/timex.h, proc(5).
"""

from __future__ import annotations

import ctypes
import platform
import re
import socket
from typing import TYPE_CHECKING, Final

from sniffer.blindspots import Finding, Level
from sniffer.capture.packet_socket import has_packet_sockets
from sniffer.capture.plan import MEMORY, available_memory
from sniffer.gate.compiled import is_warm

if TYPE_CHECKING:
    from pathlib import Path

OLDEST_KERNEL: Final = (3, 2)  # TPACKET_V3
GOOD_KERNEL: Final = (4, 20)  # PACKET_IGNORE_OUTGOING
WORKER_MIB: Final = 350
TIME_ERROR: Final = 5
STA_UNSYNC: Final = 0x40
TIMEX_SIZE: Final = 208  # and less on 32 bits


class Timex(ctypes.Structure):
    """The beginning of ``struct timex``, with room for the rest."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),  # microseconds
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * TIMEX_SIZE),
    )


def look_at_machine(*, ring_mib: int, rings: int, workers: int) -> list[Finding]:
    """Everything that is not about one interface.

    Args:
        ring_mib: memory of one ring.
        rings: interfaces that are going to be read.
        workers: processes; each has a ring on each interface.
    """
    needed = workers * (rings * ring_mib + WORKER_MIB)
    return [
        kernel(platform.release()),
        permission(),
        memory(needed, available_mib()),
        compiled(warm=is_warm()),
        clock(*ask_clock()),
    ]


def kernel(release: str) -> Finding:
    """Whether the kernel can do what is asked of it."""
    found = re.match(r"(\d+)\.(\d+)", release)
    version = (int(found[1]), int(found[2])) if found else GOOD_KERNEL
    if version < OLDEST_KERNEL:
        remedy = "use Linux 3.2 or later"
        return Finding("kernel", Level.FAULT, f"Linux {release} has no ring of version 3", remedy)
    if version < GOOD_KERNEL:
        says = f"Linux {release} shows packets that this machine sends, too; they are left out one by one"
        return Finding("kernel", Level.NOTE, says, "use Linux 4.20 or later")
    return Finding("kernel", Level.OK, f"Linux {release}")


def permission() -> Finding:
    """Whether this process may open a packet socket."""
    if not has_packet_sockets():
        remedy = "run the sensor on Linux on a little-endian machine"
        return Finding("permission", Level.FAULT, "this system has no packet sockets with a ring", remedy)
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
    except PermissionError:
        remedy = "run it as root, or with CAP_NET_RAW, as the systemd unit does"
        return Finding("permission", Level.FAULT, "may not open a packet socket (CAP_NET_RAW)", remedy)
    except OSError as error:
        remedy = "load the module af_packet, or use a kernel with AF_PACKET"
        return Finding("permission", Level.FAULT, f"no packet socket: {error.strerror}", remedy)
    return Finding("permission", Level.OK, "may open packet sockets")


def memory(needed_mib: int, available: int | None) -> Finding:
    """Whether rings and workers find room.

    Args:
        needed_mib: what they take at most.
        available: MiB that the machine can give; None: it does not say.
    """
    if available is None:
        return Finding("memory", Level.OK, f"{needed_mib} MiB are needed at most; what is free is not told")
    says = f"{needed_mib} MiB are needed at most, {available} MiB are available"
    level = Level.WARNING if needed_mib > available else Level.OK
    remedy = "lower capture.ring_mib or capture.workers, or give the machine more memory"
    return Finding("memory", level, says, remedy if level else "")


def available_mib(file: Path = MEMORY) -> int | None:
    """Memory that the machine can give."""
    told = available_memory(file)
    return None if told is None else told >> 20


def compiled(*, warm: bool) -> Finding:
    """Whether a start takes a moment only."""
    if warm:
        return Finding("compiled", Level.OK, "the gate is compiled and kept on disk")
    says = "the gate is not compiled yet, or its folder cannot be written: the start takes longer"
    remedy = "start it once with XDG_CACHE_HOME set to a folder that the sensor's user may write and keeps"
    return Finding("compiled", Level.NOTE, says, remedy)


def ask_clock() -> tuple[bool | None, float]:
    """Ask the kernel about its clock: whether it is synchronised (None: it does not say), seconds it may be off."""
    timex = Timex()
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
    except (OSError, AttributeError):
        return None, 0.0
    if state < 0:
        return None, 0.0
    return state != TIME_ERROR and not timex.status & STA_UNSYNC, timex.maxerror / 1e6


def clock(synchronised: bool | None, error: float) -> Finding:  # noqa: FBT001  # an answer, not a switch
    """Whether times in events can be compared with those of other machines.

    Args:
        synchronised: by the kernel's own word; None: it does not say.
        error: seconds that the clock may be off.
    """
    if synchronised is None:
        return Finding(
            "clock",
            Level.NOTE,
            "the kernel does not tell whether the clock is synchronised",
            "see timedatectl",
        )
    if synchronised:
        return Finding("clock", Level.OK, f"synchronised, at most {error * 1000:.0f} ms off")
    says = "not synchronised: times in events cannot be compared with other logs"
    return Finding("clock", Level.WARNING, says, "run chrony or systemd-timesyncd; see timedatectl")
