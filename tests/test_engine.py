"""The engine: what passes the gate is read, matched, and told of the right host."""

from __future__ import annotations

import datetime as dt
import ipaddress
import itertools
from typing import TYPE_CHECKING

import dpkt
import frames as build
import pytest
import rulefolder
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from enginerun import NOTIFY, SECOND, SUBMIT, SUBSCRIBE, Run
from loadscript import script
from tenants import owners

from sniffer.model import Confidence
from sniffer.owners.table import Owner, Owners, Ownership
from sniffer.prepared import prepare
from sniffer.ruleset import RuleSet, load_rules

if TYPE_CHECKING:
    from pathlib import Path

    from sniffer.batch import Batch


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


def test_new_rules_apply_to_running_flows(ruleset: RuleSet, tmp_path: Path) -> None:
    """After a reload the next message of a running flow is matched by the new rules."""
    (tmp_path / "r.yaml").write_text(
        "- id: only-this\n  title: only this\n  severity: low\n  confidence: confirmed\n"
        "  match: {fact: stratum.method, equals: mining.submit}\n"
        "  examples: {hits: [{facts: {stratum.method: mining.submit}}], misses: [{facts: {stratum.method: x}}]}\n"
    )
    talk = build.Conversation().open().send(0, SUBSCRIBE)
    run = Run(ruleset).feed(talk)
    run.engine.set_rules(prepare(load_rules([tmp_path]), run.engine.gate.names.seed))
    talk.frames.clear()
    run.feed(talk.send(0, SUBMIT))
    assert [hit.rule.id for hit in run.hits] == ["stratum-v1-subscribe", "only-this"]


def test_the_paranoid_believe_the_plain_matcher(tmp_path: Path) -> None:
    """Where the index lost a rule, its hits are told all the same; each such message is an oddity, the rule is named."""
    talk = build.Conversation().open().send(0, SUBSCRIBE).send(0, SUBMIT).send(0, SUBMIT)
    match = "{fact: stratum.method, equals: mining.submit}"
    found = []
    for paranoid, breaks in ((False, False), (True, False), (True, True), (False, True)):
        rules = rulefolder.load_match(tmp_path / f"{paranoid}{breaks}", match)
        if breaks:
            rules._by_value.clear()
        engine = Run(rules, paranoid=paranoid).feed(talk).engine
        totals = engine.totals()
        found.append((totals.hits, totals.oddities["matcher_differs"], list(engine.differing)))
    assert found == [(2, 0, []), (2, 0, []), (2, 2, ["a-rule"]), (0, 0, [])]


def test_rules_that_go_or_change_their_meaning_in_mid_flow(tmp_path: Path) -> None:
    """A hit that waits is told once, as the rule was that made it; an id with a new meaning goes on, one that is gone is silent."""

    def rules(identifier: str, method: str, severity: str) -> RuleSet:
        folder = tmp_path / f"{identifier}-{method}"
        folder.mkdir()
        (folder / "r.yaml").write_text(
            f"- id: {identifier}\n  title: one\n  severity: {severity}\n  confidence: confirmed\n"
            f"  match: {{fact: stratum.method, equals: {method}}}\n"
            f"  examples: {{hits: [{{facts: {{stratum.method: {method}}}}}], misses: [{{facts: {{stratum.method: x}}}}]}}\n"
        )
        return load_rules([folder])

    run = Run(rules("own", "mining.submit", "high"))
    seed = run.engine.gate.names.seed
    talk = build.Conversation().open().send(0, SUBMIT, answered=False)
    run.feed(talk)
    assert not run.hits  # it waits
    talk.frames.clear()
    run.engine.set_rules(prepare(rules("own", "mining.subscribe", "low"), seed))
    run.feed(talk.send(0, SUBSCRIBE))
    talk.frames.clear()
    run.engine.set_rules(prepare(rules("other", "mining.submit", "low"), seed))
    run.feed(talk.send(0, SUBSCRIBE).send(0, SUBMIT))
    run.engine.finish()
    assert [(hit.rule.id, hit.rule.severity.label, hit.facts.message) for hit in run.hits] == [
        ("own", "high", "mining.submit"),
        ("own", "low", "mining.subscribe"),
        ("other", "low", "mining.submit"),
    ]
    totals = run.engine.totals()
    assert totals.hits == 3
    assert totals.packets == totals.passed + sum(totals.skipped.values())


