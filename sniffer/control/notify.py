"""Word to the service manager: ready, reloading, still alive, stopping (sd_notify(3)).

In: the environment systemd sets.  Out: datagrams to its socket.
Never: an exception, a wait: a manager that does not listen must not stop the sensor.
"""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING, Final

from sniffer.errors import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_STATUS: Final = 500  # characters; systemctl shows one line, however long


class Notifier:
    """Speaks to the service manager, or to nobody if there is none.

    Args:
        environment: where NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID are looked up; default: the process's.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        environment = os.environ if environment is None else environment
        path = environment.get("NOTIFY_SOCKET", "")
        # A leading @ stands for the NUL byte of the abstract name space.
        self._address = "\0" + path[1:] if path.startswith("@") else path
        self.watchdog_seconds = _watchdog(environment)

    def _send(self, *lines: str) -> bool:
        if not self._address:
            return False
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.setblocking(False)
                channel.sendto("\n".join(lines).encode(), self._address)
        except (OSError, ValueError):  # ValueError: NUL inside the path
            return False
        return True

    def ready(self, status: str = "") -> bool:
        """Start-up, or a reload, is complete.  Returns whether the manager got it, like all of these."""
        return self._send("READY=1", *_status(status))

    def reloading(self) -> bool:
        """A reload begins; :meth:`ready` ends it."""
        microseconds = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        return self._send("RELOADING=1", f"MONOTONIC_USEC={microseconds}")

    def status(self, text: str) -> bool:
        """One line for ``systemctl status``."""
        return self._send(*_status(text))

    def watchdog(self) -> bool:
        """Still alive and at work; due every :attr:`watchdog_seconds` / 2."""
        return self._send("WATCHDOG=1")

    def stopping(self, status: str = "") -> bool:
        """Shutdown begins."""
        return self._send("STOPPING=1", *_status(status))


def _status(text: str) -> list[str]:
    return [f"STATUS={printable(text, MAX_STATUS)}"] if text else []


def _watchdog(environment: Mapping[str, str]) -> float:
    """Seconds within which the manager wants to hear from us; 0: it does not ask, or asks another process."""
    wanted, process = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not (wanted.isascii() and wanted.isdigit()) or (process and process != str(os.getpid())):
        return 0.0
    return int(wanted) / 1e6
