"""The lock of a history file: one daemon writes it at a time.

In: the path of the history.  Out: ``path.lock``, held.
Never: a lock that outlives who held it; the kernel lets go of it when the last of them dies.

The daemon takes it, and the process that writes inherits it: while either lives, nobody else may write.
"""

from __future__ import annotations

import fcntl
import os
import time
from typing import TYPE_CHECKING, Final

from sniffer.errors import OutputError

if TYPE_CHECKING:
    from pathlib import Path

MODE: Final = 0o600
LOOK_EVERY: Final = 0.05  # seconds between two tries


class Lock:
    """Held while somebody writes.

    Args:
        path: of the history.
        patience: seconds for which another holder is waited for.

    Raises:
        OutputError: somebody else holds it, or it cannot be made.
    """

    def __init__(self, path: Path, patience: float = 0.0) -> None:
        self._fd = -1
        try:
            self._fd = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, MODE)
            self._take(time.monotonic() + patience)
        except BlockingIOError:
            self.release()
            raise OutputError(
                "another process writes this history",
                where=str(path),
                remedy="stop it (systemctl stop sniffer), or give each daemon its own history.file",
            ) from None
        except OSError as fault:
            self.release()
            raise OutputError(
                f"the history cannot be written: {fault.strerror}",
                where=str(path),
                remedy="set history.file to a path in a folder that the service's user may write",
            ) from None

    def _take(self, deadline: float) -> None:
        while True:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(LOOK_EVERY)
            else:
                return

    def fileno(self) -> int:
        """The descriptor; a process that inherits it holds the lock as well."""
        return self._fd

    def release(self) -> None:
        """Let others write, once nobody who inherited it lives."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
