"""What a worker keeps, within which bounds, and when it hands over."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import frames as build
import pytest
from evidence.making import ACCEPTED, EVERYTHING, SUBMIT, Stage, session

from sniffer.evidence.exhibit import Bounds

if TYPE_CHECKING:
    from sniffer.evidence.exhibit import Exhibit
    from sniffer.ruleset import RuleSet

SECOND = 10**9


def exhibits(ruleset: RuleSet, talk: build.Conversation, bounds: Bounds | None = None) -> list[Exhibit]:
    """What a conversation gives."""
    return Stage(ruleset, bounds).read(talk.batch()).finish()


def test_a_session_is_one_exhibit(ruleset: RuleSet) -> None:
    """Every rule that hits a flow while its exhibit is open is a verdict of this one; the first is the trigger."""
    (one,) = exhibits(ruleset, session())
    rules = [verdict.rule for verdict in one.verdicts]
    assert rules[0] == "stratum-v1-subscribe"
    assert "stratum-v1-submit" in rules
    assert len(set(rules)) == len(rules)
    assert {verdict.confidence for verdict in one.verdicts} == {"confirmed"}
    assert {(verdict.host, verdict.server, verdict.server_port) for verdict in one.verdicts} == {
        ("10.0.0.7", "203.0.113.9", 3333)
    }
    assert one.rules_version == ruleset.version
    assert one.interfaces == ("mirror0",)


def test_frames_are_those_of_the_wire(ruleset: RuleSet) -> None:
    """Frames are kept as captured, in order, from before the trigger on; the SYNs are told by their numbers."""
    talk = session(2)
    (one,) = exhibits(ruleset, talk)
    sent = dict(talk.frames)
    assert [frame.time for frame in one.frames] == sorted(frame.time for frame in one.frames)
    assert all(sent[frame.time] == frame.data for frame in one.frames)
    assert one.frames[0].time < one.verdicts[0].time + SECOND
    assert b"mining.subscribe" in one.frames[0].data
    assert [(hand.source_port, hand.start, hand.opens) for hand in one.handshake] == [
        (40_000, 1_001, True),
        (3333, 5_001, False),
    ]


def test_the_timeline_hides_accounts(ruleset: RuleSet) -> None:
    """Messages are lines of JSON in order; accounts, workers and passwords are hashes there."""
    (one,) = exhibits(ruleset, session(1))
    lines = [json.loads(line) for line in one.messages]
    assert [line["message"] for line in lines[:2]] == ["mining.subscribe", "mining.subscribe.reply"]
    assert [line["from"] for line in lines[:2]] == ["client", "server"]
    submit = next(line for line in lines if line["message"] == "mining.submit")
    assert submit["facts"]["mining.user"].startswith("h:")
    assert b"wallet" not in b"".join(one.messages)


def test_nothing_triggers_nothing(ruleset: RuleSet) -> None:
    """A flow that is read and does not mine leaves nothing, neither an exhibit nor bytes."""
    talk = build.Conversation().open()
    talk.send(0, '{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":[]}\n')
    talk.send(1, '{"jsonrpc":"2.0","id":1,"result":"0x0"}\n')
    stage = Stage(ruleset).read(talk.batch())
    assert stage.finish() == []
    assert (stage.witness.held, len(stage.witness)) == (0, 0)


@pytest.mark.parametrize(("least", "count"), [(3, 0), (2, 1)])
def test_confidence_decides(ruleset: RuleSet, least: int, count: int) -> None:
    """A miner that nobody answers is probable: it is kept only where that is asked for."""
    talk = build.Conversation().open().send(0, SUBMIT, answered=False)
    assert len(exhibits(ruleset, talk, Bounds(confidence=least))) == count


def test_severity_decides(ruleset: RuleSet) -> None:
    """Rules below the least severity trigger nothing."""
    assert exhibits(ruleset, session(1), Bounds(severity=4)) == []


def test_it_is_handed_over_after_a_while(ruleset: RuleSet) -> None:
    """After the trigger a flow is kept on for so long of packet time, then its exhibit is complete without the end of anything."""
    talk = session(1)
    talk.time += 2 * SECOND
    talk.send(0, SUBMIT).send(1, ACCEPTED)
    talk.time += 20 * SECOND
    talk.send(0, SUBMIT)
    stage = Stage(ruleset, Bounds(after=5 * SECOND)).read(talk.batch())
    (one,) = stage.exhibits
    assert one.frames[-1].time < talk.time - 19 * SECOND
    assert not one.cut


def test_silence_hands_over(ruleset: RuleSet) -> None:
    """Time that passes without packets completes an exhibit, too."""
    stage = Stage(ruleset, Bounds(after=5 * SECOND)).read(session(1).batch())
    assert stage.exhibits == []
    stage.engine.tick(4 * SECOND)
    assert stage.exhibits == []
    stage.engine.tick(2 * SECOND)
    assert len(stage.exhibits) == 1


def test_another_rule_later_is_another_exhibit(ruleset: RuleSet) -> None:
    """A rule that hits for the first time when the exhibit is closed makes the next; a rule that has hit makes none."""
    talk = session(0)
    talk.time += 60 * SECOND
    talk.send(0, SUBMIT).send(1, ACCEPTED)
    talk.time += 60 * SECOND
    talk.send(0, SUBMIT).send(1, ACCEPTED)
    first, second = exhibits(ruleset, talk, Bounds(after=5 * SECOND))
    assert not {one.rule for one in first.verdicts} & {one.rule for one in second.verdicts}
    assert second.handshake == ()
    assert second.forgotten == len(first.frames)


def test_a_long_flow_stays_within_its_bounds(ruleset: RuleSet) -> None:
    """A flow of thousands of frames gives exhibits of at most so many bytes and frames, and says that it was cut."""
    bounds = Bounds(flow_bytes=8 << 10, flow_packets=20)
    talk = session(2_000)
    stage = Stage(ruleset, bounds)
    for number in range(0, len(talk.frames), 100):
        stage.read(build.batch(talk.frames[number : number + 100]))
        assert stage.witness.held <= bounds.flow_bytes
    got = stage.finish()
    assert got[0].cut
    for one in got:
        assert len(one.frames) <= bounds.flow_packets
        assert one.size <= bounds.flow_bytes + sum(len(verdict.line) for verdict in one.verdicts)


def test_the_oldest_frames_make_room_before_the_trigger(ruleset: RuleSet) -> None:
    """Before the trigger half of the bounds is kept, of the latest frames; the message that hits is among them."""
    talk = build.Conversation().open()
    for number in range(200):
        talk.send(0, f'{{"id":{number},"method":"mining.ping","params":[]}}\n')
    talk.send(0, SUBMIT).send(1, ACCEPTED)
    bounds = Bounds(flow_packets=40)
    one = exhibits(ruleset, talk, bounds)[-1]
    assert one.forgotten
    assert one.handshake == ()
    assert any(b"mining.submit" in frame.data for frame in one.frames)


def test_a_flood_of_flows_has_a_bound(ruleset: RuleSet) -> None:
    """Frames of thousands of flows that do not trigger weigh no more than the bound; those that made room are counted."""
    bounds = Bounds(all_bytes=64 << 10)
    stage = Stage(ruleset, bounds)
    for port in range(3_000):
        talk = build.Conversation(
            client=("10.0.0.7", 10_000 + port), time=1_700_000_000 * SECOND + port * 1_000_000
        )
        talk.open().send(0, '{"id":1,"method":"', answered=False)
        stage.read(talk.batch())
        assert stage.witness.held <= bounds.all_bytes
    assert stage.witness.evicted > 2_000
    assert stage.engine.totals().oddities["evidence_limit"] == stage.witness.evicted


def test_what_has_triggered_is_not_lost_in_a_flood(ruleset: RuleSet) -> None:
    """A flow that has triggered and has to make room is handed over as it is."""
    stage = Stage(ruleset, Bounds(all_bytes=64 << 10)).read(session(1).batch())
    for port in range(3_000):
        talk = build.Conversation(client=("10.0.0.8", 10_000 + port), time=1_700_000_001 * SECOND + port)
        stage.read(talk.open().send(0, '{"id":1,"method":"', answered=False).batch())
    (one,) = stage.finish()
    assert one.cut
    assert one.verdicts[0].host == "10.0.0.7"


def test_a_datagram_is_an_exhibit_of_its_own(ruleset: RuleSet) -> None:
    """A question about a pool is one frame, one message, one verdict, where suspicion is asked for."""
    name = b"".join(bytes([len(label)]) + label for label in (b"stratum", b"antpool", b"com")) + b"\0"
    question = bytes.fromhex("1234010000010000000000000000"[:24]) + name + b"\0\1\0\1"
    frame = build.udp(("10.0.0.7", 5_000), ("10.0.0.1", 53), question)
    stage = Stage(ruleset, EVERYTHING).read(build.batch([(1_700_000_000 * SECOND, frame)]))
    (one,) = stage.finish()
    assert [found.data for found in one.frames] == [frame]
    assert len(one.messages) == 1
    assert one.verdicts[0].confidence == "suspected"


def test_without_a_witness_nothing_is_kept(ruleset: RuleSet) -> None:
    """Hits are the same with evidence and without."""
    with_witness, without = Stage(ruleset), Stage(ruleset)
    without.engine._witness = without.engine._detector.witness = None
    talk = session(5)
    with_witness.read(talk.batch()).finish()
    without.read(talk.batch())
    without.engine.finish()
    assert [one.rule.id for one in with_witness.hits] == [one.rule.id for one in without.hits]
    assert without.exhibits == []
