"""Compiled walks over the records of pcap and pcapng: one FRAME row a packet.

In: a window of bytes.  Out: rows, how far the walk came, and why it stopped.
Never: an exception, a read behind ``end``, a look inside a frame.

Sources: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng.
"""

from __future__ import annotations

import numpy as np

from sniffer.gate.compiled import kernel

MAX_CAPTURED = 262_144
MAX_BLOCK = 2 * MAX_CAPTURED
LATEST = 1 << 62  # nanoseconds; later times are cut down to this one

# Why a walk stopped.
MORE, FULL, BLOCK, RECORD_LENGTH, BLOCK_LENGTH, LENGTH_MISMATCH, NO_INTERFACE, BEYOND_BLOCK = range(8)

# Columns of the table of interfaces.
LINK, SNAPLEN, INDEX, MULTIPLY, DIVIDE, SHIFT, OFFSET = range(7)
COLUMNS = 7

# Words of the state.
AT, FILLED, STOP, DETAIL = range(4)

SIMPLE_PACKET = 3
ENHANCED_PACKET = 6
OLD_PACKET = 2


@kernel
def word(data, at, big):  # type: ignore[no-untyped-def]
    """32-bit number in the file's byte order."""
    a, b, c, d = np.int64(data[at]), np.int64(data[at + 1]), np.int64(data[at + 2]), np.int64(data[at + 3])
    if big:
        return (a << 24) | (b << 16) | (c << 8) | d
    return (d << 24) | (c << 16) | (b << 8) | a


@kernel
def walk_pcap(data, end, frames, state, big, tick, header, link):  # type: ignore[no-untyped-def]  # noqa: PLR0913
    """Walk pcap records from ``state[AT]``.

    Args:
        data: uint8[::1], the window.
        end: where its bytes end.
        frames: FRAME[:], gets a row a record from ``state[FILLED]`` on.
        state: int64[4].
        big: whether numbers are big-endian.
        tick: nanoseconds in a unit of the record's fraction: 1 000 or 1.
        header: bytes of a record header: 16, or 24 in the modified format.
        link: LINKTYPE number.
    """
    at = state[AT]
    filled = state[FILLED]
    stop = MORE
    while at + header <= end:
        if filled >= len(frames):
            stop = FULL
            break
        captured = word(data, at + 8, big)
        if captured > MAX_CAPTURED:
            stop = RECORD_LENGTH
            state[DETAIL] = captured
            break
        if at + header + captured > end:
            break
        row = frames[filled]
        row.time = word(data, at, big) * 1_000_000_000 + word(data, at + 4, big) * tick
        row.offset = at + header
        row.captured = captured
        row.length = max(word(data, at + 12, big), captured)
        row.link = link
        row.interface = 0
        row.vlan = 0
        row.vlan_protocol = 0
        filled += 1
        at += header + captured
    state[AT] = at
    state[FILLED] = filled
    state[STOP] = stop


@kernel
def block_time(high, low, interfaces, index):  # type: ignore[no-untyped-def]
    """Nanoseconds of a pcapng time stamp in the units of its interface (section 4.2, if_tsresol and if_tsoffset)."""
    stamp = (np.uint64(high) << np.uint64(32)) | np.uint64(low)
    shift = interfaces[index, SHIFT]
    if shift > 0:
        if shift >= 64:
            nanoseconds = np.int64(0)
        else:
            seconds = np.int64(stamp >> np.uint64(shift))
            fraction = stamp & ((np.uint64(1) << np.uint64(shift)) - np.uint64(1))
            if shift > 32:
                fraction = fraction >> np.uint64(shift - 32)
                shift = np.int64(32)
            if seconds > LATEST // 1_000_000_000:
                return np.int64(LATEST)
            nanoseconds = seconds * 1_000_000_000 + np.int64((fraction * np.uint64(1_000_000_000)) >> np.uint64(shift))
    else:
        multiply = np.uint64(interfaces[index, MULTIPLY])
        stamp = stamp // np.uint64(interfaces[index, DIVIDE])
        if stamp > np.uint64(LATEST) // multiply:
            return np.int64(LATEST)
        nanoseconds = np.int64(stamp * multiply)
    return min(max(nanoseconds + interfaces[index, OFFSET], 0), LATEST)


@kernel
def walk_pcapng(data, end, frames, state, big, interfaces, known):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0912, PLR0915, C901
    """Walk pcapng blocks from ``state[AT]``; stop at the first that holds no packet.

    Args:
        data, end, frames, state, big: as for :func:`walk_pcap`.
        interfaces: int64[n, COLUMNS] of this section.
        known: how many of them are filled.
    """
    at = state[AT]
    filled = state[FILLED]
    stop = MORE
    while at + 12 <= end:
        kind = word(data, at, big)
        if kind not in (ENHANCED_PACKET, SIMPLE_PACKET, OLD_PACKET):
            stop = BLOCK
            break
        if filled >= len(frames):
            stop = FULL
            break
        total = word(data, at + 4, big)
        fixed = 16 if kind == SIMPLE_PACKET else 32
        if total < fixed or total & 3 or total > MAX_BLOCK:
            stop = BLOCK_LENGTH
            state[DETAIL] = total
            break
        if at + total > end:
            break
        if word(data, at + total - 4, big) != total:
            stop = LENGTH_MISMATCH
            state[DETAIL] = total
            break
        if kind == SIMPLE_PACKET:
            index = np.int64(0)
        elif kind == ENHANCED_PACKET:
            index = word(data, at + 8, big)
        else:
            pair = word(data, at + 8, big)
            index = pair >> 16 if big else pair & 0xFFFF
        if index >= known:
            stop = NO_INTERFACE
            state[DETAIL] = index
            break
        if kind == SIMPLE_PACKET:
            length = word(data, at + 8, big)
            captured = min(length, total - 16)
            if interfaces[index, SNAPLEN] > 0:
                captured = min(captured, interfaces[index, SNAPLEN])
            start = at + 12
            time = np.int64(0)
        else:
            captured = word(data, at + 20, big)
            length = word(data, at + 24, big)
            start = at + 28
            time = block_time(word(data, at + 12, big), word(data, at + 16, big), interfaces, index)
        if captured > MAX_CAPTURED:
            stop = RECORD_LENGTH
            state[DETAIL] = captured
            break
        if captured > total - fixed:
            stop = BEYOND_BLOCK
            state[DETAIL] = captured
            break
        row = frames[filled]
        row.time = time
        row.offset = start
        row.captured = captured
        row.length = max(length, captured)
        row.link = interfaces[index, LINK]
        row.interface = interfaces[index, INDEX]
        row.vlan = 0
        row.vlan_protocol = 0
        filled += 1
        at += total
    state[AT] = at
    state[FILLED] = filled
    state[STOP] = stop
