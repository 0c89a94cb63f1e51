"""Mappings in the daemon: hits go to whoever held the address at the time of the packet; logs are followed meanwhile."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import frames as build
import pytest
from control.conftest import SUBMIT
from control.test_daemon import start  # noqa: F401  # a fixture

from sniffer.config import Ownership
from sniffer.control.holders import PIECE, Holders
from sniffer.owners.timeline import Timeline
from sniffer.sinks.metrics import Health

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from control.test_daemon import Daemon

    from sniffer.control.records import Mapped

BEGIN = 1_700_000_000
TENANTS = """tenant,site,kind,contact,prefix,vlan,pppoe
before,north,household,before@isp.example,,,
after,south,data-centre,,,,
subnet,,campus,,10.0.0.0/24,,
session,,park,,,,4711
"""


def lines(count: int, first: int = 0) -> str:
    """So many lines of a log."""
    return "".join(
        f'{{"ip":"10.{n >> 16}.{n >> 8 & 255}.{n & 255}","time":{n}}}\n' for n in range(first, first + count)
    )


def by_tenant(daemon: Daemon) -> dict[str, float]:
    """Hits of each tenant."""
    return {
        tenant: daemon.metric(f'sniffer_tenant_hits_total{{tenant="{tenant}"[^}}]*}}')
        for tenant in ("before", "after", "subnet", "session", "unknown behind NAT")
    }


def shares(seconds: list[int], host: str = "10.0.0.7", port: int = 40_000) -> build.Conversation:
    """A miner's session with shares at these seconds."""
    talk = build.Conversation(client=(host, port), time=BEGIN * 10**9).open()
    for second in seconds:
        talk.time = (BEGIN + second) * 10**9
        talk.send(0, SUBMIT)
    return talk


def over_pppoe(frame: bytes, session: int) -> bytes:
    """The same frame in a PPPoE session."""
    inner = frame[14:]
    head = (
        b"\x88\x64\x11\x00" + session.to_bytes(2, "big") + (len(inner) + 2).to_bytes(2, "big") + b"\x00\x21"
    )
    return frame[:12] + head + inner


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """Five miners: one whose address changes hands, one in a session, one behind a NAT, explained and not, one of nobody."""
    session = [(time, over_pppoe(frame, 4711)) for time, frame in shares([5, 6], "10.0.0.9").frames]
    talks = (
        shares([10, 20, 30, 40, 50]),
        shares([15, 25, 35], "203.0.113.7", 1_500),
        shares([15], "203.0.113.7", 5_000),
        shares([12], "192.0.2.1"),
    )
    file = tmp_path / "miners.pcap"
    frames = [*session, *(frame for talk in talks for frame in talk.frames)]
    file.write_bytes(build.pcap(sorted(frames)))
    return file


def mapped(folder: Path) -> str:
    """Tenants and mappings; the configuration that names them."""
    (folder / "tenants.csv").write_text(TENANTS)
    (folder / "radius.csv").write_text(
        "address,event,time,user,tenant\n"
        f"10.0.0.7,start,{BEGIN + 5},li@isp.example,before\n"
        f"10.0.0.7,stop,{BEGIN + 22},li@isp.example,before\n"
        f"10.0.0.7,start,{BEGIN + 38},wang@isp.example,after\n"
        f"100.64.0.9,start,{BEGIN},zhao@isp.example,after\n"
    )
    (folder / "nat.json").write_text(
        json.dumps(
            {"outside": "203.0.113.7", "ports": "1024-2047", "inside": "100.64.0.9", "time": BEGIN + 20}
        )
        + "\n"
    )
    (folder / "key").write_bytes(b"k" * 32)
    return (
        f"ownership: {{files: [{folder}/tenants.csv], nat: [203.0.113.0/24],"
        f" mappings: [{folder}/radius.csv, {folder}/nat.json]}}\n"
    )


