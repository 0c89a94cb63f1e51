"""TLS: what a client's hello and a server's certificate say, however they are cut."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import ipaddress
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st
from talk import CLIENT, SERVER, Talk, mangled, pieces, read_in

from sniffer.model import Gap, Role
from sniffer.protocols import tls
from sniffer.protocols.conversation import MAX_AWAITED, Verdict

VECTORS = (
    json.loads(row) for row in (Path(__file__).parent / "vectors.jsonl").read_text("utf-8").splitlines()
)
PROBE = next(row for row in VECTORS if row["id"] == "v1-c-bfgminer-tls-probe")
CHANGE = b"\x14\x03\x03\x00\x01\x01"
EARLY = b"\x17\x03\x03\x00\x40" + bytes(64)
ALERT = b"\x15\x03\x03\x00\x02\x02\x28"
CHROME = [  # cipher suites and extensions behind an example in the description of JA4
    0x002F, 0x0035, 0x009C, 0x009D, 0x1301, 0x1302, 0x1303, 0xC013, 0xC014, 0xC02B, 0xC02C, 0xC02F, 0xC030,
    0xCCA8, 0xCCA9,
]  # fmt: skip
CHROME_KINDS = [
    0x0005,
    0x000A,
    0x000B,
    0x0012,
    0x0015,
    0x0017,
    0x001B,
    0x0023,
    0x002D,
    0x0033,
    0x4469,
    0xFF01,
]
CHROME_SIGNATURES = [0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601]
HELD = 2 * (tls.MAX_HELLO + tls.MAX_RECORD)


# ── making messages ──────────────────────────────────────────────────────────────────────────────────────


def sized(data: bytes, width: int = 2) -> bytes:
    """Data with its length in front."""
    return len(data).to_bytes(width, "big") + data


def numbers(*values: int) -> bytes:
    """Numbers of two bytes."""
    return b"".join(value.to_bytes(2, "big") for value in values)


def extension(kind: int, data: bytes = b"") -> bytes:
    """An extension."""
    return numbers(kind) + sized(data)


def server_name(name: bytes, kind: int = 0) -> bytes:
    """The extension that names the server."""
    return extension(tls.SERVER_NAME, sized(bytes([kind]) + sized(name)))


def protocols(*names: bytes) -> bytes:
    """The extension that offers application protocols."""
    return extension(tls.ALPN, sized(b"".join(sized(name, 1) for name in names)))


def hello(
    *extensions: bytes, ciphers: bytes = numbers(0x1301), session: int = 0, version: int = 0x0303
) -> bytes:
    """A client's hello without its head."""
    body = numbers(version) + bytes(32) + sized(bytes(session), 1) + sized(ciphers) + b"\x01\x00"
    return body + (sized(b"".join(extensions)) if extensions else b"")


def message(kind: int, body: bytes) -> bytes:
    """A handshake message."""
    return bytes([kind]) + sized(body, 3)


def records(handshake: bytes, size: int = 16_384) -> bytes:
    """Handshake messages in records of so many bytes."""
    parts = [handshake[at : at + size] for at in range(0, len(handshake), size)]
    return b"".join(b"\x16\x03\x01" + sized(part) for part in parts)


def client(*extensions: bytes, size: int = 16_384, **options: Any) -> bytes:
    """A client's hello in records."""
    return records(message(tls.CLIENT_HELLO, hello(*extensions, **options)), size)


def server(chosen: int = 0, version: int = 0x0303, session: int = 32) -> bytes:
    """A server's hello."""
    more = sized(extension(tls.VERSIONS, numbers(chosen))) if chosen else b""
    return message(
        2, numbers(version) + bytes(32) + sized(bytes(session), 1) + numbers(0xC02F) + b"\0" + more
    )


def certificate(common: str, *alternatives: x509.GeneralName) -> bytes:
    """A self-signed certificate."""
    key = ec.derive_private_key(7, ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common)] if common else [])
    day = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 77, day, day + dt.timedelta(days=900))
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    return builder.sign(key, hashes.SHA256(), ecdsa_deterministic=True).public_bytes(Encoding.DER)


def certificates(*chain: bytes) -> bytes:
    """A Certificate message."""
    return message(tls.CERTIFICATE, sized(b"".join(sized(one, 3) for one in chain), 3))


