"""DNS over UDP and TCP: questions, and what answers lead to."""

from __future__ import annotations

import struct

import dpkt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from talk import CLIENT, SERVER, Talk, line, mangled, pieces, read_in

from sniffer.model import Gap, Role
from sniffer.oddities import Oddities
from sniffer.protocols import dns
from sniffer.protocols.conversation import Verdict
from sniffer.protocols.messages import Origin

A, CNAME, TXT, AAAA, HTTPS = 1, 5, 16, 28, 65
PORTS = (40_000, 53)
POINTER = b"\xc0\x0c"  # to the name that is asked for
V4, V6 = bytes([192, 0, 2, 9]), bytes.fromhex("20010db8000000000000000000000009")
HELD = 2 * dns.MAX_MESSAGE


def labels(name: str) -> bytes:
    """A name on the wire."""
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".") if part) + b"\0"


def record(owner: bytes, kind: int, data: bytes, seconds: int = 60) -> bytes:
    """A resource record."""
    return owner + struct.pack("!HHIH", kind, 1, seconds, len(data)) + data


def message(
    name: str | bytes, kind: int = A, records: tuple[bytes, ...] | None = None, identifier: int = 7
) -> bytes:
    """A question, or with records an answer."""
    flags, count = (0x0100, 0) if records is None else (0x8180, len(records))
    asked = name if isinstance(name, bytes) else labels(name)
    head = struct.pack("!6H", identifier, flags, 1, count, 0, 0)
    return head + asked + struct.pack("!HH", kind, 1) + b"".join(records or ())


def service(priority: int, target: str, *parameters: tuple[int, bytes]) -> bytes:
    """Data of an HTTPS record."""
    packed = b"".join(struct.pack("!HH", key, len(value)) + value for key, value in parameters)
    return struct.pack("!H", priority) + labels(target) + packed


def over_tcp(*messages: bytes) -> bytes:
    """Messages with their length in front."""
    return b"".join(len(one).to_bytes(2, "big") + one for one in messages)


def chained(pointers: int) -> bytes:
    """An answer whose second owner is reached over so many pointers, each to the one before."""
    steps = [0xC00C, *(0xC01F + 2 * at for at in range(pointers - 1))]
    *first, last = (step.to_bytes(2, "big") for step in steps)
    return message("a", records=(record(POINTER, TXT, b"".join(first)), record(last, A, V4)))


def read(payload: bytes) -> tuple[dns.Message, Oddities]:
    """Read one datagram."""
    oddities = Oddities()
    return dns.read_message(payload, Origin(1, 5, -1), oddities), oddities


QUESTION = message("pool.example.com")
CHAIN = message(
    "pool.example.com",
    records=(
        record(POINTER, CNAME, labels("a.example.net"), 300),
        record(labels("A.Example.NET"), CNAME, labels("b.example.org")),
        record(labels("b.example.org"), A, V4, 30),
        record(labels("b.example.org"), AAAA, V6, 20),
    ),
)
SERVICE = message(
    "pool.example.com",
    HTTPS,
    (record(POINTER, HTTPS, service(1, ".", (1, b"\x02h2"), (4, V4 + V4), (6, V6))),),
)
SEEDS = [QUESTION, CHAIN, SERVICE, message("x.example", TXT, (record(POINTER, TXT, b"\x03abc"),))]


# ── one message ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kind", "name"), [(A, "A"), (AAAA, "AAAA"), (HTTPS, "HTTPS"), (TXT, "TXT"), (255, "ANY"), (999, "999")]
)
def test_question(kind: int, name: str) -> None:
    """A question gives its name, lower case, and its type; nothing is resolved yet."""
    found, oddities = read(message("Pool.EXAMPLE.com", kind))
    (facts,) = found.facts
    assert (facts.protocol, facts.message, facts.sender) == ("pool-dns", "query", Role.CLIENT)
    assert facts.values == {"dns.query": "pool.example.com", "dns.type": name}
    assert (facts.side, facts.time, facts.end, facts.again) == (1, 5, -1, False)
    assert found.resolution == dns.Resolution(7, is_answer=False, names=("pool.example.com",), addresses=())
    assert not any(oddities.counts.values())


def test_answer_with_a_chain() -> None:
    """An answer gives a fact for each name it leads to, all of one hit, and each address with its time."""
    found, _ = read(CHAIN)
    assert [one.sender for one in found.facts] == [Role.SERVER] * 3
    assert [one.message for one in found.facts] == ["response"] * 3
    assert [one.again for one in found.facts] == [False, True, True]
    assert [one.values.get("dns.answer") for one in found.facts] == [None, "a.example.net", "b.example.org"]
    assert {one.values["dns.query"] for one in found.facts} == {"pool.example.com"}
    assert found.resolution == dns.Resolution(
        7,
        is_answer=True,
        names=("pool.example.com", "a.example.net", "b.example.org"),
        addresses=((V4, 30), (V6, 20)),
    )


