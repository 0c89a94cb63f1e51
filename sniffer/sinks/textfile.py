"""The text of ``/metrics`` as a file, for the textfile collector of node_exporter.

In: texts, each the whole of the metrics.  Out: the file, always a whole one (:mod:`sniffer.replace`).
Never: a wait for the disk where texts are made; more than one text waiting: what comes while one is being written is dropped.

The file stays when the daemon ends: its time of modification (``node_textfile_mtime_seconds``) tells how old the numbers are,
and a file that is gone would look like a sensor that never was.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import structlog

from sniffer.errors import Fault, OutputError, printable
from sniffer.replace import replace_file
from sniffer.sinks.folders import look_at
from sniffer.sinks.metrics import SinkHealth

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sniffer.config import Config

log = structlog.get_logger("sniffer.textfile")


def faults(config: Config) -> Iterator[Fault]:
    """Why the file could not be written, as far as that can be known without making it."""
    path = config.metrics.textfile
    if path is None:
        return
    what, remedy = look_at(path.parent)
    if what:
        yield Fault(("metrics", "textfile"), what, remedy)


class TextFile:
    """Writes the latest text, in a thread for each.

    Args:
        path: of the file; its folder must be there.
        text: what it shall hold first.

    Raises:
        OutputError: the file cannot be written.
    """

    def __init__(self, path: Path, text: bytes) -> None:
        self._path = path
        self.written = 0
        self.dropped = 0
        self.failed = 0
        self._works = True
        self._thread: threading.Thread | None = None
        replace_file(path, text)
        self.written += 1

    @property
    def health(self) -> SinkHealth:
        """What became of the texts."""
        return SinkHealth(self.written, self.dropped, self.failed, up=self._works)

    def offer(self, text: bytes) -> bool:
        """Have a text written soon; False if the one before it is still on its way to the disk."""
        if self._thread is not None and self._thread.is_alive():
            self.dropped += 1
            return False
        # A thread of its own, and not one of a pool: at the end, Python would wait for those.
        self._thread = threading.Thread(target=self._write, args=(text,), name="textfile", daemon=True)
        self._thread.start()
        return True

    def close(self, text: bytes, seconds: float = 1.0) -> None:
        """Write the last text, within so many seconds."""
        if self._thread is not None:
            self._thread.join(seconds)
        if self.offer(text) and self._thread is not None:
            self._thread.join(seconds)

    def _write(self, text: bytes) -> None:
        try:
            replace_file(self._path, text)
        except OutputError as fault:
            self.failed += 1
            if self._works:
                log.error("textfile_write_failed", file=printable(self._path), error=fault.what)  # noqa: TRY400
            self._works = False
        else:
            self.written += 1
            if not self._works:
                log.info("textfile_written_again", file=printable(self._path), failed=self.failed)
            self._works = True
