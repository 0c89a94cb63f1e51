"""The crew: several workers that look like one from outside."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING

import pytest
from control.test_supervisor import PRELUDE

from sniffer.control.crew import Crew
from sniffer.control.records import Finished, Job, NewRules
from sniffer.errors import WorkerError
from sniffer.totals import InterfaceTotals, Totals

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from sniffer.control.records import Ended, News

HELPERS = """
from sniffer.totals import InterfaceTotals, Totals
me = job.sensor
first = me == "0"
def books(packets, **more):
    board.write(Snapshot(Totals(packets=packets, flows=packets, interfaces={"a": InterfaceTotals(packets=packets)}, **more), {"a": True}))
"""


class Listener:
    """Counts what it hears."""

    def __init__(self) -> None:
        self.readies = self.hits = 0
        self._changed = asyncio.Event()

    def ready(self) -> None:
        """Note it."""
        self.readies += 1
        self._changed.set()

    def news(self, news: News) -> None:
        """Count hits."""
        self.hits += sum(hit.count for hit in news.hits)
        self._changed.set()

    async def until(self, *, readies: int = 0, hits: int = 0) -> None:
        """Wait for so many."""
        while self.readies < readies or self.hits < hits:
            self._changed.clear()
            await self._changed.wait()

    def ended(self, end: Ended) -> None:
        """Not here."""


def job(number: int) -> tuple[Job, Sequence[socket.socket]]:
    """A job that tells a worker its number."""
    return Job(b"", sensor=str(number)), ()


def make(folder: Path, script: str, count: int = 3) -> tuple[Crew, Listener]:
    """A crew of workers that do what a script says."""
    lives = folder / "lives"
    lives.write_text("")
    file = folder / "worker.py"
    file.write_text(PRELUDE.replace("LIVES", repr(str(lives))) + HELPERS + script)
    listener = Listener()
    return Crew(listener, job, count, command=(sys.executable, str(file))), listener


@contextlib.asynccontextmanager
async def running(crew: Crew) -> AsyncIterator[None]:
    """While a crew works; then it is stopped."""
    working = asyncio.create_task(crew.run())
    yield
    await crew.stop()
    await working


def run(crew: Crew) -> Finished:
    """Run a crew to its end."""
    return asyncio.run(asyncio.wait_for(crew.run(), 60))


def test_matchers_that_disagree_are_told_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What the paranoid find is logged once for each rule and worker, however often the board says so."""
    crew, _ = make(
        tmp_path,
        "say(Ready())\n"
        "for n in range(3):\n"
        "    board.turn(); board.write(Snapshot(Totals(packets=n), {}, differing=('a-rule', 'b-rule')[:1 + n])); time.sleep(0.7)\n"
        "say(Finished())",
        count=1,
    )
    run(crew)
    told = [line for line in "".join(capfd.readouterr()).splitlines() if "disagree" in line]
    assert len(told) == 2
    assert ("a-rule" in told[0], "b-rule" in told[1]) == (True, True)


def test_books_of_all_are_added(tmp_path: Path) -> None:
    """Packets, flows and hits of every worker count; it is ready once, when all are."""
    crew, listener = make(
        tmp_path,
        "say(Ready()); books(10 + int(me)); say(News((row,))); hear() if not first else 0; say(Finished())",
    )

    async def go() -> None:
        async with running(crew):
            await listener.until(hits=3)
            assert listener.readies == 1

    asyncio.run(asyncio.wait_for(go(), 60))
    assert crew.totals.packets == crew.totals.flows == 33
    assert crew.totals.interfaces["a"].packets == 33
    assert crew.interfaces() == {"a": True}
    assert set(crew.health()) == {"0", "1", "2"}


def test_counters_do_not_fall_when_one_dies(tmp_path: Path) -> None:
    """What a dead worker had read stays counted; only its own restarts go up."""
    script = """
say(Ready())
books(5)
if first and lives <= 3 and not open(LIVES + ".died", "a").tell():
    open(LIVES + ".died", "a").write("x")
    sys.exit(1)
say(Finished())
"""
    crew, _ = make(tmp_path, script.replace("LIVES", repr(str(tmp_path / "lives"))))
    run(crew)
    assert crew.totals.packets == 20
    assert {name: one.restarts for name, one in crew.health().items()} == {"0": 1, "1": 0, "2": 0}


def test_what_was_filtered_never_falls(tmp_path: Path) -> None:
    """Workers tell at different times, and the estimate wavers; what is shown is the most that it was."""
    crew, _ = make(tmp_path, "say(Ready()); say(Finished())", count=2)
    shown = []
    for accepted, received in ((10, 100), (60, 110), (60, 200)):
        for member in crew.members:
            one = InterfaceTotals(packets=accepted, accepted=accepted, received=received)
            member.books.update(Totals(packets=accepted, interfaces={"a": one}))
            shown.append(crew.totals.interfaces["a"].filtered)
    assert shown == [0, 80, 80, 80, 80, 80]
    assert shown == sorted(shown)
    crew.members[0].books.begin()
    assert crew.totals.interfaces["a"].filtered == 80


