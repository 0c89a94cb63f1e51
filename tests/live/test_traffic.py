"""What a host that mines carries in all, over a real link, with its packets shared by several workers."""

from __future__ import annotations

import sqlite3
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING

import frames as build
import pytest
from control.test_daemon import Daemon
from live.conftest import command, sender
from live.test_daemon import finish, hits, mine

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="AF_PACKET is Linux's"),
]

FLOWS, ROUNDS, SIZE = 100, 200, 1_000


def talk(host: str, flows: int, rounds: int) -> int:
    """Put datagrams of many flows onto the wire, not faster than they are read; return their bytes."""
    frames = [
        build.udp((host, 20_000 + number), ("198.51.100.9", 9_999), bytes(SIZE - 42))
        for number in range(flows)
    ]
    with sender() as wire:
        for _ in range(rounds):
            for frame in frames:
                wire.send(frame)
            time.sleep(0.01)
    return rounds * sum(map(len, frames))


def test_all_bytes_of_a_miner_by_two_workers(
    in_namespace: Callable[[Callable[[], None]], None], tmp_path: Path
) -> None:
    """One worker sees it mine, both count what it carries: together all of it, and nothing of who does not mine."""
    file = tmp_path / "history.db"

    def body() -> None:
        command("ip link set lo up")
        config = f"capture: {{ring_mib: 8, workers: 2}}\nhistory: {{file: {file}}}\n"
        daemon = Daemon(tmp_path, "--interface", "port", config=config)
        try:
            daemon.until(lambda: daemon.said("watching"), "the workers")
            talked = mine(("10.0.0.7", 40_000))
            daemon.until(lambda: hits(daemon, "10.0.0.7") == 3, "hits", 10)
            time.sleep(2)  # within it the other worker has heard of the host, too
            carried = talk("10.0.0.7", FLOWS, ROUNDS)
            talk("10.0.0.9", FLOWS, ROUNDS // 4)
            sent = talked + FLOWS * (ROUNDS + ROUNDS // 4)
            daemon.until(lambda: daemon.metric("sniffer_capture_packets_total") == sent, "books", 20)
            assert daemon.stop()[0] == 0
        finally:
            finish(daemon)
        with closing(sqlite3.connect(file)) as history:
            rows = history.execute(
                "SELECT word, sum(bytes), sum(mining_bytes) FROM traffic JOIN words ON traffic.host = words.id GROUP BY word"
            ).fetchall()
        ((host, everything, mining),) = rows
        assert host == "10.0.0.7"
        assert 0 < mining < 2_000
        assert everything - mining == pytest.approx(carried, rel=0.05)  # of a hundred flows each has its part

    in_namespace(body)
