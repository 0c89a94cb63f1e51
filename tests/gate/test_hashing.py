"""Hashes of flows and names against an independent reading of their definition."""

from __future__ import annotations

import random
import struct

import numpy as np
import pytest

from sniffer.gate import hashing
from sniffer.gate.names import finish_name, hash_name
from sniffer.gate.plain import siphash

MASK = 0xFFFFFFFFFFFFFFFF


def reference(key: bytes, words: list[int], compressions: int, finals: int) -> int:
    """SipHash-c-d as its paper describes it (Aumasson and Bernstein, 2012, section 2), over whole words."""
    k0, k1 = struct.unpack("<QQ", key)
    a, b = k0 ^ int.from_bytes(b"somepseu", "big"), k1 ^ int.from_bytes(b"dorandom", "big")
    c, d = k0 ^ int.from_bytes(b"lygenera", "big"), k1 ^ int.from_bytes(b"tedbytes", "big")

    def left(x: int, n: int) -> int:
        return ((x << n) & MASK) | (x >> (64 - n))

    def rounds(a: int, b: int, c: int, d: int, count: int) -> tuple[int, int, int, int]:
        for _ in range(count):
            a, c = (a + b) & MASK, (c + d) & MASK
            b, d = left(b, 13) ^ a, left(d, 16) ^ c
            a = left(a, 32)
            c, a = (c + b) & MASK, (a + d) & MASK
            b, d = left(b, 17) ^ c, left(d, 21) ^ a
            c = left(c, 32)
        return a, b, c, d

    for word in words:
        a, b, c, d = rounds(a, b, c, d ^ word, compressions)
        a ^= word
    a, b, c, d = rounds(a, b, c ^ 0xFF, d, finals)
    return a ^ b ^ c ^ d


def test_the_reference_gives_the_published_value() -> None:
    """SipHash-2-4 of the bytes 00 to 0e under the key 00 to 0f: appendix A of the paper."""
    words = [*struct.unpack("<Q", bytes(range(8))), *struct.unpack("<Q", bytes(range(8, 15)) + b"\x0f")]
    assert reference(bytes(range(16)), words, 2, 4) == 0xA129CA6149BE45E5


@pytest.mark.parametrize("count", [2, 5])
def test_flow_hashes_are_siphash_1_3(count: int) -> None:
    """Kernel, plain twin and reference agree on any words."""
    rng = random.Random(count)
    for _ in range(200):
        key = rng.randbytes(16)
        words = [rng.choice([0, MASK, rng.getrandbits(64)]) for _ in range(count)]
        k0, k1 = struct.unpack("<QQ", key)
        state = [np.uint64(v) for v in hashing.sip_start(np.uint64(k0), np.uint64(k1))]
        for word in words:
            state = [np.uint64(v) for v in hashing.sip_word(*state, np.uint64(word))]
        expected = reference(key, words, 1, 3)
        assert int(hashing.sip_end(*state)) == siphash(k0, k1, words) == expected


def test_one_bit_changes_half_of_the_hash() -> None:
    """Whichever bit of whichever word: 32 of 64 bits on average, never fewer than 8."""
    rng = random.Random(3)
    words = [rng.getrandbits(64) for _ in range(2)]
    base = siphash(1, 2, words)
    changes = []
    for bit in range(128):
        other = list(words)
        other[bit // 64] ^= 1 << (bit % 64)
        changes.append((base ^ siphash(1, 2, other)).bit_count())
    assert min(changes) >= 8
    assert 28 < sum(changes) / len(changes) < 36


def test_name_hashes_of_kernel_and_python_agree() -> None:
    """Byte by byte from the end, under any seed."""
    rng = random.Random(9)
    for name in (b"a", b"pool.example", b"x" * 255):
        seed = rng.getrandbits(64)
        h = np.uint64(seed)
        for byte in reversed(name):
            h = np.uint64(hashing.name_step(h, byte))
        assert int(hashing.name_end(h)) == hash_name(name, seed)


@pytest.mark.parametrize("h", [0, 1, 2, 3, MASK])
def test_a_finished_name_hash_is_never_empty_and_leaves_the_flag_free(h: int) -> None:
    """0 stands for an empty slot, the lowest bit for "suffix"."""
    finished = finish_name(h)
    assert finished > 0
    assert finished & 1 == 0
    assert int(hashing.name_end(np.uint64(h))) == finished
