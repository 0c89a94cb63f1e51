"""A split tap: each direction on an interface of its own, and every flow is one that was heard from both sides."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import pytest
from control.test_daemon import Daemon
from live.conftest import command, make_pair, sender
from live.test_daemon import finish
from live.test_live_stories import everything, hits_on

from sniffer.capture.savefile import Savefile
from sniffer.gate.plain_headers import Found, decode
from sniffer.gate.plain_links import Refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sniffer.ruleset import RuleSet

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="AF_PACKET is Linux's"),
]

SECONDS = 6
"""How long the stories take.  They are played faster than they were, so a tap may order less than it could."""


def side_of(frame: bytes) -> int:
    """Which fibre of the tap carries a frame: one direction of all flows each."""
    found = Found()
    try:
        decode(frame, 0, 0, 1, (0, 0), found)
    except Refused:
        if not found.family:
            return 0  # no IP
    width = 4 if found.family == 4 else 16
    source, destination = (frame[at : at + width] for at in (found.source, found.destination))
    return int((source, found.source_port) > (destination, found.destination_port))


def halves(capture: Path) -> list[tuple[float, int, bytes]]:
    """Frames of a capture: seconds since the first, side, bytes."""
    out: list[tuple[float, int, bytes]] = []
    first = 0
    for batch in Savefile(str(capture)).batches():
        for row in batch.frames:
            first = first or int(row["time"])
            frame = batch.data[row["offset"] : row["offset"] + row["captured"]].tobytes()
            out.append(((int(row["time"]) - first) / 1e9, side_of(frame), frame))
    return out


def one_sided(capture: Path, ruleset: RuleSet) -> float:
    """Share of one-sided flows as a single interface shows it."""
    from sniffer.engine import Engine, EngineSettings  # noqa: PLC0415  # compiles

    settings = EngineSettings()
    engine = Engine(ruleset, interfaces=["file"], settings=settings, hit=lambda _: None, event=lambda _: None)
    for batch in Savefile(str(capture)).batches():
        engine.process(batch)
    return engine.totals().one_sided_ratio


@pytest.mark.parametrize("workers", [1, 2])
def test_stories_over_a_split_tap(
    in_namespace: Callable[[Callable[[], None]], None], tmp_path: Path, ruleset: RuleSet, workers: int
) -> None:
    """Each direction of all stories on a port of its own gives the hits of one port, and no more one-sided flows."""
    capture, wanted = everything(tmp_path)
    frames = halves(capture)
    speed = frames[-1][0] / SECONDS
    share = one_sided(capture, ruleset)

    def body() -> None:
        command("ip link set lo up")
        command("ip link set tap mtu 9000")
        command("ip link set port mtu 9000")
        make_pair("other")
        command("ip link set other-tap mtu 9000")
        command("ip link set other-port mtu 9000")
        config = f"hosts: {{ipv6_prefix: 128}}\ncapture: {{workers: {workers}, ring_mib: 16}}\n"
        daemon = Daemon(tmp_path, "--interface", "port", "--interface", "other-port", config=config)
        try:
            daemon.until(lambda: daemon.said("watching"), "the workers")
            with sender() as one, sender("other-tap") as two:
                begun = time.monotonic()
                for at, side, frame in frames:
                    wait = begun + at / speed - time.monotonic()
                    if wait > 0:
                        time.sleep(wait)
                    (two if side else one).send(frame)
            packets = "sniffer_capture_packets_total"
            daemon.until(lambda: daemon.metric(packets) == len(frames), "all packets", 10)
            for number, name in enumerate(("port", "other-port")):
                count = sum(side == number for _, side, _ in frames)
                assert daemon.metric(f'{packets}{{interface="{name}"}}'.replace("{", "\\{")) == count > 100
            time.sleep(7)  # hits of one-sided flows wait for an answer that does not come
            page = daemon.ask("/metrics")[1]
            told = daemon.metric("sniffer_flows_one_sided_ratio")
            assert daemon.stop()[0] == 0
        finally:
            finish(daemon)
        assert hits_on(page) == wanted
        assert abs(told - share) < 0.02, (told, share)

    in_namespace(body)
