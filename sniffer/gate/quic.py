"""QUIC Initials: the ClientHello inside, put together and tested, before any Python runs.

In: datagrams that open like an Initial of a client (RFC 9000, section 17.2.2).  Out: a reason, and for a listed name
the ClientHello in the area.
Never: a secret (the keys follow from the packet itself, RFC 9001, section 5.2), a check of the authentication tag
(who can forge an Initial can compute its tag as well), more than BUDGET packets a second.

Nearly always the name lies in the first frame of the first packet.  Else the hello is scattered over several frames,
in any order, of several packets: programs do that on purpose.  Then what has come of it is kept in a slot that belongs
to the connection id, until the name was read or somebody else needs the slot.  Further packets of a connection whose
name was read are not opened.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from sniffer.gate import names, reasons
from sniffer.gate.area import settle
from sniffer.gate.ciphers import (
    BLOCK,
    HKDF_ROWS,
    INNER,
    MESSAGE,
    OUTER,
    RESULT,
    ROUND_KEYS,
    aes_counter,
    expand_key,
    hmac_key,
    hmac_pads,
    hmac_rows,
    label_block,
)
from sniffer.gate.compiled import copy, kernel, prefetch
from sniffer.gate.hashing import name_end, name_step
from sniffer.gate.instructions import ROW
from sniffer.gate.integers import u16, u32

SMALLEST: Final = 1_200  # bytes of a datagram with a client's Initial (RFC 9000, section 14.1)
SLOTS: Final = 1_024
JUDGED: Final = 16_384  # connections remembered, whose further packets need not be opened
MAX_HELLO: Final = 4_096
MAX_PLAIN: Final = 4_096
MAX_RANGES: Final = 16  # pieces of a hello that wait for what lies before them
MAX_FRAMES: Final = 2_048  # padding counts, too: each byte of it is a frame
MAX_ACK_RANGES: Final = 64
MAX_COALESCED: Final = 4
MAX_AGE: Final = 5  # seconds a hello may take
BUDGET: Final = 20_000  # packets a second of packet time (robustness.md, T8)
SHORTEST_ID: Final = 8  # of the connection id that a client makes up (RFC 9000, section 7.2)
LONGEST_ID: Final = 20
TAG: Final = 16
LONG_HEADER: Final = 0xC0  # smallest first byte of an Initial (RFC 9000, section 17.2)
EXPECTED: Final = 8  # cache lines that are asked for ahead
FIRST_PART: Final = 64  # bytes of a packet that are decrypted before it is known how many are wanted
CRYPTO: Final = 6

# Versions: number, salt of the first secret, and the two type bits of an Initial (RFC 9001, 5.2; RFC 9369, 3).
VERSIONS: Final = (
    (0x0000_0001, "38762cf7f55934b34d179ae6a4c80cadccbb7f0a", 0),
    (0x6B33_43CF, "0dede3def700a6db819381be6e269dcbf9bd2ed9", 1),
    (0xFF00_001D, "afbfec289993d24c9e9786f19c6111e04390a899", 0),  # draft 29, which some still speak
)
NUMBERS: Final = np.array([number for number, _, _ in VERSIONS], dtype=np.int64)
TYPES: Final = np.array([kind for _, _, kind in VERSIONS], dtype=np.int64)
SALTS: Final = np.array(
    [[int(salt[i : i + 8], 16) for i in range(0, 40, 8)] for _, salt, _ in VERSIONS], dtype=np.uint32
)
SALT_WORDS: Final = 5
CLIENT, KEY, IV, HEADER = range(4)
DERIVED: Final = 3  # of these follow from the secret that the first gives
LABELS: Final = np.array(
    [
        [
            label_block(label, size)
            for label, size in (
                (b"client in", 32),
                (prefix + b" key", 16),
                (prefix + b" iv", 12),
                (prefix + b" hp", 16),
            )
        ]
        for prefix in (b"quic", b"quicv2", b"quic")
    ],
    dtype=np.uint32,
)

COUNTERS: Final = ("quic_evicted", "quic_pieces")
EVICTED, CROWDED = range(len(COUNTERS))

JUDGED_ID: Final = np.dtype(
    [
        ("id", "<u8"),  # hash of a connection id whose name was read; 0: free
        ("at", "<i8"),  # when, seconds on the gate's clock
    ]
)
STORE: Final = np.dtype(
    [
        ("ids", "<u8", (SLOTS,)),  # hash of the connection id; 0: free
        ("seen", "<i8", (SLOTS,)),  # when its first piece came, seconds on the gate's clock
        ("hello", "u1", (SLOTS, MAX_HELLO)),
        ("prefix", "<i8", (SLOTS,)),  # bytes present without a hole
        (
            "ranges",
            "<i8",
            (SLOTS, MAX_RANGES, 2),
        ),  # pieces behind a hole: first byte, byte behind; 0, 0: none
        ("judged", JUDGED_ID, (JUDGED,)),
        ("second", "<i8"),  # of the budget
        ("spent", "<i8"),  # in that second
        ("counts", "<i8", (len(COUNTERS),)),
        (
            "salted",
            "<u4",
            (len(VERSIONS), 2, 8),
        ),  # hash states behind the pads of each salt, once they are made
        # scratch
        ("rows", "<u4", (HKDF_ROWS, ROW)),
        ("schedule", "<u4", (64,)),
        ("keys", "u1", (ROUND_KEYS,)),
        ("nonce", "u1", (BLOCK,)),
        ("mask", "u1", (BLOCK,)),
        ("zeros", "u1", (BLOCK,)),
        ("plain", "u1", (MAX_PLAIN + BLOCK,)),
    ],
    align=True,
)
"""Hellos that are not whole yet, and scratch.  Zeros are an empty store."""


# ── the header ───────────────────────────────────────────────────────────────────────────────────────────


@kernel
def varint(data, at, end):  # type: ignore[no-untyped-def]
    """Variable-length integer (RFC 9000, section 16): ``(value, offset behind it)``, the offset -1 where it is cut."""
    if at < 0 or at >= end:
        return np.int64(0), -1
    size = 1 << (np.int64(data[at]) >> 6)
    if at + size > end:
        return np.int64(0), -1
    value = np.int64(data[at]) & 0x3F
    for i in range(1, size):
        value = (value << 8) | np.int64(data[at + i])
    return value, at + size


@kernel
def version_at(data, at):  # type: ignore[no-untyped-def]
    """Index of the version whose Initial opens here, or -1."""
    if data[at] & 0xC0 != 0xC0:
        return -1
    number = u32(data, at + 1)
    for i in range(len(NUMBERS)):
        if number == NUMBERS[i]:
            return i if (data[at] >> 4) & 3 == TYPES[i] else -1
    return -1


@kernel
def is_initial(data, row):  # type: ignore[no-untyped-def]
    """Whether a datagram opens like a client's Initial: by its size, its first byte, version and connection id.

    A server's Initial has the same form.  Servers sit on 443 nearly always; elsewhere the attempt fails harmlessly.
    """
    at = np.int64(row.payload)
    return (
        np.int64(row.payload_length) + np.int64(row.missing) >= SMALLEST
        and row.payload_length >= 32
        and not (row.source_port == 443 and row.destination_port != 443)
        and version_at(data, at) >= 0
        and SHORTEST_ID <= data[at + 5] <= LONGEST_ID
    )


@kernel
def expect_hello(data, row, store, seed):  # type: ignore[no-untyped-def]
    """Ask for what is wanted in a moment, if this is an Initial: where its hello begins, what is known of its id."""
    at = np.int64(row.payload)
    for line in range(1, EXPECTED):
        prefetch(data, at + 64 * line)
    size = np.int64(data[at + 5])
    if size <= LONGEST_ID:
        prefetch(store.judged, judged_place(id_hash(data, at + 6, size, seed)))


# ── protection ───────────────────────────────────────────────────────────────────────────────────────────


@kernel
def salt(store, version):  # type: ignore[no-untyped-def]
    """Prepare the salt of a version; the same each time, so it is kept."""
    rows, kept = store.rows, store.salted[version]
    if kept[0, 0] == 0 and kept[0, 1] == 0:
        hmac_key(rows, SALTS[version], SALT_WORDS, store.schedule)
        for i in range(8):
            kept[0, i] = rows[INNER, i]
            kept[1, i] = rows[OUTER, i]
        return
    for i in range(8):
        rows[INNER, i] = kept[0, i]
        rows[OUTER, i] = kept[1, i]


@kernel
def derive(store, data, at, size, version):  # type: ignore[no-untyped-def]
    """Derive what protects the client's packets from the connection id (RFC 9001, section 5.2).

    Leaves key, vector and header key in the rows of the scratch from RESULT on.
    """
    rows, schedule = store.rows, store.schedule
    salt(store, version)
    block = rows[MESSAGE]
    for i in range(ROW):
        block[i] = 0
    for i in range(size):
        block[i >> 2] |= np.uint32(data[at + i]) << np.uint32(24 - 8 * (i & 3))
    block[size >> 2] |= np.uint32(0x80) << np.uint32(24 - 8 * (size & 3))
    block[15] = (64 + size) * 8
    hmac_rows(rows, rows, MESSAGE, 1, schedule)
    hmac_pads(rows, RESULT, schedule)
    hmac_rows(rows, LABELS[version], CLIENT, 1, schedule)
    hmac_pads(rows, RESULT, schedule)
    hmac_rows(rows, LABELS[version], KEY, DERIVED, schedule)


@kernel
def open_header(store, data, at, first):  # type: ignore[no-untyped-def]
    """Take the protection off the packet number at ``at`` and prepare the cipher; bytes of the number, or -1.

    Sources: RFC 9001, section 5.4 (header) and 5.3 (nonce).
    """
    rows, nonce = store.rows, store.nonce
    expand_key(rows, RESULT + HEADER - KEY, store.keys)
    copy(nonce, 0, data, at + 4, 12)
    counter = u32(data, at + 16)
    aes_counter(store.keys, nonce, counter, store.zeros, 0, store.mask, 0, 1)
    opened = (np.int64(first) ^ np.int64(store.mask[0])) & 0x0F
    if opened & 0x0C:  # reserved bits: another key, or no Initial
        return -1
    size = (opened & 3) + 1
    vector = rows[RESULT + IV - KEY]
    for i in range(12):
        nonce[i] = (vector[i >> 2] >> np.uint32(24 - 8 * (i & 3))) & np.uint32(0xFF)
    for i in range(size):
        nonce[12 - size + i] ^= data[at + i] ^ store.mask[1 + i]
    expand_key(rows, RESULT, store.keys)
    return size


@kernel
def decrypt(store, data, at, done, wanted, total):  # type: ignore[no-untyped-def]
    """Decrypt on from ``done`` until there are ``wanted`` bytes of ``total``; return how many there are.

    Blocks are whole, and reach into the tag at most.  Source: NIST SP 800-38D, section 6.5 (the counter begins at 2).
    """
    if done < min(wanted, total):
        blocks = (min(wanted, total) - done + BLOCK - 1) // BLOCK
        aes_counter(store.keys, store.nonce, 2 + done // BLOCK, data, at + done, store.plain, done, blocks)
        done += blocks * BLOCK
    return done


# ── frames ───────────────────────────────────────────────────────────────────────────────────────────────


@kernel
def id_hash(data, at, size, seed):  # type: ignore[no-untyped-def]
    """Keyed hash of a connection id."""
    h = seed
    for i in range(size):
        h = name_step(h, np.int64(data[at + i]))
    return name_end(h)


@kernel
def judged_place(h):  # type: ignore[no-untyped-def]
    """Where the verdict about a connection is kept."""
    return np.int64(h >> np.uint64(8)) & (JUDGED - 1)


@kernel
def is_judged(store, h, now):  # type: ignore[no-untyped-def]
    """Whether the name of a connection was read."""
    judged = store.judged[judged_place(h)]
    return judged.id == h and now - judged.at <= MAX_AGE


@kernel
def note_verdict(store, h, now, verdict):  # type: ignore[no-untyped-def]
    """Remember that the name of a connection was read, and pass its verdict on."""
    judged = store.judged[judged_place(h)]
    judged.id = h
    judged.at = now
    return verdict


@kernel
def take_slot(store, h, now):  # type: ignore[no-untyped-def]
    """Slot of a connection id; another hello in it makes room."""
    slot = np.int64(h >> np.uint64(8)) & (SLOTS - 1)
    if now - store.seen[slot] <= MAX_AGE:
        if store.ids[slot] == h:
            return slot
        if store.ids[slot] != np.uint64(0):
            store.counts[EVICTED] += 1
    store.ids[slot] = h
    store.seen[slot] = now
    store.prefix[slot] = 0
    store.ranges[slot, :, :] = 0
    return slot


@kernel
def add_piece(store, slot, at, offset, size):  # type: ignore[no-untyped-def]
    """Add ``store.plain[at:at + size]`` to a hello, ``offset`` bytes into it."""
    first, last = offset, min(offset + size, MAX_HELLO)
    if first >= last:
        return
    copy(store.hello[slot], first, store.plain, at, last - first)
    ranges = store.ranges[slot]
    if first > store.prefix[slot]:
        for i in range(MAX_RANGES):
            if ranges[i, 1] == 0:
                ranges[i, 0] = first
                ranges[i, 1] = last
                return
        store.counts[CROWDED] += 1
        return
    store.prefix[slot] = max(store.prefix[slot], last)
    moved = True
    while moved:
        moved = False
        for i in range(MAX_RANGES):
            if ranges[i, 1] != 0 and ranges[i, 0] <= store.prefix[slot]:
                store.prefix[slot] = max(store.prefix[slot], ranges[i, 1])
                ranges[i, 1] = 0
                moved = True


@kernel
def length_of(hello, at):  # type: ignore[no-untyped-def]
    """Bytes of the handshake message at ``at`` behind its header of four (RFC 8446, section 4)."""
    return (np.int64(hello[at + 1]) << 16) | u16(hello, at + 2)


@kernel
def first_piece(plain, end):  # type: ignore[no-untyped-def]
    """Where the piece lies that a packet begins with, and its size; -1 where it is not the beginning of a hello."""
    if plain[0] != CRYPTO:
        return np.int64(-1), np.int64(0)
    offset, at = varint(plain, 1, end)
    size, at = varint(plain, at, end)
    return (
        (np.int64(at), size) if at >= 0 and offset == 0 and size <= MAX_PLAIN else (np.int64(-1), np.int64(0))
    )


@kernel
def is_whole(store, slot):  # type: ignore[no-untyped-def]
    """Whether all of a hello has come."""
    prefix = store.prefix[slot]
    return prefix >= 4 and prefix >= 4 + length_of(store.hello[slot], 0)


@kernel
def skip_ack(plain, at, end, kind):  # type: ignore[no-untyped-def]
    """Offset behind an ACK frame whose type has been read (RFC 9000, section 19.3), or -1."""
    _, at = varint(plain, at, end)  # largest
    _, at = varint(plain, at, end)  # delay
    count, at = varint(plain, at, end)
    _, at = varint(plain, at, end)  # first range
    if count > MAX_ACK_RANGES:
        return -1
    for _ in range(2 * count):
        _, at = varint(plain, at, end)
    if kind == 3:
        for _ in range(3):
            _, at = varint(plain, at, end)
    return at


@kernel
def read_frames(store, slot, end):  # type: ignore[no-untyped-def]
    """Collect the CRYPTO frames of a packet (RFC 9000, section 19); false for anything an Initial cannot hold."""
    plain = store.plain
    at = np.int64(0)
    for _ in range(MAX_FRAMES):
        if at >= end:
            return True
        kind = plain[at]
        at += 1
        if kind <= 1:  # padding, ping
            continue
        if kind == CRYPTO:
            offset, at = varint(plain, at, end)
            size, at = varint(plain, at, end)
            if at < 0 or offset > MAX_HELLO * 8 or size > MAX_PLAIN:
                return False
            add_piece(store, slot, at, offset, min(size, end - at))
            if is_whole(store, slot):
                return True
            at += size
        elif kind == 2 or kind == 3:
            at = skip_ack(plain, at, end, kind)
            if at < 0:
                return False
        else:
            return kind == 0x1C  # the connection is closed
    return True


@kernel
def read_header(data, at, end):  # type: ignore[no-untyped-def]
    """Read the header of an Initial at ``at``: ``(version, where its number begins, offset behind the packet)``.

    The version is -1 where there is none.  The connection id lies 6 bytes into the packet, behind its size.
    """
    version = version_at(data, at)
    if version < 0 or at + 7 > end:
        return -1, at, end
    size = np.int64(data[at + 5])
    at += 6 + size
    if size > LONGEST_ID or at + 1 > end:
        return -1, at, end
    at += 1 + np.int64(data[at])  # the client's own connection id
    token, at = varint(data, at, end)
    if at < 0 or at + token > end:
        return -1, at, end
    rest, at = varint(data, at + token, end)
    if at < 0:
        return -1, at, end
    stop = min(at + rest, end)
    return (version, at, stop) if stop - at >= 4 + BLOCK else (-1, at, end)


# ── the decision ─────────────────────────────────────────────────────────────────────────────────────────


@kernel
def judge_initial(data, row, now, listed, area, state):  # type: ignore[no-untyped-def]
    """Decide about a datagram that opens like an Initial; a listed hello goes into the area, and the row with it."""
    store = state.quic
    if store.second != now:
        store.second = now
        store.spent = 0
    at = np.int64(row.payload)
    end = at + np.int64(row.payload_length)
    verdict = reasons.QUIC_UNREADABLE
    for _ in range(MAX_COALESCED):
        version, number, stop = read_header(data, at, end)
        if version < 0:
            break
        h = id_hash(data, at + 6, np.int64(data[at + 5]), state.keys[2])
        if is_judged(store, h, now):
            return reasons.QUIC_JUDGED
        store.spent += 1
        if store.spent > BUDGET:
            return reasons.QUIC_LIMIT
        reason = judge_packet(data, row, at, version, number, stop, h, now, listed, area, state)
        if reason == reasons.QUIC_UNREADABLE:
            break
        verdict = reason
        at = stop
        if verdict != reasons.QUIC_KEPT or at + 7 > end or version_at(data, at) < 0:
            break
    return verdict


@kernel
def judge_packet(data, row, at, version, number, stop, h, now, listed, area, state):  # type: ignore[no-untyped-def]
    """Decide about one packet at ``at``, whose number begins at ``number``."""
    store = state.quic
    derive(store, data, at + 6, np.int64(data[at + 5]), version)
    size = open_header(store, data, number, data[at])
    if size < 0:
        return reasons.QUIC_UNREADABLE
    at = number + size
    total = min(stop - TAG - at, MAX_PLAIN)
    if total <= 0:
        return reasons.QUIC_UNREADABLE
    done = decrypt(store, data, at, 0, FIRST_PART, total)
    place, piece = first_piece(store.plain, min(done, total))
    if place >= 0:
        done = decrypt(store, data, at, done, place + piece, total)
        present = min(piece, total - place)
        verdict = judge_hello(data, row, store.plain, place, present, listed, area, state)
        if verdict == reasons.QUIC_UNREADABLE:
            return verdict
        if verdict != reasons.QUIC_KEPT:
            return note_verdict(store, h, now, verdict)
    decrypt(store, data, at, done, total, total)
    slot = take_slot(store, h, now)
    if not read_frames(store, slot, total):
        return reasons.QUIC_UNREADABLE
    verdict = judge_hello(data, row, store.hello[slot], np.int64(0), store.prefix[slot], listed, area, state)
    if verdict == reasons.QUIC_KEPT:
        return verdict
    store.ids[slot] = np.uint64(0)
    return verdict if verdict == reasons.QUIC_UNREADABLE else note_verdict(store, h, now, verdict)


@kernel
def judge_hello(data, row, hello, begin, present, listed, area, state):  # type: ignore[no-untyped-def]
    """Decide about what there is of a hello: ``present`` bytes from ``begin`` on."""
    if present < 4:
        return reasons.QUIC_KEPT
    if hello[begin] != 1:  # not a ClientHello: a server's, or what a wrong key made
        return reasons.QUIC_UNREADABLE
    whole = 4 + length_of(hello, begin)
    size = min(present, whole)
    verdict = names.test_hello(
        hello, begin, begin + size, begin + whole, listed, state.keys[2], state.everything
    )
    if verdict == names.PARTIAL and present < MAX_HELLO:
        return reasons.QUIC_KEPT
    names.count_hello(state.hellos, verdict)
    if verdict != names.LISTED and not (state.everything and verdict == names.ABSENT):
        return reasons.QUIC_UNLISTED
    at = settle(area, state, data, row, size)
    if at < 0:
        return reasons.QUIC_LIMIT
    copy(area, at, hello, begin, size)
    row.payload = at
    row.payload_length = size
    row.missing = whole - size
    return reasons.QUIC_LISTED
