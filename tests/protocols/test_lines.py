"""Lines: the same however the stream is cut, and never more than the bound is kept."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sniffer.oddities import Oddities
from sniffer.protocols.json_text import MAX_TEXT
from sniffer.protocols.lines import HEAD, TAIL, LineBuffer


@given(st.lists(st.binary(max_size=40).map(lambda b: b.replace(b"\n", b"")), max_size=12), st.data())
def test_cuts_do_not_matter(lines: list[bytes], data: st.DataObject) -> None:
    """Any cutting of a stream gives the same lines, each with the right number of bytes behind it."""
    stream = b"".join(line + b"\n" for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    buffer = LineBuffer(Oddities())
    out, at = [], 0
    for end in [*cuts, len(stream)]:
        for line in buffer.feed(stream[at:end]):
            out.append(line.text)
            assert stream[: end - line.behind].endswith(line.text + b"\n")
        at = end
    assert out == lines
    assert buffer.unfinished == b""


def test_long_line() -> None:
    """A line that is too long is handed out by its two ends, counted once, and its memory is small."""
    oddities = Oddities()
    buffer = LineBuffer(oddities)
    long = bytes(range(65, 91)) * 4_000
    out = [line for at in range(0, len(long), 999) for line in buffer.feed(long[at : at + 999])]
    assert out == []
    assert len(buffer.unfinished) <= MAX_TEXT
    (line, after) = list(buffer.feed(b"END\nnext\n"))
    assert line.text == long[:HEAD]
    assert line.tail == (long + b"END")[-TAIL:]
    assert after.text == b"next"
    assert oddities.counts["line_too_long"] == 1


def test_loss_drops_only_the_broken_line() -> None:
    """After a gap everything up to the next line end is dropped, and nothing else."""
    buffer = LineBuffer(Oddities())
    assert [line.text for line in buffer.feed(b"one\ntw")] == [b"one"]
    buffer.lose()
    assert [line.text for line in buffer.feed(b"rest\nthree\n")] == [b"three"]
