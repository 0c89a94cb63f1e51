"""The worker: what the parent hears of a capture, and that it obeys."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import frames as build
import msgspec
import pytest
from control.conftest import OWN_RULE, SUBMIT
from rulefolder import many_pools
from tenants import owners

from sniffer import frames
from sniffer.children import Unframer
from sniffer.control import records
from sniffer.control.board import Board
from sniffer.control.outbox import Outbox
from sniffer.control.records import (
    Ended,
    Finished,
    Job,
    NewRules,
    News,
    Ready,
    ReplayJob,
    RulesInUse,
    Snapshot,
    Stop,
    Watched,
    frame,
)
from sniffer.control.reload import load
from sniffer.control.supervisor import COMMAND
from sniffer.control.worker import Link, Worker
from sniffer.evidence.exhibit import Bounds, Exhibit
from sniffer.ruleset import load_rules

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sniffer.batch import Batch
    from sniffer.control.records import FromWorker, ToWorker
    from sniffer.control.reload import Loaded
    from sniffer.counts import Sighting


class Parent:
    """The parent's end of a real worker process."""

    def __init__(self) -> None:
        self.sock, theirs = socket.socketpair()
        with theirs:
            self.board = Board.make()
            descriptors = theirs.fileno(), self.board.fileno()
            self.process = subprocess.Popen([*COMMAND, str(theirs.fileno())], pass_fds=descriptors)
        self.sock.settimeout(60)
        self.heard: list[FromWorker] = []
        self._unframer = Unframer()

    def send(self, record: ToWorker) -> None:
        """Tell the worker something; a Job comes with the board."""
        if isinstance(record, Job):
            record = msgspec.structs.replace(record, board=self.board.fileno())
        self.sock.sendall(frame(record))

    def until(self, kind: type) -> FromWorker:
        """Hear until a record of a kind comes."""
        while True:
            for number, record in enumerate(self.heard):
                if isinstance(record, kind):
                    self.past = self.heard[:number]
                    del self.heard[: number + 1]
                    return record
            data = self.sock.recv(1 << 20)
            assert data, "the worker hung up"
            self.heard += [records.from_worker.decode(body) for body in self._unframer.feed(data)]

    @property
    def books(self) -> Snapshot:
        """What stands on the board."""
        found = self.board.read()
        assert found is not None
        return found

    def until_next(self) -> Snapshot:
        """Wait for books that are newer than these."""
        written = self.board.written
        deadline = time.monotonic() + 20
        while self.board.written == written:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return self.books

    def played(self) -> list[FromWorker]:
        """Everything up to the end of a replay; then the worker is told to stop."""
        self.until(Ended)
        self.send(Stop())
        return self.past

    def rest(self) -> list[FromWorker]:
        """Everything up to the end of the worker."""
        while data := self.sock.recv(1 << 20):
            self.heard += [records.from_worker.decode(body) for body in self._unframer.feed(data)]
        out, self.heard = self.heard, []
        return out


@pytest.fixture
def parent() -> Iterator[Parent]:
    """A worker process that waits for its Job."""
    one = Parent()
    yield one
    one.sock.close()
    if one.process.poll() is None:
        one.process.kill()
    one.process.wait(10)
    one.board.close()


def hits(heard: list[FromWorker]) -> dict[tuple[str, str], int]:
    """Hits by address and rule."""
    out: dict[tuple[str, str], int] = {}
    for record in heard:
        for hit in record.hits if isinstance(record, News) else ():
            key = (".".join(map(str, hit.host)), hit.rule)
            out[key] = out.get(key, 0) + hit.count
    return out


def test_a_capture_is_told_whole(parent: Parent, shipped: Loaded, miner: Path) -> None:
    """Ready, then hits, lines and books of everything in the file, then the end."""
    parent.send(
        Job(
            shipped.dump,
            replay=ReplayJob(str(miner), 0),
            sensor="s1",
            events=True,
            owners=owners(("acme", "10.0.0.0/8"), contact="noc@acme.example"),
        )
    )
    heard = parent.played()
    assert isinstance(heard[0], Ready)
    assert parent.until(Finished) == Finished(stopped=True)
    assert parent.process.wait(10) == 0
    assert hits(heard) == {("10.0.0.7", "stratum-v1-submit"): 3}
    totals = parent.books.totals
    assert totals.packets == totals.passed + sum(totals.skipped.values()) == 9
    assert totals.interfaces["miner.pcap"].packets == 9
    lines = [json.loads(line) for record in heard if isinstance(record, News) for line in record.events]
    assert [line["mining"]["confidence"] for line in lines] == ["confirmed"]
    assert lines[0]["pcap_filename"] == "miner.pcap"
    assert lines[0]["sensor"] == "s1"
    assert lines[0]["tenant"] == {"name": "acme", "contact": "noc@acme.example"}