MANY = [f"n{number}.example" for number in range(100)]
NAME = server_name(b"XMR-eu1.Nanopool.org")
HELLO = client(extension(21, bytes(1_400)), NAME, protocols(b"http/1.1"))
CERTIFICATE = certificate(
    "pool.example.com", x509.DNSName("*.Pool.example.net"), x509.DNSName("pool.example.com")
)
FLIGHT = (
    server()
    + certificates(CERTIFICATE, certificate("ca.example.com"))
    + message(12, bytes(200))
    + message(14, b"")
)
NAMES = ["pool.example.com", "pool.example.net"]
SEEDS = [
    HELLO,
    client(NAME, size=3),
    records(FLIGHT),
    records(FLIGHT, 300),
    records(server(tls.TLS_1_3)) + CHANGE + EARLY,
]


def values(*extensions: bytes, **options: Any) -> dict[str, Any]:
    """What a hello says."""
    return tls.hello_values(hello(*extensions, **options), over="t")


# ── the client's hello ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("size", [1, 2, 5, 60, 700, 16_000])
@pytest.mark.parametrize("piece", [0, 1, 3, 1_400])
def test_hello_in_any_records(size: int, piece: int) -> None:
    """Name, protocol and fingerprints are the same in one record or hundreds, in one segment or many."""
    data = client(extension(21, bytes(1_400)), NAME, protocols(b"http/1.1"), size=size)
    talk = Talk().say(CLIENT, data, size=piece)
    (found,) = talk.facts
    assert found.values == Talk().say(CLIENT, HELLO).facts[0].values
    assert (found.protocol, found.message, found.sender) == ("pool-tls", "ClientHello", Role.CLIENT)
    assert (found.values["tls.server_name"], found.values["tls.alpn"]) == ("xmr-eu1.nanopool.org", "http/1.1")
    assert talk.conversation.is_named
    assert (talk.conversation.verdict, talk.conversation.held, talk.counted()) == (Verdict.NO, 0, {})


def test_every_cut_in_two() -> None:
    """A hello in two segments, or in two records, is read wherever it is cut."""
    handshake = message(tls.CLIENT_HELLO, hello(NAME))
    wanted = Talk().say(CLIENT, records(handshake)).said
    for at in range(1, len(handshake)):
        cut = records(handshake[:at]) + records(handshake[at:])
        assert Talk().say(CLIENT, cut).said == wanted
        assert Talk().say(CLIENT, cut[:at]).say(CLIENT, cut[at:]).said == wanted


@pytest.mark.parametrize(
    "behind", [CHANGE, EARLY, CHANGE + EARLY, ALERT, b"\x17\x03\x03\x40\x00" + bytes(9), b"rubbish"]
)
def test_records_behind_a_hello(behind: bytes) -> None:
    """What a client sends behind its hello in the same segment does not hide it."""
    (found,) = Talk().say(CLIENT, HELLO + behind).facts
    assert found.values["tls.server_name"] == "xmr-eu1.nanopool.org"


def test_fingerprints_of_a_vector() -> None:
    """The fingerprints of a captured hello are those that other tools give."""
    data = base64.b64decode(PROBE["payload_b64"])
    found = Talk().say(CLIENT, data).facts[0].values
    for fact, field in (("ja3", "ja3"), ("ja4", "ja4"), ("server_name", "sni"), ("alpn", "alpn")):
        assert found[f"tls.{fact}"] == PROBE["expect"][field]


def test_fingerprint_of_the_description() -> None:
    """JA4 of the lists in its description is the one that stands there; QUIC changes its first letter."""
    ordered = [
        NAME, protocols(b"h2", b"http/1.1"), extension(tls.VERSIONS, sized(numbers(0x0304, 0x0303), 1)),
        extension(tls.SIGNATURES, sized(numbers(*CHROME_SIGNATURES))), *map(extension, CHROME_KINDS),
    ]  # fmt: skip
    body = hello(*ordered, ciphers=numbers(*CHROME[::-1]))
    assert tls.hello_values(body, over="t")["tls.ja4"] == "t13d1516h2_8daaf6152771_e5627efa2ab1"
    assert tls.hello_values(body, over="q")["tls.ja4"] == "q13d1516h2_8daaf6152771_e5627efa2ab1"


def test_fingerprint_by_hand() -> None:
    """JA3 is the hash of version, suites, extensions, groups and point formats in their order."""
    parts = (
        extension(tls.GROUPS, sized(numbers(29, 23))),
        extension(tls.POINT_FORMATS, sized(b"\0\1", 1)),
        extension(23),
    )
    wanted = hashlib.md5(b"771,4865-49195,10-11-23,29-23,0-1", usedforsecurity=False).hexdigest()
    assert values(*parts, ciphers=numbers(0x1301, 0xC02B))["tls.ja3"] == wanted


