"""Frames between processes arrive whole, in whatever pieces they come; why a process ended can be read."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sniffer.children import MAX_FRAME, Unframer, describe, framed, receive

BODIES = [b"", b"one", bytes(300), b"\xff" * 70_000]


@given(st.lists(st.integers(1, 40_000), max_size=20))
def test_in_any_pieces(cuts: list[int]) -> None:
    """However the stream is cut, the same bodies come out."""
    stream = b"".join(map(framed, BODIES))
    unframer, out, at = Unframer(), [], 0
    for cut in [*cuts, len(stream)]:
        out += unframer.feed(stream[at : at + cut])
        at += cut
    assert out == BODIES


def test_what_is_not_asked_for_stays() -> None:
    """A reader that takes the first body finds the second one later."""
    unframer = Unframer()
    assert next(unframer.feed(framed(b"one") + framed(b"two"))) == b"one"
    assert list(unframer.feed(b"")) == [b"two"]


def test_a_frame_has_a_limit() -> None:
    """None is made beyond it, and a length beyond it is refused before anything is kept for it."""
    head = (MAX_FRAME + 1).to_bytes(4, "little")
    with pytest.raises(ValueError, match="a record of"):
        framed(bytes(MAX_FRAME + 1))
    with pytest.raises(ValueError, match="a frame of"):
        list(Unframer().feed(head))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(head)
        with pytest.raises(ValueError, match="a frame of"):
            receive(ours)


def test_one_is_waited_for() -> None:
    """Frame by frame, larger than what a socket holds, too."""
    ours, theirs = socket.socketpair()
    body = bytes(range(256)) * 8_192
    with ours, theirs:
        sending = threading.Thread(target=theirs.sendall, args=(framed(body) + framed(b"next"),))
        sending.start()
        assert receive(ours) == body
        assert receive(ours) == b"next"
        sending.join()


@pytest.mark.parametrize("sent", [0, 2, 4, 6])
def test_half_a_frame_is_none(sent: int) -> None:
    """The other side has gone before it was whole."""
    ours, theirs = socket.socketpair()
    with ours:
        with contextlib.closing(theirs):
            theirs.sendall(framed(b"body")[:sent])
        assert receive(ours) is None


@pytest.mark.parametrize(
    ("status", "words"),
    [(0, "exit status 0"), (70, "exit status 70"), (-9, "killed by SIGKILL"), (-99, "killed by signal 99")],
)
def test_reasons_in_words(status: int, words: str) -> None:
    """Why a process ended can be read."""
    assert describe(status) == words
