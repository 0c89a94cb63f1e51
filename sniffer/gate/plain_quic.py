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

from sniffer.gate.hashing import MASK, MULTIPLIER
from sniffer.gate.names import finish_name
from sniffer.gate.plain_links import u32
from sniffer.gate.quic import (
    BUDGET,
    CRYPTO,
    FIRST_PART,
    JUDGED,
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

    id: int = 0
    seen: int = 0
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


class Answers(NamedTuple):
    """Reasons that a datagram may be given, and the function that chooses one by a hello."""

    of: Callable[[Hello], int]
    kept: int
    judged: int
    limit: int
    unreadable: int


class Packet(NamedTuple):
    """One Initial."""

    version: Version
    identity: bytes
    first: int
    sealed: bytes  # from the packet number on


class PlainQuic:
    """Puts hellos together."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.slots: dict[int, Hello] = {}
        self.judged: dict[int, tuple[int, int]] = {}  # by place: hash of a connection id, and when
        self.counts: Counter[str] = Counter()
        self.second = self.spent = 0

    def judge(self, payload: bytes, now: int, answers: Answers) -> int:
        """Read the Initials of a datagram, until one of them is answered."""
        if self.second != now:
            self.second, self.spent = now, 0
        answer, at = answers.unreadable, 0
        for _ in range(MAX_COALESCED):
            try:
                packet, stop = read_header(payload, at)
                h = self.hash(packet.identity)
                known, judged_at = self.judged.get((h >> 8) % JUDGED, (0, 0))
                if known == h and now - judged_at <= MAX_AGE:
                    return answers.judged
                self.spent += 1
                if self.spent > BUDGET:
                    return answers.limit
                found = self.judge_packet(packet, now, answers)
            except Cut:
                break
            answer, at = found, stop
            if answer != answers.kept:
                self.judged[(h >> 8) % JUDGED] = (h, now)
            if answer != answers.kept or at + 7 > len(payload) or version_at(payload, at) is None:
                break
        return answer

    def judge_packet(self, packet: Packet, now: int, answers: Answers) -> int:
        """Answer by what one packet says.

        Raises:
            Cut: it is none.
        """
        plain = decrypt(packet)
        if not plain:
            raise Cut
        piece = first_piece(plain)
        if piece is not None:
            answer = answers.of(Hello(data=bytearray(piece), prefix=len(piece)))
            if answer == answers.unreadable:
                raise Cut
            if answer != answers.kept:
                return answer
        hello = self.hello_of(packet.identity, now)
        self.read_frames(hello, plain)
        answer = answers.of(hello)
        if answer != answers.kept:
            self.slots = {slot: each for slot, each in self.slots.items() if each is not hello}
        if answer == answers.unreadable:
            raise Cut
        return answer

    def hash(self, identity: bytes) -> int:
        """Keyed hash of a connection id."""
        h = self.seed
        for byte in identity:
            h = (h ^ byte) * MULTIPLIER & MASK
        return finish_name(h)

    def hello_of(self, identity: bytes, now: int) -> Hello:
        """The hello that belongs to a connection id."""
        h = self.hash(identity)
        slot = (h >> 8) % SLOTS
        known = self.slots.get(slot)
        if known and now - known.seen <= MAX_AGE:
            if known.id == h:
                return known
            self.counts["quic_evicted"] += 1
        self.slots[slot] = Hello(h, now)
        return self.slots[slot]

    def read_frames(self, hello: Hello, plain: bytes) -> None:
        """Collect CRYPTO frames."""
        at = 0
        for _ in range(MAX_FRAMES):
            if at >= len(plain):
                return
            kind, at = plain[at], at + 1
            if kind <= 1:
                continue
            if kind == CRYPTO:
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


def first_piece(plain: bytes) -> bytes | None:
    """What a packet has of a hello, where it begins with the beginning of one."""
    try:
        offset, at = varint(plain[:FIRST_PART], 1)
        size, at = varint(plain[:FIRST_PART], at)
    except Cut:
        return None
    return plain[at : at + size] if plain[0] == CRYPTO and not offset and size <= MAX_PLAIN else None


def read_header(payload: bytes, at: int) -> tuple[Packet, int]:
    """Read the header of an Initial: the packet, and the offset behind it.

    Raises:
        Cut: there is none.
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
    return Packet(version, identity, first, payload[at:stop]), stop


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


def decrypt(packet: Packet) -> bytes:
    """Plain text of a packet; the tag is not looked at.

    Raises:
        Cut: the reserved bits say that this is no Initial, or that the key is another one.
    """
    version, sealed = packet.version, packet.sealed
    mac = HMAC(version.salt, hashes.SHA256())
    mac.update(packet.identity)
    secret = expand(mac.finalize(), b"client in", 32)
    header = Cipher(algorithms.AES(expand(secret, version.prefix + b" hp", 16)), modes.ECB()).encryptor()
    mask = header.update(sealed[4:20])
    opened = (packet.first ^ mask[0]) & 0x0F
    if opened & 0x0C:
        raise Cut
    size = (opened & 3) + 1
    number = int.from_bytes(sealed[:size], "big") ^ int.from_bytes(mask[1 : 1 + size], "big")
    nonce = int.from_bytes(expand(secret, version.prefix + b" iv", 12), "big") ^ number
    counter = nonce.to_bytes(12, "big") + b"\0\0\0\2"
    key = expand(secret, version.prefix + b" key", 16)
    cipher = sealed[size : len(sealed) - 16][:MAX_PLAIN]
    return Cipher(algorithms.AES(key), modes.CTR(counter)).decryptor().update(cipher)
