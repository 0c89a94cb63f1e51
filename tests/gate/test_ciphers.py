"""AES and HKDF inside the gate: against published vectors, a library, and each other."""

from __future__ import annotations

import hashlib
import hmac

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given, settings
from hypothesis import strategies as st

from sniffer.gate import ciphers, instructions

MASKS = [ciphers.aes_mask_plain] + [ciphers.aes_mask_fast] * instructions.HAS_AES
BLOCKS = [ciphers.sha_block_plain] + [ciphers.sha_block_fast] * instructions.HAS_SHA


def words(data: bytes) -> np.ndarray:  # type: ignore[type-arg]
    """Big-endian 32-bit words."""
    return np.frombuffer(data, dtype=">u4").astype(np.uint32)


def encrypt(mask: object, key: bytes, block: bytes, source: bytes) -> bytes:
    """One step of counter mode, somewhere in the middle of arrays."""
    keys = np.zeros(ciphers.ROUND_KEYS, dtype=np.uint8)
    ciphers.expand_key(words(key), keys)
    arrays = [
        np.frombuffer(b"\xee" * 3 + each + b"\xee" * 5, dtype=np.uint8).copy() for each in (block, source)
    ]
    target = np.full(40, 0xAA, dtype=np.uint8)
    mask(keys, arrays[0], 3, arrays[1], 3, target, 7)  # type: ignore[operator]
    assert set(target[:7].tolist() + target[23:].tolist()) == {0xAA}
    return target[7:23].tobytes()


@pytest.mark.parametrize("mask", MASKS)
def test_the_example_of_the_standard(mask: object) -> None:
    """FIPS 197, appendix B."""
    key, block = (
        bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c"),
        bytes.fromhex("3243f6a8885a308d313198a2e0370734"),
    )
    assert encrypt(mask, key, block, bytes(16)) == bytes.fromhex("3925841d02dc09fbdc118597196a0b32")


@settings(max_examples=100, deadline=None)
@given(
    st.binary(min_size=16, max_size=16),
    st.binary(min_size=16, max_size=16),
    st.binary(min_size=16, max_size=16),
)
def test_encryption_is_that_of_a_library(key: bytes, block: bytes, source: bytes) -> None:
    """With the processor's instructions and without them."""
    cipher = Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(block)
    expected = bytes(a ^ b for a, b in zip(cipher, source, strict=True))
    assert {encrypt(mask, key, block, source) for mask in MASKS} == {expected}


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=55))
def test_one_block_of_sha_is_that_of_a_library(message: bytes) -> None:
    """With the processor's instructions and without them."""
    block = message + b"\x80" + bytes(55 - len(message)) + (8 * len(message)).to_bytes(8, "big")
    for compress in BLOCKS:
        state = ciphers.SHA_START.copy()
        compress(state, words(block), np.zeros(64, dtype=np.uint32))
        assert state.astype(">u4").tobytes() == hashlib.sha256(message).digest()


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([20, 32]).flatmap(lambda n: st.binary(min_size=n, max_size=n)), st.binary(max_size=40))
def test_hmac_is_that_of_a_library(key: bytes, message: bytes) -> None:
    """Keys of five and of eight words, messages of one block."""
    rows = np.zeros((ciphers.HKDF_ROWS, 64), dtype=np.uint32)
    padded = np.zeros(16, dtype=np.uint32)
    padded[: len(key) // 4] = words(key)
    ciphers.hmac_key(rows, padded, len(key) // 4)
    result = np.zeros(16, dtype=np.uint32)
    ciphers.hmac_block(rows, np.array(ciphers.padded_block(message), dtype=np.uint32), result)
    assert result[:8].astype(">u4").tobytes() == hmac.digest(key, message, "sha256")