def until_the_others_have_heard(crew: Crew, listener: Listener) -> None:
    """Run a crew of three until two of them, which were told what they wait for, have said so; nobody dies of it."""

    async def go() -> None:
        async with running(crew):
            await listener.until(hits=2)

    asyncio.run(asyncio.wait_for(go(), 60))
    assert all(one.restarts == 0 for one in crew.health().values())


def test_what_one_learns_the_others_are_told(tmp_path: Path) -> None:
    """An address that one worker learned reaches each of the others, and not the one that learned it."""
    script = """
say(Ready())
if first:
    time.sleep(0.5)
    say(Learned(b"\\x2d\\0\\0\\1", "btc.pool.example", 60.0))
    assert isinstance(hear(), Stop)
else:
    told = hear()
    assert isinstance(told, Learned) and told.name == "btc.pool.example", told
    say(News((row,)))
    assert isinstance(hear(), Stop)
say(Finished())
"""
    crew, listener = make(tmp_path, script.replace("\\\\", "\\"))
    until_the_others_have_heard(crew, listener)


def test_hosts_that_one_saw_mining_the_others_watch(tmp_path: Path) -> None:
    """They travel with the news of one worker, and reach each of the others."""
    script = """
say(Ready())
if first:
    time.sleep(0.5)
    say(News(watched=(bytes(4), bytes(16))))
    assert isinstance(hear(), Stop)
else:
    told = hear()
    assert told == Watched((bytes(4), bytes(16))), told
    say(News((row,)))
    assert isinstance(hear(), Stop)
say(Finished())
"""
    crew, listener = make(tmp_path, script)
    until_the_others_have_heard(crew, listener)


def test_rules_are_taken_by_all_or_by_none(tmp_path: Path) -> None:
    """If one worker refuses new rules, those that took them go back to the old ones."""
    script = """
say(Ready())
while not isinstance(told := hear(), Stop):
    refuses = told.generation == 2 and me == "1"
    say(RulesInUse(told.generation, "no" if refuses else ""))
    open(f"{job.sensor}.told", "a").write(f"{told.generation} ")
say(Finished())
"""
    crew, listener = make(tmp_path, script.replace('f"{job', f'f"{tmp_path}/{{job'))

    async def go() -> tuple[str, str]:
        async with running(crew):
            await listener.until(readies=1)
            refused = await crew.take_rules(NewRules(2, b""))
            taken = await crew.take_rules(NewRules(3, b""))
        return refused, taken

    refused, taken = asyncio.run(asyncio.wait_for(go(), 60))
    assert (refused, taken) == ("no", "")
    told = [(tmp_path / f"{number}.told").read_text() for number in range(3)]
    assert told == ["2 1 3 ", "2 3 ", "2 1 3 "]


def test_who_does_not_answer_keeps_the_old_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that does not answer in time may still take the new ones: it is told to go back like those that took them."""
    monkeypatch.setattr("sniffer.control.crew.ANSWER_WITHIN", 1.0)
    script = """
say(Ready())
while not isinstance(told := hear(), Stop):
    if told.generation != 2 or me != "1":
        say(RulesInUse(told.generation))
    open(f"TOLD/{me}.told", "a").write(f"{told.generation} ")
say(Finished())
"""
    crew, listener = make(tmp_path, script.replace("TOLD", str(tmp_path)))

    async def go() -> str:
        async with running(crew):
            await listener.until(readies=1)
            return await crew.take_rules(NewRules(2, b""))

    assert asyncio.run(asyncio.wait_for(go(), 60)) == "worker 1 did not answer"
    assert [(tmp_path / f"{number}.told").read_text() for number in range(3)] == ["2 1 "] * 3


def test_who_dies_over_new_rules_catches_up(tmp_path: Path) -> None:
    """A worker that was started with the old rules, while the others took new ones, is handed them when it reads."""
    script = """
say(Ready())
while not isinstance(told := hear(), Stop):
    open(f"TOLD/{me}.told", "a").write(f"{told.generation} ")
    if me == "1" and not os.path.exists("TOLD/died"):
        open("TOLD/died", "w").close()
        sys.exit(1)
    say(RulesInUse(told.generation))
say(Finished())
"""
    crew, listener = make(tmp_path, script.replace("TOLD", str(tmp_path)))

    async def go() -> tuple[str, list[int]]:
        async with running(crew):
            await listener.until(readies=1)
            fault = await crew.take_rules(NewRules(2, b""))
            while crew.members[1].generation != 2:  # noqa: ASYNC110  # nobody tells
                await asyncio.sleep(0.05)
        return fault, [member.generation for member in crew.members]

    assert asyncio.run(asyncio.wait_for(go(), 60)) == ("", [2, 2, 2])
    assert [(tmp_path / f"{number}.told").read_text() for number in range(3)] == ["2 ", "2 2 ", "2 "]


def test_one_that_keeps_dying_ends_all(tmp_path: Path) -> None:
    """A worker that cannot live ends the daemon with an error; nobody is left behind."""
    crew, _ = make(tmp_path, "say(Ready())\nsys.exit(1) if first else hear()\nsay(Finished())", count=2)
    with pytest.raises(WorkerError, match="died 6 times"):
        run(crew)
    assert not any(member.supervisor.up for member in crew.members)
