"""What a payload opens like, byte by byte."""

from __future__ import annotations

import numpy as np
import pytest
from gate_frames import LOGIN
from hypothesis import given, settings
from hypothesis import strategies as st

from sniffer.gate import openings, plain_payloads
from sniffer.gate.openings import MAX_SCAN, MAX_SPACE, MAX_TINY


def says(kernel: object, payload: bytes) -> bool:
    """Answer of a kernel for a payload that stands between other bytes."""
    data = np.frombuffer(b'{"' + payload + b'}\n{"', dtype=np.uint8).copy()
    return bool(kernel(data, 2, 2 + len(payload)))  # type: ignore[operator]


@pytest.mark.parametrize(
    "payload", [LOGIN, b" " * MAX_SPACE + b"[" + b"\n" * MAX_SPACE + b"{" + b"\t" * MAX_SPACE + b'"']
)
def test_every_prefix_of_a_json_opening_is_one(payload: bytes) -> None:
    """A segment may end anywhere."""
    assert all(says(openings.is_json, payload[:size]) for size in range(1, len(payload) + 1))


@pytest.mark.parametrize(
    "payload", [b"x" + LOGIN, b"[[1]]", b"[1,", b'"x"', b"{1", b"}{", b"\xef\xbb\xbf{", b"{{", b"\0{"]
)
def test_what_no_json_object_opens_with_is_refused(payload: bytes) -> None:
    """Neither numbers nor strings nor lists of them."""
    assert not says(openings.is_json, payload)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_white_space_is_allowed_up_to_its_limit(place: int) -> None:
    """One blank more than sixteen before the bracket, the brace or the quote, and it is no opening."""
    for count in (MAX_SPACE, MAX_SPACE + 1):
        pieces = [b"[", b"{", b'"']
        pieces.insert(place, b" " * count)
        assert says(openings.is_json, b"".join(pieces)) is (count <= MAX_SPACE)


def test_the_seam_of_two_lines_is_found_up_to_a_limit() -> None:
    """Two KiB are searched, no more."""
    seam = b'}\n{"id"'
    for blanks, expected in ((MAX_SCAN - 2, True), (MAX_SCAN - 1, False)):
        assert says(openings.is_json_inside, b"x" * blanks + seam) is expected
        assert plain_payloads.is_json_inside(b"x" * blanks + seam) is expected


@pytest.mark.parametrize("seam", [b'}\n{"', b'}\r\n{"', b'} \n\n{ "', b"}\n", b"}\n{"])
def test_a_seam_is_a_brace_a_line_end_and_a_brace(seam: bytes) -> None:
    """With white space where senders put it, and cut where a segment ends."""
    assert says(openings.is_json_inside, b'12"]' + seam)


@pytest.mark.parametrize("other", [b'}{"', b"}\nx", b"]\n{", b"}\n{1", b"}x\n{", b"\n{"])
def test_other_braces_are_no_seam(other: bytes) -> None:
    """Style sheets, programs, logs."""
    assert not says(openings.is_json_inside, b"12" + other + b"x")


def test_tiny_means_printable_and_short() -> None:
    """Sixteen bytes, not seventeen, and no control character among them."""
    assert says(openings.is_tiny, b"a" * MAX_TINY)
    assert not says(openings.is_tiny, b"a" * (MAX_TINY + 1))
    assert not says(openings.is_tiny, b"a\x1b")


@settings(deadline=None)  # the first example compiles
@given(st.binary(min_size=1, max_size=60) | st.text('{}[]" \n\rx:1', min_size=1, max_size=60).map(str.encode))
def test_kernels_and_their_plain_twins_answer_alike(payload: bytes) -> None:
    """Any payload at all."""
    assert says(openings.is_json, payload) == plain_payloads.is_json(payload)
    assert says(openings.is_json_inside, payload) == plain_payloads.is_json_inside(payload)
    assert says(openings.is_proxy, payload) == plain_payloads.is_proxy(payload)
    assert says(openings.is_printable, payload) == plain_payloads.is_printable(payload)
    assert says(openings.is_http_request, payload) == payload.startswith(plain_payloads.VERBS)
