"""All that hosts carry which mine: counted once, told by minutes, also of hosts that another engine saw."""

from __future__ import annotations

from typing import TYPE_CHECKING

import frames as build
import pytest
from enginerun import NOTIFY, SECOND, SUBMIT, SUBSCRIBE, Run

if TYPE_CHECKING:
    from sniffer.batch import Batch
    from sniffer.ruleset import RuleSet

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
