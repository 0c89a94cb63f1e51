"""QUIC Initials: the ClientHello inside, put together and tested, before any Python runs.

In: datagrams that open like an Initial of a client (RFC 9000, section 17.2.2).  Out: a reason, and for a listed name
the ClientHello in the area.
Never: a secret (the keys follow from the packet itself, RFC 9001, section 5.2), a check of the authentication tag
(who can forge an Initial can compute its tag as well), more than BUDGET packets a second.

A hello may lie in several frames, in any order, of several packets: programs scatter it on purpose.  What has come of
it is kept in a slot that belongs to the connection id, until the name was read or somebody else needs the slot.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from sniffer.gate import names, reasons
from sniffer.gate.area import settle
from sniffer.gate.ciphers import (
    BLOCK,
    HKDF_ROWS,
    ROUND_KEYS,
    aes_mask,
    expand_key,
    hmac_block,
    hmac_key,
    label_block,
)
from sniffer.gate.compiled import copy, kernel
from sniffer.gate.hashing import name_end, name_step
from sniffer.gate.integers import u16, u32

SMALLEST: Final = 1_200  # bytes of a datagram with a client's Initial (RFC 9000, section 14.1)
SLOTS: Final = 1_024
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
        ("second", "<i8"),  # of the budget
        ("spent", "<i8"),  # in that second
        ("counts", "<i8", (len(COUNTERS),)),
        # scratch
        ("words", "<u4", (HKDF_ROWS, 64)),
        ("secrets", "<u4", (3, 16)),
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


# ── protection ───────────────────────────────────────────────────────────────────────────────────────────


@kernel
def derive(store, data, at, size, version):  # type: ignore[no-untyped-def]
    """Prepare the client's secret from the connection id (RFC 9001, section 5.2)."""
    secrets, words = store.secrets, store.words
    block = secrets[2]
    for i in range(16):
        block[i] = 0
    for i in range(size):
        block[i >> 2] |= np.uint32(data[at + i]) << np.uint32(24 - 8 * (i & 3))
    block[size >> 2] |= np.uint32(0x80) << np.uint32(24 - 8 * (size & 3))
    block[15] = (64 + size) * 8
    hmac_key(words, SALTS[version], SALT_WORDS)
    hmac_block(words, block, secrets[0])
    hmac_key(words, secrets[0], 8)
    hmac_block(words, LABELS[version, CLIENT], secrets[1])
    hmac_key(words, secrets[1], 8)


@kernel
def decrypt(store, data, at, end, first, version):  # type: ignore[no-untyped-def]
    """Decrypt the packet whose number begins at ``at`` and whose first byte is ``first``; bytes of plain text, or -1.

    Sources: RFC 9001, section 5.4 (header) and 5.3 (nonce); NIST SP 800-38D, section 6.5 (the counter).
    """
    derived = store.secrets[2]
    hmac_block(store.words, LABELS[version, HEADER], derived)
    expand_key(derived, store.keys)
    aes_mask(store.keys, data, at + 4, store.zeros, 0, store.mask, 0)
    opened = (np.int64(first) ^ np.int64(store.mask[0])) & 0x0F
    if opened & 0x0C:  # reserved bits: another key, or no Initial
        return -1
    size = (opened & 3) + 1
    hmac_block(store.words, LABELS[version, IV], derived)
    nonce = store.nonce
    for i in range(12):
        nonce[i] = (derived[i >> 2] >> np.uint32(24 - 8 * (i & 3))) & np.uint32(0xFF)
    for i in range(size):
        nonce[12 - size + i] ^= data[at + i] ^ store.mask[1 + i]
    hmac_block(store.words, LABELS[version, KEY], derived)
    expand_key(derived, store.keys)
    at += size
    total = min(end - TAG - at, MAX_PLAIN)
    counter = 2
    for done in range(0, total, BLOCK):
        for i in range(4):
            nonce[12 + i] = (counter >> (24 - 8 * i)) & 0xFF
        aes_mask(store.keys, nonce, 0, data, at + done, store.plain, done)  # reads into the tag at most
        counter += 1
    return total