def test_grease() -> None:
    """Numbers that mean nothing change neither fingerprint, wherever they stand."""
    plain = values(
        NAME,
        extension(tls.GROUPS, sized(numbers(29))),
        extension(tls.VERSIONS, sized(numbers(0x0304), 1)),
        extension(tls.SIGNATURES, sized(numbers(0x0403))),
    )
    greased = values(
        extension(0x0A0A),
        NAME,
        extension(tls.GROUPS, sized(numbers(0x1A1A, 29))),
        extension(tls.VERSIONS, sized(numbers(0x2A2A, 0x0304), 1)),
        extension(tls.SIGNATURES, sized(numbers(0xFAFA, 0x0403))),
        extension(0xEAEA, b"\0"),
        ciphers=numbers(0xBABA, 0x1301),
    )
    assert plain == greased
    assert values(ciphers=numbers(0x0A0A, 0x1A2A, 0x1A1B))["tls.ja4"][:6] == "t12i02"


@pytest.mark.parametrize(
    ("extensions", "name"),
    [
        ([server_name(b"a.example.")], "a.example"),
        ([server_name(b"A_b.EXAMPLE")], "a_b.example"),
        ([server_name(b"192.0.2.9")], "192.0.2.9"),
        ([server_name(b"a\0.example")], "a\0.example"),
        ([server_name(b"\xff.example")], "\ufffd.example"),
        ([server_name(b"x" * 255)], "x" * 255),
        ([server_name(b"x" * 256)], None),
        ([server_name(b"")], None),
        ([server_name(b".")], None),
        ([server_name(b"a.example", kind=1)], None),
        ([extension(tls.SERVER_NAME)], None),
        ([extension(tls.SERVER_NAME, b"\0\5\0\0")], None),
        ([server_name(b"a.example"), server_name(b"b.example")], "a.example"),
        (
            [extension(tls.SERVER_NAME, sized(b"\0" + sized(b"a.example") + b"\0" + sized(b"b.example")))],
            "a.example",
        ),
        ([extension(0xFE0D, bytes(200))], None),
        ([], None),
    ],
)
def test_server_name(extensions: list[bytes], name: str | None) -> None:
    """The name is the first of its kind, lower case, without the last dot; one that cannot be is none."""
    found = values(*extensions)
    assert found.get("tls.server_name") == name
    assert found["tls.ja4"].startswith("t12d" if any(one[:2] == b"\0\0" for one in extensions) else "t12i")


@pytest.mark.parametrize(
    ("offered", "ends"),
    [
        ((b"h2",), "h2"), ((b"http/1.1", b"h2"), "h1"), ((b"x",), "xx"), ((b"\x0a\x0a",), "0a"),
        ((b'"', b"h2"), "22"), ((b"\xe9" * 255,), "e9"),
    ],
)  # fmt: skip
def test_application_protocol(offered: tuple[bytes, ...], ends: str) -> None:
    """The first protocol that is offered is told; the fingerprint has letters or digits of it."""
    found = values(protocols(*offered))
    assert found["tls.alpn"] == offered[0].decode("ascii", "replace")
    assert found["tls.ja4"].split("_")[0] == f"t12i0101{ends}"
    assert found["tls.ja4"].replace("_", "").isalnum()


@pytest.mark.parametrize(
    ("version", "offered", "digits"),
    [
        (0x0303, None, "12"),
        (0x0301, None, "10"),
        (0x0300, None, "s3"),
        (0x0303, (0x0302, 0x0304), "13"),
        (0x0303, (0x0305,), "00"),
    ],
)
def test_version(version: int, offered: tuple[int, ...] | None, digits: str) -> None:
    """The version is the highest that is offered, else that of the hello."""
    more = [extension(tls.VERSIONS, sized(numbers(*offered), 1))] if offered else []
    assert values(*more, version=version)["tls.ja4"][1:3] == digits


