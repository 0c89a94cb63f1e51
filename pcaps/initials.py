"""QUIC Initials as a client sends them: what stories, benchmarks and tests are made with.

In: a ClientHello, and how it is to be cut.  Out: datagrams of 1 200 bytes.
Never: anything of the sensor: a library does the cryptography.

Sources: RFC 9000, sections 17.2.2 and 19; RFC 9001, section 5; RFC 9369 for version 2.
"""

from __future__ import annotations

import functools
import struct
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

if TYPE_CHECKING:
    from collections.abc import Sequence

V1: Final = 1
V2: Final = 0x6B3343CF
DRAFT_29: Final = 0xFF00001D
SALTS: Final = {
    V1: bytes.fromhex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a"),
    V2: bytes.fromhex("0dede3def700a6db819381be6e269dcbf9bd2ed9"),
    DRAFT_29: bytes.fromhex("afbfec289993d24c9e9786f19c6111e04390a899"),
}
SIZE: Final = 1_200
TAG: Final = 16


def label(secret: bytes, name: bytes, size: int) -> bytes:
    """HKDF-Expand-Label (RFC 8446, section 7.1)."""
    text = b"tls13 " + name
    info = struct.pack("!HB", size, len(text)) + text + b"\0"
    return HKDFExpand(hashes.SHA256(), size, info).derive(secret)


@functools.lru_cache(maxsize=16)
def keys(identity: bytes, version: int = V1, side: bytes = b"client in") -> tuple[bytes, bytes, bytes]:
    """Key, initialisation vector and header key of one side's Initials."""
    mac = HMAC(SALTS[version], hashes.SHA256())
    mac.update(identity)
    secret = label(mac.finalize(), side, 32)
    prefix = b"quicv2" if version == V2 else b"quic"
    return (
        label(secret, prefix + b" key", 16),
        label(secret, prefix + b" iv", 12),
        label(secret, prefix + b" hp", 16),
    )


def varint(value: int) -> bytes:
    """Variable-length integer, in two or four bytes."""
    return struct.pack("!H", 0x4000 | value) if value < 1 << 14 else struct.pack("!I", 0x80000000 | value)


def crypto(offset: int, data: bytes) -> bytes:
    """A CRYPTO frame."""
    return b"\x06" + varint(offset) + varint(len(data)) + data


def packet(
    frames: bytes,
    identity: bytes,
    *,
    version: int = V1,
    number: int = 0,
    number_size: int = 1,
    source: bytes = b"",
    token: bytes = b"",
    size: int = SIZE,
    side: bytes = b"client in",
    key_identity: bytes = b"",
) -> bytes:
    """One protected Initial, its frames padded so that it has ``size`` bytes."""
    key, vector, header_key = keys(key_identity or identity, version, side)
    first = 0xC0 | (1 if version == V2 else 0) << 4 | (number_size - 1)
    head = struct.pack("!BI", first, version) + bytes([len(identity)]) + identity
    head += bytes([len(source)]) + source + varint(len(token)) + token
    frames = frames.ljust(size - len(head) - 2 - number_size - TAG, b"\0")
    head += varint(number_size + len(frames) + TAG) + number.to_bytes(number_size, "big")
    nonce = (int.from_bytes(vector, "big") ^ number).to_bytes(12, "big")
    sealed = AESGCM(key).encrypt(nonce, frames, head)
    sample = sealed[4 - number_size : 20 - number_size]
    mask = Cipher(algorithms.AES(header_key), modes.ECB()).encryptor().update(sample)
    protected = bytearray(head)
    protected[0] ^= mask[0] & 0x0F
    for i in range(number_size):
        protected[i - number_size] ^= mask[1 + i]
    return bytes(protected) + sealed


def message(record: bytes) -> bytes:
    """The handshake message inside a TLS record."""
    return record[5:]


def initials(
    hello: bytes, identity: bytes, *, cuts: Sequence[Sequence[tuple[int, int]]] = (), version: int = V1
) -> list[bytes]:
    """Datagrams with a ClientHello.

    Args:
        hello: the handshake message, without a record around it.
        identity: the connection id that the client made up, 8 to 20 bytes.
        cuts: for each packet the pieces that it carries, first byte and byte behind; default: as many packets as needed.
        version: of QUIC.
    """
    room = SIZE - 100
    plan = cuts or [[(i, min(i + room, len(hello)))] for i in range(0, len(hello), room)]
    return [
        packet(b"".join(crypto(a, hello[a:b]) for a, b in pieces), identity, version=version, number=number)
        for number, pieces in enumerate(plan)
    ]
