"""The engine: what passes the gate is read, matched, and told of the right host."""

from __future__ import annotations

import datetime as dt
import ipaddress
import itertools
from typing import TYPE_CHECKING

import dpkt
import frames as build
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from enginerun import NOTIFY, SECOND, SUBMIT, SUBSCRIBE, Run
from loadscript import script

from sniffer.model import Confidence

if TYPE_CHECKING:
    from sniffer.ruleset import RuleSet


def test_retransmission_counts_once(ruleset: RuleSet) -> None:
    """The same segment twice is one hit."""
    talk = build.Conversation().open().send(0, SUBMIT)
    talk.frames.insert(4, talk.frames[3])
    assert len(Run(ruleset).feed(talk).hits) == 1


@pytest.mark.parametrize("family", [4, 6])
def test_each_packet_twice_is_told_and_counts_once(ruleset: RuleSet, family: int) -> None:
    """Of a path that is mirrored twice, hits are those of one mirror, and half of what is looked at came twice."""
    server = ("203.0.113.9", 3333) if family == 4 else ("2001:db8::9", 3333)
    base = "10.0.0." if family == 4 else "2001:db8:7::"
    once, twice = Run(ruleset), Run(ruleset)
    for number in range(1, 129):
        talk = build.Conversation(client=(f"{base}{number}", 40_000), server=server).open()
        talk.send(0, SUBSCRIBE).send(0, SUBMIT).send(1, NOTIFY)
        once.feed(talk)
        talk.frames = [
            pair for time, frame in talk.frames for pair in ((time, frame), (time + 90_000, frame))
        ]
        twice.feed(talk)
    totals = twice.engine.totals()
    assert [hit.host for hit in twice.hits] == [hit.host for hit in once.hits]
    assert len(twice.hits) >= 128
    assert totals.segments_sampled >= 6  # of 128 flows one in sixteen, with three segments each, twice
    assert 2 * totals.oddities["duplicate_packet"] == totals.segments_sampled
    assert once.engine.totals().oddities["duplicate_packet"] == 0
    assert (
        once.engine.totals().oddities["stream_conflict"]
        == twice.engine.totals().oddities["stream_conflict"]
        == 0
    )


def question(name: str) -> bytes:
    """A DNS question."""
    return bytes(dpkt.dns.DNS(id=7, qd=[dpkt.dns.DNS.Q(name=name, type=1)]))


def test_dns_question(ruleset: RuleSet) -> None:
    """A question for a pool is suspected, names the asking host and no server; the same datagram twice is one hit."""
    frame = build.udp(("10.0.0.9", 5353), ("10.0.0.1", 53), question("xmr-eu1.nanopool.org"))
    benign = build.udp(("10.0.0.9", 5354), ("10.0.0.1", 53), question("0.pool.ntp.org"))
    run = Run(ruleset)
    run.engine.process(build.batch([(SECOND, frame), (SECOND + 1, frame), (SECOND + 2, benign)]))
    (hit,) = run.hits
    assert (hit.rule.id, hit.confidence, hit.server) == ("pool-dns", Confidence.SUSPECTED, None)
    assert hit.host == bytes([10, 0, 0, 9])
    assert run.engine.totals().oddities["duplicate_packet"] == 1
    assert hit.flow_id


def test_books_balance(ruleset: RuleSet) -> None:
    """What came in equals what passed and what was skipped, and every declared family is present."""
    run = Run(ruleset).feed(build.Conversation().open().send(0, SUBSCRIBE).send(1, NOTIFY).close())
    totals = run.engine.totals()
    assert totals.packets == totals.passed + sum(totals.skipped.values()) == 9
    assert totals.interfaces["test"].packets == 9
    assert totals.hits == len(run.hits) == 2


