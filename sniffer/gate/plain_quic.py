"""QUIC Initials once more, readably, with a library's cryptography: the plain twin of ``quic.py``.

In: datagrams.  Out: the ClientHello that they carry, as far as it has come.
Never: used in production.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from sniffer.gate.hashing import MASK, NAME_MULTIPLIER
from sniffer.gate.names import finish_name
from sniffer.gate.plain_links import u32
from sniffer.gate.quic import (
    BUDGET,
    LONGEST_ID,
    MAX_ACK_RANGES,
    MAX_AGE,
    MAX_COALESCED,
    MAX_FRAMES,
    MAX_HELLO,
    MAX_PLAIN,
    MAX_RANGES,
    SHORTEST_ID,
    SLOTS,
    SMALLEST,
    VERSIONS,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from sniffer.gate.plain_headers import Found

PREFIXES = {0x0000_0001: b"quic", 0x6B33_43CF: b"quicv2", 0xFF00_001D: b"quic"}


class Cut(Exception):  # noqa: N818  (an answer, not an error)
    """The bytes end too early, or say what cannot be."""


class Version(NamedTuple):
    """What differs between versions of QUIC."""

    salt: bytes
    prefix: bytes
    initial: int  # the two type bits


BY_NUMBER = {number: Version(bytes.fromhex(salt), PREFIXES[number], kind) for number, salt, kind in VERSIONS}


@dataclass
class Hello:
    """What has come of one hello."""

    id: int
    seen: int
    data: bytearray = field(default_factory=lambda: bytearray(MAX_HELLO))
    prefix: int = 0
    ranges: list[tuple[int, int]] = field(default_factory=list)

    @property
    def length(self) -> int:
        """Bytes of the whole message."""
        return 4 + int.from_bytes(self.data[1:4], "big")

    @property
    def is_whole(self) -> bool:
        """Whether all of it has come."""
        return self.prefix >= 4 and self.prefix >= self.length


class PlainQuic:
    """Puts hellos together."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.slots: dict[int, Hello] = {}
        self.counts: Counter[str] = Counter()
        self.second = self.spent = 0

    def judge(
        self, payload: bytes, now: int, decide: Callable[[Hello], int], limit: int, unreadable: int
    ) -> int:
        """Read the Initials of a datagram and let ``decide`` say what follows from the hello."""
        if self.second != now:
            self.second, self.spent = now, 0
        slot, at = None, 0
        for _ in range(MAX_COALESCED):
            self.spent += 1
            if self.spent > BUDGET:
                return limit
            try:
                slot, at = self.take(payload, at, now)
            except Cut:
                break
            if at + 7 > len(payload) or version_at(payload, at) is None:
                break
        return unreadable if slot is None else decide(self.slots[slot])

    def forget(self, hello: Hello) -> None:
        """A hello has been decided."""
        self.slots = {slot: each for slot, each in self.slots.items() if each is not hello}

    def take(self, payload: bytes, at: int, now: int) -> tuple[int, int]:
        """Read one Initial: the slot of its hello, the offset of what follows.

        Raises:
            Cut: it is none.
        """
        version = version_at(payload, at)
        if version is None or at + 7 > len(payload):
            raise Cut
        first, size = payload[at], payload[at + 5]
        identity = payload[at + 6 : at + 6 + size]
        at += 6 + size
        if size > LONGEST_ID or at + 1 > len(payload):
            raise Cut
        at += 1 + payload[at]
        token, at = varint(payload, at)
        if at + token > len(payload):
            raise Cut
        length, at = varint(payload, at + token)
        stop = min(at + length, len(payload))
        if stop - at < 20:
            raise Cut
        plain = decrypt(payload[at:stop], first, identity, version)
        if not plain:
            raise Cut
        slot = self.slot_of(identity, now)
        self.read_frames(self.slots[slot], plain)
        return slot, stop

    def slot_of(self, identity: bytes, now: int) -> int:
        """Slot of a connection id."""
        h = self.seed
        for byte in identity:
            h = (h ^ byte) * NAME_MULTIPLIER & MASK
        h = finish_name(h)
        slot = (h >> 8) % SLOTS
        known = self.slots.get(slot)
        if known and now - known.seen <= MAX_AGE:
            if known.id == h:
                return slot
            self.counts["quic_evicted"] += 1
        self.slots[slot] = Hello(h, now)
        return slot

    def read_frames(self, hello: Hello, plain: bytes) -> None:
        """Collect CRYPTO frames."""
        at = 0
        for _ in range(MAX_FRAMES):
            if at >= len(plain):
                return
            kind, at = plain[at], at + 1
            if kind <= 1:
                continue
            if kind == 6:
                offset, at = varint(plain, at)
                size, at = varint(plain, at)
                if offset > MAX_HELLO * 8 or size > MAX_PLAIN:
                    raise Cut
                self.add_piece(hello, offset, plain[at : at + size])
                if hello.is_whole:
                    return
                at += size
            elif kind in (2, 3):
                at = skip_ack(plain, at, kind)
            elif kind == 0x1C:
                return
            else:
                raise Cut

    def add_piece(self, hello: Hello, offset: int, piece: bytes) -> None:
        """Add a piece of a hello."""
        last = min(offset + len(piece), MAX_HELLO)
        if offset >= last:
            return
        hello.data[offset:last] = piece[: last - offset]
        if offset > hello.prefix:
            if len(hello.ranges) < MAX_RANGES:
                hello.ranges.append((offset, last))
            else:
                self.counts["quic_pieces"] += 1
            return
        hello.prefix = max(hello.prefix, last)
        while near := [each for each in hello.ranges if each[0] <= hello.prefix]:
            hello.prefix = max(hello.prefix, *(end for _, end in near))
            hello.ranges = [each for each in hello.ranges if each not in near]