@pytest.mark.parametrize(
    "match",
    [
        "{fact: client.ip, equals: 10.0.0.7}",
        "{fact: client.port, equals: 40000}",
        "{fact: server.ip, network_in: 203.0.113.0/24}",
        "{fact: server.port, equals: 3333}",
        "{fact: flow.transport, equals: tcp}",
    ],
)
def test_rules_may_ask_for_the_ends_of_a_flow(match: str, tmp_path: Path) -> None:
    """Facts of both ends are there for a rule that asks, whichever side speaks; none else is told apart by them."""
    wanted = f"{{all: [{{fact: mining.message, exists: true}}, {match}]}}"
    talk = build.Conversation().open().send(0, SUBSCRIBE).send(1, NOTIFY)
    other = (
        build.Conversation(client=("10.0.0.8", 40_001), server=("198.51.100.9", 4_444))
        .open()
        .send(0, SUBSCRIBE)
    )
    run = Run(rulefolder.load_match(tmp_path, wanted)).feed(talk).feed(other)
    hosts = [hit.host for hit in run.hits]
    assert hosts[:2] == [bytes([10, 0, 0, 7])] * 2
    assert len(hosts) == 2 + ("transport" in match)


@pytest.mark.parametrize("cut", [0, 1, 7])
def test_rules_may_ask_what_the_flow_told(cut: int, tmp_path: Path) -> None:
    """A share can be judged by the agent and the account of its session, not by those of a later login or another flow."""
    wanted = "{all: [{fact: stratum.method, equals: mining.submit}, {fact: flow.agent, starts_with: cgminer}, {fact: flow.user, equals: bc1qexample.rig1}]}"
    login = '{"id": 2, "method": "mining.authorize", "params": ["bc1qexample.rig1", "secret"]}\n'
    other = build.Conversation(client=("10.0.0.8", 40_001)).open().send(0, SUBMIT)
    talk = build.Conversation().open()
    bytes_sent = (SUBMIT.replace("bc1qexample", "bc1qother") + SUBSCRIBE + login + SUBMIT + SUBMIT).encode()
    for at in range(0, len(bytes_sent), cut or len(bytes_sent)):
        talk.send(0, bytes_sent[at : at + (cut or len(bytes_sent))])
    run = Run(rulefolder.load_match(tmp_path, wanted)).feed(other).feed(talk)
    run.engine.finish()
    assert [hit.host for hit in run.hits] == [bytes([10, 0, 0, 7])] * 2
    assert run.hits[0].match.reasons == (
        "stratum.method = mining.submit",
        "flow.agent starts_with cgminer (cgminer/4.11.1)",
        "flow.user = bc1qexample.rig1",
    )
    assert run.engine.totals().facts["flow.agent"] == 0  # a fact of the flow, not of a message


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


def labelled(frame: bytes, label: int) -> bytes:
    """The same frame with an MPLS label."""
    return frame[:12] + b"\x88\x47" + (label << 12 | 0x1FF).to_bytes(4, "big") + frame[14:]


@pytest.mark.parametrize("label", [17, 16_001])
def test_labels_of_both_directions_tell_the_tenant(ruleset: RuleSet, label: int) -> None:
    """Each direction has labels of its own; either may be what a tenant is known by, once it has been seen."""
    talk = build.Conversation().open()
    for _ in range(3):
        talk.send(0, SUBMIT)
    client = ipaddress.ip_address(talk.client[0]).packed
    frames = [
        (time, labelled(frame, 17 if frame[26:30] == client else 16_001)) for time, frame in talk.frames
    ]
    run = Run(ruleset, owners=Owners((Owner("park"),), mpls=((label, 0),)))
    run.engine.process(build.batch(frames))
    run.engine.finish()
    assert {(hit.tenant, hit.owned.why) for hit in run.hits} == {("park", f"mpls {label}")}
    assert len(run.hits) == 3
    nobody = Run(ruleset, owners=Owners((Owner("park"),), mpls=((label + 1, 0),)))
    nobody.engine.process(build.batch(frames))
    assert {hit.tenant for hit in nobody.hits} == {""}


def test_an_owner_may_change_within_a_flow(ruleset: RuleSet) -> None:
    """Each message is owned by whoever held the address when it was sent; the table may be replaced between two batches."""
    talk = build.Conversation().open()
    run = Run(ruleset, owners=owners(("a", "10.0.0.0/24")))
    run.feed(talk.send(0, SUBMIT))
    talk.frames.clear()
    run.engine.ownership = Ownership(owners(("b", "10.0.0.0/8")))
    run.feed(talk.send(0, SUBMIT))
    run.engine.finish()
    assert [hit.tenant for hit in run.hits] == ["a", "b"]


# ── what hosts that mine carry ───────────────────────────────────────────────────────────────────────────

HOST = bytes([10, 0, 0, 7])


def ordinary(count: int, start: int, *, host: str = "10.0.0.7", size: int = 1_000) -> Batch:
    """Datagrams that mean nothing, a millisecond apart."""
    frame = build.udp((host, 50_000), ("198.51.100.9", 50_001), bytes(size - 42))
    return build.batch([(start + i * build.MILLISECOND, frame) for i in range(count)])


