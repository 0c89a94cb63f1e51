"""Rules on raw bytes from the wire to the hit: every way in which the same bytes may come."""

from __future__ import annotations

from typing import TYPE_CHECKING

import frames as build
import pytest
import rulefolder
from enginerun import SECOND, SUBMIT, Run
from loadscript import script

from sniffer import openings
from sniffer.model import Confidence
from sniffer.prepared import prepare
from sniffer.ruleset import RuleSet, load_rules

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

rewrap = script("scripts/rewrap.py")
RAW = 101
RULES = """
- id: hello-mine
  title: Hello miner opens
  severity: high
  confidence: confirmed
  match: {payload: {starts_with: "HELLO-MINE v1 wallet=", side: client}}
  examples:
    hits: [{client: "HELLO-MINE v1 wallet=abc"}]
    misses: [{client: "HELLO-MINE v2 wallet=abc"}]
- id: hello-wallet
  title: One wallet of the hello miner
  severity: critical
  confidence: confirmed
  match:
    all:
      - {payload: {starts_with: "HELLO-MINE v1 "}}
      - {fact: payload.text, matches: "wallet=abc$"}
  examples:
    hits: [{client: "HELLO-MINE v1 wallet=abc"}]
    misses: [{client: "HELLO-MINE v1 wallet=abd"}]
- id: hello-answer
  title: Hello pool answers
  severity: high
  confidence: confirmed
  match: {payload: {starts_with_hex: "80 81 82 83 00", at: 4, side: server}}
  examples:
    hits: [{server_hex: "0000 0001 80 81 82 83 00"}]
    misses: [{server_hex: "0000 0001 80 81 82 84 00"}]
- id: hello-datagram
  title: Hello miner says hello by UDP
  severity: high
  confidence: confirmed
  match: {payload: {starts_with: "PING-MINE", transport: udp}}
  examples:
    hits: [{client: "PING-MINE 1"}]
    misses: [{client: "PING"}]
"""
HELLO = b"HELLO-MINE v1 wallet=abc\n"
ANSWER = b"\0\0\0\1\x80\x81\x82\x83\0 and more"
BOTH = ["hello-answer", "hello-mine", "hello-wallet"]


@pytest.fixture(scope="module")
def hello(tmp_path_factory: pytest.TempPathFactory) -> RuleSet:
    """The rules above, and the lists of the tests."""
    return load_rules([rulefolder.write(tmp_path_factory.mktemp("rules"), {"rules.yaml": RULES})])


def talk(**ends: object) -> build.Conversation:
    """A whole session."""
    one = build.Conversation(server=("203.0.113.9", 7_777), **ends).open()  # type: ignore[arg-type]
    return one.send(0, HELLO).send(1, ANSWER).send(0, b"share 1\n").send(1, b"\0ok")


def rules_hit(run: Run) -> list[str]:
    """Rules that hit, once each."""
    assert run.engine.totals().oddities["reader_failed"] == 0
    return sorted({hit.rule.id for hit in run.hits})


def test_a_session_is_hit_once_by_each_rule(hello: RuleSet) -> None:
    """Both sides by their openings, confirmed, the host that opened the connection; the flow costs nothing more."""
    run = Run(hello).feed(talk())
    run.engine.finish()
    assert sorted((hit.rule.id, hit.confidence) for hit in run.hits) == [
        (rule, Confidence.CONFIRMED) for rule in BOTH
    ]
    assert {(hit.host, hit.server, hit.server_port, hit.seen) for hit in run.hits} == {
        (bytes([10, 0, 0, 7]), bytes([203, 0, 113, 9]), 7_777, "both")
    }
    assert {(hit.facts.protocol, hit.facts.message) for hit in run.hits} == {("payload", "opening")}
    totals = run.engine.totals()
    assert totals.packets == totals.passed + sum(totals.skipped.values())
    assert totals.facts["payload.hex"] == 2


def test_a_flow_is_judged_when_its_opening_is_told(hello: RuleSet) -> None:
    """What comes after the answers is skipped by the gate, also where it begins like the opening."""
    one = talk()
    run = Run(hello).feed(one)
    passed, hits = run.engine.totals().passed, len(run.hits)
    one.frames.clear()
    for _ in range(50):
        one.send(0, HELLO * 20).send(1, ANSWER)
    run.feed(one)
    totals = run.engine.totals()
    assert (totals.passed - passed, len(run.hits) - hits) == (0, 0)
    assert totals.skipped["judged"] == 100


