"""Rules that count by flow and by host: which messages are hits, whoever saw them, and that the books balance."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING

import dpkt
import frames as build
import pytest
import rulefolder
from enginerun import SECOND, SUBMIT, SUBSCRIBE, Run
from tenants import owners

from sniffer import counts
from sniffer.counts import HostCounts, Sighting
from sniffer.engine import Engine, EngineSettings
from sniffer.model import Confidence
from sniffer.prepared import prepare
from sniffer.windows import Windows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sniffer.model import Detection
    from sniffer.ruleset import RuleSet

START = 1_700_000_000 * SECOND
SUBMITS = "{fact: stratum.method, equals: mining.submit}"


def counting(folder: Path, at_least: int, within: str, per: str, more: str = "") -> RuleSet:
    """One rule that counts shares."""
    match = f"{{count: {{at_least: {at_least}, within: {within}, per: {per}, of: {SUBMITS}{more}}}}}"
    return rulefolder.load_match(folder, match)


def shares(
    seconds: Sequence[float], host: str = "10.0.0.7", port: int = 40_000, *, answered: bool = True
) -> build.Conversation:
    """A connection with a share at each of these times."""
    talk = build.Conversation(client=(host, port), time=START, step=1_000).open()
    for second in seconds:
        talk.time = START + int(second * SECOND)
        talk.send(0, SUBMIT, answered=answered)
    return talk


def when(hits: Sequence[Detection]) -> list[float]:
    """Times of hits, in tenths of a second since the start."""
    return [round((hit.facts.time - START) / SECOND, 1) for hit in hits]


# ── one engine ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("per", ["flow", "host"])
@pytest.mark.parametrize(
    ("seconds", "hits"),
    [
        ([1, 2], []),
        ([1, 2, 3], [3.0]),
        ([1, 2, 3, 4, 5], [3.0, 4.0, 5.0]),
        ([1, 2, 20, 21, 40, 41], []),
        ([1, 2, 20, 21, 22, 40, 41, 42], [22.0, 42.0]),
    ],
)
def test_three_shares_in_ten_seconds(
    per: str, seconds: list[float], hits: list[float], tmp_path: Path
) -> None:
    """Below the number nothing is counted nor told; from it on each message is a hit while the window holds enough."""
    run = Run(counting(tmp_path, 3, "10s", per)).feed(shares(seconds))
    run.engine.finish()
    assert when(run.hits) == hits
    assert {hit.confidence for hit in run.hits} <= {Confidence.CONFIRMED}
    assert run.events == ([("a-rule", Confidence.CONFIRMED, 1)] if hits else [])
    totals = run.engine.totals()
    assert (totals.sightings, totals.hits) == (len(seconds), len(hits))
    assert totals.facts["stratum.method"] == len(seconds)


def test_a_flow_counts_alone_and_a_host_together(tmp_path: Path) -> None:
    """Two connections of one host are two flows and one host; another host is another."""
    talks = [
        shares([1, 3], port=40_000),
        shares([2, 4], port=40_001),
        shares([1, 2], host="10.0.0.8", port=40_002),
    ]
    for per, hits in (("flow", []), ("host", [3.0, 4.0])):
        run = Run(counting(tmp_path / per, 3, "10s", per))
        run.engine.process(build.batch(sorted(frame for talk in talks for frame in talk.frames)))
        run.engine.finish()
        assert when(run.hits) == hits
        assert {hit.host for hit in run.hits} <= {bytes([10, 0, 0, 7])}


def test_messages_that_wait_for_an_answer_count_in_their_own_time(tmp_path: Path) -> None:
    """Shares of a connection that nobody answers are sightings five seconds late, and make hits of those after them."""
    silent, heard = shares([1, 3], answered=False), shares([2, 4, 9, 14], port=40_001)
    run = Run(counting(tmp_path, 3, "10s", "host"))
    run.engine.process(build.batch(sorted([*silent.frames, *heard.frames])))
    run.engine.finish()
    assert sorted(when(run.hits)) == [3.0, 4.0, 9.0, 14.0]
    assert {hit.confidence for hit in run.hits if hit.facts.time == START + 3 * SECOND + 1_000} == {
        Confidence.PROBABLE
    }


def test_questions_are_counted(tmp_path: Path) -> None:
    """DNS questions count, too: by host whatever the name, by what belongs together otherwise."""
    of = "{fact: dns.query, domain_in: '@pool'}"
    ask = [
        build.udp(("10.0.0.9", 5_000 + number), ("10.0.0.1", 53), bytes(dpkt.dns.DNS(id=number, qd=[dpkt.dns.DNS.Q(name=name)])))
        for number, name in enumerate(["a.pool.example", "stratum.pool.example"] * 3)
    ]  # fmt: skip
    for per, hits in (("host", 4), ("flow", 2)):
        match = f"{{count: {{at_least: 3, within: 10s, per: {per}, of: {of}}}}}"
        run = Run(rulefolder.load_match(tmp_path / per, match))
        run.engine.process(build.batch([(START + n * SECOND, frame) for n, frame in enumerate(ask)]))
        run.engine.finish()
        assert len(run.hits) == hits
        assert run.engine.totals().sightings == 6


def test_reminders_tell_hits_not_messages(tmp_path: Path) -> None:
    """The running count of an event line is that of hits; a reminder comes after the interval."""
    for per in ("flow", "host"):
        talk = shares([*range(10), 700, 701, 702])
        run = Run(counting(tmp_path / per, 3, "10s", per)).feed(talk)
        run.engine.finish()
        assert run.events == [("a-rule", Confidence.CONFIRMED, 1), ("a-rule", Confidence.CONFIRMED, 9)]


def test_thresholds_by_network_and_tenant(tmp_path: Path) -> None:
    """A host's own number counts, as its network or its tenant has it."""
    more = ", thresholds: [{network: 10.0.0.8/32, at_least: 1}, {tenant: acme, at_least: 4}]"
    run = Run(
        counting(tmp_path, 3, "10s", "host", more),
        owners=owners(("acme", "10.0.0.9/32")),
    )
    talks = [shares(range(5), host=f"10.0.0.{n}") for n in (7, 8, 9)]
    run.engine.process(build.batch(sorted(frame for talk in talks for frame in talk.frames)))
    run.engine.finish()
    hits = Counter(hit.host for hit in run.hits)
    assert {host[-1]: number for host, number in hits.items()} == {7: 3, 8: 5, 9: 2}