def test_hello_without_extensions() -> None:
    """A hello may end behind its suites; hundreds of extensions and suites are counted as 99."""
    assert values()["tls.ja4"] == f"t12i010000_{hashlib.sha256(b'1301').hexdigest()[:12]}_{'0' * 12}"
    many = values(*map(extension, range(100, 300)), ciphers=numbers(*range(1, 200)))
    assert many["tls.ja4"][:10] == "t12i999900"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        hello()[:34],
        hello()[:36],
        hello(ciphers=b""),
        hello()[:35] + b"\0\x90" + bytes(20),
        hello(session=255)[:200],
    ],
    ids=["empty", "no session", "no suites", "none", "cut suites", "cut session"],
)
def test_hello_that_contradicts_itself(body: bytes) -> None:
    """A hello that ends before its suites, or has none, is counted and tells nothing."""
    talk = Talk().say(CLIENT, records(message(tls.CLIENT_HELLO, body)))
    assert (talk.facts, talk.counted()) == ([], {"tls_malformed": 1})


def test_extensions_that_do_not_fit() -> None:
    """Extensions count as far as they lie whole inside the hello."""
    assert values(NAME, numbers(16) + b"\xff\xff" + b"h2").get("tls.server_name") == "xmr-eu1.nanopool.org"
    assert values(NAME, numbers(16) + b"\xff\xff" + b"h2") == values(NAME)
    assert "tls.server_name" not in values(numbers(21) + b"\xff\xff", NAME)


# ── limits ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("size", [700, 16_384])
def test_longest_hello(size: int) -> None:
    """A hello of almost 32 KiB is read, a longer one is counted and given up."""
    for length, count in ((32_000, 1), (32_800, 0), (66_000, 0)):
        body = hello(NAME) + bytes(length - len(hello(NAME)))
        talk = Talk().say(CLIENT, records(message(tls.CLIENT_HELLO, body), size), size=1_400)
        assert len(talk.facts) == count
        assert talk.counted() == ({} if count else {"tls_malformed": 1})
        assert (talk.conversation.held, talk.conversation.verdict) == (0, Verdict.NO)


@pytest.mark.parametrize("size", [1, 1_000])
def test_hello_that_never_ends(size: int) -> None:
    """No more than 32 KiB are held of a hello, in records of any size."""
    talk = Talk()
    data = records(message(tls.CLIENT_HELLO, bytes(32_700)), size)[:-50]
    for at in range(0, len(data), 1_400):
        talk.say(CLIENT, data[at : at + 1_400])
        assert talk.conversation.held <= tls.MAX_HELLO + 1_400
    talk.say(CLIENT, records(bytes(2_000), 500))
    assert talk.conversation.held == 0


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x00\x00" + HELLO,
        b"\x16\x03\x01\x41\x01\x01" + bytes(9),
        b"\x16\x02\x01" + HELLO[3:],
        b"\x80\x2e\x01\x00\x02" + bytes(60),
        ALERT + HELLO,
        EARLY + HELLO,
        records(message(11, bytes(90))),
        records(message(tls.CLIENT_HELLO, b"\xff" * 90)[:1] + b"\xff" * 90),
    ],
    ids=[
        "empty record",
        "long record",
        "version",
        "SSL 2",
        "alert first",
        "data first",
        "certificate first",
        "2^24 bytes",
    ],
)
def test_what_is_no_hello(data: bytes) -> None:
    """Records that are empty, too long or of another kind do not begin a conversation."""
    for size in (0, 1):
        assert Talk().say(CLIENT, data, size=size).facts == []


def test_hello_in_records_of_two_kinds() -> None:
    """A record of another version in the middle of a hello ends it."""
    first, second = (
        records(message(tls.CLIENT_HELLO, hello(NAME)), 50)[:55],
        records(message(tls.CLIENT_HELLO, hello(NAME)), 50)[55:],
    )
    assert len(Talk().say(CLIENT, first + second).facts) == 1
    assert Talk().say(CLIENT, first + b"\x16\x02" + second[2:]).facts == []


def test_gap() -> None:
    """A hello of which bytes are missing is given up."""
    talk = Talk().say(CLIENT, HELLO[:600])
    talk.conversation.read(Gap(CLIENT, 0, 0))
    assert (talk.say(CLIENT, HELLO[700:]).facts, talk.conversation.held) == ([], 0)


