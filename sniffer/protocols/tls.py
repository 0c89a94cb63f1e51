"""TLS as far as it is readable: the client's hello, and the server's certificate up to version 1.2.

In: the first bytes of one direction, several records and segments joined; or a hello out of QUIC.  Out: facts.
Never: anything behind the hello or the certificate.

Sources: RFC 8446, sections 4.1.2, 4.1.3 and 5.1; RFC 5246, section 7.4.2; RFC 6066, section 3; RFC 7301; the
descriptions of JA3 (salesforce/ja3) and JA4 (FoxIO-LLC/ja4).
"""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509

from sniffer.addresses import is_address
from sniffer.model import Role
from sniffer.protocols.reader import Fit, Reader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sniffer.model import Data, Facts, Value
    from sniffer.protocols.reader import Start

MAX_HELLO: Final = 32_768  # of all handshake messages up to the one that is wanted
MAX_RECORD: Final = 16_640
MAX_EXTENSIONS: Final = 256
MAX_NAME: Final = 255
MAX_NAMES: Final = 32  # of a certificate
HANDSHAKE: Final = 0x16
CLIENT_HELLO, SERVER_HELLO, CERTIFICATE = 1, 2, 11
BEFORE_CERTIFICATE: Final = (SERVER_HELLO, 23)  # 23: supplemental data
SERVER_NAME, GROUPS, POINT_FORMATS, SIGNATURES, ALPN, VERSIONS = 0, 10, 11, 13, 16, 43
TLS_1_3: Final = 0x0304
MALFORMED: Final = (
    ValueError, TypeError, x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType,
)  # fmt: skip
JA4_VERSIONS: Final = {0x0304: "13", 0x0303: "12", 0x0302: "11", 0x0301: "10", 0x0300: "s3", 0x0002: "s2"}


class Tls(Reader):
    """Reads the hello of a client, or the flight of a server."""

    __slots__ = ("_at", "_messages", "_raw")

    def __init__(self, start: Start) -> None:
        super().__init__(start)
        self._raw = bytearray()  # what is not whole records yet
        self._messages = bytearray()  # handshake messages out of the records
        self._at = 0  # of the next message

    @classmethod
    def probe(cls, head: bytes, start: Start) -> Fit:  # noqa: ARG003
        """A handshake record."""
        if head[0] != HANDSHAKE or (len(head) > 1 and head[1] != 3):
            return Fit.NO
        if len(head) < 6:
            return Fit.MORE
        size = int.from_bytes(head[3:5], "big")
        is_hello = head[5] in (CLIENT_HELLO, SERVER_HELLO)
        return Fit.YES if is_hello and 0 < size <= MAX_RECORD else Fit.NO

    def feed(self, chunk: Data) -> list[Facts]:
        """Read what came."""
        self._raw += chunk.data
        raw, at, is_over = self._raw, 0, False
        while len(raw) >= at + 5:
            size = int.from_bytes(raw[at + 3 : at + 5], "big")
            is_over = raw[at] != HANDSHAKE or raw[at + 1] != 3 or not 0 < size <= MAX_RECORD
            if is_over or len(raw) < at + 5 + size:
                break
            self._messages += raw[at + 5 : at + 5 + size]
            at += 5 + size
        del raw[:at]
        out = self._read_messages(chunk)
        if is_over:
            self.finish()  # what follows is no handshake any more
        if not self.finished and self.held > MAX_HELLO:
            self.channel.oddities.count("tls_malformed")
            self.finish()
        return out

    def _read_messages(self, chunk: Data) -> list[Facts]:
        messages = self._messages
        while len(messages) >= self._at + 4 and not self.finished:
            kind = messages[self._at]
            size = int.from_bytes(messages[self._at + 1 : self._at + 4], "big")
            if kind not in (CLIENT_HELLO, CERTIFICATE, *BEFORE_CERTIFICATE):
                return self.finish()
            if size > MAX_HELLO:
                self.channel.oddities.count("tls_malformed")
                return self.finish()
            start, self._at = self._at + 4, self._at + 4 + size
            if len(messages) < self._at:
                self._at = start - 4
                break
            body = bytes(messages[start : self._at])
            if kind == CLIENT_HELLO:
                self.finish()
                return self._client_hello(body, chunk)
            if kind == CERTIFICATE:
                self.finish()
                return self._certificate(body, chunk)
            if kind == SERVER_HELLO and not self.channel.is_named and self.channel.awaits < 0:
                self.channel.awaits = 1 - self.side  # the client's hello has been overtaken
            if kind == SERVER_HELLO and server_version(body) >= TLS_1_3:
                return self.finish()  # its certificate is encrypted
        return []

    def _client_hello(self, body: bytes, chunk: Data) -> list[Facts]:
        values = hello_values(body, over="t")
        if not values:
            self.channel.oddities.count("tls_malformed")
            return []
        if "tls.server_name" in values:
            self.channel.is_named = True
        else:
            self.channel.awaits = 1 - self.side  # its certificate may tell
        return [self.name("pool-tls", "ClientHello", values, chunk)]

    def _certificate(self, body: bytes, chunk: Data) -> list[Facts]:
        names = certificate_names(body)
        if names is None:
            self.channel.oddities.count("tls_malformed")
            return []
        self.channel.is_named = self.channel.is_named or bool(names)
        return [
            self.name(
                "pool-tls",
                "Certificate",
                {"tls.certificate_name": name},
                chunk,
                sender=Role.SERVER,
                again=number > 0,
            )
            for number, name in enumerate(names)
        ]

    @property
    def held(self) -> int:
        """Bytes of records and messages that are not whole."""
        return len(self._raw) + len(self._messages)


