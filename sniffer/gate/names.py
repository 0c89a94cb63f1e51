"""Listed host names, tested by hash inside the gate.

In: names from the rules; DNS messages, TLS ClientHellos and HTTP heads from the wire.
Out: whether a name *may* be listed.  Python compares the exact name afterwards.
Never: a decision that a name is mining; a read outside the payload; a loop without a bound.

A name is hashed from its end to its start, one label after another; at each label boundary the hash so far
is the hash of a suffix, and is looked up.  So the cost depends on the name, not on how many names are listed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sniffer.gate.compiled import inlined, kernel
from sniffer.gate.hashing import MASK, MULTIPLIER, name_end, name_step
from sniffer.gate.integers import u16

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

LISTED = 1
UNLISTED = 2
PARTIAL = 3  # the name is not (wholly) in this payload
MALFORMED = 4
ABSENT = 5  # read to the end, no name in it

MAX_NAME = 255
MAX_LABELS = 128
MAX_POINTERS = 16
MAX_PROBE = 64
FRONT = 32  # slots for each word of the filter in front of them
MAX_EXTENSIONS = 64
MAX_RECORDS = 64
MAX_ALIASES = 16  # of the records, these are tested: a name can be long, and a pointer to it is short
MAX_RECORD = 0x4100  # bytes of a TLS record: 2^14, and a little for generous senders
DOT = 0x2E


class NameTable:
    """Hash table of listed names.

    Args:
        names: ``(name, is_suffix)`` pairs, lower case, no trailing dot.  A suffix entry also stands for every
            name below it; a name given twice is one entry, and the wider one.
        seed: random 64-bit word of this process.
        everything: pass every name (a rule tests names by something other than a list).
    """

    def __init__(self, names: Iterable[tuple[str, bool]], *, seed: int, everything: bool = False) -> None:
        pairs = list(names)
        text = [name for name, _ in pairs]
        sizes = np.fromiter(map(len, text), dtype=np.int64, count=len(text))
        entries = np.fromiter((is_suffix for _, is_suffix in pairs), dtype=np.uint64, count=len(text))
        data = np.frombuffer("".join(text).encode("ascii"), dtype=np.uint8)
        hash_names(data, np.cumsum(sizes), np.uint64(seed), entries)
        self.everything = everything
        self.seed = seed
        self.slots = build(entries)


def hash_name(name: bytes, seed: int) -> int:
    """Hash a whole name; the plain twin of what the kernels do step by step."""
    h = seed
    for byte in reversed(name.lower()):
        h = ((h ^ byte) * MULTIPLIER) & MASK
    return finish_name(h)


def finish_name(h: int) -> int:
    """Plain twin of :func:`sniffer.gate.hashing.name_end`."""
    h ^= h >> 32
    h = (h * 0xD6E8FEB86659FD93) & MASK
    h ^= h >> 29
    return (h | 2) & 0xFFFFFFFFFFFFFFFE


@kernel
def hash_names(data, ends, seed, entries):  # type: ignore[no-untyped-def]
    """Hash names that stand one behind another in ``data``; add each hash to its entry, which says "suffix" so far."""
    start = np.int64(0)
    for number in range(len(ends)):
        h = seed
        for i in range(ends[number] - 1, start - 1, -1):
            h = name_step(h, lower(np.int64(data[i])))
        entries[number] |= name_end(h)
        start = ends[number]


def build(entries: NDArray[Any]) -> NDArray[Any]:
    """Lay hashes out for look-ups: ``[front | slots]``, one array, because kernels hand it on as one argument.

    The slots, 64 or a power of two above it and at most a quarter full, hold the hashes with linear probing; the
    lowest bit says "suffix".  In front is a Bloom filter of a 64-bit word for 32 slots, two bits a name, both in
    one word.  It stays in the processor's cache where the slots cannot, and ends most look-ups.
    """
    size = 64
    while size < 4 * len(entries):
        size *= 2
    while True:
        table = np.zeros(size // FRONT + size, dtype=np.uint64)
        if lay_out(table, entries):
            return table
        size *= 2  # a run longer than a lookup goes: never seen at this load


@kernel
def lay_out(table, entries):  # type: ignore[no-untyped-def]
    """Lay hashes out in an empty table; False where one would not be found again."""
    front = np.int64(len(table)) // (FRONT + 1)
    mask = front * FRONT - 1
    for entry in entries:
        h = entry & ~np.uint64(1)
        table[np.int64(h >> np.uint64(8)) & (front - 1)] |= bits(h)
        for step in range(MAX_PROBE):
            at = front + ((np.int64(h >> np.uint64(8)) + step) & mask)
            if table[at] == np.uint64(0) or table[at] & ~np.uint64(1) == h:
                table[at] |= entry
                break
        else:
            return False
    return True


@inlined
def bits(h):  # type: ignore[no-untyped-def]
    """The two bits of a hash in its word of the front; by bits of it that choose no word."""
    one = np.uint64(1)
    return (one << (h >> np.uint64(58))) | (one << ((h >> np.uint64(52)) & np.uint64(63)))


@kernel
def is_listed(table, h, whole):  # type: ignore[no-untyped-def]
    """Whether a finished hash is in the table, as a suffix or (if ``whole``) as an exact name."""
    front = np.int64(len(table)) // (FRONT + 1)
    start = np.int64(h >> np.uint64(8))
    wanted = bits(h)
    if table[start & (front - 1)] & wanted != wanted:
        return False
    mask = front * FRONT - 1
    for step in range(MAX_PROBE):
        entry = table[front + ((start + step) & mask)]
        if entry == np.uint64(0):
            return False
        if entry & ~np.uint64(1) == h:
            return whole or (entry & np.uint64(1)) != np.uint64(0)
    return False


@kernel
def lower(byte):  # type: ignore[no-untyped-def]
    """ASCII lower case of one byte."""
    return byte | 0x20 if 0x41 <= byte <= 0x5A else byte


@kernel
def test_text(data, at, end, slots, seed, everything):  # type: ignore[no-untyped-def]
    """Test the name written out in ``data[at:end]`` (server name, host)."""
    if end > at and data[end - 1] == DOT:
        end -= 1
    if end <= at or end - at > MAX_NAME:
        return MALFORMED
    if everything:
        return LISTED
    h = seed
    i = end - 1
    while i >= at:
        byte = lower(np.int64(data[i]))
        if byte == DOT and is_listed(slots, name_end(h), False):
            return LISTED
        h = name_step(h, byte)
        i -= 1
    return LISTED if is_listed(slots, name_end(h), True) else UNLISTED


# ── DNS (RFC 1035) ───────────────────────────────────────────────────────────────────────────────────────


@kernel
def dns_skip(data, at, end):  # type: ignore[no-untyped-def]
    """Offset behind the name that starts at ``at``, or -1."""
    for _ in range(MAX_LABELS):
        if at >= end:
            return -1
        length = np.int64(data[at])
        if length == 0:
            return at + 1
        if length >= 0xC0:
            return at + 2 if at + 2 <= end else -1
        if length >= 0x40:
            return -1
        at += 1 + length
    return -1


@kernel
def test_dns_name(data, message, at, end, slots, seed, everything, labels):  # type: ignore[no-untyped-def]
    """Test the DNS name at ``at`` of the message that starts at ``message``.

    Pointers must lead strictly backwards, at most 16 of them; at most 255 bytes in all.
    ``labels`` is scratch space for the offsets of the labels, which are then hashed from the last to the first.
    """
    count = 0
    size = np.int64(0)
    pointers = 0
    limit = at  # the next pointer must lead before this offset
    while True:
        if at >= end:
            return MALFORMED
        length = np.int64(data[at])
        if length == 0:
            break
        if length >= 0xC0:
            if at + 2 > end:
                return MALFORMED
            target = message + (u16(data, at) & 0x3FFF)
            pointers += 1
            if pointers > MAX_POINTERS or target >= limit or target < message + 12:
                return MALFORMED
            at = target
            limit = target
            continue
        size += 1 + length
        if length >= 0x40 or at + 1 + length > end or size > MAX_NAME or count >= MAX_LABELS:
            return MALFORMED
        labels[count] = at
        count += 1
        at += 1 + length
    if count == 0:
        return UNLISTED  # the root
    if everything:
        return LISTED
    h = seed
    for label in range(count - 1, -1, -1):
        start = labels[label]  # the length, then as many bytes
        for i in range(start + np.int64(data[start]), start, -1):
            h = name_step(h, lower(np.int64(data[i])))
        if is_listed(slots, name_end(h), label == 0):
            return LISTED
        h = name_step(h, DOT)
    return UNLISTED


@kernel
def test_dns(data, at, end, slots, seed, everything, labels):  # type: ignore[no-untyped-def]
    """Test the question of a DNS message and, in an answer, the names that CNAME, SVCB and HTTPS records lead to."""
    message = at
    if at + 12 > end:
        return MALFORMED
    flags = u16(data, at + 2)
    questions = u16(data, at + 4)
    answers = u16(data, at + 6)
    if (flags >> 11) & 0xF not in (0, 4, 5):  # query, notify, update
        return MALFORMED
    if questions == 0:
        return UNLISTED
    if questions != 1:
        return MALFORMED
    at += 12
    verdict = test_dns_name(data, message, at, end, slots, seed, everything, labels)
    if verdict != UNLISTED:
        return verdict
    at = dns_skip(data, at, end)
    if at < 0 or at + 4 > end:
        return MALFORMED
    at += 4
    if flags & 0x8000 == 0:
        return UNLISTED
    aliases = 0
    for _ in range(min(answers, MAX_RECORDS)):
        at = dns_skip(data, at, end)
        if at < 0 or at + 10 > end:
            return UNLISTED  # cut by the snap length or by truncation: the question was read
        kind = u16(data, at)
        size = u16(data, at + 8)
        at += 10
        leads = kind == 5 or ((kind == 64 or kind == 65) and size > 2)
        if leads and at + size <= end and aliases < MAX_ALIASES:
            aliases += 1
            name = at if kind == 5 else at + 2  # behind the priority (RFC 9460, section 2.2)
            verdict = test_dns_name(data, message, name, end, slots, seed, everything, labels)
            if verdict == LISTED:
                return LISTED
        at += size
    return UNLISTED


# ── TLS (RFC 8446 section 4.1.2, RFC 6066 section 3) ─────────────────────────────────────────────────────


@kernel
def is_client_hello(data, at, end):  # type: ignore[no-untyped-def]
    """Whether a TLS record with a ClientHello opens here, as far as bytes are present (at least 1)."""
    size = end - at
    if data[at] != 0x16 or (size > 1 and data[at + 1] != 3) or (size > 2 and data[at + 2] > 4):
        return False
    if size > 4 and not 1 <= u16(data, at + 3) <= MAX_RECORD:
        return False
    return size < 6 or data[at + 5] == 1


@kernel
def count_hello(hellos, verdict):  # type: ignore[no-untyped-def]
    """Count a ClientHello by what the test of its server name said (HELLOS)."""
    if verdict == LISTED or verdict == UNLISTED:
        hellos[0] += 1
    elif verdict == ABSENT:
        hellos[1] += 1
    elif verdict == PARTIAL:
        hellos[2] += 1


@kernel
def test_client_hello(data, at, end, slots, seed, everything):  # type: ignore[no-untyped-def]
    """Test the server name of a ClientHello in its record; ``PARTIAL`` where it may be in a later segment or record."""
    if at + 9 > end:
        return PARTIAL
    record_end = at + 5 + u16(data, at + 3)
    if record_end < at + 9:
        return PARTIAL  # not even the handshake header is in one record
    hello_end = at + 9 + ((np.int64(data[at + 6]) << 16) | u16(data, at + 7))
    stop = min(end, record_end, hello_end)
    return test_hello(data, at + 5, stop, hello_end, slots, seed, everything)


@kernel
def test_hello(data, at, stop, hello_end, slots, seed, everything):  # type: ignore[no-untyped-def]
    """Test the server name of the ClientHello message at ``at``, of which the bytes before ``stop`` are here."""
    short = stop < hello_end  # the rest is in another segment, or in another record of this one
    at += 4 + 2 + 32
    if at + 1 > stop:
        return PARTIAL if short else MALFORMED
    at += 1 + np.int64(data[at])  # session id
    if at + 2 > stop:
        return PARTIAL if short else MALFORMED
    at += 2 + u16(data, at)  # cipher suites
    if at + 1 > stop:
        return PARTIAL if short else MALFORMED
    at += 1 + np.int64(data[at])  # compression methods
    if at == hello_end:
        return ABSENT
    if at + 2 > stop:
        return PARTIAL if short else MALFORMED
    at += 2  # length of all extensions: hello_end says the same
    for _ in range(MAX_EXTENSIONS):
        if at == hello_end:
            return ABSENT
        if at + 4 > stop:
            return PARTIAL if short else MALFORMED
        kind = u16(data, at)
        size = u16(data, at + 2)
        at += 4
        if kind == 0:
            if at + size > stop:
                return PARTIAL if short else MALFORMED
            return test_server_name(data, at, size, slots, seed, everything)
        at += size
    return MALFORMED


@kernel
def test_server_name(data, at, size, slots, seed, everything):  # type: ignore[no-untyped-def]
    """Test the content of a server_name extension."""
    if size < 5 or data[at + 2] != 0:
        return MALFORMED
    length = u16(data, at + 3)
    if length + 5 > size:
        return MALFORMED
    return test_text(data, at + 5, at + 5 + length, slots, seed, everything)


@kernel
def is_server_hello(data, at, end):  # type: ignore[no-untyped-def]
    """Whether a TLS record with a ServerHello opens here, as far as bytes are present (at least 1)."""
    size = end - at
    if data[at] != 0x16 or (size > 1 and data[at + 1] != 3) or (size > 2 and data[at + 2] > 4):
        return False
    return size >= 6 and data[at + 5] == 2


@kernel
def hides_certificate(data, at, end):  # type: ignore[no-untyped-def]
    """Whether a ServerHello chooses TLS 1.3, in which certificates are encrypted (RFC 8446, section 4.1.3)."""
    end = min(end, at + 5 + u16(data, at + 3))
    at += 9 + 2 + 32
    if at + 1 > end:
        return False
    at += 1 + np.int64(data[at]) + 3 + 2  # session id, cipher suite, compression, length of all extensions
    for _ in range(MAX_EXTENSIONS):
        if at + 6 > end:
            return False
        size = u16(data, at + 2)
        if u16(data, at) == 43 and size == 2 and u16(data, at + 4) == 0x0304:
            return True
        at += 4 + size
    return False


@kernel
def is_sealed(data, at, end):  # type: ignore[no-untyped-def]
    """Whether a TLS record of encrypted data, a change of cipher or an alert opens here: the hello is over."""
    return (
        at + 5 <= end
        and (data[at] == 0x17 or data[at] == 0x14 or data[at] == 0x15)
        and data[at + 1] == 3
        and data[at + 2] <= 4
        and 1 <= u16(data, at + 3) <= MAX_RECORD
    )