def test_hits_go_to_whoever_held_the_address(
    start: Callable[..., Daemon],  # noqa: F811
    capture: Path,
    tmp_path: Path,
) -> None:
    """During one session an address passes from one tenant to nobody to another: each has the shares of its time."""
    daemon = start("--replay", capture, config=mapped(tmp_path))
    daemon.until(lambda: daemon.said("the replay has ended"), "the end")
    assert by_tenant(daemon) == {"before": 2, "after": 4, "subnet": 1, "session": 2, "unknown behind NAT": 2}
    hits = {
        tenant: daemon.metric(f'sniffer_host_hits_total{{ip="10.0.0.7"[^}}]*tenant="{tenant}"}}')
        for tenant in ("before", "after", "subnet", "")
    }
    assert hits == {"before": 2, "after": 2, "subnet": 1, "": 0}
    assert daemon.metric('sniffer_host_hits_total{ip="192.0.2.1"[^}]*tenant=""}') == 1
    assert daemon.metrics(
        "sniffer_tenants", "sniffer_mappings", 'sniffer_mapping_lines_total{result="bad"}'
    ) == [4, 4, 0]
    assert daemon.stop()[0] == 0
    events = [json.loads(line) for line in daemon.events.read_bytes().splitlines()]
    told = [event["tenant"] for event in events if event.get("mining", {}).get("host_ip") == "10.0.0.7"]
    assert told[0].pop("subscriber").startswith("h:")
    assert told[0] == {
        "name": "before",
        "site": "north",
        "kind": "household",
        "contact": "before@isp.example",
    }
    assert b'isp.example"' not in daemon.events.read_bytes().replace(b"before@isp.example", b"")
    behind = [event["tenant"] for event in events if event.get("src_ip") == "203.0.113.7"]
    assert {one["name"] for one in behind} == {"unknown behind NAT"}


def test_a_reload_takes_new_tenants_or_none(
    start: Callable[..., Daemon],  # noqa: F811
    capture: Path,
    tmp_path: Path,
) -> None:
    """A broken file changes nothing, and log, metric and the last line say so; a mended one is in use at once."""
    config = mapped(tmp_path)
    daemon = start("--replay", capture, "--loop", "--speed", "20", config=config)
    daemon.until(lambda: daemon.said("watching"), "the worker")
    daemon.until(lambda: by_tenant(daemon)["session"], "hits")
    (tmp_path / "tenants.csv").write_text("tenant,kind,prefix\nx,campos,10.0.0.0/8\n")
    daemon.process.send_signal(signal.SIGHUP)
    daemon.until(lambda: daemon.said("reload failed"), "the refusal")
    assert daemon.said(f"{tmp_path}/tenants.csv:2:1: value tenants.0.kind")
    daemon.until(lambda: not daemon.metric("sniffer_rules_reload_success"), "the metric")
    assert daemon.metric("sniffer_tenants") == 4
    before = by_tenant(daemon)["session"]
    daemon.until(lambda: by_tenant(daemon)["session"] > before, "hits of the old tenants")
    (tmp_path / "tenants.csv").write_text("tenant,kind,prefix\nnew,campus,10.0.0.0/8\n")
    daemon.process.send_signal(signal.SIGHUP)
    daemon.until(lambda: daemon.metric("sniffer_rules_reload_success"), "the reload")
    daemon.until(
        lambda: daemon.metric('sniffer_tenant_hits_total{tenant="new"[^}]*}'), "hits of the new tenant"
    )
    assert daemon.metric("sniffer_tenants") == 1


