"""What a payload opens like: the cheap test that decides whether a flow is worth reading.

In: the first bytes of a TCP payload.  Out: a yes or no for each kind of opening.
Never: a decision that something is mining; a read outside the payload.

Every test says yes to a payload that is too short to tell but fits so far: one byte ``{`` is a JSON opening.
"""

from __future__ import annotations

import numpy as np

from sniffer.gate.compiled import kernel

MAX_SPACE = 16  # white space allowed before an opening
MAX_TINY = 16  # printable payloads up to this size are read without further ado
MAX_SCAN = 2048  # how far a payload is searched for the end of one line and the start of the next

OPEN_BRACE = 0x7B
OPEN_BRACKET = 0x5B
CLOSE_BRACE = 0x7D
QUOTE = 0x22
NEWLINE = 0x0A


@kernel
def is_space(byte):  # type: ignore[no-untyped-def]
    """White space of JSON (RFC 8259, section 2)."""
    return byte == 0x20 or byte == 0x0A or byte == 0x0D or byte == 0x09  # noqa: PLR1714


@kernel
def skip_space(data, at, end, limit):  # type: ignore[no-untyped-def]
    """Offset of the first byte that is not white space, ``end`` at most, or -1 after ``limit`` blanks."""
    stop = min(end, at + limit)
    while at < stop and is_space(data[at]):
        at += 1
    if at == stop and stop < end:
        return -1
    return at


@kernel
def is_json(data, at, end):  # type: ignore[no-untyped-def]
    """``{"``, ``{}``, ``[{``: the opening of an object, or of an array of objects, perhaps after white space."""
    at = skip_space(data, at, end, MAX_SPACE)
    if at < 0:
        return False
    if at == end:
        return True
    if data[at] == OPEN_BRACKET:
        at = skip_space(data, at + 1, end, MAX_SPACE)
        if at < 0:
            return False
        if at == end:
            return True
    if data[at] != OPEN_BRACE:
        return False
    at = skip_space(data, at + 1, end, MAX_SPACE)
    return at >= 0 and (at == end or data[at] == QUOTE)


@kernel
def is_json_inside(data, at, end):  # type: ignore[no-untyped-def]
    """``}`` newline ``{"``: one JSON line ends in this payload and the next one starts."""
    stop = min(end, at + MAX_SCAN)
    closed = False  # the last byte that is not white space was a closing brace
    while at < stop:
        byte = data[at]
        if byte == NEWLINE and closed:
            begin = skip_space(data, at + 1, end, MAX_SPACE)
            if begin == end or (begin >= 0 and data[begin] == OPEN_BRACE and is_json(data, begin, end)):
                return True
        if not is_space(byte):
            closed = byte == CLOSE_BRACE
        at += 1
    return False


@kernel
def is_tiny(data, at, end):  # type: ignore[no-untyped-def]
    """A few printable bytes: a sender that writes lines in pieces."""
    if end - at > MAX_TINY:
        return False
    for i in range(at, end):
        if not (0x20 <= data[i] <= 0x7E or is_space(data[i])):
            return False
    return True


@kernel
def is_text(data, at, end):  # type: ignore[no-untyped-def]
    """The first 8 bytes are printable."""
    for i in range(at, min(end, at + 8)):
        if not (0x20 <= data[i] <= 0x7E or is_space(data[i])):
            return False
    return True


@kernel
def is_http_request(data, at, end):  # type: ignore[no-untyped-def]
    """An HTTP/1 method, by its first four letters."""
    if end - at < 4:
        return False
    word = (
        (np.int64(data[at]) << 24)
        | (np.int64(data[at + 1]) << 16)
        | (np.int64(data[at + 2]) << 8)
        | np.int64(data[at + 3])
    )
    return word in (
        0x47455420,  # GET and a blank
        0x504F5354,  # POST
        0x48454144,  # HEAD
        0x50555420,  # PUT and a blank
        0x4F505449,  # OPTIONS
        0x44454C45,  # DELETE
        0x50415443,  # PATCH
    )


@kernel
def is_proxy(data, at, end):  # type: ignore[no-untyped-def]  # noqa: PLR0911
    """SOCKS 4 and 5 (RFC 1928), HTTP CONNECT, PROXY protocol version 1."""
    size = end - at
    if size < 3:
        return False
    first = data[at]
    if first == 5:  # version, number of methods, methods
        methods = np.int64(data[at + 1])
        if not 1 <= methods <= 8 or size < 2 + methods:
            return False
        for i in range(methods):
            if data[at + 2 + i] > 9:
                return False
        return True
    if first == 4:  # version, command 1, port, address, user, NUL
        return size >= 9 and data[at + 1] == 1 and (data[end - 1] == 0 or size > 9)
    if size < 8:
        return False
    if first == 0x43:  # "CONNECT "
        return (
            data[at + 1] == 0x4F
            and data[at + 2] == 0x4E
            and data[at + 3] == 0x4E
            and data[at + 4] == 0x45
            and data[at + 5] == 0x43
            and data[at + 6] == 0x54
            and data[at + 7] == 0x20
        )
    return (  # "PROXY "
        first == 0x50
        and data[at + 1] == 0x52
        and data[at + 2] == 0x4F
        and data[at + 3] == 0x58
        and data[at + 4] == 0x59
        and data[at + 5] == 0x20
    )