# ── the server's flight ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("size", [1, 7, 300, 16_000])
@pytest.mark.parametrize("piece", [0, 1, 1_400])
def test_certificate(size: int, piece: int) -> None:
    """The first certificate of a flight up to TLS 1.2 tells its names, one hit together, in any pieces."""
    for chosen in (0, 0x0303):
        flight = server(chosen) + FLIGHT[len(server()) :]
        talk = Talk().say(SERVER, records(flight, size), size=piece)
        assert [one.values for one in talk.facts] == [{"tls.certificate_name": name} for name in NAMES]
        assert [one.again for one in talk.facts] == [False, True]
        assert {(one.message, one.sender) for one in talk.facts} == {("Certificate", Role.SERVER)}
        assert (talk.conversation.held, talk.counted()) == (0, {})


def test_messages_of_a_flight_in_records_of_their_own() -> None:
    """Each message may have a record to itself, with supplemental data in between."""
    parts = [server(), message(23, bytes(20)), certificates(CERTIFICATE), message(14, b"")]
    assert len(Talk().say(SERVER, b"".join(map(records, parts))).facts) == 2


@pytest.mark.parametrize("chosen", [0x0304, 0x0305])
def test_flight_of_tls_1_3(chosen: int) -> None:
    """Behind a hello of TLS 1.3 nothing can be read, and nothing is waited for."""
    for version in (0x0303, 0x0304):
        talk = Talk().say(CLIENT, client()).say(SERVER, records(server(chosen, version)) + CHANGE + EARLY)
        assert [one.message for one in talk.facts] == ["ClientHello"]
        assert (talk.conversation.verdict, talk.conversation.held, talk.counted()) == (Verdict.NO, 0, {})


def test_certificate_behind_a_hello_of_tls_1_3() -> None:
    """A certificate in the clear behind a hello of TLS 1.3 is none: nobody would believe it."""
    assert Talk().say(SERVER, records(server(tls.TLS_1_3) + certificates(CERTIFICATE))).facts == []


def test_flight_without_end() -> None:
    """A server that greets without end is counted and given up, and no more than 32 KiB are held."""
    talk = Talk()
    for _ in range(40):
        talk.say(SERVER, records(server() * 20))
        assert talk.conversation.held <= tls.MAX_HELLO
    assert (talk.conversation.held, talk.counted()) == (0, {"tls_malformed": 1})


@pytest.mark.parametrize(
    "behind",
    [
        message(4, bytes(90)),
        message(14, b""),
        message(20, bytes(12)),
        message(22, bytes(30)) + certificates(CERTIFICATE),
    ],
    ids=["ticket", "done", "finished", "status first"],
)
def test_flight_without_certificate(behind: bytes) -> None:
    """A flight that goes on with anything else has no certificate: a session is resumed."""
    talk = Talk().say(SERVER, records(server() + behind))
    assert (talk.facts, talk.conversation.held, talk.counted()) == ([], 0, {})
    talk = Talk().say(SERVER, records(server()) + CHANGE).say(SERVER, records(certificates(CERTIFICATE)))
    assert (talk.facts, talk.conversation.held) == ([], 0)


@pytest.mark.parametrize(
    ("made", "names"),
    [
        (certificate("pool.example.com"), ["pool.example.com"]),
        (certificate("Example Inc. Mining", x509.DNSName("a.example")), ["a.example"]),
        (certificate("localhost"), []),
        (certificate("192.0.2.9", x509.DNSName("a.example.")), ["a.example"]),
        (certificate("", x509.IPAddress(ipaddress.ip_address("192.0.2.9"))), []),
        (certificate("a.example", x509.UniformResourceIdentifier("https://b.example/")), ["a.example"]),
        (certificate("n0.example", *map(x509.DNSName, MANY)), MANY[:32]),
        (certificate("a\u00e9.example"), ["a\u00e9.example"]),
        (certificate("", x509.DNSName("a" * 244 + ".f2pool.com.evil.example"), x509.DNSName("a.example")), ["a.example"]),
    ],
    ids=["subject", "alternative", "no host", "address", "addresses only", "URI", "many", "not ASCII", "too long"],
)  # fmt: skip
def test_names(made: bytes, names: list[str]) -> None:
    """Host names are those of subject and alternatives, 32 at most; addresses and titles are none."""
    talk = Talk().say(SERVER, records(server() + certificates(made)))
    assert [one.values["tls.certificate_name"] for one in talk.facts] == names
    assert talk.conversation.is_named is bool(names)


def serial(number: int, version: int = 2) -> bytes:
    """A certificate with another serial number and version."""
    made = CERTIFICATE.replace(
        b"\xa0\x03\x02\x01\x02\x02\x01\x4d", bytes([0xA0, 3, 2, 1, version, 2, 1, number]), 1
    )
    assert made != CERTIFICATE
    return made


