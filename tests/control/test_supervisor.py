"""The supervisor: workers that die, stick or talk nonsense are replaced; what they said before is kept."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

import pytest

from sniffer.control import supervisor
from sniffer.control.records import (
    Ended,
    Finished,
    Job,
    Learned,
    Mapped,
    NewRules,
    News,
    RulesInUse,
    Snapshot,
)
from sniffer.control.supervisor import MAX_QUEUED, Supervisor
from sniffer.errors import AccessError, WorkerError
from sniffer.owners.timeline import OPEN, Change

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence
    from pathlib import Path

PRELUDE = """
import os, signal, socket, sys, time
from sniffer.children import Unframer
from sniffer.control.board import Board
from sniffer.control.records import *
sock = socket.socket(fileno=int(sys.argv[-1]))
unframer = Unframer()
def hear():
    while True:
        data = sock.recv(1 << 20)
        if not data:
            sys.exit(0)
        for body in unframer.feed(data):
            return to_worker.decode(body)
def say(record):
    sock.sendall(frame(record))
job = hear()
board = Board(job.board)
lives = int(open(LIVES).read() or 0) + 1
open(LIVES, "w").write(str(lives))
row = HitDelta(b"\\x0a\\0\\0\\7", "r", 3, 3, 1, lives)
"""


class Listener:
    """Writes down what it hears."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.hits = 0
        self.reading = asyncio.Event()

    def ready(self) -> None:
        """Note it, like all of these."""
        self.told.append("ready")
        self.reading.set()

    def news(self, news: News) -> None:
        """Count hits."""
        self.hits += sum(hit.count for hit in news.hits)

    def snapshot(self, snapshot: Snapshot) -> None:
        """Nothing: they come at any time."""

    def rules_in_use(self, answer: RulesInUse) -> None:
        """Note it."""
        self.told.append(f"rules {answer.generation}")

    def learned(self, learned: Learned) -> None:
        """Note it."""
        self.told.append(f"learned {learned.name}")

    def lost_interface(self, interface: str) -> None:
        """Note it."""
        self.told.append(f"lost {interface}")

    def ended(self, end: Ended) -> None:
        """Note it."""
        self.told.append(f"ended {end.exit_status}")

    def died(self, reason: str) -> None:
        """Note it."""
        self.told.append(f"died: {reason}")


def job() -> tuple[Job, Sequence[socket.socket]]:
    """A job for workers that do not look at it."""
    return Job(b""), ()


def make(folder: Path, script: str, listener: Listener, **settings: float) -> Supervisor:
    """A supervisor of a worker that does what a script says; ``lives`` counts its lives from 1."""
    lives = folder / "lives"
    lives.write_text("")
    file = folder / "worker.py"
    file.write_text(PRELUDE.replace("LIVES", repr(str(lives))) + script)
    return Supervisor(listener, job, command=(sys.executable, str(file)), **settings)  # type: ignore[arg-type]


def run(folder: Path, script: str, **settings: float) -> tuple[Listener, Supervisor, Finished]:
    """Run a script's worker to its end."""
    listener = Listener()
    keeper = make(folder, script, listener, **settings)
    last = asyncio.run(asyncio.wait_for(keeper.run(), 60))
    return listener, keeper, last


def test_a_worker_that_does_its_work(tmp_path: Path) -> None:
    """Its records are heard in order; its last one is the result."""
    listener, keeper, last = run(
        tmp_path, "say(Ready()); say(News((row,))); say(Ended()); say(Finished(exit_status=66))"
    )
    assert listener.told == ["ready", "ended 0"]
    assert (listener.hits, keeper.restarts, keeper.up, last.exit_status) == (1, 0, False, 66)


