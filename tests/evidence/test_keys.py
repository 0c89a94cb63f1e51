"""Keys: PEM and raw, and what is none."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sniffer.errors import ConfigError
from sniffer.evidence.keys import MAX_FILE, is_signed, load_public_key, load_signing_key, public_of

if TYPE_CHECKING:
    from pathlib import Path

PEM = (form.Encoding.PEM, form.PrivateFormat.PKCS8)


def test_pem_and_raw_are_the_same_key(tmp_path: Path) -> None:
    """A key is read as PEM or as 32 bytes, and its public half from either, or from a file of its own."""
    key = Ed25519PrivateKey.generate()
    pem, raw, public = tmp_path / "pem", tmp_path / "raw", tmp_path / "public"
    pem.write_bytes(key.private_bytes(*PEM, form.NoEncryption()))
    raw.write_bytes(key.private_bytes_raw())
    public.write_bytes(
        key.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)
    )
    for file in (pem, raw):
        found = load_signing_key(file)
        assert found is not None
        assert public_of(found) == public_of(key)
    assert load_public_key(pem) == load_public_key(public) == public_of(key)
    raw.write_bytes(public_of(key))
    assert load_public_key(raw) == public_of(key)


def test_no_key_is_named() -> None:
    """Then nothing is signed."""
    assert load_signing_key(None) is None


def test_what_is_no_key(tmp_path: Path) -> None:
    """Rubbish, another kind of key, one with a passphrase and a file that is missing are told, with what to do."""
    file = tmp_path / "key"
    other = generate_private_key(SECP256R1())
    for data in (
        b"rubbish",
        other.private_bytes(*PEM, form.NoEncryption()),
        Ed25519PrivateKey.generate().private_bytes(*PEM, form.BestAvailableEncryption(b"word")),
    ):
        file.write_bytes(data)
        with pytest.raises(ConfigError, match="openssl genpkey"):
            load_signing_key(file)
        with pytest.raises(ConfigError):
            load_public_key(file)
    file.unlink()
    with pytest.raises(ConfigError, match="cannot be read: no such file"):
        load_signing_key(file)


def test_a_pipe_and_a_file_that_is_too_large(tmp_path: Path) -> None:
    """Neither is waited for, nor taken for a key as far as it was read."""
    file = tmp_path / "key"
    os.mkfifo(file)
    with pytest.raises(ConfigError, match="cannot be read: is no regular file"):
        load_signing_key(file)
    file.unlink()
    key = Ed25519PrivateKey.generate().private_bytes(*PEM, form.NoEncryption())
    file.write_bytes(key + bytes(MAX_FILE))
    with pytest.raises(ConfigError, match="cannot be read: is larger than 16 KiB"):
        load_signing_key(file)


def test_a_signature_is_of_these_bytes_only() -> None:
    """Another byte, another key or a signature of another length is not signed."""
    key = Ed25519PrivateKey.generate()
    signature = key.sign(b"manifest")
    assert is_signed(public_of(key), signature, b"manifest")
    assert not is_signed(public_of(key), signature, b"manifesT")
    assert not is_signed(public_of(Ed25519PrivateKey.generate()), signature, b"manifest")
    assert not is_signed(public_of(key), signature[:-1], b"manifest")
    assert not is_signed(b"", signature, b"manifest")