def version_at(payload: bytes, at: int) -> Version | None:
    """The version whose Initial opens here."""
    version = BY_NUMBER.get(u32(payload, at + 1))
    is_long = payload[at] & 0xC0 == 0xC0
    return version if version and is_long and (payload[at] >> 4) & 3 == version.initial else None


def is_initial(payload: bytes, found: Found) -> bool:
    """Whether a datagram opens like a client's Initial."""
    return (
        found.payload_length + found.missing >= SMALLEST
        and found.payload_length >= 32
        and (found.source_port != 443 or found.destination_port == 443)
        and version_at(payload, 0) is not None
        and SHORTEST_ID <= payload[5] <= LONGEST_ID
    )


def varint(data: bytes, at: int) -> tuple[int, int]:
    """Variable-length integer and the offset behind it."""
    if at >= len(data):
        raise Cut
    size = 1 << (data[at] >> 6)
    if at + size > len(data):
        raise Cut
    return int.from_bytes(data[at : at + size], "big") & ((1 << (8 * size - 2)) - 1), at + size


def skip_ack(plain: bytes, at: int, kind: int) -> int:
    """Offset behind an ACK frame."""
    _, at = varint(plain, at)
    _, at = varint(plain, at)
    count, at = varint(plain, at)
    _, at = varint(plain, at)
    if count > MAX_ACK_RANGES:
        raise Cut
    for _ in range(2 * count + (3 if kind == 3 else 0)):
        _, at = varint(plain, at)
    return at


def expand(secret: bytes, label: bytes, size: int) -> bytes:
    """HKDF-Expand-Label of TLS 1.3."""
    name = b"tls13 " + label
    info = size.to_bytes(2, "big") + bytes([len(name)]) + name + b"\0"
    return HKDFExpand(hashes.SHA256(), size, info).derive(secret)


def decrypt(packet: bytes, first: int, identity: bytes, version: Version) -> bytes:
    """Plain text of a packet that begins with its number; the tag is not looked at.

    Raises:
        Cut: the reserved bits say that this is no Initial, or that the key is another one.
    """
    mac = HMAC(version.salt, hashes.SHA256())
    mac.update(identity)
    secret = expand(mac.finalize(), b"client in", 32)
    header = Cipher(algorithms.AES(expand(secret, version.prefix + b" hp", 16)), modes.ECB()).encryptor()
    mask = header.update(packet[4:20])
    opened = (first ^ mask[0]) & 0x0F
    if opened & 0x0C:
        raise Cut
    size = (opened & 3) + 1
    number = int.from_bytes(packet[:size], "big") ^ int.from_bytes(mask[1 : 1 + size], "big")
    nonce = int.from_bytes(expand(secret, version.prefix + b" iv", 12), "big") ^ number
    counter = nonce.to_bytes(12, "big") + b"\0\0\0\2"
    key = expand(secret, version.prefix + b" key", 16)
    cipher = packet[size : len(packet) - 16][:MAX_PLAIN]
    return Cipher(algorithms.AES(key), modes.CTR(counter)).decryptor().update(cipher)