def test_serial_numbers_of_self_made_certificates() -> None:
    """A serial number that the standard forbids is no reason to say nothing, nor to complain."""
    for number in (0, 0x80):
        assert len(Talk().say(SERVER, records(server() + certificates(serial(number)))).facts) == 2


@pytest.mark.parametrize(
    "body",
    [
        sized(sized(CERTIFICATE[:-40], 3), 3),
        sized(sized(CERTIFICATE, 3)[:-40], 3),
        sized(sized(serial(77, version=66), 3), 3),
        sized(sized(b"\x30\x80" + bytes(90), 3), 3),
        sized(sized(b"", 3), 3),
        sized(b"", 3),
        b"",
    ],
    ids=["cut", "shorter than it says", "version", "rubbish", "empty", "none", "nothing"],
)
def test_certificate_that_cannot_be_read(body: bytes) -> None:
    """A certificate that is cut or rubbish is counted and tells nothing."""
    talk = Talk().say(SERVER, records(server() + message(tls.CERTIFICATE, body)))
    assert (talk.facts, talk.counted(), talk.conversation.held) == ([], {"tls_malformed": 1}, 0)


def test_long_chain() -> None:
    """A chain of more than 32 KiB is counted and given up."""
    chain = [CERTIFICATE] * (33_000 // len(CERTIFICATE))
    talk = Talk().say(SERVER, records(server() + certificates(*chain)), size=1_400)
    assert (talk.facts, talk.counted(), talk.conversation.held) == ([], {"tls_malformed": 1}, 0)
    assert len(Talk().say(SERVER, records(server() + certificates(*chain[:-5])), size=1_400).facts) == 2


def test_certificate_is_waited_for() -> None:
    """Where the client names no server its certificate is waited for, though not without end."""
    talk = Talk().say(CLIENT, client())
    assert (talk.conversation.verdict, talk.conversation.is_named) == (Verdict.MORE, False)
    assert [one.message for one in talk.say(SERVER, records(FLIGHT)).facts] == ["ClientHello"] + [
        "Certificate"
    ] * 2
    assert (talk.conversation.verdict, talk.conversation.is_named) == (Verdict.NO, True)
    talk = Talk().say(CLIENT, client())
    for _ in range(MAX_AWAITED + 1):
        talk.say(CLIENT, EARLY)
    assert talk.conversation.verdict is Verdict.NO
    assert Talk().say(CLIENT, client(NAME)).conversation.verdict is Verdict.NO


def test_hello_overtaken_by_its_answer() -> None:
    """A server's flight that is seen first does not end the wait for the client's name."""
    talk = Talk().say(SERVER, records(server(tls.TLS_1_3)))
    assert talk.conversation.verdict is Verdict.MORE
    assert [one.message for one in talk.say(CLIENT, HELLO).facts] == ["ClientHello"]


# ── fuzz entries ─────────────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=250, deadline=None)
@given(mangled(SEEDS), pieces())
def test_damaged_handshake(data: bytes, sizes: list[int]) -> None:
    """Fuzz entry: damaged handshakes never raise, say the same in any pieces, and stay within the bounds."""
    whole, cut = Talk().say(CLIENT, data), read_in(sizes, CLIENT, data)
    assert whole.said == cut.said
    assert max(whole.conversation.held, cut.conversation.held) <= HELD


@settings(max_examples=250, deadline=None)
@given(mangled([hello(NAME, protocols(b"h2"), extension(10, sized(numbers(29, 23)))), hello()]))
def test_damaged_hello(body: bytes) -> None:
    """Fuzz entry: no hello raises, and its fingerprints are always of letters, digits and underscores."""
    found = tls.hello_values(body, over="q")
    assert set(f"{found.get('tls.ja3', '')}{found.get('tls.ja4', '')}") <= set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
    )


@settings(max_examples=250, deadline=None)
@given(mangled([CERTIFICATE]), st.integers(0, 255))
def test_damaged_certificate(made: bytes, number: int) -> None:
    """Fuzz entry: no certificate raises or warns, and its names are bounded."""
    at = number * len(made) // 256
    names = tls.certificate_names(sized(sized(made[:at] + bytes([number]) + made[at + 1 :], 3), 3)) or []
    assert len(names) <= tls.MAX_NAMES
    assert all("." in name and len(name) <= tls.MAX_NAME for name in names)
