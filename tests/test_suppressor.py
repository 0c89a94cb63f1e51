"""Suppressed hits: counted, never told, and nothing else is."""

from __future__ import annotations

import itertools
from collections import Counter
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import dpkt
import frames as build
import pytest
import rulefolder
from enginerun import SECOND, SUBMIT, Run
from tenants import owners

from sniffer.model import Confidence, Match
from sniffer.prepared import prepare
from sniffer.ruleset import load_rules
from sniffer.suppressor import MAX_COUNTS, OVERFLOW, Suppressor

if TYPE_CHECKING:
    from pathlib import Path

    from sniffer.ruleset import RuleSet

SOON = (datetime.now(UTC).date() + timedelta(days=30)).isoformat()
RULES = """
- id: submits
  title: A share
  severity: high
  confidence: confirmed
  match: {fact: stratum.method, equals: mining.submit}
  examples: {hits: [{facts: {stratum.method: mining.submit}}], misses: [{facts: {stratum.method: x}}]}
- id: asks
  title: A question
  severity: low
  confidence: suspected
  match: {any: [{fact: dns.query, in: "@pool"}, {fact: dns.answer, in: "@pool"}]}
  examples: {hits: [{dns: pool.example}], misses: [{dns: a.example}]}
"""


def rules(folder: Path, *entries: str, until: str = SOON) -> RuleSet:
    """The rules above with entries in flow style."""
    lines = "".join(f"- {{{entry}, reason: a test, until: {until}}}\n" for entry in entries)
    files = {"rules.yaml": RULES, "allow.yaml": f"allow:\n{lines}" if lines else "allow: []\n"}
    return load_rules([rulefolder.write(folder, files)])


def one_rule(folder: Path, match: str, *entries: str) -> RuleSet:
    """A rule that asks ``match``, with entries in flow style."""
    lines = "".join(f"- {{{entry}, reason: a test, until: {SOON}}}\n" for entry in entries)
    files = {"rules.yaml": rulefolder.RULE.format(match=match)}
    return load_rules(
        [rulefolder.write(folder, {**files, **({"allow.yaml": f"allow:\n{lines}"} if lines else {})})]
    )


def told(run: Run) -> Counter[str]:
    """Hits by rule."""
    return Counter(hit.rule.id for hit in run.hits)


def shares(number: int, client: str = "10.0.0.7") -> build.Conversation:
    """A session with so many shares."""
    talk = build.Conversation(client=(client, 40_000)).open()
    for _ in range(number):
        talk.send(0, SUBMIT)
    return talk


def answer(*names: str) -> bytes:
    """An answer of DNS that leads from the first name to the last."""
    records = [
        dpkt.dns.DNS.RR(name=owner, type=5, cls=1, ttl=60, cname=alias)
        for owner, alias in itertools.pairwise(names)
    ]
    return bytes(dpkt.dns.DNS(id=7, qr=1, qd=[dpkt.dns.DNS.Q(name=names[0], type=1)], an=records))


def test_hits_and_suppressed_ones_make_all(tmp_path: Path) -> None:
    """Of two miners one is known: his hits are counted by rule and by entry, without a hit or a line; the other's are told."""
    talk, other = shares(3), shares(2, "10.0.0.8")
    plain, run = Run(rules(tmp_path)), Run(rules(tmp_path, "address: 10.0.0.7, rule: submits"))
    for one in (plain, run):
        one.feed(talk).feed(other)
    totals = run.engine.totals()
    assert told(run) == {"submits": 2} == {"submits": totals.hits}
    assert {hit.host for hit in run.hits} == {bytes([10, 0, 0, 8])}
    assert len(run.events) == 1
    (entry,) = run.engine.ruleset.suppressions.entries
    assert (totals.suppressed, totals.suppressed_by) == ({"submits": 3}, {entry.key: 3})
    assert totals.hits + sum(totals.suppressed.values()) == len(plain.hits) == 5
    assert totals.facts == plain.engine.totals().facts


def test_by_tenant(tmp_path: Path) -> None:
    """Whose an address is decides."""
    run = Run(rules(tmp_path, "tenant: lab"), owners=owners(("lab", "10.0.0.7/32")))
    run.feed(shares(3)).feed(shares(2, "10.0.0.8"))
    assert (told(run), run.engine.totals().suppressed) == ({"submits": 2}, {"submits": 3})


@pytest.mark.parametrize(("per", "suppressed"), [("flow", 3), ("host", 5)])
def test_rules_that_count(per: str, suppressed: int, tmp_path: Path) -> None:
    """By flow, hits are suppressed; by host, each message, none of which is told to whoever counts.  The books balance."""
    match = f"{{count: {{at_least: 3, within: 60s, per: {per}, of: {{fact: stratum.method, equals: mining.submit}}}}}}"
    allowed = one_rule(tmp_path, match, "address: 10.0.0.7")
    talk, other = shares(5), shares(4, "10.0.0.8")
    plain, run = Run(one_rule(tmp_path / "plain", match)), Run(allowed)
    for one in (plain, run):
        one.feed(talk).feed(other).engine.finish()
    totals = run.engine.totals()
    assert [hit.host[3] for hit in plain.hits] == [7, 7, 7, 8, 8]
    assert [hit.host[3] for hit in run.hits] == [8, 8]
    assert totals.suppressed == {"a-rule": suppressed}
    below = totals.sightings - totals.hits - suppressed
    assert (totals.sightings, below) == (9, 9 - 2 - suppressed)
    if per == "host":
        seen: list[int] = []
        worker = Run(allowed, sighting=lambda sighting, _: seen.append(sighting.host[3]))
        worker.feed(talk).feed(other).engine.finish()
        assert seen == [8] * 4