def test_a_worker_that_dies_is_followed_by_one_that_knows(
    start: Callable[..., Daemon],  # noqa: F811
    capture: Path,
    tmp_path: Path,
) -> None:
    """Mappings that came while the first worker lived are known to the next; each lap of a replay is later than the last."""
    config = mapped(tmp_path)
    log = (tmp_path / "radius.csv").read_text().splitlines(keepends=True)
    (tmp_path / "radius.csv").write_text(log[0])
    daemon = start("--replay", capture, "--loop", "--speed", "20", config=config)
    daemon.until(lambda: daemon.said("watching"), "the worker")
    daemon.until(lambda: by_tenant(daemon)["session"], "hits")
    assert by_tenant(daemon)["after"] == 0
    with (tmp_path / "radius.csv").open("a") as file:
        file.writelines(log[1:])
    daemon.until(lambda: by_tenant(daemon)["after"], "the log to be followed")
    (worker,) = daemon.children()
    os.kill(worker, signal.SIGKILL)
    daemon.until(lambda: daemon.metric("sniffer_worker_restarts_total"), "the next worker")
    known = by_tenant(daemon)["after"]
    daemon.until(lambda: by_tenant(daemon)["after"] > known, "hits by mappings")


class Told:
    """Workers."""

    def __init__(self) -> None:
        self.records: list[Mapped] = []
        self.timeline = Timeline(10**6)

    def hear(self, record: Mapped) -> None:
        """One record."""
        self.records.append(record)
        self.timeline.apply(record.changes)


def holders(folder: Path, **more: Any) -> Holders:
    """Of one log."""
    (folder / "log").touch()
    return Holders(Ownership(mappings=(folder / "log",), **more), str)


def test_logs_are_followed(tmp_path: Path) -> None:
    """Rotation included, while the event loop goes on; workers are told in small pieces, a new one everything."""
    log = tmp_path / "log"
    log.write_text(lines(5_000))
    one, told = holders(tmp_path), Told()
    one.load()
    for record in one.known():
        told.hear(record)
    assert [record.complete for record in told.records] == [False, False, False, True]
    assert max(len(record.changes) for record in told.records) == PIECE

    async def follow() -> None:
        for number in range(5):
            with log.open("a") as file:
                file.write(lines(1_000, 5_000 + number * 1_000))
            if number % 2:
                shutil.move(log, tmp_path / f"log.{number}")
            for _ in range(4):
                await one.turn(told.hear)
                await asyncio.sleep(0.02)

    asyncio.run(follow())
    assert len(told.timeline) == 10_000
    health = Health()
    one.enter(health)
    assert (health.mappings, health.mapping_lines["read"], health.mappings_limit) == (10_000, 10_000, 100_000)
    one.close()


def test_a_flood_is_bounded(tmp_path: Path) -> None:
    """Entries beyond the bound make room, here and in workers, and are counted."""
    (tmp_path / "log").write_text(lines(20_000))
    one = holders(tmp_path, max_mappings=1_000)
    one.load()
    assert sum(len(record.changes) for record in one.known()) == 1_000
    health = Health()
    one.enter(health)
    assert (health.mappings, health.mappings_evicted) == (1_000, 19_000)


def test_a_file_system_that_hangs(tmp_path: Path) -> None:
    """It holds up its own thread; the event loop goes on, and no second thread is sent after it."""
    one = holders(tmp_path)
    hangs, free = Counter[str](), threading.Event()

    def hang() -> list[Any]:
        hangs["turns"] += 1
        free.wait(10)
        return []

    one._tails.turn = hang  # type: ignore[assignment,method-assign]

    async def follow() -> float:
        began = asyncio.get_running_loop().time()
        for _ in range(20):
            await one.turn(lambda _: None)
            await asyncio.sleep(0.001)
        took = asyncio.get_running_loop().time() - began
        free.set()
        return took

    assert asyncio.run(follow()) < 1
    assert hangs["turns"] == 1


def test_without_logs_there_is_nothing_to_do() -> None:
    """No thread, nothing to wait for."""
    one = Holders(Ownership(), str)
    one.load()
    asyncio.run(one.turn(lambda _: pytest.fail("nothing is known")))
    assert (list(one.known()), one.limit) == ([], 0)
