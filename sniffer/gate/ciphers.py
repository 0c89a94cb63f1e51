"""AES-128 and HKDF with SHA-256, as far as reading a QUIC Initial needs them.

In: keys that everybody on the path can compute (RFC 9001, section 5.2).  Out: derived keys, plain bytes.
Never: a secret of anybody: what is protected with these keys is public by design, so timing does not matter; an
allocation.

A library is called from Python, and an Initial has to be judged before any Python runs (decision 0010).
Sources: FIPS 197, FIPS 180-4, RFC 2104, RFC 5869.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from sniffer.gate import instructions
from sniffer.gate.compiled import kernel
from sniffer.gate.integers import u32

BLOCK: Final = 16
ROUND_KEYS: Final = 176  # bytes of AES-128's eleven round keys


# ── tables ───────────────────────────────────────────────────────────────────────────────────────────────


def make_sbox() -> list[int]:
    """The substitution box of FIPS 197, section 5.1.1: an inverse in GF(2^8), then an affine map."""
    box = [0x63] * 256
    p = q = 1
    while True:
        p = (p ^ (p << 1) ^ (0x1B if p & 0x80 else 0)) & 0xFF  # p times 3
        q ^= q << 1  # q divided by 3
        q ^= q << 2
        q = (q ^ q << 4) & 0xFF
        q ^= 0x09 if q & 0x80 else 0
        turned = q ^ (q << 1 | q >> 7) ^ (q << 2 | q >> 6) ^ (q << 3 | q >> 5) ^ (q << 4 | q >> 4)
        box[p] = (turned ^ 0x63) & 0xFF
        if p == 1:
            return box


def make_mix(box: list[int]) -> list[int]:
    """What one byte adds to a column in SubBytes and MixColumns together: 2s, s, s, 3s."""
    words = []
    for byte in box:
        double = (byte << 1) ^ (0x11B if byte & 0x80 else 0)
        words.append(double << 24 | byte << 16 | byte << 8 | (double ^ byte))
    return words


def fractions(root: int, count: int) -> list[int]:
    """First 32 bits of the fractions of the square or cube roots of the first primes (FIPS 180-4, section 4.2.2)."""
    primes = [n for n in range(2, 320) if all(n % d for d in range(2, int(n**0.5) + 1))][:count]
    return [integer_root(prime << 32 * root, root) & 0xFFFFFFFF for prime in primes]


def integer_root(value: int, root: int) -> int:
    """The largest integer whose power does not exceed a value."""
    low, high = 0, 1 << (value.bit_length() // root + 1)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle**root <= value else (low, middle - 1)
    return low


SBOX: Final = np.array(make_sbox(), dtype=np.uint32)
MIX: Final = np.array(make_mix(make_sbox()), dtype=np.uint32)
SHA_CONSTANTS: Final = np.array(fractions(3, 64), dtype=np.uint32)
SHA_START: Final = np.array(fractions(2, 8), dtype=np.uint32)


# ── SHA-256 ──────────────────────────────────────────────────────────────────────────────────────────────


@kernel
def turn(word, by):  # type: ignore[no-untyped-def]
    """Rotate a 32-bit word to the right."""
    return np.uint32((word >> np.uint32(by)) | (word << np.uint32(32 - by)))


@kernel
def sha_block(state, block, schedule):  # type: ignore[no-untyped-def]
    """One block of 16 words into the state (FIPS 180-4, section 6.2.2); ``schedule`` is scratch for 64 words."""
    for i in range(16):
        schedule[i] = block[i]
    for i in range(16, 64):
        a, b = schedule[i - 15], schedule[i - 2]
        small0 = turn(a, 7) ^ turn(a, 18) ^ (a >> np.uint32(3))
        small1 = turn(b, 17) ^ turn(b, 19) ^ (b >> np.uint32(10))
        schedule[i] = schedule[i - 16] + small0 + schedule[i - 7] + small1
    a, b, c, d = state[0], state[1], state[2], state[3]
    e, f, g, h = state[4], state[5], state[6], state[7]
    for i in range(64):
        big1 = turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)
        first = np.uint32(h + big1 + ((e & f) ^ (~e & g)) + SHA_CONSTANTS[i] + schedule[i])
        big0 = turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)
        second = np.uint32(big0 + ((a & b) ^ (a & c) ^ (b & c)))
        h, g, f, e = g, f, e, np.uint32(d + first)
        d, c, b, a = c, b, a, np.uint32(first + second)
    state[0] += a
    state[1] += b
    state[2] += c
    state[3] += d
    state[4] += e
    state[5] += f
    state[6] += g
    state[7] += h


# ── HMAC and HKDF ────────────────────────────────────────────────────────────────────────────────────────

# Rows of the scratch of HKDF, 16 words each: hash states behind the two pads of a key, three results, which are also
# keys, and a block.
INNER, OUTER, RESULT = 0, 1, 2
MESSAGE: Final = 5
HKDF_ROWS: Final = 6


@kernel
def hmac_key(rows, key, words, schedule):  # type: ignore[no-untyped-def]
    """Prepare a key of ``words`` words: hash states behind the inner and the outer pad (RFC 2104)."""
    block = rows[MESSAGE]
    for which in (INNER, OUTER):
        pad = np.uint32(0x36363636 if which == INNER else 0x5C5C5C5C)
        for i in range(16):
            block[i] = (key[i] ^ pad) if i < words else pad
        for i in range(8):
            rows[which, i] = SHA_START[i]
        sha_block(rows[which], block, schedule)


@kernel
def hmac_pads_plain(rows, row, schedule):  # type: ignore[no-untyped-def]
    """Prepare the key of eight words that a row begins with."""
    hmac_key(rows, rows[row], 8, schedule)


@kernel
def hmac_pads_fast(rows, row, _schedule):  # type: ignore[no-untyped-def]
    """The same with the processor's instructions."""
    instructions.hmac_pads(rows, row, SHA_START, SHA_CONSTANTS)


