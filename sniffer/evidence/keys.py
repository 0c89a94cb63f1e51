"""Keys that manifests are signed with: Ed25519 (RFC 8032).

In: key files, PEM or 32 raw bytes.  Out: signatures, and whether one is right.
Never: a key in a message, a log or a bundle but the public one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from sniffer.errors import ConfigError, Problem
from sniffer.strictyaml import read_bytes

if TYPE_CHECKING:
    from pathlib import Path

RAW: Final = 32
MAX_FILE: Final = 16 << 10
MAKE: Final = "make one with: openssl genpkey -algorithm ed25519 -out FILE"


def load_signing_key(file: Path | None) -> Ed25519PrivateKey | None:
    """The key that a configuration names; None where it names none.

    Raises:
        ConfigError: it cannot be read, or is no private Ed25519 key without a passphrase.
    """
    if file is None:
        return None
    data = _read(file)
    try:
        if len(data) == RAW:
            return Ed25519PrivateKey.from_private_bytes(data)
        key = load_pem_private_key(data, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _refusal(file, "is no private key without a passphrase", MAKE) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise _refusal(file, "is no Ed25519 key", MAKE)
    return key


def load_public_key(file: Path) -> bytes:
    """The public key, 32 bytes, in a file that holds it, or of the private key in it.

    Raises:
        ConfigError: there is none.
    """
    data = _read(file)
    if len(data) == RAW:
        return data
    try:
        key = load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        private = load_signing_key(file)
        if private is not None:
            return public_of(private)
    else:
        if isinstance(key, Ed25519PublicKey):
            return key.public_bytes_raw()
    raise _refusal(file, "is no Ed25519 key", "make one with: openssl pkey -in KEY -pubout -out FILE")


def public_of(key: Ed25519PrivateKey) -> bytes:
    """Its public half."""
    return key.public_key().public_bytes_raw()


def is_signed(public: bytes, signature: bytes, data: bytes) -> bool:
    """Whether the owner of a key has signed these bytes."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True


def _read(file: Path) -> bytes:
    try:
        return read_bytes(file, MAX_FILE)
    except ConfigError as error:
        why = error.problems[0].what.removeprefix("cannot be read ")
        raise _refusal(file, f"cannot be read: {why}", MAKE) from None


def _refusal(file: Path, what: str, remedy: str) -> ConfigError:
    return ConfigError([Problem(str(file), 1, 1, "signing_key", f"the key {what}", remedy)])