@pytest.mark.parametrize("size", [1, 2, 7, 20, 21, 24])
def test_segments_of_any_size(hello: RuleSet, size: int) -> None:
    """However the sender cuts, the same rules hit once."""
    one = build.Conversation().open()
    for side, data in ((0, HELLO), (1, ANSWER)):
        for at in range(0, len(data), size):
            one.send(side, data[at : at + size])
    run = Run(hello).feed(one.close())
    run.engine.finish()
    assert sorted(hit.rule.id for hit in run.hits) == BOTH


@pytest.mark.parametrize("wrapping", ["vlan", "qinq", "gre", "vxlan", "gtp", "pppoe"])
def test_wrappings(hello: RuleSet, wrapping: str, tmp_path: Path) -> None:
    """In tags and tunnels as without."""
    names = [name for name in rewrap.WRAPPINGS if name.startswith(wrapping)]
    assert names
    for packets, name in ((recorded(talk(), tmp_path), name) for name in names):
        run = Run(hello)
        run.engine.process(build.batch(list(rewrap.wrapped(packets, name)), link=rewrap.WRAPPINGS[name].link))
        run.engine.finish()
        assert rules_hit(run) == BOTH, name


def recorded(one: build.Conversation, folder: Path) -> Sequence[object]:
    """A conversation as the rewrapping script reads it."""
    file = folder / "talk.pcap"
    file.write_bytes(build.pcap(one.frames))
    packets: Sequence[object] = rewrap.read(file)
    return packets


@pytest.mark.parametrize(
    "way", ["reorder", "resegment 1", "resegment 7", "resegment and reorder", "fragment", "duplicate"]
)
def test_other_pieces(hello: RuleSet, way: str, tmp_path: Path) -> None:
    """Cut, out of order, in fragments, twice: the same rules."""
    packets = recorded(talk(), tmp_path)
    changed = {
        "reorder": lambda: rewrap.reorder(packets, 1),
        "resegment 1": lambda: rewrap.resegment(packets, 1),
        "resegment 7": lambda: rewrap.resegment(packets, 7),
        "resegment and reorder": lambda: rewrap.reorder(rewrap.resegment(packets, 7), 5),
        "fragment": lambda: rewrap.fragment(packets, 32),
        "duplicate": lambda: rewrap.duplicate(packets, 2),
    }[way]()
    run = Run(hello)
    run.engine.process(build.batch(list(changed), link=RAW))
    run.engine.finish()
    assert rules_hit(run) == BOTH


@pytest.mark.parametrize(("side", "wanted"), [(0, ["hello-mine", "hello-wallet"]), (1, ["hello-answer"])])
def test_one_direction(hello: RuleSet, side: int, wanted: list[str]) -> None:
    """From one side alone its own rules hit; nobody is seen to answer, so no more than probable.

    Who opened the connection, the SYN or the answer to it tells.
    """
    one = talk()
    ends = (bytes([10, 0, 0, 7]), bytes([203, 0, 113, 9]))
    one.frames = [frame for frame in one.frames if frame[1][26:30] == ends[side]]
    run = Run(hello).feed(one)
    run.engine.finish()
    assert rules_hit(run) == wanted
    assert {hit.confidence for hit in run.hits} == {Confidence.PROBABLE}
    assert {hit.host for hit in run.hits} == {ends[0]}


def test_joined_in_the_middle(hello: RuleSet) -> None:
    """Without the handshake, the first payload that is seen of a side counts; a later one does not."""
    one = talk()
    one.frames = one.frames[3:]
    run = Run(hello).feed(one)
    run.engine.finish()
    assert rules_hit(run) == BOTH
    assert {hit.host for hit in run.hits} == {bytes([10, 0, 0, 7])}  # the rules say who sends what
    late = build.Conversation().open()
    late.frames.clear()
    late.send(0, b"something else that is long enough\n").send(0, HELLO)
    run = Run(hello).feed(late)
    run.engine.finish()
    assert run.hits == []


