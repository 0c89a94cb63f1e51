"""When a hit is counted, how sure it is, when a line is due."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dpkt
import frames as build
from enginerun import NOTIFY, SECOND, SUBMIT, SUBSCRIBE, Run

from sniffer import reporter
from sniffer.model import Confidence
from sniffer.reporter import MAX_DATAGRAM_FLOWS, MAX_WAITING

if TYPE_CHECKING:
    import pytest

    from sniffer.ruleset import RuleSet


def test_answered_message_is_confirmed(ruleset: RuleSet) -> None:
    """A mining message that the peer acknowledged is confirmed, with host and server the right way round."""
    run = Run(ruleset).feed(build.Conversation().open().send(0, SUBSCRIBE))
    (hit,) = run.hits
    assert (hit.rule.id, hit.confidence) == ("stratum-v1-subscribe", Confidence.CONFIRMED)
    assert hit.host == bytes([10, 0, 0, 7])
    assert hit.server == bytes([203, 0, 113, 9])
    assert hit.server_port == 3333
    assert hit.seen == "both"


def test_hits_of_a_flow_that_was_answered_wait_no_more(ruleset: RuleSet) -> None:
    """Once a flow was answered, a message counts with its own packet, before anybody has acknowledged it."""
    talk = build.Conversation().open().send(0, SUBSCRIBE)
    run = Run(ruleset).feed(talk)
    talk.frames.clear()
    run.feed(talk.send(0, SUBMIT, answered=False))
    assert [hit.rule.id for hit in run.hits] == ["stratum-v1-subscribe", "stratum-v1-submit"]
    assert run.levels == [Confidence.CONFIRMED, Confidence.CONFIRMED]


def test_spoofed_segment_is_never_confirmed(ruleset: RuleSet) -> None:
    """One forged segment without an answer waits, then goes out as probable at most."""
    run = Run(ruleset).feed(build.Conversation().send(0, SUBMIT, answered=False))
    assert not run.hits
    run.engine.tick(idle=6 * SECOND)
    assert run.levels == [Confidence.PROBABLE]


def test_silence_does_not_count_twice(ruleset: RuleSet) -> None:
    """A quiet spell is over with the next packet, whose own time tells of it."""
    run = Run(ruleset)
    talk = build.Conversation().open()
    run.feed(talk)
    run.engine.tick(idle=100 * SECOND)
    talk.frames.clear()
    talk.time += 100 * SECOND
    run.feed(talk.send(0, SUBMIT, answered=False))
    assert 100 * SECOND <= run.engine.now < 101 * SECOND
    run.engine.tick(idle=4 * SECOND)
    assert not run.hits
    run.engine.tick(idle=2 * SECOND)
    assert run.levels == [Confidence.PROBABLE]


def test_reset_is_no_answer(ruleset: RuleSet) -> None:
    """A peer that answers with RST does not confirm what it never asked for."""
    talk = build.Conversation().send(0, SUBMIT, answered=False)
    talk._add(1, build.RST | build.ACK)
    run = Run(ruleset).feed(talk)
    run.engine.finish()
    assert run.levels == [Confidence.PROBABLE]


def test_server_side_alone(ruleset: RuleSet) -> None:
    """The pool's direction alone, joined midway, accuses the destination, as probable."""
    talk = build.Conversation()
    talk.send(1, NOTIFY, answered=False).send(1, NOTIFY, answered=False)
    run = Run(ruleset).feed(talk)
    run.engine.finish()
    assert run.levels == [Confidence.PROBABLE] * 2
    assert {hit.host for hit in run.hits} == {bytes([10, 0, 0, 7])}
    assert {hit.seen for hit in run.hits} == {"server"}


def test_one_sided_mirror_does_not_wait(ruleset: RuleSet) -> None:
    """Where the mirror is one-sided by design, hits go out at once."""
    run = Run(ruleset, one_sided=True).feed(build.Conversation().send(1, NOTIFY, answered=False))
    assert run.levels == [Confidence.PROBABLE]


def test_event_lines(ruleset: RuleSet) -> None:
    """A line when a rule first matches in a flow, then a reminder with the running count after the interval."""
    talk = build.Conversation().open()
    for _ in range(3):
        talk.send(0, SUBMIT)
    talk.time += 700 * SECOND
    talk.send(0, SUBMIT)
    run = Run(ruleset).feed(talk)
    assert run.events == [
        ("stratum-v1-submit", Confidence.CONFIRMED, 1),
        ("stratum-v1-submit", Confidence.CONFIRMED, 4),
    ]


def test_event_again_when_surer(ruleset: RuleSet) -> None:
    """A second line comes when the confidence rises."""
    talk = build.Conversation()
    talk.send(0, SUBMIT, answered=False)
    talk.time += 10 * SECOND
    talk.send(0, SUBMIT)
    run = Run(ruleset).feed(talk)
    assert [confidence for _, confidence, _ in run.events] == [
        Confidence.PROBABLE,
        Confidence.CONFIRMED,
    ] or run.levels == [Confidence.CONFIRMED] * 2


def test_what_waits_is_bounded(ruleset: RuleSet) -> None:
    """However many hits of a flow wait for an answer, only so many are kept; the others go out as probable."""
    talk = build.Conversation()
    for _ in range(MAX_WAITING + 10):
        talk.send(0, SUBMIT, answered=False)
    run = Run(ruleset, answer_wait=3600 * SECOND).feed(talk)
    assert run.levels == [Confidence.PROBABLE] * 10
    run.engine.finish()
    assert len(run.hits) == MAX_WAITING + 10


def test_flows_that_wait_are_bounded(ruleset: RuleSet, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood of flows whose miners nobody answers: the oldest goes out as probable, none is lost."""
    monkeypatch.setattr(reporter, "MAX_FLOWS_WAITING", 20)
    run = Run(ruleset, answer_wait=3600 * SECOND)
    for number in range(1, 51):
        talk = build.Conversation(client=(f"10.0.0.{number}", 40_000))
        run.feed(talk.send(0, SUBMIT, answered=False))
    assert run.levels == [Confidence.PROBABLE] * 30
    assert [hit.host[3] for hit in run.hits] == list(range(1, 31))
    run.engine.finish()
    assert len(run.hits) == 50


def test_datagram_flows_are_bounded(ruleset: RuleSet) -> None:
    """A flood of addresses that ask for a pool fills no memory: the oldest is told of afresh."""
    run = Run(ruleset)
    ask = dpkt.dns.DNS(id=7, qd=[dpkt.dns.DNS.Q(name="xmr-eu1.nanopool.org", type=1)])
    hosts = [f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(1, MAX_DATAGRAM_FLOWS + 3)]
    frames = [build.udp((host, 5353), ("10.0.0.1", 53), bytes(ask)) for host in [*hosts, hosts[0], hosts[-1]]]
    run.engine.process(build.batch([((n + 1) * SECOND // 10, frame) for n, frame in enumerate(frames)]))
    assert len(run.hits) == len(frames)
    assert len(run.events) == len(hosts) + 1
    assert run.events[-1] == ("pool-dns", Confidence.SUSPECTED, 1)
