"""The doctor on a real interface: a port that is down, dark, silent, or shows one direction only."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import frames as build
import pytest
from control.conftest import SUBMIT
from live.conftest import command, sender

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="AF_PACKET is Linux's"),
]

RUN = "from sniffer.cli import main; main()"
WITHOUT_RAW = "import ctypes; ctypes.CDLL(None).prctl(24, 13); "  # PR_CAPBSET_DROP, CAP_NET_RAW
EXEC = "import os, sys; os.execv(sys.executable, [sys.executable, '-c', *sys.argv[1:]])"
CLIENT = bytes([10, 0, 0, 7])
FLOWS = 40


def talk(*, both: bool) -> list[bytes]:
    """Connections as a mirror shows them, in both directions or as what the client sends."""
    frames: list[bytes] = []
    for port in range(FLOWS):
        one = build.Conversation(client=("10.0.0.7", 40_000 + port), vlans=(7,)).open()
        one.send(0, SUBMIT).send(1, '{"id":4,"result":true,"error":null}\n')
        frames += (frame for _, frame in one.frames if both or frame[30:34] == CLIENT)
    return [frame.ljust(64, b"\0") for frame in frames]


def visit(
    *traffic: bytes, start: tuple[str, ...] = (RUN,), seconds: float = 3
) -> tuple[int, dict[str, dict[str, Any]]]:
    """Let the doctor look at ``port`` while traffic goes into ``tap``: its status, and what it found by check."""
    arguments = [sys.executable, "-c", *start, "doctor", "-i", "port", "--seconds", str(seconds), "--json"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as doctor:
        if traffic:
            with sender() as wire:
                while doctor.poll() is None:
                    for frame in traffic:
                        wire.send(frame)
                    time.sleep(0.05)
        out = doctor.communicate(timeout=120)[0]
    return doctor.returncode, {one["check"]: one for one in json.loads(out)["checks"]}


def levels(found: dict[str, dict[str, Any]], *checks: str) -> list[str]:
    """Levels of some checks."""
    return [found[check]["level"] for check in checks]


def test_a_port_that_is_well(in_namespace: Callable[[Callable[[], None]], None]) -> None:
    """Both directions, tags and miners are told; nothing about the port wants to be mended."""

    def body() -> None:
        status, found = visit(*talk(both=True))
        assert (
            levels(found, "permission", "link", "ring", "traffic", "drops", "directions", "content", "cut")
            == ["ok"] * 8
        )
        bad = {check for check, one in found.items() if one["level"] in {"warning", "fault"}}
        assert bad <= {"clock"}  # that of the machine
        assert status == len(bad)
        assert found["tags and tunnels"]["says"].startswith("vlan ")
        assert found["mining"]["says"].endswith("hits of 1 addresses while listening")
        assert "remedy" not in found["directions"]

    in_namespace(body)


def test_a_lost_direction(in_namespace: Callable[[Callable[[], None]], None]) -> None:
    """It is told, with a remedy, and the status is 1."""

    def body() -> None:
        status, found = visit(*talk(both=False))
        assert levels(found, "traffic", "directions") == ["ok", "warning"]
        assert found["directions"]["says"].startswith(f"100 % of {FLOWS} TCP flows")
        assert "mirror both directions" in found["directions"]["remedy"]
        assert status == 1

    in_namespace(body)


def test_a_silent_port(in_namespace: Callable[[Callable[[], None]], None]) -> None:
    """Up, with a carrier, and nothing comes: a fault of the mirror."""

    def body() -> None:
        status, found = visit(seconds=1)
        assert levels(found, "link", "ring", "traffic") == ["ok", "ok", "fault"]
        assert found["traffic"]["says"] == "no packet has arrived"
        assert status == 1

    in_namespace(body)


@pytest.mark.parametrize(
    ("which", "says"), [("port", "the interface is down"), ("tap", "the interface is up and has no carrier")]
)
def test_a_port_that_is_down_or_dark(
    in_namespace: Callable[[Callable[[], None]], None], which: str, says: str
) -> None:
    """Which of them is told; nothing is listened to, for nothing can come."""

    def body() -> None:
        command(f"ip link set {which} down")
        status, found = visit()
        assert (found["link"]["level"], found["link"]["says"]) == ("fault", says)
        assert "traffic" not in found
        assert status == 1

    in_namespace(body)


def test_without_the_right_to_listen(in_namespace: Callable[[Callable[[], None]], None]) -> None:
    """Status 77; what needs no right is still told."""

    def body() -> None:
        status, found = visit(start=(WITHOUT_RAW + EXEC, RUN))
        assert levels(found, "permission", "link") == ["fault", "ok"]
        assert "CAP_NET_RAW" in found["permission"]["says"]
        assert "traffic" not in found
        assert status == 77

    in_namespace(body)
