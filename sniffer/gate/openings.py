"""What a payload opens like: the cheap test that decides whether a flow is worth reading.

In: the first bytes of a TCP payload.  Out: a yes or no for each kind of opening.
Never: a decision that something is mining; a read outside the payload.

Every test says yes to a payload that is too short to tell but fits so far: one byte ``{`` is a JSON opening.
"""

# ruff: noqa: ANN001, ANN201 - numba finds the types of kernels

from __future__ import annotations

import numpy as np

from sniffer.gate.compiled import kernel

MAX_SPACE = 16  # white space allowed before an opening
MAX_TINY = 16  # printable payloads up to this size are read without further ado
MAX_SOCKS_METHODS = 8
MAX_SOCKS_METHOD = 9  # highest number registered (IANA, SOCKS Methods)
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
    """Offset of the first byte that is not white space, ``end`` at most, or -1 for more than ``limit`` blanks."""
    stop = min(end, at + limit)
    while at < stop and is_space(data[at]):
        at += 1
    if at == stop and stop < end and is_space(data[at]):
        return -1
    return at


@kernel
def is_json(data, at, end):  # type: ignore[no-untyped-def]
    """``{"`` or ``[{"``: the opening of an object, or of an array of objects, perhaps after white space."""
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
def is_printable(data, at, end):  # type: ignore[no-untyped-def]
    """Only printable ASCII and white space."""
    for i in range(at, end):  # noqa: SIM110 - kernels have no generators
        if not (0x20 <= data[i] <= 0x7E or is_space(data[i])):
            return False
    return True


@kernel
def is_tiny(data, at, end):  # type: ignore[no-untyped-def]
    """A few printable bytes: a sender that writes lines in pieces."""
    return end - at <= MAX_TINY and is_printable(data, at, end)


@kernel
def is_text(data, at, end):  # type: ignore[no-untyped-def]
    """The first 8 bytes are printable."""
    return is_printable(data, at, min(end, at + 8))


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
def is_keep_alive(data, at, end):  # type: ignore[no-untyped-def]
    """One byte 00: how some systems ask whether the peer is still there.  It is not part of the stream."""
    return end - at == 1 and data[at] == 0


@kernel
def is_connect(data, at, end):  # type: ignore[no-untyped-def]
    """HTTP CONNECT with its blank."""
    return (
        end - at >= 8
        and data[at] == 0x43
        and data[at + 1] == 0x4F
        and data[at + 2] == 0x4E
        and data[at + 3] == 0x4E
        and data[at + 4] == 0x45
        and data[at + 5] == 0x43
        and data[at + 6] == 0x54
        and data[at + 7] == 0x20
    )


@kernel
def is_proxy_line(data, at, end):  # type: ignore[no-untyped-def]
    """PROXY protocol version 1, by its first word (haproxy.org/download/1.8/doc/proxy-protocol.txt)."""
    return (
        end - at >= 6
        and data[at] == 0x50
        and data[at + 1] == 0x52
        and data[at + 2] == 0x4F
        and data[at + 3] == 0x58
        and data[at + 4] == 0x59
        and data[at + 5] == 0x20
    )


@kernel
def is_socks(data, at, end):  # type: ignore[no-untyped-def]
    """The client's first message in SOCKS 5 (RFC 1928) or SOCKS 4 and 4a, as far as bytes are present."""
    size = end - at
    if data[at] == 5:  # version, number of methods, methods
        if size == 1:
            return True
        methods = np.int64(data[at + 1])
        if methods < 1 or methods > MAX_SOCKS_METHODS:
            return False
        for i in range(at + 2, min(end, at + 2 + methods)):  # noqa: SIM110
            if data[i] > MAX_SOCKS_METHOD:
                return False
        return True
    return data[at] == 4 and (size == 1 or data[at + 1] == 1)  # version, command 1, port, address, user


@kernel
def is_proxy(data, at, end):  # type: ignore[no-untyped-def]
    """SOCKS 4 and 5, HTTP CONNECT, PROXY protocol version 1."""
    return is_socks(data, at, end) or is_connect(data, at, end) or is_proxy_line(data, at, end)