def test_bytes_that_no_reader_knows(tmp_path: Path) -> None:
    """Openings of flows and datagrams of an allowed address are suppressed, those of another told, as sure as ever."""
    match = "{payload: {starts_with: HELLO-MINE, transport: any}}"
    run = Run(one_rule(tmp_path, match, "address: 10.0.0.7"))
    for client in ("10.0.0.7", "10.0.0.8"):
        run.feed(build.Conversation(client=(client, 40_000)).open().send(0, b"HELLO-MINE v1\n"))
        datagram = build.udp((client, 5_000), ("203.0.113.9", 4_000), b"HELLO-MINE v1")
        run.engine.process(build.batch([(SECOND * 1_700_000_100, datagram)]))
    run.engine.finish()
    told = [(hit.host[3], hit.confidence) for hit in run.hits]
    assert told == [(8, Confidence.CONFIRMED), (8, Confidence.PROBABLE)]
    assert run.engine.totals().suppressed == {"a-rule": 2}


def test_a_domain_is_that_of_the_event(tmp_path: Path) -> None:
    """A question for a name below the domain is suppressed, one for another name of the pool is not."""
    run = Run(rules(tmp_path, "domain: eu.pool.example"))
    names = ("a.eu.pool.example", "us.pool.example")
    frames = [
        build.udp(("10.0.0.7", 5_000 + number), ("10.0.0.1", 53), bytes(dpkt.dns.DNS(id=7, qd=[question])))
        for number, question in enumerate(dpkt.dns.DNS.Q(name=name, type=1) for name in names)
    ]
    run.engine.process(build.batch([(SECOND * (n + 1), frame) for n, frame in enumerate(frames)]))
    assert [hit.facts.values["dns.query"] for hit in run.hits] == ["us.pool.example"]
    assert run.engine.totals().suppressed == {"asks": 1}


def test_one_name_of_an_answer_does_not_hide_another(tmp_path: Path) -> None:
    """An answer with two listed names is one hit; if one of them is known, the other is told, and only the other."""
    frame = build.udp(
        ("10.0.0.1", 53), ("10.0.0.7", 5_000), answer("a.pool.example", "b.stratum.pool.example")
    )
    plain, run = Run(rules(tmp_path)), Run(rules(tmp_path, "domain: stratum.pool.example"))
    everything = Run(rules(tmp_path, "domain: pool.example"))
    for one in (plain, run, everything):
        one.engine.process(build.batch([(SECOND, frame)]))
    assert (len(plain.hits), len(run.hits), len(everything.hits)) == (1, 1, 0)
    assert run.hits[0].facts.values.get("dns.answer") != "b.stratum.pool.example"
    assert everything.engine.totals().suppressed == {"asks": 2}


def test_an_entry_that_ends_in_mid_flow(tmp_path: Path) -> None:
    """From the end of its last day on hits are told, by packet time, the first of them with a line that counts from 1."""
    over = int(datetime(2026, 11, 24, tzinfo=UTC).timestamp()) * 10**9
    talk = build.Conversation(time=over - 2 * SECOND).open().send(0, SUBMIT).send(0, SUBMIT)
    talk.time = over
    talk.send(0, SUBMIT).send(0, SUBMIT)
    run = Run(rules(tmp_path, "rule: submits", until="2026-11-23")).feed(talk)
    assert (told(run), run.engine.totals().suppressed) == ({"submits": 2}, {"submits": 2})
    assert [(rule, count) for rule, _, count in run.events] == [("submits", 1)]


def test_new_entries_count_from_the_next_packet_on(tmp_path: Path) -> None:
    """A flow that mines when entries change is told before, and after, exactly as they say; what waits is told as they say then."""
    talk = shares(2)
    run = Run(rules(tmp_path)).feed(talk)
    seed = run.engine.gate.names.seed
    talk.frames.clear()
    run.engine.set_rules(prepare(rules(tmp_path, "address: 10.0.0.7"), seed))
    run.feed(talk.send(0, SUBMIT).send(0, SUBMIT).send(0, SUBMIT))
    talk.frames.clear()
    run.engine.set_rules(prepare(rules(tmp_path), seed))
    run.feed(talk.send(0, SUBMIT))
    assert (told(run), run.engine.totals().suppressed) == ({"submits": 3}, {"submits": 3})
    waits = Run(rules(tmp_path)).feed(build.Conversation().send(0, SUBMIT, answered=False))
    waits.engine.set_rules(prepare(rules(tmp_path, "address: 10.0.0.7"), waits.engine.gate.names.seed))
    waits.engine.finish()
    assert (told(waits), waits.engine.totals().suppressed) == ({}, {"submits": 1})


def test_a_flood_of_names_is_counted_together(tmp_path: Path) -> None:
    """However many rules reloads bring, so many are counted by name and the others together; the sum is exact."""
    suppressor = Suppressor()
    suppressor.suppressions = rules(tmp_path, "address: 10.0.0.7").suppressions
    for number in range(MAX_COUNTS + 500):
        hit: Any = SimpleNamespace(
            rule=SimpleNamespace(id=f"r{number}"),
            facts=SimpleNamespace(values={}, time=SECOND),
            host=bytes([10, 0, 0, 7]),
            server=None,
            tenant="",
            match=Match(True),
        )
        assert suppressor.suppresses(hit)
    assert sum(suppressor.by_rule.values()) == sum(suppressor.by_entry.values()) == MAX_COUNTS + 500
    assert len(suppressor.by_rule) == MAX_COUNTS + 1
    assert suppressor.by_rule[OVERFLOW] == 500
