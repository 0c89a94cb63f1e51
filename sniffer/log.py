"""The operation log: what the daemon does, on stderr, one line each.

In: ``logger().warning("sentence", code="short_code", ...)``.  Out: a line of printable ASCII, at most 4 KiB.
Never: event lines (sinks/events.py), raw bytes of the wire, more than one line per code in ten seconds.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import select
import sys
import time
from collections import OrderedDict
from typing import IO, TYPE_CHECKING, Any, Final, TextIO

import structlog

from sniffer.errors import printable

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

MAX_LINE: Final = 4_095  # and its end: what a pipe that has room takes at once (PIPE_BUF)
MAX_FIELDS: Final = 24
MAX_CODES: Final = 1_000
QUIET_SECONDS: Final = 10.0
LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


class Limiter:
    """At most one line per ``code`` and ten seconds; the next one says how many were held back (``suppressed``)."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._codes: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def __call__(
        self, _logger: Any, _method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        """Pass a line or drop it."""
        code = event.get("code")
        if code is None:
            return event
        now = self._clock()
        since, held = self._codes.pop(str(code), (-math.inf, 0))
        if now - since < QUIET_SECONDS:
            self._codes[str(code)] = (since, held + 1)
            raise structlog.DropEvent
        self._codes[str(code)] = (now, 0)
        if len(self._codes) > MAX_CODES:
            self._codes.popitem(last=False)
        if held:
            event["suppressed"] = held
        return event


def clean(value: Any) -> Any:
    """Make a value safe for a terminal and a log line."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, list | tuple):
        return [clean(one) for one in value[:20]]
    return printable(value, 1_000)


def _clean(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {printable(key, 40): clean(value) for key, value in list(event.items())[:MAX_FIELDS]}


def _as_json(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> str:
    line = json.dumps(event)
    if len(line) <= MAX_LINE:
        return line
    kept = {key: event[key] for key in ("timestamp", "level", "code") if key in event}
    return json.dumps({**kept, "event": printable(event.get("event", ""), 400), "cut": True})


def _as_text(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> str:
    event.pop("timestamp", None)
    level, sentence = event.pop("level", "info"), event.pop("event", "")
    event.pop("code", None)
    rest = " ".join(f"{key}={value}" for key, value in event.items())
    return f"{time.strftime('%H:%M:%S')} {level:<7} {sentence}{'  ' if rest else ''}{rest}"[:MAX_LINE]


class _Stream:
    """Writes lines; a stderr that is gone or full must not stop a capture."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        stream = self._stream or sys.stderr
        if stream is None:  # closed before we began
            return
        with contextlib.suppress(OSError, ValueError):
            if has_room(stream):
                stream.write(line + "\n")
                stream.flush()

    debug = info = warning = error = critical = exception = msg


def has_room(stream: IO[str]) -> bool:
    """Whether a line can be written without a wait: the reader of a pipe may have stopped.  The line is lost then."""
    try:
        number = stream.fileno()
    except OSError:  # a stream in memory
        return True
    poll = select.poll()
    poll.register(number, select.POLLOUT)
    return bool(poll.poll(0))


class _Bridge(logging.Handler):
    """Hands what libraries say through :mod:`logging` to this log."""

    def emit(self, record: logging.LogRecord) -> None:
        logger().warning(record.getMessage(), code=f"library_{record.name}")


def configure(
    style: str = "auto",
    level: str = "info",
    *,
    stream: TextIO | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Set up the log of this process.

    Args:
        style: ``json``, ``console``, or ``auto``: console on a terminal.
        level: least level that is written.
        stream: where lines go; stderr unless told.
        clock: seconds for the limit by code.
    """
    target = stream or sys.stderr
    console = style == "console" or (style == "auto" and target is not None and target.isatty())
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            Limiter(clock),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _clean,
            _as_text if console else _as_json,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=lambda *_: _Stream(stream),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers = [_Bridge(level=logging.WARNING)]


def logger() -> Any:
    """The log of this process."""
    return structlog.get_logger()