def test_the_other_side_speaks_first(hello: RuleSet) -> None:
    """A banner that promises nothing does not hide what the client says, be it read before or not."""
    for banner in (b"welcome\r\n", b"welcome, whoever you are, to this server\r\n"):
        one = build.Conversation().open().send(1, banner).send(0, HELLO).send(1, b"thanks\n")
        run = Run(hello).feed(one)
        run.engine.finish()
        assert [hit.rule.id for hit in run.hits] == ["hello-mine", "hello-wallet"], banner
        assert run.hits[0].confidence is Confidence.CONFIRMED


def test_the_host_is_who_opened_the_connection(hello: RuleSet) -> None:
    """Whatever the ports: where the side that was called says the client's words, a rule for clients is silent."""
    one = build.Conversation(client=("10.0.0.7", 1_000), server=("203.0.113.9", 60_000))
    run = Run(hello).feed(one.open().send(0, HELLO))
    assert {(hit.rule.id, hit.host) for hit in run.hits} == {
        ("hello-mine", bytes([10, 0, 0, 7])),
        ("hello-wallet", bytes([10, 0, 0, 7])),
    }
    other = build.Conversation(client=("10.0.0.7", 60_000), server=("203.0.113.9", 1_000))
    run = Run(hello).feed(other.open().send(1, HELLO))
    assert {(hit.rule.id, hit.host) for hit in run.hits} == {("hello-wallet", bytes([10, 0, 0, 7]))}


def test_a_forged_segment_confirms_nothing(hello: RuleSet) -> None:
    """Nobody answered it: probable, after a while."""
    one = build.Conversation()
    one.send(0, HELLO, answered=False)
    run = Run(hello).feed(one)
    run.engine.tick(
        10 * SECOND
    )  # the moment that first segments are collected for, and the wait for an answer
    run.engine.tick(10 * SECOND)
    assert [hit.confidence for hit in run.hits] == [Confidence.PROBABLE] * 2


def test_a_line_without_an_end_is_told_all_the_same(hello: RuleSet) -> None:
    """After the wait for its end, with what was there."""
    one = build.Conversation().open().send(0, b"HELLO-MINE v1 wallet=abc")
    run = Run(hello).feed(one)
    assert run.hits == []
    run.engine.tick(6 * SECOND)
    assert rules_hit(run) == ["hello-mine", "hello-wallet"]
    assert {hit.confidence for hit in run.hits} == {Confidence.CONFIRMED}


def test_an_opening_that_stays_short_is_let_go(tmp_path: Path) -> None:
    """Whoever sends less than a rule's offset is read for as long as a hit would wait, and no longer."""
    own = rulefolder.load_match(tmp_path, "{payload: {starts_with: HELLO-MINE, at: 50}}")
    one = build.Conversation().open().send(0, b"\x80\x81\x82\x83\x84\x85")
    run = Run(own).feed(one)
    one.frames.clear()
    for _ in range(10):
        one.send(1, bytes(1_000))
    passed = run.feed(one).engine.totals().passed
    one.frames.clear()
    one.time += 6 * SECOND
    for _ in range(100):
        one.send(1, bytes(1_000))
    for frame in one.frames:
        run.engine.process(build.batch([frame]))
    assert run.engine.totals().passed - passed < 5
    assert run.hits == []


def test_datagrams_hit_each_and_confirm_nothing(hello: RuleSet) -> None:
    """One event line for many; a forged one needs no answer."""
    ends = ("10.0.0.7", 40_000), ("203.0.113.9", 7_777)
    frames = [(SECOND * n, build.udp(*ends, b"PING-MINE %d" % n)) for n in range(1, 4)]
    frames.append((SECOND * 4, build.udp(*ends, HELLO)))
    run = Run(hello)
    run.engine.process(build.batch(frames))
    assert [(hit.rule.id, hit.confidence, hit.host) for hit in run.hits] == [
        ("hello-datagram", Confidence.PROBABLE, bytes([10, 0, 0, 7]))
    ] * 3
    assert len(run.events) == 1
    assert run.engine.totals().skipped["udp_other"] == 1


def test_known_protocols_have_openings_too(tmp_path: Path) -> None:
    """A mining message that opens a flow is mining, and an opening."""
    own = rulefolder.load_match(tmp_path, """{payload: {starts_with: '{"params": ["bc1qexample'}}""")
    run = Run(own).feed(build.Conversation().open().send(0, SUBMIT).send(0, SUBMIT))
    assert [hit.rule.id for hit in run.hits] == ["a-rule"]
    assert run.engine.totals().facts["mining.message"] == 2