# ── the client's hello ───────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Hello:
    """What a ClientHello says, as far as anybody asks."""

    version: int = 0
    ciphers: list[int] = field(default_factory=list)
    extensions: list[tuple[int, bytes]] = field(default_factory=list)

    def extension(self, kind: int) -> bytes | None:
        """Data of an extension."""
        return next((data for number, data in self.extensions if number == kind), None)


def hello_values(body: bytes, *, over: str) -> dict[str, Value]:
    """Facts of a ClientHello without its head of four bytes; empty when it is malformed.

    Args:
        body: from the version on.
        over: ``t`` for TCP, ``q`` for QUIC.
    """
    hello = read_hello(body)
    if hello is None:
        return {}
    values: dict[str, Value] = {}
    name = hello.extension(SERVER_NAME) or b""
    if len(name) >= 5 and name[2] == 0:
        text = name[5 : 5 + int.from_bytes(name[3:5], "big")].rstrip(b".")
        if text and len(text) <= MAX_NAME:
            values["tls.server_name"] = text.lower().decode("ascii", "replace")
    offered = hello.extension(ALPN) or b""
    if len(offered) >= 3:
        values["tls.alpn"] = offered[3 : 3 + offered[2]].decode("ascii", "replace")
    values["tls.ja3"] = ja3(hello)
    values["tls.ja4"] = ja4(hello, over)
    return values


def read_hello(body: bytes) -> Hello | None:
    """Take a ClientHello apart; extensions count as far as they lie whole inside it."""
    at = 34  # version and random
    if len(body) <= at:
        return None
    at += 1 + body[at]  # session
    size = int.from_bytes(body[at : at + 2], "big")
    suites = body[at + 2 : at + 2 + size]
    if not size or len(suites) < size:
        return None
    hello = Hello(int.from_bytes(body[:2], "big"), [*numbers(suites)])
    at += 2 + size
    if at < len(body):
        at += 1 + body[at]  # compression
        end = min(len(body), at + 2 + int.from_bytes(body[at : at + 2], "big"))
        hello.extensions = [*extensions(body[at + 2 : end])]
    return hello