def test_new_rules_keep_what_was_counted(tmp_path: Path) -> None:
    """A rule that stays as it is goes on counting through a reload; one that asks for something else begins anew."""
    for name, more, hits in (("same", 3, [3.0, 4.0]), ("other", 4, [])):
        talk = shares([1, 2])
        run = Run(counting(tmp_path / name, 3, "10s", "host")).feed(talk)
        run.engine.set_rules(
            prepare(counting(tmp_path / f"{name}-again", more, "10s", "host"), run.engine.gate.names.seed)
        )
        talk.frames.clear()
        for second in (3, 4):
            talk.time = START + second * SECOND
            talk.send(0, SUBMIT)
        run.feed(talk)
        assert when(run.hits) == hits


def test_a_flood_of_flows_is_bounded_and_told(tmp_path: Path) -> None:
    """More counted flows than there are windows: the oldest make room, which is an oddity, and memory stays."""
    run = Run(counting(tmp_path, 3, "10s", "flow"))
    run.engine._reporter._flow_windows = Windows(windows=50, times=1_000, held=60)
    for number in range(200):
        run.feed(shares([number / 100], port=20_000 + number))
    totals = run.engine.totals()
    assert len(run.engine._reporter._flow_windows) == 50
    assert totals.oddities["window_evicted"] == 150 + 140
    assert (totals.sightings, totals.hits) == (200, 0)


# ── several workers ──────────────────────────────────────────────────────────────────────────────────────


class Worker:
    """An engine that tells its sightings, as the worker process does."""

    def __init__(self, ruleset: RuleSet) -> None:
        self.told: list[Sighting] = []
        self.hits: Counter[tuple[bytes, str, int]] = Counter()
        self.engine = Engine(
            ruleset,
            interfaces=["test"],
            settings=EngineSettings(gate_flows=1 << 12),
            hit=lambda d: self.hits.update([(d.host, d.rule.id, int(d.confidence))]),
            event=lambda _: None,
            sighting=lambda sighting, _: self.told.append(sighting),
        )


def traffic() -> list[tuple[int, bytes]]:
    """A minute of six hosts with three connections each: busy and idle ones, answered and not."""
    chance = random.Random(5)
    frames = []
    for number in range(18):
        rate = (0.1, 0.5, 3.0)[number % 3]
        times, at = [], chance.random()
        while at < 60:
            times.append(at)
            at += chance.expovariate(rate)
        talk = shares(times, f"10.0.0.{number // 3 + 1}", 40_000 + number, answered=number % 4 > 0)
        frames += talk.frames
    return sorted(frames)