def share_of(run: Run, since: int = 0) -> dict[bytes, tuple[int, int]]:
    """What was told of each host from some row on: mining that is in no tally, and everything else."""
    out: dict[bytes, tuple[int, int]] = {}
    for host, _, mining, other in run.carried[since:]:
        past = out.get(host, (0, 0))
        out[host] = past[0] + mining, past[1] + other
    return out


def test_all_that_a_miner_carries(ruleset: RuleSet) -> None:
    """Once it mines its other traffic is counted, minute by minute; who does not mine is nobody's business."""
    talk = build.Conversation().open().send(0, SUBMIT)
    run = Run(ruleset, traffic=True).feed(talk)
    start = talk.time
    for minute in range(3):
        for part in range(20):
            run.engine.process(ordinary(640, start + (minute * 60 + part) * SECOND))
        run.engine.process(ordinary(6_400, start + (minute * 60 + 20) * SECOND, host="10.0.0.8"))
    run.engine.finish()
    assert set(share_of(run)) == {HOST}
    assert [(time - start) // (60 * SECOND) for _, time, *_ in run.carried] == [-1, 0, 1]
    assert all(time % (60 * SECOND) == 0 for _, time, *_ in run.carried)
    # The batch with which a minute begins is still of the one before.
    assert [other for *_, other in run.carried] == [pytest.approx(12_800_000, rel=0.08)] * 3
    assert share_of(run)[HOST] == (0, pytest.approx(38_400_000, rel=0.01))
    assert run.watched == [HOST]


def test_nobody_asks_what_it_carries(ruleset: RuleSet) -> None:
    """Without a history no host is watched."""
    run = Run(ruleset).feed(build.Conversation().open().send(0, SUBMIT))
    run.engine.process(ordinary(640, 1_700_000_001 * SECOND))
    run.engine.finish()
    assert run.engine.gate.carried() == []


def test_mining_is_counted_once(ruleset: RuleSet) -> None:
    """Each frame of a session that mines is in its tally, or among the bare acknowledgements beside it; never elsewhere."""
    talk = build.Conversation().open().send(0, SUBSCRIBE).send(1, NOTIFY).send(0, SUBMIT)
    run = Run(ruleset, traffic=True).feed(talk)
    talk.frames.clear()
    for _ in range(3_000):
        talk.send(0, SUBMIT)
    truth = sum(len(frame) for _, frame in talk.frames)
    bare = sum(len(frame) for _, frame in talk.frames if len(frame) == 54)
    for first in range(0, len(talk.frames), 500):
        run.engine.process(build.batch(talk.frames[first : first + 500]))
    run.engine.finish()
    mining, other = share_of(run)[HOST]
    (tally,) = run.tallies
    counted = sum(row.bytes_up + row.bytes_down for row in tally.take())
    assert other == 0
    assert mining == pytest.approx(bare, rel=0.5)  # some fifty samples
    assert mining + counted == pytest.approx(truth, rel=0.12)


def test_mining_over_http_is_counted_once(ruleset: RuleSet) -> None:
    """The gate lets go of such a connection behind each message; its frames are no other traffic all the same."""
    body = '{"id":1,"method":"getwork","params":[]}'
    ask = f"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    talk = build.Conversation(server=("203.0.113.9", 8332)).open().send(0, ask)
    run = Run(ruleset, traffic=True).feed(talk)
    assert run.watched == [HOST]
    talk.frames.clear()
    for _ in range(2_000):
        talk.send(0, ask)
    for first in range(0, len(talk.frames), 500):
        run.engine.process(build.batch(talk.frames[first : first + 500]))
    run.engine.finish()
    assert share_of(run)[HOST][1] == 0


def test_a_flow_that_the_gate_forgot_is_marked_again(ruleset: RuleSet) -> None:
    """Driven out by a flood, it is known again with its next message; one frame at most is doubtful."""
    talk = build.Conversation().open().send(0, SUBMIT)
    run = Run(ruleset, traffic=True).feed(talk)
    run.engine.gate.flows.hashes[:] = 0
    run.engine.gate.flows.flows[:] = 0
    for _ in range(5):
        talk.frames.clear()
        run.feed(talk.send(0, SUBMIT))
    assert run.engine.gate.flows.flows["mines"].sum() == 1


def test_who_goes_on_mining_says_so(ruleset: RuleSet) -> None:
    """Every ten minutes, for as long as it does; another engine that is told counts what goes by there."""
    talk = build.Conversation().open()
    run, other = Run(ruleset, traffic=True), Run(ruleset, traffic=True)
    for _ in range(40):
        talk.frames.clear()
        talk.time += 60 * SECOND
        run.feed(talk.send(0, SUBMIT))
    assert run.watched == [HOST] * 4
    other.engine.process(ordinary(640, talk.time))
    other.engine.watch(HOST)
    other.engine.process(ordinary(6_400, talk.time + SECOND))
    other.engine.finish()
    assert share_of(other)[HOST] == (0, pytest.approx(6_400_000, rel=0.03))
    assert other.watched == []
