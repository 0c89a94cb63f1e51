"""Reloads while packets come: none is dropped, no hit is missed or doubled, no worker is taken for dead."""

from __future__ import annotations

import itertools
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Self

import frames as build
import pytest
from control.conftest import SUBMIT
from control.test_daemon import RULE, Daemon
from live.conftest import command, sender
from live.test_daemon import finish
from rulefolder import NAMES, many_pools

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="AF_PACKET is Linux's"),
]


class Wire(threading.Thread):
    """Puts frames onto the wire until told to stop."""

    def __init__(self, frames: Iterator[bytes], pause: float) -> None:
        super().__init__()
        self.sent = 0
        self.enough = threading.Event()
        self._frames, self._pause = frames, pause

    def run(self) -> None:
        """Send, with a pause after every 64 frames."""
        with sender() as wire:
            while not self.enough.is_set():
                for _ in range(64):
                    wire.send(next(self._frames))
                    self.sent += 1
                if self._pause:
                    time.sleep(self._pause)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.enough.set()
        self.join()


def noise() -> Iterator[bytes]:
    """Segments without a meaning, of many flows."""
    frames = [
        build.tcp((f"10.1.{n >> 8}.{n & 0xFF}", 50_000), ("203.0.113.9", 443), build.ACK, 1, 1, bytes(400))
        for n in range(1, 4_096)
    ]
    while True:
        yield from frames


def shares() -> Iterator[bytes]:
    """Sessions of ten shares each, one after another; each frame is long enough for the wire."""
    number = 0
    while True:
        number += 1
        talk = build.Conversation(client=(f"10.2.{number >> 8 & 0xFF}.{number & 0xFF}", 40_000)).open()
        for _ in range(10):
            talk.send(0, SUBMIT)
        yield from (frame.ljust(60, b"\0") for _, frame in talk.frames)


FRAMES_OF_SESSION = 3 + 2 * 10


@pytest.mark.parametrize("workers", [1, 2])
def test_no_hit_is_missed_or_doubled(
    in_namespace: Callable[[Callable[[], None]], None], tmp_path: Path, workers: int
) -> None:
    """A reload after another under traffic, each with other rules beside the same one: its hits are as many as shares were sent."""
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "own.yaml").write_text(RULE)

    def body() -> None:
        command("ip link set lo up")
        config = f"capture: {{ring_mib: 8, workers: {workers}}}\n"
        daemon = Daemon(tmp_path, "--interface", "port", "--rules", rules, config=config)
        try:
            daemon.until(lambda: daemon.said("watching"), "the workers")
            with Wire(shares(), 0.02) as wire:
                for reloads in range(8):
                    other = RULE.replace("own-submit", f"other-{reloads}").replace(
                        "mining.submit", f"m.{reloads}"
                    )
                    (rules / "other.yaml").write_text(other)
                    daemon.process.send_signal(signal.SIGHUP)
                    daemon.until(lambda: daemon.metric("sniffer_rules_generation") == reloads + 2, "a reload")  # noqa: B023
            whole, rest = divmod(wire.sent, FRAMES_OF_SESSION)
            sent = 10 * whole + max(0, (rest - 2) // 2)
            hits = 'sniffer_hits_total{rule="own-submit"[^}]*}'
            daemon.until(
                lambda: daemon.metric("sniffer_capture_packets_total") == wire.sent, "all packets", 10
            )
            daemon.until(lambda: daemon.metric(hits) >= sent, "all hits", 10)
            time.sleep(1)
            assert daemon.metric(hits) == daemon.metric("sniffer_hits_total") == sent
            for name in ("sniffer_worker_restarts_total", "sniffer_capture_drops_total"):
                assert daemon.metric(name) == 0
            assert daemon.stop()[0] == 0
        finally:
            finish(daemon)

    in_namespace(body)


@pytest.mark.slow
def test_a_hundred_thousand_names_under_a_flood(
    in_namespace: Callable[[Callable[[], None]], None], tmp_path: Path
) -> None:
    """A ring that holds a third of a second of the flood drops nothing while a long list is taken, in the best of three times."""
    rules = many_pools(tmp_path / "rules", 100_000)
    text = (rules / "rules.yaml").read_text()
    text = text.replace("hits: [{client: x}]", f"hits: [{{dns: {NAMES[0]}}}]")

    def body() -> None:
        command("ip link set lo up")
        config = "capture: {ring_mib: 16, block_kib: 256}\n"
        (rules / "rules.yaml").write_text(text)
        daemon = Daemon(tmp_path, "--interface", "port", "--rules", rules, config=config)
        drops = [0.0]
        try:
            daemon.until(lambda: daemon.said("watching"), "the worker")
            with Wire(noise(), 0.0005) as wire:
                for number in range(3):
                    (rules / "rules.yaml").write_text(text.replace("A rule", f"A rule {number}"))
                    daemon.process.send_signal(signal.SIGHUP)
                    daemon.until(
                        lambda: daemon.metric("sniffer_rules_generation") == number + 2,  # noqa: B023
                        "the reload",
                    )
                    time.sleep(0.5)
                    drops.append(daemon.metric("sniffer_capture_drops_total"))
            daemon.until(
                lambda: daemon.metric("sniffer_capture_offered_total") >= wire.sent, "all packets", 20
            )
            read = daemon.metric("sniffer_capture_packets_total")
            assert read + daemon.metric("sniffer_capture_drops_total") == wire.sent
            assert daemon.metric("sniffer_worker_restarts_total") == 0
            assert min(after - before for before, after in itertools.pairwise(drops)) == 0, drops
            assert daemon.stop()[0] == 0
        finally:
            finish(daemon)

    in_namespace(body)