@kernel
def hmac_rows_plain(rows, messages, first, count, schedule):  # type: ignore[no-untyped-def]
    """HMAC of ``count`` messages, one or three, each one padded block, under the key prepared last.

    ``messages`` has them in rows from ``first`` on; each result is 8 words of a row of ``rows`` from RESULT on.
    """
    for row in range(count):
        result = rows[RESULT + row]
        for i in range(8):
            result[i] = rows[INNER, i]
        sha_block(result, messages[first + row], schedule)
    outer = rows[MESSAGE]
    for row in range(count):
        result = rows[RESULT + row]
        for i in range(8):
            outer[i] = result[i]
            outer[8 + i] = 0
            result[i] = rows[OUTER, i]
        outer[8] = 0x80000000
        outer[15] = (64 + 32) * 8
        sha_block(result, outer, schedule)


hmac_one, hmac_three = instructions.hmac_rows[1], instructions.hmac_rows[3]


@kernel
def hmac_rows_fast(rows, messages, first, count, _schedule):  # type: ignore[no-untyped-def]
    """The same with the processor's instructions."""
    if count == 1:
        hmac_one(rows, RESULT, messages, first, SHA_CONSTANTS)
    else:
        hmac_three(rows, RESULT, messages, first, SHA_CONSTANTS)


hmac_pads: Any = hmac_pads_fast if instructions.HAS_SHA else hmac_pads_plain
hmac_rows: Any = hmac_rows_fast if instructions.HAS_SHA else hmac_rows_plain


def padded_block(message: bytes) -> list[int]:
    """A short message as the one block that follows the inner pad: padded, with the length of both in bits."""
    block = (
        message + b"\x80" + bytes(64 - len(message) - 1 - 8) + ((64 + len(message)) * 8).to_bytes(8, "big")
    )
    return [int.from_bytes(block[i : i + 4], "big") for i in range(0, 64, 4)]


def label_block(label: bytes, size: int) -> list[int]:
    """HKDF-Expand-Label of TLS 1.3 (RFC 8446, section 7.1) without a context, as a block for :func:`hmac_rows`."""
    name = b"tls13 " + label
    return padded_block(size.to_bytes(2, "big") + bytes([len(name)]) + name + b"\0" + b"\1")


# ── AES-128 ──────────────────────────────────────────────────────────────────────────────────────────────


@kernel
def byte_of(word, shift):  # type: ignore[no-untyped-def]
    """One byte of a word, as an index."""
    return np.int64((word >> np.uint32(shift)) & np.uint32(0xFF))


@kernel
def put_word(data, at, word):  # type: ignore[no-untyped-def]
    """Write a big-endian word."""
    for i in range(4):
        data[at + i] = byte_of(word, 24 - 8 * i)


