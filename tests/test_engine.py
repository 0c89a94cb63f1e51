"""The engine: when a hit is counted, how sure it is, when a line is due."""

from __future__ import annotations

from pathlib import Path

import dpkt
import frames as build
import pytest

from sniffer.engine import Engine, EngineSettings
from sniffer.model import Confidence, Detection
from sniffer.ruleset import RuleSet, load_rules

SUBSCRIBE = '{"id": 1, "method": "mining.subscribe", "params": ["cgminer/4.11.1"]}\n'
SUBMIT = '{"params": ["bc1qexample.rig1", "bf", "00000001", "504e86ed", "b2957c02"], "id": 4, "method": "mining.submit"}\n'
NOTIFY = '{"id":null,"method":"mining.set_difficulty","params":[4096]}\n'
SECOND = 10**9


@pytest.fixture(scope="session")
def ruleset() -> RuleSet:
    """The shipped rules."""
    return load_rules([Path(__file__).parent.parent / "rules"])


class Run:
    """An engine with everything it said."""

    def __init__(self, ruleset: RuleSet, **settings: object) -> None:
        self.hits: list[Detection] = []
        self.levels: list[Confidence] = []
        self.events: list[tuple[str, Confidence, int]] = []
        self.engine = Engine(
            ruleset,
            interfaces=["test"],
            settings=EngineSettings(gate_flows=1 << 12, **settings),  # type: ignore[arg-type]
            hit=self._hit,
            event=lambda d: self.events.append((d.rule.id, d.confidence, d.count)),
        )

    def _hit(self, detection: Detection) -> None:
        self.hits.append(detection)
        self.levels.append(detection.confidence)

    def feed(self, conversation: build.Conversation) -> Run:
        """Run what the wire saw."""
        self.engine.process(conversation.batch())
        return self


def test_answered_message_is_confirmed(ruleset: RuleSet) -> None:
    """A mining message that the peer acknowledged is confirmed, with host and server the right way round."""
    run = Run(ruleset).feed(build.Conversation().open().send(0, SUBSCRIBE))
    (hit,) = run.hits
    assert (hit.rule.id, hit.confidence) == ("stratum-v1-subscribe", Confidence.CONFIRMED)
    assert hit.host == bytes([10, 0, 0, 7])
    assert hit.server == bytes([203, 0, 113, 9])
    assert hit.server_port == 3333
    assert hit.seen == "both"


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


def test_retransmission_counts_once(ruleset: RuleSet) -> None:
    """The same segment twice is one hit."""
    talk = build.Conversation().open().send(0, SUBMIT)
    talk.frames.insert(4, talk.frames[3])
    assert len(Run(ruleset).feed(talk).hits) == 1


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
    run.engine.set_rules(load_rules([tmp_path]))
    talk.frames.clear()
    run.feed(talk.send(0, SUBMIT))
    assert [hit.rule.id for hit in run.hits] == ["stratum-v1-subscribe", "only-this"]


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
