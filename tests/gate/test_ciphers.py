"""AES and HKDF inside the gate: against published vectors, a library, and each other."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given, settings
from hypothesis import strategies as st

from sniffer.gate import ciphers, instructions

CIPHERS = [(ciphers.expand_key_plain, ciphers.aes_counter_plain)]
CIPHERS += [(ciphers.expand_key_fast, ciphers.aes_counter_fast)] * instructions.HAS_AES
MACS = [(ciphers.hmac_pads_plain, ciphers.hmac_rows_plain)]
MACS += [(ciphers.hmac_pads_fast, ciphers.hmac_rows_fast)] * instructions.HAS_SHA


def words(data: bytes) -> np.ndarray:  # type: ignore[type-arg]
    """Big-endian 32-bit words."""
    return np.frombuffer(data, dtype=">u4").astype(np.uint32)


def encrypt(cipher: Any, key: bytes, nonce: bytes, counter: int, source: bytes) -> bytes:
    """Counter mode over whole blocks, somewhere in the middle of arrays."""
    expand, run = cipher
    keys = np.zeros(ciphers.ROUND_KEYS, dtype=np.uint8)
    rows = np.zeros((3, instructions.ROW), dtype=np.uint32)
    rows[1, :4] = words(key)
    expand(rows, 1, keys)
    block = np.frombuffer(nonce.ljust(16, b"\0"), dtype=np.uint8).copy()
    around = np.frombuffer(b"\xee" * 3 + source + b"\xee" * 5, dtype=np.uint8).copy()
    target = np.full(7 + len(source) + 17, 0xAA, dtype=np.uint8)
    run(keys, block, counter, around, 3, target, 7, len(source) // 16)
    assert set(target[:7].tolist() + target[7 + len(source) :].tolist()) == {0xAA}
    return target[7 : 7 + len(source)].tobytes()


@pytest.mark.parametrize("cipher", CIPHERS, ids=["plain", "fast"][: len(CIPHERS)])
def test_the_example_of_the_standard(cipher: Any) -> None:
    """FIPS 197, appendix B, whose block is taken for a nonce and a counter."""
    key, block = (
        bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c"),
        bytes.fromhex("3243f6a8885a308d313198a2e0370734"),
    )
    expected = bytes.fromhex("3925841d02dc09fbdc118597196a0b32")
    assert encrypt(cipher, key, block[:12], int.from_bytes(block[12:], "big"), bytes(16)) == expected


@settings(max_examples=60, deadline=None)
@given(
    st.binary(min_size=16, max_size=16),
    st.binary(min_size=12, max_size=12),
    st.integers(1, 1 << 20),
    st.integers(0, 11).flatmap(lambda n: st.binary(min_size=16 * n, max_size=16 * n)),
)
def test_counter_mode_is_that_of_a_library(key: bytes, nonce: bytes, counter: int, source: bytes) -> None:
    """With the processor's instructions and without them, for any number of blocks."""
    start = nonce + counter.to_bytes(4, "big")
    expected = Cipher(algorithms.AES(key), modes.CTR(start)).encryptor().update(source)
    assert {encrypt(cipher, key, nonce, counter, source) for cipher in CIPHERS} == {expected}


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=55))
def test_one_block_of_sha_is_that_of_a_library(message: bytes) -> None:
    """A message of one block."""
    block = message + b"\x80" + bytes(55 - len(message)) + (8 * len(message)).to_bytes(8, "big")
    state = ciphers.SHA_START.copy()
    ciphers.sha_block(state, words(block), np.zeros(64, dtype=np.uint32))
    assert state.astype(">u4").tobytes() == hashlib.sha256(message).digest()


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from([20, 32]).flatmap(lambda n: st.binary(min_size=n, max_size=n)),
    st.sampled_from([1, 3]).flatmap(lambda n: st.lists(st.binary(max_size=40), min_size=n, max_size=n)),
)
def test_hmac_is_that_of_a_library(key: bytes, messages: list[bytes]) -> None:
    """Keys of five and of eight words, one message or three, with the processor's instructions and without them."""
    blocks = np.array([[0] * 16, *map(ciphers.padded_block, messages)], dtype=np.uint32)
    for pads, macs in MACS:
        rows = np.full((ciphers.HKDF_ROWS, instructions.ROW), 7, dtype=np.uint32)
        schedule = np.zeros(64, dtype=np.uint32)
        if len(key) == 32:
            rows[ciphers.RESULT, :8] = words(key)
            pads(rows, ciphers.RESULT, schedule)
        else:
            ciphers.hmac_key(rows, words(key), len(key) // 4, schedule)
        macs(rows, blocks, 1, len(messages), schedule)
        for row, message in enumerate(messages):
            result = rows[ciphers.RESULT + row, :8].astype(">u4").tobytes()
            assert result == hmac.digest(key, message, "sha256")
