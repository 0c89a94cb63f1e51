"""Records between the daemon and the writer of its history survive the way."""

from __future__ import annotations

import msgspec
import pytest
from historyrows import NORTH, T0, farm_page, health, session
from hypothesis import given
from hypothesis import strategies as st

from sniffer.children import Unframer
from sniffer.history import records
from sniffer.history.records import Answer, Begin, Bounds, Counts, Line, Rest, Trouble, frame
from sniffer.history.rows import SECOND, Page

PAGES = [
    Page(T0 * SECOND),
    farm_page(3, T0),
    Page(T0 * SECOND, (session(difficulty=None, stated=1e12),), tenants=(NORTH,), health=(health(up=False),)),
]


def test_the_beginning() -> None:
    """Where, how much, since when; counts to go on with."""
    begin = Begin("/a/b", Bounds(1.5, 2.0, 3), 4, 5.0, 6.0, Counts(7, 8, 9, 10, 11))
    (body,) = Unframer().feed(frame(begin))
    assert records.begins.decode(body) == begin


@pytest.mark.parametrize("page", PAGES)
def test_pages(page: Page) -> None:
    """Every row, in every part."""
    (body,) = Unframer().feed(frame(page))
    assert records.pages.decode(body) == page


@pytest.mark.parametrize(
    "record",
    [
        Line("warning", "history_trimmed", {"rows": 7, "file": "/a"}),
        Trouble("no"),
        Answer("again", "disk", Counts(1)),
        Rest(),
    ],
    ids=lambda record: type(record).__name__,
)
def test_from_the_writer(record: records.FromWriter) -> None:
    """Every record of the writer."""
    (body,) = Unframer().feed(frame(record))
    assert records.from_writer.decode(body) == record


def test_what_cannot_be_said_is_not_sent() -> None:
    """A number beyond 64 bits, half a character: whoever sends it is told."""
    with pytest.raises(OverflowError):
        frame(Page(T0 * SECOND, (session(submitted=1 << 70),)))
    with pytest.raises(ValueError, match="surrogates"):
        frame(Page(T0 * SECOND, (session(account="\ud800"),)))


@given(st.binary(max_size=60))
def test_garbage_is_no_record(garbage: bytes) -> None:
    """Bytes that are none raise what both sides expect, and nothing else."""
    for decoder in (records.begins, records.pages, records.from_writer):
        try:
            record = decoder.decode(garbage)
        except (msgspec.MsgspecError, ValueError):
            continue
        assert isinstance(record, msgspec.Struct)