# ── frames ───────────────────────────────────────────────────────────────────────────────────────────────


@kernel
def slot_of(store, data, at, size, seed, now):  # type: ignore[no-untyped-def]
    """Slot that belongs to a connection id; another hello in it makes room."""
    h = seed
    for i in range(size):
        h = name_step(h, np.int64(data[at + i]))
    h = name_end(h)
    slot = np.int64(h >> np.uint64(8)) & (SLOTS - 1)
    if store.ids[slot] == h and now - store.seen[slot] <= MAX_AGE:
        return slot
    if store.ids[slot] != np.uint64(0) and now - store.seen[slot] <= MAX_AGE:
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
def length_of(hello):  # type: ignore[no-untyped-def]
    """Bytes of a ClientHello, its own header included (RFC 8446, section 4)."""
    return 4 + ((np.int64(hello[1]) << 16) | u16(hello, 2))


@kernel
def is_whole(store, slot):  # type: ignore[no-untyped-def]
    """Whether all of a hello has come."""
    prefix = store.prefix[slot]
    return prefix >= 4 and prefix >= length_of(store.hello[slot])


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
        if kind == 6:
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
def take_packet(store, data, at, end, seed, now):  # type: ignore[no-untyped-def]
    """Read one Initial at ``at``: ``(slot of its hello or -1, offset of what may follow in the datagram)``."""
    version = version_at(data, at)
    if version < 0 or at + 7 > end:
        return -1, end
    first = data[at]
    id_size = np.int64(data[at + 5])
    id_at = at + 6
    at = id_at + id_size
    if id_size > LONGEST_ID or at + 1 > end:
        return -1, end
    at += 1 + np.int64(data[at])  # the client's own connection id
    token, at = varint(data, at, end)
    if at < 0 or at + token > end:
        return -1, end
    size, at = varint(data, at + token, end)
    if at < 0:
        return -1, end
    stop = min(at + size, end)
    if stop - at < 4 + BLOCK:
        return -1, end
    derive(store, data, id_at, id_size, version)
    total = decrypt(store, data, at, stop, first, version)
    if total <= 0:
        return -1, end
    slot = slot_of(store, data, id_at, id_size, seed, now)
    return (slot, stop) if read_frames(store, slot, total) else (-1, end)


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
    slot = np.int64(-1)
    for _ in range(MAX_COALESCED):
        store.spent += 1
        if store.spent > BUDGET:
            return reasons.QUIC_LIMIT
        found, at = take_packet(store, data, at, end, state.keys[2], now)
        if found < 0:
            break
        slot = found
        if at + 7 > end or version_at(data, at) < 0:
            break
    if slot < 0:
        return reasons.QUIC_UNREADABLE
    return judge_hello(data, row, slot, listed, area, state)


@kernel
def judge_hello(data, row, slot, listed, area, state):  # type: ignore[no-untyped-def]
    """Decide about what there is of a hello."""
    store = state.quic
    hello = store.hello[slot]
    prefix = store.prefix[slot]
    if prefix < 4:
        return reasons.QUIC_KEPT
    if hello[0] != 1:  # not a ClientHello: a server's, or what a wrong key made
        store.ids[slot] = np.uint64(0)
        return reasons.QUIC_UNREADABLE
    whole = length_of(hello)
    verdict = names.test_hello(hello, 0, min(prefix, whole), whole, listed, state.keys[2], state.everything)
    if verdict == names.PARTIAL and prefix < MAX_HELLO:
        return reasons.QUIC_KEPT
    store.ids[slot] = np.uint64(0)
    if verdict != names.LISTED and not (state.everything and verdict == names.ABSENT):
        return reasons.QUIC_UNLISTED
    size = min(prefix, whole)
    at = settle(area, state, data, row, size)
    if at < 0:
        return reasons.QUIC_LIMIT
    copy(area, at, hello, 0, size)
    row.payload = at
    row.payload_length = size
    row.missing = whole - size
    return reasons.QUIC_LISTED
