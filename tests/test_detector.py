"""From facts to detections: which rules match, also after a reload, and whose the host is."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

import frames as build
import pytest
import rulefolder
from enginerun import NOTIFY, SUBMIT, SUBSCRIBE, Run
from tenants import owners

from sniffer.owners.table import Owner, Owners, Ownership
from sniffer.prepared import prepare
from sniffer.ruleset import RuleSet, load_rules

if TYPE_CHECKING:
    from pathlib import Path


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
    run.engine.set_ownership(Ownership(owners(("b", "10.0.0.0/8"))))
    run.feed(talk.send(0, SUBMIT))
    run.engine.finish()
    assert [hit.tenant for hit in run.hits] == ["a", "b"]