def test_web_requests_go_on_being_read(tmp_path: Path) -> None:
    """An HTTP flow that opens as a rule says, on both sides, is looked at request by request afterwards."""
    match = '{any: [{payload: {starts_with: "GET /secret-mine"}}, {payload: {starts_with: "HTTP/1.1 299"}}]}'
    own = rulefolder.load_match(tmp_path, match)
    one = build.Conversation(server=("203.0.113.9", 80)).open()
    one.send(0, b"GET /secret-mine HTTP/1.1\r\nHost: a.example\r\n\r\n")
    one.send(1, b"HTTP/1.1 299 Mine\r\nContent-Length: 2\r\n\r\nok")
    run = Run(own).feed(one)
    assert [hit.facts.values["payload.side"] for hit in run.hits] == ["client", "server"]
    passed = run.engine.totals().passed
    one.frames.clear()
    for _ in range(20):
        one.send(0, b"GET /secret-mine HTTP/1.1\r\nHost: a.example\r\n\r\n")
        one.send(1, b"HTTP/1.1 299 Mine\r\nContent-Length: 2\r\n\r\nok")
    run.feed(one)
    assert len(run.hits) == 2
    assert run.engine.totals().passed - passed < 40


def test_rules_that_come_later_apply_to_flows_that_come_later(hello: RuleSet, ruleset: RuleSet) -> None:
    """After a reload the next flow is hit; with the rules gone nothing passes for them."""
    run = Run(ruleset)
    hits = []
    for number, rules in enumerate((ruleset, hello, ruleset)):
        run.engine.set_rules(prepare(rules, run.engine.gate.names.seed))
        run.feed(talk(client=("10.0.0.7", 40_000 + number)))
        hits.append(len(run.hits))
    assert hits == [0, 3, 3]


def test_a_flood_of_openings_is_bounded_and_counted(hello: RuleSet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five thousand flows whose lines do not end, where a hundred are read and fifty wait: each is told, all are counted."""
    monkeypatch.setattr(openings, "MAX_WAITING", 50)
    run = Run(hello, read_flows=100)
    frames = []
    for number in range(5_000):
        client = (f"10.{number >> 8}.{number & 255}.7", 40_000)
        one = build.Conversation(
            client=client, time=(1_700_000_000 * 1_000_000 + number) * 1_000, step=0
        ).open()
        frames += one.send(0, b"HELLO-MINE v1 wallet=abc", answered=False).frames
    for first in range(0, len(frames), 1_000):
        run.engine.process(build.batch(frames[first : first + 1_000]))
        assert len(run.engine._openings._waiting) <= 50
        assert len(run.engine.flows) <= 100
    run.engine.finish()
    totals = run.engine.totals()
    assert totals.packets == totals.passed + sum(totals.skipped.values()) == len(frames)
    assert totals.oddities["flow_evicted"] == 4_900
    assert totals.oddities["opening_limit"] == 4_950
    assert len({hit.host for hit in run.hits}) == 5_000
    assert totals.hits == len(run.hits) == 10_000


def said_first(banner: bytes) -> list[tuple[int, bytes]]:
    """A session in which the server speaks first."""
    return build.Conversation().open().send(1, banner).send(0, HELLO).send(1, b"thanks\n").frames


def in_pieces(size: int) -> list[tuple[int, bytes]]:
    """A session whose opening comes in small segments."""
    one = build.Conversation().open()
    for at in range(0, len(HELLO), size):
        one.send(0, HELLO[at : at + size])
    return one.frames


STORIES = {
    "a session": talk().frames,
    "joined in the middle": talk().frames[3:],
    "a short banner": said_first(b"welcome\r\n"),
    "a long banner": said_first(b"welcome, whoever you are, to this server\r\n"),
    "in pieces": in_pieces(5),
}


@pytest.mark.parametrize("story", STORIES)
def test_batches_do_not_matter(hello: RuleSet, story: str) -> None:
    """However frames come in batches, hits and their confidence are the same."""
    found = []
    for size in (1, 2, 1_000):
        run = Run(hello)
        for first in range(0, len(STORIES[story]), size):
            run.engine.process(build.batch(STORIES[story][first : first + size]))
        run.engine.finish()
        found.append(sorted((hit.rule.id, hit.confidence, hit.host) for hit in run.hits))
    assert found[0] == found[1] == found[2]
    assert found[0]