def extensions(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Extensions, one after the other."""
    at = count = 0
    while at + 4 <= len(data) and count < MAX_EXTENSIONS:
        size = int.from_bytes(data[at + 2 : at + 4], "big")
        if at + 4 + size > len(data):
            return
        yield int.from_bytes(data[at : at + 2], "big"), data[at + 4 : at + 4 + size]
        at += 4 + size
        count += 1


def numbers(data: bytes) -> Iterator[int]:
    """Numbers of two bytes."""
    return (int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data) - 1, 2))


def is_grease(number: int) -> bool:
    """Whether a number means nothing and keeps servers tolerant (RFC 8701)."""
    return number & 0x0F0F == 0x0A0A and number >> 8 == number & 0xFF


def ja3(hello: Hello) -> str:
    """JA3: MD5 over version, cipher suites, extensions, groups and point formats."""
    groups = [n for n in numbers((hello.extension(GROUPS) or b"")[2:]) if not is_grease(n)]
    formats = [*(hello.extension(POINT_FORMATS) or b"")[1:]]
    kinds = [kind for kind, _ in hello.extensions if not is_grease(kind)]
    ciphers = [n for n in hello.ciphers if not is_grease(n)]
    parts = [str(hello.version), *("-".join(map(str, part)) for part in (ciphers, kinds, groups, formats))]
    return hashlib.md5(",".join(parts).encode(), usedforsecurity=False).hexdigest()


def ja4(hello: Hello, over: str) -> str:
    """JA4: transport, version, counts and first protocol readable; then sorted lists as hashes."""
    kinds = [kind for kind, _ in hello.extensions if not is_grease(kind)]
    ciphers = [n for n in hello.ciphers if not is_grease(n)]
    versions = [n for n in numbers((hello.extension(VERSIONS) or b"")[1:]) if not is_grease(n)]
    version = JA4_VERSIONS.get(max(versions, default=hello.version), "00")
    named = "d" if SERVER_NAME in kinds else "i"
    offered = hello.extension(ALPN) or b""
    first = offered[3 : 3 + offered[2]] if len(offered) >= 3 else b""
    head = f"{over}{version}{named}{min(len(ciphers), 99):02}{min(len(kinds), 99):02}{ends_of(first)}"
    listed = ",".join(sorted(f"{kind:04x}" for kind in kinds if kind not in (SERVER_NAME, ALPN)))
    signatures = [f"{n:04x}" for n in numbers((hello.extension(SIGNATURES) or b"")[2:]) if not is_grease(n)]
    tail = f"{listed}_{','.join(signatures)}" if signatures else listed
    return f"{head}_{digest(','.join(sorted(f'{n:04x}' for n in ciphers)))}_{digest(tail)}"


def ends_of(protocol: bytes) -> str:
    """First and last character of the first application protocol; of its hexadecimal form where they are odd."""
    if not protocol:
        return "00"
    if not all(chr(byte).isalnum() and byte < 0x80 for byte in (protocol[0], protocol[-1])):
        text = protocol.hex()
        return text[0] + text[-1]
    return chr(protocol[0]) + chr(protocol[-1])


def digest(text: str) -> str:
    """Twelve digits of SHA-256; zeros for nothing."""
    return hashlib.sha256(text.encode()).hexdigest()[:12] if text else "0" * 12


# ── the server's flight ──────────────────────────────────────────────────────────────────────────────────


def server_version(body: bytes) -> int:
    """Version that a ServerHello settles on."""
    if len(body) < 38:
        return 0
    at = 35 + body[34] + 3  # version, random, session; cipher suite and compression
    end = at + 2 + int.from_bytes(body[at : at + 2], "big")
    chosen = next((data for kind, data in extensions(body[at + 2 : end]) if kind == VERSIONS), b"")
    return int.from_bytes(chosen[:2] or body[:2], "big")


def certificate_names(body: bytes) -> list[str] | None:
    """Host names of the first certificate of a Certificate message: its subject's, and its alternatives."""
    size = int.from_bytes(body[3:6], "big")
    if len(body) < 6 + size or not size:
        return None
    try:
        with warnings.catch_warnings(action="ignore"):  # about numbers that self-signed ones often have
            names = [*subject_names(x509.load_der_x509_certificate(body[6 : 6 + size]))]
    except MALFORMED:
        return None
    texts = (str(name).lower().rstrip(".").removeprefix("*.") for name in names if len(str(name)) <= MAX_NAME)
    found = (text for text in texts if "." in text and " " not in text and not is_address(text))
    return [*dict.fromkeys(found)][:MAX_NAMES]


def subject_names(certificate: x509.Certificate) -> Iterator[Any]:
    """Names of a certificate's subject, and the alternatives to them."""
    for part in certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME):
        yield part.value
    for extension in certificate.extensions:
        if isinstance(extension.value, x509.SubjectAlternativeName):
            yield from extension.value.get_values_for_type(x509.DNSName)
