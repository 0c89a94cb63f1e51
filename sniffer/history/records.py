"""What the daemon and the process that writes its history tell each other.

    daemon ── Begin, then pages ──▶ writer
    writer ── for each page: Lines, Troubles, one Answer; Lines, Troubles, Rest ──▶ daemon

In: records.  Out: frames of msgpack (:mod:`sniffer.children`), and records from their bodies.
Never: a second page before the Rest of the first; code on either side.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, TypeAlias

import msgspec

from sniffer.children import framed
from sniffer.history.rows import Page

Level: TypeAlias = Literal["info", "warning", "error"]


class Bounds(NamedTuple):
    """How much is kept.  Seconds and bytes."""

    keep: float
    detail: float
    max_size: int


class Counts(msgspec.Struct):
    """What became of rows, since the start."""

    rows: int = 0
    late: int = 0  # samples whose time had been merged already, which were left out
    merged: int = 0  # rows that became part of a longer one
    expired: int = 0  # rows that were too old
    trimmed: int = 0  # rows that went, merged or removed, because the file was full


class Begin(msgspec.Struct, frozen=True):
    """What the writer is for; the first record it gets."""

    path: str
    bounds: Bounds
    run: int  # which life of the daemon writes: its beginning, ns
    stop_after: float  # s, of cases
    moved_within: float  # s, likewise
    counts: Counts = msgspec.field(default_factory=Counts)  # to go on with


# ── writer to daemon ─────────────────────────────────────────────────────────────────────────────────────


class Line(msgspec.Struct, tag="line", frozen=True):
    """For the log of the daemon."""

    level: Level
    event: str
    fields: dict[str, str | int]


class Trouble(msgspec.Struct, tag="trouble", frozen=True):
    """Something beside the page went wrong."""

    fault: str


class Answer(msgspec.Struct, tag="answer", frozen=True):
    """What became of the page."""

    state: Literal["written", "again", "failed"]
    fault: str = ""
    counts: Counts = msgspec.field(default_factory=Counts)


class Rest(msgspec.Struct, tag="rest", frozen=True):
    """The file is tidy: the next page may come."""


FromWriter: TypeAlias = Line | Trouble | Answer | Rest

_encoder: Final = msgspec.msgpack.Encoder()
begins: Final = msgspec.msgpack.Decoder(Begin)
pages: Final = msgspec.msgpack.Decoder(Page)
from_writer: Final = msgspec.msgpack.Decoder(FromWriter)


def frame(record: Begin | Page | FromWriter) -> bytes:
    """One record, ready for the socket.

    Raises:
        ValueError, OverflowError, TypeError: it holds what cannot be said.
    """
    return framed(_encoder.encode(record))