def test_hits_of_the_dead_count(tmp_path: Path) -> None:
    """What a worker has handed over before it was killed is not lost, and another follows."""
    script = """
say(Ready())
for _ in range(500):
    say(News((row,)))
if lives == 1:
    os.kill(os.getpid(), signal.SIGKILL)
say(Finished())
"""
    listener, keeper, _ = run(tmp_path, script)
    assert listener.told == ["ready", "died: killed by SIGKILL", "ready"]
    assert (listener.hits, keeper.restarts) == (1_000, 1)


def test_a_crash_at_the_end_of_a_record(tmp_path: Path) -> None:
    """Half a record of a dead worker is left out; the next worker's stream starts anew."""
    script = """
say(Ready())
if lives == 1:
    sock.sendall(frame(News((row,)))[:-3])
    sys.exit(1)
say(News((row,)))
say(Finished())
"""
    listener, _, _ = run(tmp_path, script)
    assert listener.told == ["ready", "died: exit status 1", "ready"]
    assert listener.hits == 1


def test_workers_that_keep_dying(tmp_path: Path) -> None:
    """After five restarts within a minute the supervisor gives up, with the reason, and status 70."""
    listener = Listener()
    keeper = make(tmp_path, "sys.exit(9)", listener)
    with pytest.raises(WorkerError, match=r"died 6 times .* exit status 9") as caught:
        asyncio.run(asyncio.wait_for(keeper.run(), 60))
    assert caught.value.exit_status == 70
    assert listener.told == ["died: exit status 9"] * supervisor.RESTARTS


def test_a_silent_worker_is_replaced(tmp_path: Path) -> None:
    """A worker whose loop stands still is killed, talk as it may; a slow start is not silence."""
    script = """
time.sleep(1.0)
say(Ready())
while lives == 1:
    time.sleep(0.1)
    say(News())
say(Finished())
"""
    listener, keeper, _ = run(tmp_path, script, check_every=0.05, silent_checks=8)
    assert listener.told == ["ready", "died: killed by SIGKILL", "ready"]
    assert keeper.restarts == 1


def test_a_stopped_worker_is_replaced(tmp_path: Path) -> None:
    """A worker that was stopped from outside is replaced like a silent one; its slow start is not held against it."""
    script = """
time.sleep(0.8)
say(Ready())
time.sleep(0.15)
while lives == 1:
    board.turn()
    time.sleep(0.02)
say(Finished())
"""

    async def stop_it() -> list[str]:
        listener = Listener()
        keeper = make(tmp_path, script, listener, check_every=0.05, silent_checks=10)
        running = asyncio.create_task(keeper.run())
        await asyncio.wait_for(listener.reading.wait(), 30)
        await asyncio.sleep(0.7)
        assert listener.told == ["ready"]  # one whose loop goes on is left alone
        assert time.time() - keeper.heartbeat < 0.3
        assert keeper.pid is not None
        os.kill(keeper.pid, signal.SIGSTOP)
        await asyncio.wait_for(running, 30)
        return listener.told

    assert asyncio.run(stop_it()) == ["ready", "died: killed by SIGKILL", "ready"]


@pytest.mark.parametrize("noise", ["b'\\xff' * 100", "b'\\x01\\0\\0\\0\\xc1'", "frame(Stop())"])
def test_nonsense_ends_a_worker(tmp_path: Path, noise: str) -> None:
    """A worker whose records cannot be read is replaced; nothing else happens."""
    script = f"""
say(Ready())
if lives == 1:
    sock.sendall({noise})
    time.sleep(60)
say(Finished())
"""
    listener, _, _ = run(tmp_path, script)
    assert listener.told == ["ready", "died: killed by SIGKILL", "ready"]


