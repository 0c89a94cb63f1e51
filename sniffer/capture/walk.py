"""Compiled walks over the records of pcap and pcapng: one FRAME row a packet.

In: a window of bytes.  Out: rows, how far the walk came, and why it stopped.
Never: an exception, a read behind ``end``, a look inside a frame.

Sources: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng.
"""

# ruff: noqa: ANN001, ANN201 - numba finds the types of kernels

from __future__ import annotations

import numpy as np

from sniffer.batch import FRAME
from sniffer.gate.compiled import kernel, one_at_a_time
from sniffer.gate.integers import le32, u32

MAX_CAPTURED = 262_144  # what libpcap and its kin agree on as the longest packet
MAX_PACKET_BLOCK = 16 << 20  # a packet and its options; what libpcap reads
MAX_BLOCK = 1 << 30  # any other block; these are skipped, never held
SECOND = 1_000_000_000  # in nanoseconds
LATEST = 1 << 62  # nanoseconds (year 2116); times are cut down to this one, and up to 0

# Why a walk stopped.
MORE = 0  # the window ends; state[NEED] bytes are wanted from state[AT] on
FULL = 1  # no row is left
SECTION = 2  # a section header
INTERFACE = 3  # an interface description
SKIP = 4  # another block, state[DETAIL] bytes long, that reaches beyond the window
RECORD_LENGTH, BEYOND_LENGTH, BEYOND_BLOCK = 5, 6, 7
BLOCK_LENGTH, LENGTH_MISMATCH = 8, 9
NO_INTERFACE, UNKNOWN_INTERFACE = 10, 11

# Columns of the table of interfaces.
LINK, SNAPLEN, MULTIPLY, DIVIDE, SHIFT, OFFSET = range(6)
COLUMNS = 6

# Words of the state.
AT, FILLED, NEED, DETAIL, TIME = range(5)
WORDS = 5

SECTION_HEADER = 0x0A0D0D0A  # reads the same in both byte orders
INTERFACE_DESCRIPTION = 1
OLD_PACKET = 2
SIMPLE_PACKET = 3
ENHANCED_PACKET = 6


@kernel
def word(data, at, big):  # type: ignore[no-untyped-def]
    """32-bit number in the file's byte order."""
    return u32(data, at) if big else le32(data, at)


@kernel
def put(row, time, offset, captured, length, link, interface):  # type: ignore[no-untyped-def]
    """Fill a row."""
    row.time = time
    row.offset = offset
    row.captured = captured
    row.length = length
    row.link = link
    row.interface = interface
    row.vlan = 0
    row.vlan_protocol = 0


@kernel
def walk_pcap(data, end, frames, state, big, tick, header, link):  # type: ignore[no-untyped-def]
    """Walk pcap records from ``state[AT]``; return why the walk stopped.

    Args:
        data: uint8[::1], the window.
        end: where its bytes end.
        frames: FRAME[:], gets a row a record from the first on.
        state: int64[WORDS].
        big: whether numbers are big-endian.
        tick: nanoseconds in a unit of the record's fraction: 1 000 or 1.
        header: bytes of a record header: 16, or 24 in the modified format.
        link: LINKTYPE number.
    """
    at = state[AT]
    filled = np.int64(0)
    why = MORE
    need = np.int64(0)
    while True:
        if filled >= len(frames):
            why = FULL
            break
        need = header
        if at + need > end:
            break
        captured = word(data, at + 8, big)
        length = word(data, at + 12, big)
        if captured > MAX_CAPTURED:
            why = RECORD_LENGTH
            state[DETAIL] = captured
            break
        need = header + captured
        if at + need > end:
            break
        time = word(data, at, big) * SECOND + word(data, at + 4, big) * tick
        # More captured than there was on the wire: some kernels wrote that, every reader takes it.
        put(frames[filled], time, at + header, captured, max(length, captured), link, 0)
        filled += 1
        at += need
    state[AT] = at
    state[FILLED] = filled
    state[NEED] = need
    return why


