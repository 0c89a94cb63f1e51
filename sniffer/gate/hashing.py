"""Keyed hashes of flows and names, so that nobody outside can aim at a bucket.

In: words or bytes, and a random key of this process.  Out: 64-bit hashes, never 0.
Never: state, allocation.

Flows: SipHash-1-3 (Aumasson and Bernstein, 2012), which stays safe when an attacker chooses the addresses.
Names: a keyed multiply-and-fold; a collision there only costs an exact comparison in Python.
"""

from __future__ import annotations

import numpy as np

from sniffer.gate.compiled import inlined

MASK = 0xFFFFFFFFFFFFFFFF
MULTIPLIER = 0x9E3779B97F4A7C15


@inlined
def rotate(word, by):  # type: ignore[no-untyped-def]
    """Rotate a 64-bit word to the left."""
    return (word << np.uint64(by)) | (word >> np.uint64(64 - by))


@inlined
def sip_round(v0, v1, v2, v3):  # type: ignore[no-untyped-def]
    """One SipRound."""
    v0 += v1
    v2 += v3
    v1 = rotate(v1, 13) ^ v0
    v3 = rotate(v3, 16) ^ v2
    v0 = rotate(v0, 32)
    v2 += v1
    v0 += v3
    v1 = rotate(v1, 17) ^ v2
    v3 = rotate(v3, 21) ^ v0
    v2 = rotate(v2, 32)
    return v0, v1, v2, v3


@inlined
def sip_start(key0, key1):  # type: ignore[no-untyped-def]
    """Initial state for a key of two words."""
    return (
        key0 ^ np.uint64(0x736F6D6570736575),
        key1 ^ np.uint64(0x646F72616E646F6D),
        key0 ^ np.uint64(0x6C7967656E657261),
        key1 ^ np.uint64(0x7465646279746573),
    )


@inlined
def sip_word(v0, v1, v2, v3, word):  # type: ignore[no-untyped-def]
    """Take in one word."""
    v3 ^= word
    v0, v1, v2, v3 = sip_round(v0, v1, v2, v3)
    v0 ^= word
    return v0, v1, v2, v3


@inlined
def sip_end(v0, v1, v2, v3):  # type: ignore[no-untyped-def]
    """Finish; 0 is kept for "empty slot"."""
    v2 ^= np.uint64(0xFF)
    v0, v1, v2, v3 = sip_round(v0, v1, v2, v3)
    v0, v1, v2, v3 = sip_round(v0, v1, v2, v3)
    v0, v1, v2, v3 = sip_round(v0, v1, v2, v3)
    h = v0 ^ v1 ^ v2 ^ v3
    return h if h != np.uint64(0) else np.uint64(1)


@inlined
def name_step(h, byte):  # type: ignore[no-untyped-def]
    """Take in one byte of a name, which is read from its end to its start."""
    return (h ^ np.uint64(byte)) * np.uint64(MULTIPLIER)


@inlined
def name_end(h):  # type: ignore[no-untyped-def]
    """Finish; the lowest bit is kept for a flag, and 0 for "empty slot"."""
    h ^= h >> np.uint64(32)
    h *= np.uint64(0xD6E8FEB86659FD93)
    h ^= h >> np.uint64(29)
    h |= np.uint64(2)
    return h & np.uint64(0xFFFFFFFFFFFFFFFE)
