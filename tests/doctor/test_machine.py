"""The machine under the sensor, as findings."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from sniffer.blindspots import Finding, Level
from sniffer.doctor import machine
from sniffer.doctor.machine import (
    ask_clock,
    available_mib,
    clock,
    compiled,
    kernel,
    look_at_machine,
    memory,
    permission,
)

if TYPE_CHECKING:
    import socket
    from pathlib import Path

CASES: dict[str, tuple[Finding, Level, str]] = {
    "a kernel of today": (kernel("6.12.5-amd64"), Level.OK, "6.12.5-amd64"),
    "the first good kernel": (kernel("4.20.0"), Level.OK, "4.20.0"),
    "an older kernel": (kernel("4.19.312"), Level.NOTE, "left out one by one"),
    "a kernel without the ring": (kernel("2.6.32"), Level.FAULT, "no ring of version 3"),
    "a kernel with an odd name": (kernel("custom"), Level.OK, "custom"),
    "enough memory": (memory(414, 2_000), Level.OK, "414 MiB are needed at most, 2000 MiB are available"),
    "too little memory": (memory(4_140, 2_000), Level.WARNING, "4140 MiB are needed"),
    "memory that is not told": (memory(414, None), Level.OK, "not told"),
    "compiled": (compiled(warm=True), Level.OK, "compiled and kept"),
    "not compiled": (compiled(warm=False), Level.NOTE, "not compiled yet"),
    "a good clock": (clock(True, 0.0123), Level.OK, "at most 12 ms off"),
    "a clock of its own": (clock(False, 16.0), Level.WARNING, "not synchronised"),
    "a clock that is not told": (clock(None, 0.0), Level.NOTE, "does not tell"),
}


@pytest.mark.parametrize(("found", "level", "words"), CASES.values(), ids=CASES)
def test_a_fact_becomes_a_finding(found: Finding, level: Level, words: str) -> None:
    """At its level, with a remedy exactly where it is not good."""
    assert found.level is level
    assert words in found.says
    assert bool(found.remedy) == (level > Level.OK)


def test_memory_is_that_of_rings_and_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each worker has a ring on each interface, and tables of its own."""
    monkeypatch.setattr(machine, "available_mib", lambda: 10_000)
    found = look_at_machine(ring_mib=64, rings=2, workers=4)
    (about,) = (one for one in found if one.check == "memory")
    assert about.says.startswith(f"{4 * (2 * 64 + 350)} MiB are needed")
    assert [one.check for one in found] == ["kernel", "permission", "memory", "compiled", "clock"]


def test_available_memory_is_read(tmp_path: Path) -> None:
    """In MiB; a system that does not tell it is no trouble."""
    file = tmp_path / "meminfo"
    file.write_text("MemTotal:       16000000 kB\nMemFree:  1 kB\nMemAvailable:    2097152 kB\n")
    assert available_mib(file) == 2_048
    file.write_text("MemTotal: 1 kB\n")
    assert available_mib(file) is None
    assert available_mib(tmp_path / "nothing") is None


@pytest.mark.parametrize(
    ("error", "words"), [(PermissionError(1, "no"), "CAP_NET_RAW"), (OSError(97, "Unknown"), "Unknown")]
)
def test_a_refused_socket_is_a_fault(monkeypatch: pytest.MonkeyPatch, error: OSError, words: str) -> None:
    """What is missing is told by its name."""

    def refuse(*_: object) -> socket.socket:
        raise error

    monkeypatch.setattr(machine, "has_packet_sockets", lambda: True)
    monkeypatch.setattr(machine.socket, "socket", refuse)
    found = permission()
    assert (found.level, bool(found.remedy)) == (Level.FAULT, True)
    assert words in found.says


def test_a_system_without_packet_sockets_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nothing to listen with."""
    monkeypatch.setattr(machine, "has_packet_sockets", lambda: False)
    assert permission().level is Level.FAULT


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="adjtimex is Linux's")
def test_the_real_clock_answers() -> None:
    """The kernel says yes or no, and an error that can be."""
    synchronised, error = ask_clock()
    assert synchronised is not None
    assert 0 <= error < 3_600
