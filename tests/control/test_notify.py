"""Word to the service manager, heard on a real socket."""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING

import pytest

from sniffer.control.notify import Notifier

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A service manager's socket and the name it is given by, in both name spaces."""
    if request.param == "path":
        address = name = str(tmp_path / "notify")
    else:
        address, name = f"\0sniffer-test-{os.getpid()}", f"@sniffer-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(address)
        server.settimeout(5)
        yield server, name


def test_says_each_word(manager: tuple[socket.socket, str]) -> None:
    """Every message arrives as sd_notify(3) writes it, one datagram each."""
    server, name = manager
    notifier = Notifier({"NOTIFY_SOCKET": name})
    assert notifier.ready("watching eth1")
    assert server.recv(999) == b"READY=1\nSTATUS=watching eth1"
    assert notifier.status("75 rules")
    assert server.recv(999) == b"STATUS=75 rules"
    assert notifier.watchdog()
    assert server.recv(999) == b"WATCHDOG=1"
    assert notifier.stopping()
    assert server.recv(999) == b"STOPPING=1"


def test_a_reload_carries_the_monotonic_clock(manager: tuple[socket.socket, str]) -> None:
    """RELOADING=1 comes with the microseconds that Type=notify-reload asks for."""
    server, name = manager
    before = time.monotonic_ns() // 1000
    assert Notifier({"NOTIFY_SOCKET": name}).reloading()
    first, second = server.recv(999).decode().split("\n")
    assert first == "RELOADING=1"
    word, microseconds = second.split("=")
    assert word == "MONOTONIC_USEC"
    assert before <= int(microseconds) <= time.monotonic_ns() // 1000


def test_a_status_cannot_add_a_word(manager: tuple[socket.socket, str]) -> None:
    """A line end inside a status text does not become an assignment of its own."""
    server, name = manager
    assert Notifier({"NOTIFY_SOCKET": name}).status("fine\nSTOPPING=1")
    assert server.recv(999) == b"STATUS=fine\\x0aSTOPPING=1"


@pytest.mark.parametrize("name", ["", "/nowhere/at/all", "@" + "x" * 200, "a\0b"])
def test_without_a_manager_nothing_happens(name: str) -> None:
    """No socket, or one that nobody listens to: false, at once, no exception."""
    assert not Notifier({"NOTIFY_SOCKET": name} if name else {}).ready()


def test_a_manager_that_does_not_listen_does_not_stop_us(manager: tuple[socket.socket, str]) -> None:
    """With its queue full the message is let go instead of waiting."""
    _, name = manager
    notifier = Notifier({"NOTIFY_SOCKET": name})
    started = time.monotonic()
    answers = [notifier.watchdog() for _ in range(2000)]
    assert not answers[-1]
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, 0.0),
        ({"WATCHDOG_USEC": "soon"}, 0.0),
        ({}, 0.0),
    ],
)
def test_watchdog_time(environment: dict[str, str], seconds: float) -> None:
    """The time between signs of life is the manager's, if it asks this process."""
    assert Notifier(environment).watchdog_seconds == seconds