def test_stop_and_stop_now(tmp_path: Path) -> None:
    """Stop lets a worker finish; stop_now does not wait for one that will not."""
    obedient = "say(Ready()); record = hear(); say(Finished(stopped=isinstance(record, Stop)))"
    stubborn = "say(Ready())\nwhile True: time.sleep(1)"

    async def stop(script: str, *, now: bool) -> tuple[Finished, float]:
        listener = Listener()
        keeper = make(tmp_path, script, listener)
        running = asyncio.create_task(keeper.run())
        await asyncio.wait_for(listener.reading.wait(), 30)
        began = time.monotonic()
        await keeper.stop()
        if now:
            keeper.stop_now()
        return await asyncio.wait_for(running, 30), time.monotonic() - began

    last, _ = asyncio.run(stop(obedient, now=False))
    assert last == Finished(stopped=True)
    last, took = asyncio.run(stop(stubborn, now=True))
    assert last.stopped
    assert took < 1.0


def test_rules_reach_the_worker(tmp_path: Path) -> None:
    """A rule set larger than any pipe arrives; without a worker nobody takes it."""
    script = """
say(Ready())
rules = None
while rules is None:
    rules = hear()
assert len(rules.dump) == 5_000_000
say(RulesInUse(rules.generation))
say(Finished())
"""

    async def send() -> list[str]:
        listener = Listener()
        keeper = make(tmp_path, script, listener)
        assert not await keeper.send_rules(NewRules(2, b""))
        running = asyncio.create_task(keeper.run())
        await asyncio.wait_for(listener.reading.wait(), 30)
        assert await keeper.send_rules(NewRules(2, b"x" * 5_000_000))
        await asyncio.wait_for(running, 30)
        return listener.told

    assert asyncio.run(send()) == ["ready", "rules 2"]


def test_a_job_that_cannot_be_made() -> None:
    """What keeps a Job from being made is the operator's to mend, not a reason to try again."""

    def refuse() -> tuple[Job, Sequence[socket.socket]]:
        raise AccessError("may not open a packet socket")

    with pytest.raises(AccessError):
        asyncio.run(Supervisor(Listener(), refuse).run())


def test_what_follows_a_job_comes_first(tmp_path: Path) -> None:
    """Every worker gets what is known when it has its Job, then what is queued meanwhile, in order; a queue has a bound."""
    script = """
def numbers():
    out = []
    while len(out) < 6:
        for body in unframer.feed(sock.recv(1 << 20)):
            out.append(to_worker.decode(body).changes[0].start)
    return out
say(Ready())
say(Learned(b"", str(numbers()), 0.0))
if lives == 1:
    os.kill(os.getpid(), signal.SIGKILL)
say(Finished())
"""

    def mapped(number: int) -> Mapped:
        return Mapped((Change("hold", b"\x0a\0\0\7", 32, number, OPEN),))

    listener = Listener()
    keeper = make(tmp_path, script, listener)
    keeper._follows = lambda: [mapped(1), mapped(2), mapped(3)]
    assert keeper.queue(mapped(9))  # there is no worker: the next is told what is known then

    async def go() -> None:
        running = asyncio.create_task(keeper.run())
        for _ in range(2):
            await listener.reading.wait()
            listener.reading.clear()
            for number in (4, 5, 6):
                assert keeper.queue(mapped(number))
        await asyncio.wait_for(running, 60)

    asyncio.run(go())
    assert listener.told.count("learned [1, 2, 3, 4, 5, 6]") == 2


def test_a_queue_has_a_bound(tmp_path: Path) -> None:
    """A worker that reads nothing is not sent more without end: what finds no room is refused, and nobody waits."""
    big = Mapped(tuple(Change("hold", b"\x0a\0\0\7", 32, n, OPEN) for n in range(2_000)))
    listener = Listener()
    keeper = make(tmp_path, "say(Ready()); time.sleep(60)", listener, check_every=5.0)

    async def go() -> int:
        running = asyncio.create_task(keeper.run())
        await listener.reading.wait()
        refused = sum(not keeper.queue(big) for _ in range(MAX_QUEUED + 100))
        keeper.stop_now()
        await asyncio.wait_for(running, 60)
        return refused

    assert asyncio.run(go()) == 100