def share_out(ruleset: RuleSet, workers: int) -> tuple[Counter[tuple[bytes, str, int]], int, int]:
    """Let so many workers share the traffic by connection, each a quarter of a second behind the one before: hits, sightings, hits."""
    crew = [Worker(ruleset) for _ in range(workers)]
    parent: HostCounts[None] = HostCounts(repeat_interval=600 * SECOND)
    hits: Counter[tuple[bytes, str, int]] = Counter()

    def hear(worker: Worker) -> None:
        for sighting in worker.told:
            for hit in parent.add(sighting, None):
                hits[hit.sighting.host, hit.sighting.rule, hit.sighting.confidence] += 1
        worker.told.clear()

    parts: list[list[tuple[int, bytes]]] = [[] for _ in crew]
    for frame in traffic():
        ports = int.from_bytes(frame[1][34:36], "big"), int.from_bytes(frame[1][36:38], "big")
        parts[max(ports) % workers].append(frame)
    for turn in range(4 * 62):
        for behind, (worker, frames) in enumerate(zip(crew, parts, strict=True)):
            until = START + (turn - behind) * SECOND // 4
            ready = [frame for frame in frames if frame[0] < until]
            del frames[: len(ready)]
            if ready:
                worker.engine.process(build.batch(ready))
            hear(worker)
    for worker, rest in zip(crew, parts, strict=True):
        worker.engine.process(build.batch(rest))
        worker.engine.finish()
        hear(worker)
        hits += worker.hits
    sightings = sum(worker.engine.totals().sightings for worker in crew)
    counted = sum(worker.engine.totals().hits for worker in crew) + parent.windows.hits
    return hits, sightings, counted


@pytest.mark.parametrize(("per", "at_least"), [("host", 4), ("host", 20), ("flow", 4)])
def test_one_two_and_four_workers_tell_the_same(per: str, at_least: int, tmp_path: Path) -> None:
    """However many workers share the connections, each host has the same hits, as sure as they may be; the books balance."""
    ruleset = counting(tmp_path, at_least, "10s", per)
    alone = Run(ruleset)
    alone.engine.process(build.batch(traffic()))
    alone.engine.finish()
    wanted = Counter(
        (d.host, d.rule.id, int(level)) for d, level in zip(alone.hits, alone.levels, strict=True)
    )
    assert len({host for host, *_ in wanted}) == 6
    assert alone.engine.totals().hits == wanted.total() < alone.engine.totals().sightings
    for workers in (1, 2, 4):
        hits, sightings, counted = share_out(ruleset, workers)
        assert hits == wanted
        assert (sightings, counted) == (alone.engine.totals().sightings, wanted.total())


# ── the parent ───────────────────────────────────────────────────────────────────────────────────────────


def sighting(host: bytes, time: int, *, flow: int = 1, **more: int) -> Sighting:
    """A sighting of a rule that wants three in ten seconds."""
    return Sighting(
        host, "r", "digest", 3, more.get("confidence", 3), 3, 10 * SECOND, time, flow, more.get("lap", 0)
    )


def test_a_network_counts_together() -> None:
    """Addresses of one network make hits together, where hosts are told apart by networks."""
    book: HostCounts[None] = HostCounts(repeat_interval=SECOND, network_of=lambda host: host[:8])
    addresses = [bytes(15) + bytes([n]) for n in range(3)]
    found = [book.add(sighting(address, n), None) for n, address in enumerate(addresses)]
    assert [len(hits) for hits in found] == [0, 0, 1]


def test_a_lap_begins_anew() -> None:
    """The same capture played again is no continuation of itself."""
    book: HostCounts[None] = HostCounts(repeat_interval=SECOND)
    for lap in range(4):
        assert not book.add(sighting(b"host", 1, lap=lap), None)
        assert not book.add(sighting(b"host", 2, lap=lap), None)
    assert book.windows.seen == 8


def test_lines_are_due_by_flow() -> None:
    """The first hit of each flow is told, a surer one, and one after the interval."""
    book: HostCounts[None] = HostCounts(repeat_interval=5 * SECOND)
    rows = [(1, 1, 2), (2, 1, 2), (3, 1, 2), (4, 1, 2), (5, 2, 2), (6, 1, 3), (7, 1, 3), (12, 1, 2)]
    found = [
        (second, hit.told, hit.is_due)
        for second, flow, confidence in rows
        for hit in book.add(sighting(b"host", second * SECOND, flow=flow, confidence=confidence), None)
    ]
    assert found == [(3, 1, True), (4, 2, False), (5, 1, True), (6, 3, True), (7, 4, False), (12, 5, True)]


def test_what_has_been_told_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood of flows fills no memory: the oldest is told of afresh."""
    monkeypatch.setattr(counts, "MAX_FLOWS", 100)
    book: HostCounts[None] = HostCounts(repeat_interval=3_600 * SECOND)
    due = [hit.is_due for flow in range(1_000) for hit in book.add(sighting(b"host", flow, flow=flow), None)]
    assert all(due)
    assert len(due) == 998
    assert len(book._reported) == 100
    assert [hit.is_due for hit in book.add(sighting(b"host", 1_001, flow=999), None)] == [False]
    assert [hit.is_due for hit in book.add(sighting(b"host", 1_002, flow=5), None)] == [True]


def test_other_messages_are_no_sightings(tmp_path: Path) -> None:
    """Only what a counting rule asks for is counted."""
    talk = build.Conversation(time=START).open().send(0, SUBSCRIBE)
    totals = Run(counting(tmp_path, 2, "10s", "host")).feed(talk).engine.totals()
    assert (totals.sightings, totals.hits, totals.facts["stratum.method"]) == (0, 0, 1)