def test_as_dpkt_reads_it() -> None:
    """An answer that dpkt has put together, names compressed, is read like one made by hand."""
    aliases = [("pool.example.com", "a.example.com"), ("a.example.com", "b.example.com")]
    rows = [dpkt.dns.DNS.RR(name=owner, type=CNAME, cls=1, ttl=9, cname=alias) for owner, alias in aliases]
    rows.append(dpkt.dns.DNS.RR(name="b.example.com", type=A, cls=1, ttl=9, ip=V4))
    found, _ = read(bytes(dpkt.dns.DNS(id=3, qr=1, qd=[dpkt.dns.DNS.Q(name="pool.example.com")], an=rows)))
    names = ("pool.example.com", "a.example.com", "b.example.com")
    assert found.resolution == dns.Resolution(3, is_answer=True, names=names, addresses=((V4, 9),))


@pytest.mark.parametrize(
    ("data", "names", "addresses"),
    [
        (service(1, ".", (1, b"\x02h2"), (4, V4 + V4), (6, V6)), (), (V4, V4, V6)),
        (service(1, "Edge.Example.NET", (4, V4)), ("edge.example.net",), (V4,)),
        (service(0, "alias.example.net"), ("alias.example.net",), ()),
        (service(1, ".", (4, V4 + b"\1"), (6, V4)), (), ()),  # no whole addresses
        (service(1, ".") + struct.pack("!HH", 4, 40) + V4, (), ()),  # shorter than it says
        (service(1, ".", *[(4, V4 * 50)] * 3), (), (V4,) * dns.MAX_RECORDS),
        (b"", (), ()),
        (b"\0\1\x3fcut", ("cut",), ()),
    ],
    ids=["hints", "target and hint", "alias", "odd sizes", "cut hint", "many", "empty", "cut name"],
)
def test_https_record(data: bytes, names: tuple[str, ...], addresses: tuple[bytes, ...]) -> None:
    """An HTTPS record leads to its target, and to the addresses that it hints at as far as they are whole."""
    found, oddities = read(message("pool.example.com", HTTPS, (record(POINTER, HTTPS, data),)))
    assert found.resolution is not None
    assert found.resolution.names == ("pool.example.com", *names)
    assert found.resolution.addresses == tuple((address, 60) for address in addresses)
    assert not any(oddities.counts.values())


def test_a_dot_inside_a_label_ends_none() -> None:
    """It is written as zone files do, in questions and in what answers lead to, so that no suffix is seen behind it."""
    asked = b"\x04a.EX\x03com\0"
    alias = b"\x0bevil.f2pool\x04com.\0"
    found, _ = read(
        message(asked, HTTPS, (record(POINTER, CNAME, alias), record(alias, HTTPS, b"\0\1" + alias)))
    )
    assert found.resolution is not None
    assert found.resolution.names == ("a\\046ex.com", "evil\\046f2pool.com\\046")
    full = b"\x3f" + b"." * 63 + b"\x3f" + b"." * 63
    assert read(message(full + b"\0"))[0].facts == []  # longer than a name may be, written so


def test_records_of_other_names() -> None:
    """Records of a name that nobody asked for are not believed."""
    found, _ = read(
        message("a.example", records=(record(labels("b.example"), A, V4), record(POINTER, AAAA, V6)))
    )
    assert found.resolution is not None
    assert found.resolution.addresses == ((V6, 60),)


def test_records_are_bounded() -> None:
    """Of an answer with hundreds of records the first 64 count."""
    records = tuple(record(POINTER, A, struct.pack("!I", number)) for number in range(300))
    found, _ = read(message("a.example", records=records))
    assert found.resolution is not None
    assert found.resolution.addresses[-1] == (struct.pack("!I", dns.MAX_RECORDS - 1), 60)


@pytest.mark.parametrize(
    "other",
    [
        record(POINTER, 46, b"\0\1\x08\2" + bytes(40)),  # RRSIG
        record(POINTER, 257, b"\0\5issue"),
        record(POINTER, TXT, b"\x04\xff\xfe\0a"),
        record(b"\0", 41, b""),
    ],
    ids=["signature", "CAA", "text", "OPT"],
)
def test_records_of_other_types(other: bytes) -> None:
    """Records that lead nowhere are passed over, whatever their type, and hide none of the others."""
    found, oddities = read(message("a.example", records=(other, record(POINTER, A, V4), other)))
    assert found.resolution is not None
    assert found.resolution.addresses == ((V4, 60),)
    assert not any(oddities.counts.values())


