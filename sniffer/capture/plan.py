"""How large a ring should be: by what the interface can deliver and by what the machine has.

In: the configuration, speed, memory, how many rings there will be.  Out: :class:`~sniffer.capture.packet_socket.RingSettings`.
Never: more than an eighth of the memory that is free, whatever the speed.
"""

from __future__ import annotations

import dataclasses
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sniffer.capture.interface import speed
from sniffer.capture.packet_socket import RingSettings

if TYPE_CHECKING:
    from sniffer.config import Capture

BUFFERED_MS: Final = 75
"""Milliseconds at line rate that an interface's rings hold together, about.  A full mirror port is rare; at a tenth of
its rate this bridges the half second that a machine may be busy with something else."""

GIGABIT: Final = 1_000  # Mbit/s, what is assumed where the speed is unknown
LEAST: Final = 64  # MiB of one interface: at a gigabit, half a second
LEAST_SHARE: Final = 16  # MiB of one worker's part: flows are not shared out evenly
MOST: Final = 512  # MiB of one ring
LEAST_BLOCKS: Final = 64
"""A block with a single packet is handed over after 60 ms, so that on a quiet link blocks are used up by time, not by
bytes: this many last for almost four seconds of a reader that is held up."""

SMALLEST_BLOCK: Final = 64  # KiB: takes any merged frame of the ordinary kind
MEMORY_SHARE: Final = 8  # rings take this fraction of the free memory at most
MEBIBYTE: Final = 1 << 20
MEMORY: Final = Path("/proc/meminfo")


def ring_for(capture: Capture, name: str, *, interfaces: int) -> RingSettings:
    """How the configuration wants an interface to be opened, by what the machine is like now.

    Args:
        capture: the section of the configuration.
        name: of the interface.
        interfaces: how many of them each worker reads.
    """
    base = RingSettings(
        block_kib=capture.block_kib,
        promiscuous=capture.promiscuous,
        snaplen=capture.snaplen,
        drop=capture.filter == "auto",
        hardware_time=capture.timestamps == "hardware",
    )
    if capture.ring_mib != "auto":
        return dataclasses.replace(base, ring_mib=capture.ring_mib)
    return plan_ring(speed(name), free_memory(), capture.workers, interfaces, base)


def plan_ring(mbits: int, memory: int, workers: int, interfaces: int, base: RingSettings) -> RingSettings:
    """Choose the size of one ring.

    Args:
        mbits: speed of the interface, Mbit/s; 0: unknown.
        memory: free bytes of the machine; 0: unknown.
        workers: processes among which the packets of each interface are shared out, each with a ring of its own.
        interfaces: number of interfaces.
        base: everything but the size.

    Returns:
        ``base`` with a power of two of MiB that shrinks where the kernel has less, and with smaller blocks where there
        would be too few.
    """
    wanted = (mbits or GIGABIT) * 125 * BUFFERED_MS / MEBIBYTE
    ring = min(max(max(wanted, LEAST) / workers, LEAST_SHARE), MOST)
    size = 1
    while size * 2 <= ring * 4 / 3:  # the next power of two, or the one before where that is nearer
        size *= 2
    while memory and size > 1 and size * workers * interfaces * MEBIBYTE > memory / MEMORY_SHARE:
        size //= 2
    block = max(SMALLEST_BLOCK, min(base.block_kib, size * 1_024 // LEAST_BLOCKS))
    return dataclasses.replace(base, ring_mib=size, block_kib=block, shrinks=True)


def available_memory(file: Path = MEMORY) -> int | None:
    """Bytes that can be had without pushing anything out, by the kernel's estimate; None: it does not say."""
    try:
        found = re.search(r"^MemAvailable:\s*(\d+) kB$", file.read_text("ascii"), re.MULTILINE)
    except (OSError, ValueError):
        return None
    return int(found[1]) << 10 if found else None


def free_memory() -> int:
    """Bytes that can be had without pushing anything out; 0 where that is not told."""
    told = available_memory()
    if told is not None:
        return told
    try:  # a service may be kept from that file; this does not count what is cached, and is less
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0