@kernel
def expand_key_plain(rows, row, keys):  # type: ignore[no-untyped-def]
    """Round keys of the four words that a row begins with (FIPS 197, section 5.2) into ``keys``, uint8[ROUND_KEYS]."""
    constant = np.uint32(1)
    a, b, c, d = rows[row, 0], rows[row, 1], rows[row, 2], rows[row, 3]
    for step in range(11):
        at = 16 * step
        put_word(keys, at, a)
        put_word(keys, at + 4, b)
        put_word(keys, at + 8, c)
        put_word(keys, at + 12, d)
        mixed = np.uint32(
            (SBOX[byte_of(d, 16)] << np.uint32(24))
            | (SBOX[byte_of(d, 8)] << np.uint32(16))
            | (SBOX[byte_of(d, 0)] << np.uint32(8))
            | SBOX[byte_of(d, 24)]
        )
        a = np.uint32(a ^ mixed ^ (constant << np.uint32(24)))
        b = np.uint32(b ^ a)
        c = np.uint32(c ^ b)
        d = np.uint32(d ^ c)
        constant = np.uint32((constant << np.uint32(1)) ^ (np.uint32(0x11B) * (constant >> np.uint32(7))))


@kernel
def expand_key_fast(rows, row, keys):  # type: ignore[no-untyped-def]
    """The same with the processor's instructions."""
    instructions.aes_expand(rows, row, keys)


expand_key: Any = expand_key_fast if instructions.HAS_AES else expand_key_plain


@kernel
def column(a, b, c, d):  # type: ignore[no-untyped-def]
    """SubBytes, ShiftRows and MixColumns for one column."""
    return np.uint32(
        MIX[byte_of(a, 24)]
        ^ turn(MIX[byte_of(b, 16)], 8)
        ^ turn(MIX[byte_of(c, 8)], 16)
        ^ turn(MIX[byte_of(d, 0)], 24)
    )


@kernel
def last_column(a, b, c, d):  # type: ignore[no-untyped-def]
    """SubBytes and ShiftRows for one column."""
    return np.uint32(
        (SBOX[byte_of(a, 24)] << np.uint32(24))
        | (SBOX[byte_of(b, 16)] << np.uint32(16))
        | (SBOX[byte_of(c, 8)] << np.uint32(8))
        | SBOX[byte_of(d, 0)]
    )


@kernel
def word_of(data, at):  # type: ignore[no-untyped-def]
    """Big-endian word of 32 bits."""
    return np.uint32(u32(data, at))


@kernel
def encrypt(keys, block, source, begin, target, to):  # type: ignore[no-untyped-def]
    """Encrypt a block of 16 bytes (FIPS 197, section 5.1) and mask 16 bytes of ``source`` with it into ``target``."""
    a = word_of(block, 0) ^ word_of(keys, 0)
    b = word_of(block, 4) ^ word_of(keys, 4)
    c = word_of(block, 8) ^ word_of(keys, 8)
    d = word_of(block, 12) ^ word_of(keys, 12)
    for step in range(1, 10):
        k = 16 * step
        a, b, c, d = (
            column(a, b, c, d) ^ word_of(keys, k),
            column(b, c, d, a) ^ word_of(keys, k + 4),
            column(c, d, a, b) ^ word_of(keys, k + 8),
            column(d, a, b, c) ^ word_of(keys, k + 12),
        )
    a, b, c, d = (
        last_column(a, b, c, d),
        last_column(b, c, d, a),
        last_column(c, d, a, b),
        last_column(d, a, b, c),
    )
    put_word(target, to, a ^ word_of(keys, 160) ^ word_of(source, begin))
    put_word(target, to + 4, b ^ word_of(keys, 164) ^ word_of(source, begin + 4))
    put_word(target, to + 8, c ^ word_of(keys, 168) ^ word_of(source, begin + 8))
    put_word(target, to + 12, d ^ word_of(keys, 172) ^ word_of(source, begin + 12))


@kernel
def aes_counter_plain(keys, nonce, counter, source, begin, target, to, blocks):  # type: ignore[no-untyped-def]
    """Counter mode over so many blocks (NIST SP 800-38A, section 6.5): 12 bytes of ``nonce``, then the counter.

    ``nonce`` has room for the counter; ``source`` and ``target`` for whole blocks.
    """
    for i in range(blocks):
        put_word(nonce, 12, np.uint32(counter + i))
        encrypt(keys, nonce, source, begin + 16 * i, target, to + 16 * i)


@kernel
def aes_counter_fast(keys, nonce, counter, source, begin, target, to, blocks):  # type: ignore[no-untyped-def]
    """The same with the processor's instructions."""
    instructions.aes_counter(keys, nonce, counter, source, begin, target, to, blocks)


aes_counter: Any = aes_counter_fast if instructions.HAS_AES else aes_counter_plain