@kernel
def block_time(stamp, interface):  # type: ignore[no-untyped-def]
    """Nanoseconds of a pcapng time stamp (uint64) in the units of its interface (if_tsresol and if_tsoffset).

    Units are ``DIVIDE / MULTIPLY`` nanoseconds, or 2^-SHIFT seconds where SHIFT is not 0 (1 to 63).
    """
    if interface[SHIFT] > 0:
        shift = np.uint64(interface[SHIFT])
        seconds = stamp >> shift
        fraction = stamp & ((np.uint64(1) << shift) - np.uint64(1))
        if shift > np.uint64(34):
            # 34 bits times 10^9 is what 64 bits can hold; the rest is below a nanosecond
            fraction = fraction >> (shift - np.uint64(34))
            shift = np.uint64(34)
        if seconds > np.uint64(LATEST // SECOND):
            seconds, fraction = np.uint64(LATEST // SECOND + 1), np.uint64(0)
        nanoseconds = np.int64(seconds * np.uint64(SECOND) + ((fraction * np.uint64(SECOND)) >> shift))
        nanoseconds = min(nanoseconds, np.int64(LATEST))
    elif interface[DIVIDE] > 1:
        nanoseconds = np.int64(min(stamp // np.uint64(interface[DIVIDE]), np.uint64(LATEST)))
    else:
        multiply = np.uint64(interface[MULTIPLY])
        high = (stamp >> np.uint64(32)) * multiply  # below 2^62: the multiplier is at most 10^9
        if high >= np.uint64(1 << 30):
            nanoseconds = np.int64(LATEST)
        else:
            nanoseconds = np.int64((high << np.uint64(32)) + (stamp & np.uint64(0xFFFF_FFFF)) * multiply)
            nanoseconds = min(nanoseconds, np.int64(LATEST))
    return min(max(nanoseconds + interface[OFFSET], np.int64(0)), np.int64(LATEST))


@kernel
def walk_pcapng(data, end, frames, state, big, interfaces, base, known):  # type: ignore[no-untyped-def]  # noqa: C901, PLR0912, PLR0915
    """Walk pcapng blocks from ``state[AT]``; return why the walk stopped.

    Blocks that hold no packet are stepped over; section headers and interface descriptions stop the walk.

    Args:
        data: as for :func:`walk_pcap`.
        end: as there.
        frames: as there.
        state: as there; ``state[TIME]`` is the time of the last packet.
        big: as there.
        interfaces: int64[n, COLUMNS], those of all sections.
        base: where those of this section begin.
        known: how many of them there are.
    """
    at = state[AT]
    filled = np.int64(0)
    why = MORE
    need = np.int64(0)
    while True:
        if filled >= len(frames):
            why = FULL
            break
        need = np.int64(12)
        if at + need > end:
            break
        kind = word(data, at, big)
        total = word(data, at + 4, big)
        if kind == SECTION_HEADER:
            why = SECTION
            break
        fixed = 32 if kind in (ENHANCED_PACKET, OLD_PACKET) else 16 if kind == SIMPLE_PACKET else 12
        most = MAX_BLOCK if fixed == 12 else MAX_PACKET_BLOCK
        if total < fixed or total & 3 or total > most:
            why = BLOCK_LENGTH
            state[DETAIL] = total
            break
        if kind == INTERFACE_DESCRIPTION:
            why = INTERFACE
            break
        if fixed == 12:
            if at + total > end:
                why = SKIP
                state[DETAIL] = total
                break
            if word(data, at + total - 4, big) != total:
                why = LENGTH_MISMATCH
                break
            at += total
            continue
        # What the header says is judged before memory is asked for the rest.
        need = np.int64(fixed)
        if at + need > end:
            break
        interface = np.int64(0)
        if kind == ENHANCED_PACKET:
            interface = word(data, at + 8, big)
        elif kind == OLD_PACKET:
            pair = word(data, at + 8, big)
            interface = pair >> 16 if big else pair & 0xFFFF
        if interface >= known:
            why = UNKNOWN_INTERFACE if known else NO_INTERFACE
            state[DETAIL] = interface
            break
        row = interfaces[base + interface]
        if kind == SIMPLE_PACKET:
            length = word(data, at + 8, big)
            captured = min(length, row[SNAPLEN]) if row[SNAPLEN] > 0 else length
            start = at + 12
        else:
            captured = word(data, at + 20, big)
            length = word(data, at + 24, big)
            start = at + 28
        if captured > MAX_CAPTURED:
            why = RECORD_LENGTH
            state[DETAIL] = captured
            break
        if captured > length:
            why = BEYOND_LENGTH
            break
        if captured > total - fixed:
            why = BEYOND_BLOCK
            break
        need = total
        if at + need > end:
            break
        if word(data, at + total - 4, big) != total:
            why = LENGTH_MISMATCH
            break
        if kind != SIMPLE_PACKET:  # one without a time gets that of the packet before
            high, low = np.uint64(word(data, at + 12, big)), np.uint64(word(data, at + 16, big))
            state[TIME] = block_time((high << np.uint64(32)) | low, row)
        put(frames[filled], state[TIME], start, captured, length, row[LINK], base + interface)
        filled += 1
        at += total
    state[AT] = at
    state[FILLED] = filled
    state[NEED] = need
    return why


@one_at_a_time()
def warm_up() -> None:
    """Compile the walks, or load them from disk."""
    data = np.zeros(64, dtype=np.uint8)
    frames = np.zeros(1, dtype=FRAME)
    state = np.zeros(WORDS, dtype=np.int64)
    walk_pcap(data, 0, frames, state, False, 1, 16, 1)
    walk_pcapng(data, 0, frames, state, False, np.zeros((1, COLUMNS), dtype=np.int64), 0, 0)