COUNTING = (
    OWN_RULE.replace(
        "match: {fact: stratum.method, equals: mining.submit}",
        "match: {count: {at_least: 4, within: 60s, per: host, of: {fact: stratum.method, equals: mining.submit}}}",
    )
    .replace("mining.submit}}]", "mining.submit}, repeat: 4}]")
    .replace("EXAMPLE", "mining.ping")
)


def test_sightings_are_told_one_by_one(parent: Parent, miner: Path, tmp_path: Path) -> None:
    """Of a rule that counts by host every message is told, with a line and its lap, and none is a hit yet; paranoid or not."""
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "own.yaml").write_text(COUNTING)
    dump = load([rules]).dump
    parent.send(Job(dump, replay=ReplayJob(str(miner), 20.0, loop=True), events=True, paranoid=True))
    sightings: list[Sighting] = []
    while len(sightings) < 7:
        news = parent.until(News)
        assert isinstance(news, News)
        assert not news.hits
        assert not news.events
        sightings += news.sightings
    assert [one.lap for one in sightings[:7]] == [0, 0, 0, 1, 1, 1, 2]
    assert {(one.rule, one.host, one.at_least, one.within) for one in sightings} == {
        ("own-submit", bytes([10, 0, 0, 7]), 4, 60 * 10**9)
    }
    assert {json.loads(one.line)["mining"]["message"] for one in sightings} == {"mining.submit"}
    books = parent.until_next()
    assert books.totals.sightings >= len(sightings)
    assert (books.totals.hits, books.differing, books.totals.oddities["matcher_differs"]) == (0, (), 0)


def test_lines_only_when_wanted(parent: Parent, shipped: Loaded, miner: Path) -> None:
    """Without a taker no event line is made."""
    parent.send(Job(shipped.dump, replay=ReplayJob(str(miner), 0)))
    assert all(not record.events for record in parent.played() if isinstance(record, News))


def test_evidence_only_when_wanted(parent: Parent, shipped: Loaded, miner: Path) -> None:
    """A flow that triggers is handed over whole, before the end; the worker writes no file; without bounds nothing is kept."""
    job = Job(shipped.dump, replay=ReplayJob(str(miner), 0))
    parent.send(msgspec.structs.replace(job, evidence=Bounds()))
    heard = parent.played()
    (one,) = [record for record in heard if isinstance(record, Exhibit)]
    assert [verdict.rule for verdict in one.verdicts] == ["stratum-v1-submit"]
    assert (one.filename, one.rules_version) == ("miner.pcap", shipped.version)
    assert b"mining.submit" in one.frames[0].data
    assert parent.books.dropped_exhibits == 0
    assert isinstance(parent.until(Finished), Finished)


def test_traffic_only_when_wanted(parent: Parent, shipped: Loaded, tmp_path: Path) -> None:
    """What hosts that mine carry in all, also those that another worker saw mining; these are told where there are others."""
    talk = build.Conversation().open().send(0, SUBMIT)
    other = build.udp(("10.0.0.8", 1_000), ("198.51.100.9", 2_000), bytes(100))
    frames = [*talk.frames, *((talk.time + number, other) for number in range(20_000))]
    file = tmp_path / "both.pcap"
    file.write_bytes(build.pcap(frames))
    replay = ReplayJob(str(file), 0.0)
    parent.send(Job(shipped.dump, replay=replay, traffic=True, shares=True))
    parent.send(Watched((bytes([10, 0, 0, 8]),)))
    news = [record for record in parent.played() if isinstance(record, News)]
    assert [host for one in news for host in one.watched] == [bytes([10, 0, 0, 7])]
    hour = talk.time // 10**9 // 3_600 * 3_600
    rows = [row for one in news for row in one.carried]
    assert {(row.host, row.hour, row.mining) for row in rows} == {(bytes([10, 0, 0, 8]), hour, 0)}
    assert sum(row.other for row in rows) == pytest.approx(20_000 * len(other), rel=0.02)


def test_no_traffic_unless_wanted(parent: Parent, shipped: Loaded, miner: Path) -> None:
    """Without a history nobody asks."""
    parent.send(Job(shipped.dump, replay=ReplayJob(str(miner), 0.0), shares=True))
    news = [record for record in parent.played() if isinstance(record, News)]
    assert not any(one.watched or one.carried for one in news)