def test_http_flow_stays_open_for_the_next_request(ruleset: RuleSet) -> None:
    """An ordinary request does not end a connection's examination: the next one may be for a pool."""
    talk = build.Conversation(server=("203.0.113.9", 80)).open()
    answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    for host in ("btc.f2pool.com", "www.example.com", "btc.f2pool.com"):
        talk.send(0, f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").send(1, answer)
    run = Run(ruleset)
    for frame in talk.frames:
        run.engine.process(build.batch([frame]))
    run.engine.finish()
    assert [hit.rule.id for hit in run.hits] == ["pool-http", "pool-http"]


# ── names and addresses ──────────────────────────────────────────────────────────────────────────────────

RESOLVER = ("10.0.0.1", 53)
POOL_ADDRESS = "203.0.113.80"
POOL_NAME = "btc.f2pool.com"


def resolution(
    name: str, *addresses: str, aliases: tuple[str, ...] = (), seconds: int = 300, number: int = 7
) -> tuple[bytes, bytes]:
    """A question and its answer."""
    asked = dpkt.dns.DNS.Q(name=name, type=1)
    owners = [name, *aliases]
    records = [
        dpkt.dns.DNS.RR(name=owner, type=5, cls=1, ttl=seconds, cname=alias)
        for owner, alias in itertools.pairwise(owners)
    ]
    records += [
        dpkt.dns.DNS.RR(
            name=owners[-1], type=1, cls=1, ttl=seconds, rdata=b"", ip=ipaddress.ip_address(address).packed
        )
        for address in addresses
    ]
    question = dpkt.dns.DNS(id=number, qd=[asked])
    reply = dpkt.dns.DNS(id=number, qr=1, qd=[asked], an=records)
    return bytes(question), bytes(reply)


def looked_up(run: Run, pair: tuple[bytes, bytes], *, at: int, host: str = "10.0.0.9") -> Run:
    """A host asks, and gets its answer."""
    asker = (host, 5_353)
    frames = [
        (at, build.udp(asker, RESOLVER, pair[0])),
        (at + build.MILLISECOND, build.udp(RESOLVER, asker, pair[1])),
    ]
    run.engine.process(build.batch([frame for frame in frames if len(frame[1]) > 42]))
    return run


def sealed(run: Run, *, at: int, address: str = POOL_ADDRESS, host: str = "10.0.0.7", name: str = "") -> Run:
    """A TLS session with an address; the hello names a host, or none."""
    craft = script("pcaps/craft.py")
    hello = craft.client_hello(craft.Capture("x"), name) if name else NAMELESS
    talk = build.Conversation(client=(host, 40_000), server=(address, 8_443), time=at).open()
    return run.feed(talk.send(0, hello).send(1, SERVER_HELLO).send(0, b"\x17\x03\x03\x00\x50" + bytes(80)))


def test_session_with_a_learned_address(ruleset: RuleSet) -> None:
    """A flow that names no host, to an address that DNS gave to a pool, is probable, with the name; whoever asked."""
    start = 1_700_000_000 * SECOND
    run = looked_up(Run(ruleset), resolution(POOL_NAME, POOL_ADDRESS), at=start)
    run.hits.clear()
    sealed(run, at=start + SECOND)
    (hit,) = run.hits
    assert (hit.rule.id, hit.confidence, hit.facts.protocol) == (
        "pool-address",
        Confidence.PROBABLE,
        "pool-address",
    )
    assert (hit.host, hit.server_port) == (bytes([10, 0, 0, 7]), 8_443)
    assert hit.facts.values["address.name"] == POOL_NAME
    assert hit.match.endpoint is not None


def test_an_answer_and_the_flow_after_it_in_one_batch(ruleset: RuleSet) -> None:
    """An address learned from DNS counts from the next frame on, however few batches the frames come in."""
    start = 1_700_000_000 * SECOND
    asker = ("10.0.0.7", 5_353)
    question, answer = resolution(POOL_NAME, POOL_ADDRESS, seconds=60)
    early, late = (
        build.Conversation(("10.0.0.7", port), (POOL_ADDRESS, 8_443), time=start + wait * SECOND)
        .open()
        .send(0, NAMELESS)
        .send(1, SERVER_HELLO)
        .send(0, b"\x17\x03\x03\x00\x50" + bytes(80))
        for port, wait in ((40_000, 1), (40_001, 120))
    )
    lookup = [(start, build.udp(asker, RESOLVER, question)), (start + 1, build.udp(RESOLVER, asker, answer))]
    run = Run(ruleset)
    run.engine.process(build.batch([*lookup, *early.frames, *late.frames]))
    assert [hit.rule.id for hit in run.hits] == ["pool-dns", "pool-dns", "pool-address"]
    assert run.hits[-1].facts.time < late.frames[0][0]


def test_learned_address_is_forgotten(ruleset: RuleSet) -> None:
    """When the answer's time is over, the address says nothing any more."""
    start = 1_700_000_000 * SECOND
    run = looked_up(Run(ruleset), resolution(POOL_NAME, POOL_ADDRESS, seconds=60), at=start)
    run.hits.clear()
    assert not sealed(run, at=start + 120 * SECOND).hits


def test_learned_through_aliases(ruleset: RuleSet) -> None:
    """A chain of aliases that passes through a pool's name leads to it, also where the question is not listed."""
    start = 1_700_000_000 * SECOND
    pair = resolution("mine.tenant.example", POOL_ADDRESS, aliases=(POOL_NAME, "edge.cdn.example"))
    run = looked_up(Run(ruleset), pair, at=start)
    run.hits.clear()
    assert [hit.rule.id for hit in sealed(run, at=start + SECOND).hits] == ["pool-address"]


@pytest.mark.parametrize("name", ["www.example.com", "cdn.example.net"])
def test_a_name_in_the_flow_explains_it(ruleset: RuleSet, name: str) -> None:
    """Where the flow itself names another host, the learned address accuses nobody."""
    start = 1_700_000_000 * SECOND
    run = looked_up(Run(ruleset), resolution(POOL_NAME, POOL_ADDRESS), at=start)
    run.hits.clear()
    assert not sealed(run, at=start + SECOND, name=name).hits


def test_unasked_answer_accuses_nobody(ruleset: RuleSet) -> None:
    """A forged answer that nobody asked for does not make its address a pool."""
    start = 1_700_000_000 * SECOND
    run = looked_up(Run(ruleset), (b"", resolution(POOL_NAME, POOL_ADDRESS)[1]), at=start)
    run.hits.clear()
    assert not sealed(run, at=start + SECOND).hits
    assert run.engine.totals().oddities["dns_unasked"] == 1


def test_mining_messages_carry_the_learned_name(ruleset: RuleSet) -> None:
    """Where mining is read, the address adds its name, and no hit of its own; a fee host is told apart."""
    start = 1_700_000_000 * SECOND
    run = looked_up(Run(ruleset), resolution("donate.v2.xmrig.com", POOL_ADDRESS), at=start)
    run.hits.clear()
    login = (
        '{"id":1,"jsonrpc":"2.0","method":"login","params":{"login":"x","pass":"x","agent":"XMRig/6.26.0"}}\n'
    )
    talk = build.Conversation(server=(POOL_ADDRESS, 3_333), time=start + SECOND).open().send(0, login)
    run.feed(talk)
    assert sorted(hit.rule.id for hit in run.hits) == ["cryptonote-login", "developer-fee-session"]
    assert {hit.facts.values["server.name"] for hit in run.hits} == {"donate.v2.xmrig.com"}


def test_dns_over_tcp(ruleset: RuleSet) -> None:
    """Questions and answers over TCP are read one by one, and teach addresses as well."""
    run = Run(ruleset)
    question, reply = resolution(POOL_NAME, POOL_ADDRESS)
    other, _ = resolution("www.example.com", "203.0.113.1", number=8)
    talk = build.Conversation(client=("10.0.0.9", 40_001), server=RESOLVER).open()
    for side, message in ((0, question), (1, reply), (0, other), (0, question)):
        talk.send(side, len(message).to_bytes(2, "big") + message)
    for frame in talk.frames:
        run.engine.process(build.batch([frame]))
    assert [(hit.rule.id, hit.facts.message, hit.server) for hit in run.hits] == [
        ("pool-dns", "query", None),
        ("pool-dns", "response", None),
        ("pool-dns", "query", None),
    ]
    run.hits.clear()
    assert [hit.rule.id for hit in sealed(run, at=talk.time + SECOND).hits] == ["pool-address"]


def test_quic_names_a_pool(ruleset: RuleSet) -> None:
    """A pool's name in a QUIC Initial is probable, with the server's address; other names are nothing."""
    craft, quic = script("pcaps/craft.py"), script("pcaps/initials.py")
    run = Run(ruleset)
    frames = []
    for number, name in enumerate((POOL_NAME, "www.example.com")):
        hello = quic.message(craft.client_hello(craft.Capture("q"), name, post_quantum=True))
        frames += [
            (SECOND + number, build.udp(("10.0.0.9", 50_000 + number), (POOL_ADDRESS, 443), datagram))
            for datagram in quic.initials(hello, bytes(range(8)))
        ]
    run.engine.process(build.batch(frames))
    (hit,) = run.hits
    assert (hit.rule.id, hit.facts.protocol, hit.confidence) == ("pool-tls", "pool-quic", Confidence.PROBABLE)
    assert (hit.host, hit.server_port) == (bytes([10, 0, 0, 9]), 443)
    assert hit.facts.values["tls.ja4"].startswith("q13d")


def test_resolvers_are_a_fact(ruleset: RuleSet) -> None:
    """A session with a known resolver is counted, by name or by address, and accuses nobody."""
    run = Run(ruleset)
    sealed(run, at=SECOND, address="203.0.113.53", name="dns.google")
    assert run.engine.totals().facts["doh.resolver"] == 1
    talk = build.Conversation(server=("1.1.1.1", 443), time=9 * SECOND).open()
    run.feed(talk.send(0, NAMELESS).send(1, SERVER_HELLO))
    assert run.engine.totals().facts["doh.resolver"] == 2
    assert not run.hits


def test_nodes_of_coins_are_a_fact(ruleset: RuleSet) -> None:
    """Nodes that greet each other are counted, and accuse nobody."""
    hello = bytes.fromhex("f9beb4d9") + b"version\0\0\0\0\0" + bytes(20)
    run = Run(ruleset).feed(build.Conversation(server=("203.0.113.9", 8_333)).open().send(0, hello))
    assert run.engine.totals().facts["p2p.network"] == 1
    assert not run.hits


def test_certificate_names_a_pool(ruleset: RuleSet) -> None:
    """Where a hello names no host, the certificate of TLS 1.2 does; several names of one are one hit."""
    flight = server_flight("xmr-eu1.nanopool.org", "xmr-us1.nanopool.org")
    talk = build.Conversation(server=("203.0.113.9", 443)).open().send(0, NAMELESS).send(1, flight)
    run = Run(ruleset).feed(talk)
    (hit,) = run.hits
    assert (hit.rule.id, hit.confidence, hit.host) == (
        "pool-certificate",
        Confidence.PROBABLE,
        bytes([10, 0, 0, 7]),
    )


def test_machine_that_is_asked_is_the_miner(ruleset: RuleSet) -> None:
    """In management, the host that is reported is the machine, whoever speaks."""
    talk = build.Conversation(client=("10.0.0.2", 40_000), server=("10.0.0.60", 4_028)).open()
    reply = '{"STATUS":[{"STATUS":"S","When":1,"Msg":"Summary","Description":"cgminer 4.11.1"}],"SUMMARY":[{"GHS av":13500}],"id":1}\0'
    run = Run(ruleset).feed(talk.send(0, '{"command":"summary"}').send(1, reply))
    assert [(hit.rule.id, hit.host) for hit in run.hits] == [("miner-api", bytes([10, 0, 0, 60]))] * 2
    assert run.hits[1].facts.values["mining.hashrate"] == 13.5e12


def server_flight(*names: str) -> bytes:
    """ServerHello and Certificate of TLS 1.2, with a self-signed certificate of these names."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])])
    day = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(day)
        .not_valid_after(day + dt.timedelta(days=365))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.DER)
    )
    chain = len(certificate).to_bytes(3, "big") + certificate
    body = len(chain).to_bytes(3, "big") + chain
    hello = b"\x03\x03" + bytes(32) + b"\0" + b"\xc0\x2f\0"
    messages = b"".join(
        bytes([kind]) + len(message).to_bytes(3, "big") + message
        for kind, message in ((2, hello), (11, body))
    )
    return b"\x16\x03\x03" + len(messages).to_bytes(2, "big") + messages


def nameless_hello() -> bytes:
    """A ClientHello without extensions."""
    body = b"\x03\x03" + bytes(32) + b"\0" + b"\0\x02\xc0\x2f" + b"\1\0"
    message = b"\1" + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x01" + len(message).to_bytes(2, "big") + message


NAMELESS = nameless_hello()
SERVER_HELLO = server_flight("203.0.113.9")
