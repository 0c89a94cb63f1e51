"""A network of its own for each live test: a namespace with a veth pair, made and dropped by the test."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import threading
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sniffer.batch import Batch
    from sniffer.capture.live import LiveCapture

CLONE_NEWNET = 0x4000_0000


def command(line: str) -> None:
    """Run one command in the namespace of this thread."""
    subprocess.run(line.split(), check=True, capture_output=True)


def new_namespace() -> None:
    """Move this thread into a network namespace of its own."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def make_pair(name: str = "") -> None:
    """``tap`` and ``port``: what goes into the one comes out of the other; quiet otherwise.  ``name`` comes before both."""
    tap, port = (f"{name}-{end}" if name else end for end in ("tap", "port"))
    command(f"ip link add {tap} type veth peer name {port}")
    for end in (tap, port):
        with open(f"/proc/sys/net/ipv6/conf/{end}/disable_ipv6", "w", encoding="ascii") as switch:  # noqa: PTH123
            switch.write("1")
        command(f"ip link set {end} up")


@pytest.fixture
def in_namespace() -> Callable[[Callable[[], None]], None]:
    """Runs a function in a thread that has a namespace with a veth pair; what it raises is raised here."""

    def run(function: Callable[[], None]) -> None:
        trouble: list[BaseException] = []
        refused: list[str] = []

        def body() -> None:
            try:
                new_namespace()
                make_pair()
            except (OSError, subprocess.CalledProcessError) as error:
                refused.append(str(error))
                return
            try:
                function()
            except BaseException as error:  # noqa: BLE001  # raised again below
                trouble.append(error)

        thread = threading.Thread(target=body)
        thread.start()
        thread.join()
        if refused:
            pytest.skip(f"no network namespace with a veth pair here: {refused[0]}")
        if trouble:
            raise trouble[0]

    return run


def until_silent(source: LiveCapture, *, silent: int = 3, seconds: float = 20) -> Iterator[Batch]:
    """Batches of a ring, until it has had nothing for so many turns."""
    deadline = time.monotonic() + seconds
    for batch in source.batches():
        assert time.monotonic() < deadline, "it does not fall silent"
        if batch is not None:
            yield batch
            continue
        silent -= 1
        if not silent:
            return


def sender(tap: str = "tap") -> socket.socket:
    """A socket that puts frames onto the wire as they are."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.bind((tap, 0))
    return sock