def test_it_stays_after_a_replay(parent: Parent, shipped: Loaded, miner: Path) -> None:
    """The end of a replay is told; the worker stays, keeps its board up to date, and ends when told to."""
    parent.send(Job(shipped.dump, replay=ReplayJob(str(miner), 0)))
    assert parent.until(Ended) == Ended()
    assert hits(parent.past) == {("10.0.0.7", "stratum-v1-submit"): 3}
    assert parent.until_next().totals.packets == 9
    parent.send(Stop())
    assert parent.until(Finished) == Finished(stopped=True)
    assert parent.process.wait(10) == 0


def test_a_damaged_capture(parent: Parent, shipped: Loaded, miner: Path) -> None:
    """What is readable counts; the fault comes along with the end."""
    with miner.open("ab") as file:
        file.write(b"\0" * 7)
    parent.send(Job(shipped.dump, replay=ReplayJob(str(miner), 0)))
    ended = parent.until(Ended)
    assert isinstance(ended, Ended)
    assert ended.exit_status == 66
    assert "cut_record" in ended.lines[0]
    assert parent.books.totals.packets == 9


def test_a_missing_capture(parent: Parent, shipped: Loaded) -> None:
    """Nothing to read is the end of it, with the reason."""
    parent.send(Job(shipped.dump, replay=ReplayJob("/nowhere/a.pcap", 0)))
    last = parent.until(Finished)
    assert isinstance(last, Finished)
    assert last.exit_status == 66
    assert "missing" in last.lines[0]
    assert parent.process.wait(10) == 66


def test_each_pass_of_a_loop_starts_afresh(parent: Parent, shipped: Loaded, miner: Path) -> None:
    """A second pass is no retransmission: it hits as often as the first, and counters go on."""
    parent.send(Job(shipped.dump, replay=ReplayJob(str(miner), 20.0, loop=True)))
    heard: list[FromWorker] = []
    packets: list[int] = []
    while hits(heard).get(("10.0.0.7", "stratum-v1-submit"), 0) < 9:
        heard.append(parent.until(News))
        packets.append(parent.books.totals.packets)
    parent.send(Stop())
    heard += parent.rest()
    packets.append(parent.books.totals.packets)
    assert packets == sorted(packets)
    assert packets[-1] >= 27
    assert parent.books.totals.hits == sum(hits(heard).values())


def test_new_rules_are_taken_between_two_batches(parent: Parent, shipped: Loaded, miner: Path) -> None:
    """New rules are answered for; a broken set is refused and the old one stays."""
    parent.send(Job(shipped.dump, replay=ReplayJob(str(miner), 0)))
    parent.until(Ended)
    parent.send(NewRules(2, shipped.dump))
    assert parent.until(RulesInUse) == RulesInUse(2)
    parent.send(NewRules(3, b"\xc1 not a rule set"))
    answer = parent.until(RulesInUse)
    assert isinstance(answer, RulesInUse)
    assert answer.generation == 3
    assert answer.fault
    parent.until_next()


def test_stop_during_a_slow_replay(parent: Parent, shipped: Loaded, tmp_path: Path) -> None:
    """Stop ends a replay within a second, and hits that waited for an answer go out."""
    talk = build.Conversation().open().send(0, SUBMIT, answered=False)
    talk.time += 3_600 * 10**9
    talk.send(0, SUBMIT)
    file = tmp_path / "slow.pcap"
    file.write_bytes(build.pcap(talk.frames))
    parent.send(Job(shipped.dump, replay=ReplayJob(str(file), 1.0)))
    parent.until(Ready)
    time.sleep(0.5)
    began = time.monotonic()
    parent.send(Stop())
    heard = parent.rest()
    assert time.monotonic() - began < 1.5
    assert hits(heard) == {("10.0.0.7", "stratum-v1-submit"): 1}


class Trickle:
    """A source with short turns: a new flow every other millisecond; notes how many the books on a board say there are."""

    interfaces = ("trickle",)

    def __init__(self, board: Board, seconds: float) -> None:
        self.levels: set[int] = set()
        self._board, self._end = board, time.monotonic() + seconds

    def batches(self) -> Iterator[Batch]:
        """One SYN after another."""
        port = 1_024
        while time.monotonic() < self._end:
            port += 1
            yield frames.batch([frames.conversation(((b"\n\0\0\1", port), (b"\n\0\0\2", 80)), [])[0][1]])
            time.sleep(0.002)
            books = self._board.read()
            if books is not None:
                self.levels.add(books.totals.flows)

    def close(self) -> None:
        """Nothing is held."""