def test_records_behind_the_answer() -> None:
    """What stands behind the answer is not looked at: a resolver's additional records prove nothing."""
    payload = bytearray(message("a.example", records=(record(POINTER, A, V4),)))
    payload[8:12] = b"\0\1\xff\xff"
    found, oddities = read(bytes(payload) + record(POINTER, A, V4[::-1]) + b"\xff" * 40)
    assert found.resolution is not None
    assert found.resolution.addresses == ((V4, 60),)
    assert not any(oddities.counts.values())


def test_owner_behind_many_pointers() -> None:
    """A name may be reached over 16 pointers."""
    found, _ = read(chained(16))
    assert found.resolution is not None
    assert found.resolution.addresses == ((V4, 60),)


def test_loop_of_aliases() -> None:
    """Aliases in a circle end where they began."""
    circle = (
        record(POINTER, CNAME, labels("b.example")),
        record(labels("b.example"), CNAME, labels("a.example")),
        record(POINTER, CNAME, labels("a.example")),
    )
    found, _ = read(message("a.example", records=circle))
    assert found.resolution is not None
    assert found.resolution.names == ("a.example", "b.example")


@pytest.mark.parametrize(
    "payload",
    [
        message(b"\xc0\x0c"),
        message(b"\xc0\x0e\xc0\x0c"),
        message(b"\xc0\xff"),
        message(b"\x40" + b"x" * 64 + b"\0"),
        message(labels(".".join(["x" * 63] * 5))),
        message(b"\xff\xff\0"),
        message(b"\x01a\xc0\x05"),
        chained(17),
        message("a.example", records=(record(b"\xc0\x1b", A, V4),)),
        struct.pack("!6H", 7, 0x8180, 1, 0xFFFF, 0xFFFF, 0xFFFF) + QUESTION[12:],
        QUESTION[:11],
        QUESTION[:-1],
        CHAIN[:-3],
        b"",
    ],
    ids=[
        "to itself", "two-cycle", "forward", "label of 64", "name of 320", "no label", "into the header",
        "17 pointers", "owner to itself", "counts",
        "half a header", "half a question", "half a record", "nothing",
    ],
)  # fmt: skip
def test_message_that_contradicts_itself(payload: bytes) -> None:
    """Loops of pointers, names that cannot be and records that are not there are counted, and say nothing."""
    found, oddities = read(payload)
    assert found == dns.Message([], None)
    assert oddities.counts["dns_malformed"] == 1


@pytest.mark.parametrize(
    "payload", [struct.pack("!6H", 7, 0x0100, 0, 0, 0, 0), message("")], ids=["none", "root"]
)
def test_nothing_is_asked(payload: bytes) -> None:
    """A message without a question, or about the root, says nothing and is no nonsense."""
    found, oddities = read(payload)
    assert found == dns.Message([], None)
    assert not any(oddities.counts.values())


# ── over TCP ─────────────────────────────────────────────────────────────────────────────────────────────


def test_both_directions_over_tcp() -> None:
    """Questions and answers are read in their turn, in any pieces, and the next may be another matter."""
    for size in (0, 1, 2, 13):
        talk = Talk(ports=PORTS).say(CLIENT, over_tcp(QUESTION), size=size)
        assert talk.conversation.verdict is Verdict.AGAIN
        talk.say(SERVER, over_tcp(CHAIN, SERVICE), size=size)
        assert [one.message for one in talk.facts] == ["query", *["response"] * 4]
        assert talk.facts[0].end == len(QUESTION) + 2
        resolutions = talk.conversation.take_resolutions()
        assert [one.is_answer for one in resolutions] == [False, True, True]
        assert talk.conversation.take_resolutions() == []
        assert (talk.conversation.held, talk.counted()) == (0, {})


def test_half_a_message_is_not_the_end() -> None:
    """A flow is not given up between two halves of a message."""
    data = over_tcp(QUESTION)
    talk = Talk(ports=PORTS).say(CLIENT, data[:20])
    assert (talk.conversation.verdict, talk.conversation.held) == (Verdict.MORE, 20)
    assert len(talk.say(CLIENT, data[20:]).facts) == 1
    talk = Talk(ports=PORTS).say(CLIENT, data + over_tcp(bytes(9_000))[:7_000])
    assert (talk.conversation.verdict, talk.conversation.held) == (Verdict.MORE, 0)