def test_levels_are_of_this_second(shipped: Loaded) -> None:
    """The table of flows is swept and counted every second, however short the turns of the loop are."""
    ours, theirs = socket.socketpair()
    board = Board.make()
    with ours, theirs, contextlib.closing(board):
        worker = Worker(Job(shipped.dump), Link(theirs), Outbox(theirs), Trickle(board, 4.5), board)
        worker.run()
        levels = worker.source.levels  # type: ignore[attr-defined]
    assert len(levels) >= 4


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_signals_for_the_parent_do_not_reach_it(
    parent: Parent, shipped: Loaded, miner: Path, number: signal.Signals
) -> None:
    """Ctrl-C goes to the whole group; the worker leaves it to the parent."""
    parent.send(Job(shipped.dump, replay=ReplayJob(str(miner), 0)))
    parent.until(Ended)
    os.kill(parent.process.pid, number)
    parent.until_next()
    parent.until_next()
    assert parent.process.poll() is None


def test_sigterm_drains(parent: Parent, shipped: Loaded, miner: Path) -> None:
    """SIGTERM to the worker ends it as Stop does."""
    parent.send(Job(shipped.dump, replay=ReplayJob(str(miner), 0)))
    parent.until(Ended)
    os.kill(parent.process.pid, signal.SIGTERM)
    assert parent.until(Finished) == Finished(stopped=True)
    assert parent.process.wait(10) == 0


def test_it_does_not_outlive_its_parent(parent: Parent, shipped: Loaded, miner: Path) -> None:
    """When the parent is gone, so is the worker."""
    parent.send(Job(shipped.dump, replay=ReplayJob(str(miner), 1.0, loop=True)))
    parent.until(Ready)
    parent.sock.close()
    assert parent.process.wait(10) is not None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="capabilities are Linux's")
def test_it_holds_no_privilege(parent: Parent, shipped: Loaded, miner: Path) -> None:
    """While it reads packets it has no capability and cannot get one."""
    parent.send(Job(shipped.dump, replay=ReplayJob(str(miner), 0)))
    parent.until(Ended)
    with open(f"/proc/{parent.process.pid}/status", encoding="ascii") as status:  # noqa: PTH123
        fields = dict(line.split(":", 1) for line in status)
    assert int(fields["CapEff"], 16) == int(fields["CapPrm"], 16) == int(fields["CapAmb"], 16) == 0
    assert fields["NoNewPrivs"].strip() == "1"


def resident(pid: int, what: str = "VmRSS") -> float:
    """MiB of a process."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:  # noqa: PTH123
        return next(int(line.split()[1]) for line in status if line.startswith(what)) / 1_024


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_a_long_list_takes_its_memory_once(
    parent: Parent, shipped: Loaded, miner: Path, tmp_path: Path
) -> None:
    """Set after set of a hundred thousand names: while one is made there are two, never three, and it stays so."""
    many = load_rules([many_pools(tmp_path / "rules", 100_000)]).dump()
    parent.send(Job(shipped.dump, replay=ReplayJob(str(miner), 0)))
    parent.until(Ended)
    pid = parent.process.pid
    before = resident(pid)

    def take(generation: int, dump: bytes) -> float:
        parent.send(NewRules(generation, dump))
        assert parent.until(RulesInUse) == RulesInUse(generation)
        return resident(pid) - before

    one = take(2, many)
    after = [take(generation, many) for generation in range(3, 8)]
    peak = resident(pid, "VmHWM") - before
    take(9, shipped.dump)
    again = take(10, many)
    told = f"{before:.0f} MiB before; beyond it {one:.0f} with one, {after} after more, {peak:.0f} at most, {again:.0f}"
    assert max(*after, peak, again) < 2 * one + 25, told
    assert after[-1] < after[1] + 15, told


def test_it_goes_on_while_rules_are_made(
    parent: Parent, shipped: Loaded, miner: Path, tmp_path: Path
) -> None:
    """Its loop turns, its books come, and of several offers the last is taken; those before it are answered."""
    many = load_rules([many_pools(tmp_path / "rules", 100_000)]).dump()
    parent.send(Job(shipped.dump, replay=ReplayJob(str(miner), 20.0, loop=True)))
    parent.until(Ready)
    parent.until_next()
    turns, packets = parent.board.turns, parent.books.totals.packets
    for generation in (2, 3, 4):
        parent.send(NewRules(generation, many if generation < 4 else shipped.dump))
    answers = [parent.until(RulesInUse) for _ in range(3)]
    assert RulesInUse(4) == answers[-1]
    assert sorted(answer.generation for answer in answers if isinstance(answer, RulesInUse)) == [2, 3, 4]
    assert parent.board.turns > turns + 5
    assert parent.until_next().totals.packets > packets