def test_end_of_each_message() -> None:
    """Each message of a segment knows the sequence number behind it."""
    talk = Talk(ports=PORTS).say(CLIENT, over_tcp(QUESTION, QUESTION))
    assert [one.end for one in talk.facts] == [len(QUESTION) + 2, 2 * (len(QUESTION) + 2)]


def test_read_anew_between_messages() -> None:
    """Reading begins with any message, in the middle of a stream, too, and behind a rest that is none."""
    talk = Talk(ports=PORTS, again=True, midway=(CLIENT, SERVER))
    talk.say(SERVER, b"\0\0rest").say(SERVER, over_tcp(CHAIN))
    assert len(talk.facts) == 3


def test_pipelined_messages() -> None:
    """Of 500 questions in one segment 64 are read, and the rest is counted and given up."""
    talk = Talk(ports=PORTS).say(CLIENT, over_tcp(QUESTION) * 500)
    assert len(talk.facts) == dns.MAX_PIPELINED
    assert talk.counted() == {"dns_malformed": 1}
    assert (talk.conversation.verdict, talk.conversation.held) == (Verdict.NO, 0)
    in_turn = Talk(ports=PORTS).say(CLIENT, over_tcp(QUESTION) * 500, size=len(QUESTION) + 2)
    assert (len(in_turn.facts), in_turn.counted()) == (500, {})


def test_long_message_is_passed_over() -> None:
    """A message of more than 4 KiB is passed over without being held, and the one behind it is read."""
    data = over_tcp(QUESTION, bytes(65_535), QUESTION)
    for size in (0, 1_400):
        talk = Talk(ports=PORTS)
        for at in range(0, len(data), size or len(data)):
            talk.say(CLIENT, data[at : at + (size or len(data))])
            assert talk.conversation.held <= dns.MAX_MESSAGE
        assert len(talk.facts) == 2


@pytest.mark.parametrize("length", [0, 1, dns.HEADER])
def test_length_that_cannot_be(length: int) -> None:
    """A length below that of a header is counted where messages were read before, and ends the reading."""
    talk = Talk(ports=PORTS).say(CLIENT, over_tcp(QUESTION) + length.to_bytes(2, "big") + over_tcp(QUESTION))
    assert (len(talk.facts), talk.counted()) == (1, {"dns_malformed": 1})


def test_other_ports() -> None:
    """Away from its port nothing is taken for DNS."""
    assert Talk(ports=(40_000, 54)).say(CLIENT, over_tcp(QUESTION)).facts == []


def test_port_of_dns_hides_nothing() -> None:
    """What is no DNS message on its port is read as what it is."""
    subscribe = line({"id": 1, "method": "mining.subscribe", "params": ["cgminer/4.11.1"]})
    for size in (0, 1):
        assert Talk(ports=PORTS).say(CLIENT, subscribe, size=size).messages == ["mining.subscribe"]


def test_gap_in_a_stream() -> None:
    """Behind a gap no message begins at a known place, so the direction is given up."""
    talk = Talk(ports=PORTS).say(CLIENT, over_tcp(QUESTION))
    talk.conversation.read(Gap(CLIENT, 0, 0))
    assert len(talk.say(CLIENT, over_tcp(QUESTION)).facts) == 1


# ── fuzz entries ─────────────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=300, deadline=None)
@given(mangled(SEEDS) | st.binary(max_size=80))
def test_damaged_message(payload: bytes) -> None:
    """Fuzz entry: no message raises; one that is read has a name of at most 255 characters."""
    found, _ = read(payload)
    assert all(0 < len(str(one.values["dns.query"])) <= dns.MAX_NAME for one in found.facts)


@settings(max_examples=150, deadline=None)
@given(st.lists(mangled(SEEDS), max_size=6), pieces())
def test_damaged_stream(messages: list[bytes], sizes: list[int]) -> None:
    """Fuzz entry: damaged messages with true lengths say the same in any pieces, within the bounds."""
    data = over_tcp(*messages)
    whole, cut = Talk(ports=PORTS).say(CLIENT, data), read_in(sizes, CLIENT, data, ports=PORTS)
    assert whole.said == cut.said
    assert max(whole.conversation.held, cut.conversation.held) <= HELD


@settings(max_examples=100, deadline=None)
@given(mangled([over_tcp(QUESTION, CHAIN), over_tcp(QUESTION) * 3]), pieces())
def test_damaged_lengths(data: bytes, sizes: list[int]) -> None:
    """Fuzz entry: a stream whose lengths are damaged, too, never raises and stays within the bounds."""
    assert read_in(sizes, CLIENT, data, ports=PORTS).conversation.held <= 17_000
