"""What a payload opens like: the cheap test that decides whether a flow is worth reading.

In: the first bytes of a payload.  Out: a yes or no for each kind of opening.
Never: a decision that something is mining; a read outside the payload.

Every test says yes to a payload that is too short to tell but fits so far: one byte ``{`` is a JSON opening.
"""

from __future__ import annotations

import numpy as np

from sniffer.gate.compiled import kernel
from sniffer.gate.integers import le16, u16, u32

MAX_SPACE = 16  # white space allowed before an opening
MAX_TINY = 16  # printable payloads up to this size are read without further ado
MAX_SOCKS_METHODS = 8
MAX_SOCKS_METHOD = 9  # highest number registered (IANA, SOCKS Methods)
MAX_SCAN = 2048  # how far a payload is searched for the end of one line and the start of the next
MAX_AGENT_FRAME = 4_096
MAX_SV2_FRAME = 65_535

OPEN_BRACE = 0x7B
OPEN_BRACKET = 0x5B
CLOSE_BRACE = 0x7D
QUOTE = 0x22
NEWLINE = 0x0A

CONNECT = np.frombuffer(b"CONNECT ", dtype=np.uint8)
PROXY_LINE = np.frombuffer(b"PROXY ", dtype=np.uint8)
PROXY_BINARY = np.frombuffer(b"\r\n\r\n\0\r\nQUIT\n", dtype=np.uint8)
PREFACE = np.frombuffer(b"PRI * HTTP/2.0\r\n", dtype=np.uint8)
STATUS = np.frombuffer(b"STATUS=", dtype=np.uint8)  # the text form of cgminer's API

# Networks of coins: Bitcoin, its test networks, Bitcoin Cash, Litecoin, Dogecoin, Dash, Zcash; Monero.
MAGICS = (
    0xF9BEB4D9, 0x0B110907, 0xFABFB5DA, 0x0A03CF40, 0xE3E1F3E8, 0xFBC0B6DB, 0xC0C0C0C0, 0xBF0C6BBD, 0x24E92764,
)  # fmt: skip
LEVIN = 0x01210101
MANAGEMENT_PORTS = (4028, 8888, 12345, 12347, 14235, 14236)


@kernel
def is_space(byte):  # type: ignore[no-untyped-def]
    """White space of JSON (RFC 8259, section 2)."""
    return byte == 0x20 or byte == 0x0A or byte == 0x0D or byte == 0x09


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
    for i in range(at, end):
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
def begins(data, at, end, word):  # type: ignore[no-untyped-def]
    """Whether the bytes at ``at`` are those of ``word``."""
    if end - at < len(word):
        return False
    for i in range(len(word)):
        if data[at + i] != word[i]:
            return False
    return True


@kernel
def is_connect(data, at, end):  # type: ignore[no-untyped-def]
    """HTTP CONNECT with its blank."""
    return begins(data, at, end, CONNECT)


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
        for i in range(at + 2, min(end, at + 2 + methods)):
            if data[i] > MAX_SOCKS_METHOD:
                return False
        return True
    return data[at] == 4 and (size == 1 or data[at + 1] == 1)  # version, command 1, port, address, user


@kernel
def is_proxy(data, at, end):  # type: ignore[no-untyped-def]
    """SOCKS 4 and 5, HTTP CONNECT, PROXY protocol versions 1 and 2 (haproxy.org/download/1.8/doc/proxy-protocol.txt)."""
    first = data[at]
    if first == 4 or first == 5:
        return is_socks(data, at, end)
    return (
        is_connect(data, at, end)
        or begins(data, at, end, PROXY_LINE)
        or (first == 0x0D and begins(data, at, end, PROXY_BINARY))
    )


# ── what is not text ─────────────────────────────────────────────────────────────────────────────────────


@kernel
def is_websocket(data, at, end):  # type: ignore[no-untyped-def]
    """A WebSocket frame (RFC 6455, section 5.2) whose first byte, unmasked, opens JSON."""
    first = data[at]
    if first != 0x81 and first != 0x82 and first != 0x01 and first != 0x02:
        return False
    if at + 2 > end:
        return False
    length = data[at + 1] & 0x7F
    place = at + 2
    if length == 126:
        place += 2
    elif length == 127:
        place += 8
    key = place
    if data[at + 1] & 0x80:
        place += 4
    if length < 2 or place >= end:
        return False
    byte = data[place]
    if data[at + 1] & 0x80:
        byte ^= data[key]
    return byte == OPEN_BRACE or byte == OPEN_BRACKET


@kernel
def is_agent_frame(data, at, end):  # type: ignore[no-untyped-def]
    """A frame of BTCAgent (protocols.md, 7.4): 7F, type, length of the whole frame."""
    if at + 4 > end or data[at] != 0x7F:
        return False
    kind = data[at + 1]
    if not (1 <= kind <= 5 or kind == 0x12 or kind == 0x13):
        return False
    return 6 <= le16(data, at + 2) <= MAX_AGENT_FRAME


@kernel
def is_sv2_frame(data, at, end):  # type: ignore[no-untyped-def]
    """A plain frame of Stratum V2 (protocols.md, 7.2): extension type, message type, length, all little-endian.

    SetupConnection and its answer are told by their first fields, others by a length that fits the payload.
    """
    if at + 8 > end or data[at] != 0:
        return False
    length = le16(data, at + 3) | (np.int64(data[at + 5]) << 16)
    kind = data[at + 2]
    if data[at + 1] == 0 and kind == 0:
        return at + 11 <= end and 20 <= length <= 2_048 and data[at + 6] <= 3 and le16(data, at + 7) == 2
    if data[at + 1] == 0 and kind == 1:
        return length == 6 and le16(data, at + 6) == 2
    is_channel = data[at + 1] == 0x80
    if not (0x10 <= kind <= 0x25 and (is_channel or data[at + 1] == 0)):
        return False
    following = at + 6 + length
    return 4 <= length <= MAX_SV2_FRAME and (
        following == end or (following + 1 < end and data[following] == 0)
    )


@kernel
def is_datum_hello(data, at, end):  # type: ignore[no-untyped-def]
    """The first message of DATUM (protocols.md, 7.5): a length hidden by a known key, and two bytes that the key gives."""
    if at + 4 > end or data[at + 2] != 0x87 or data[at + 3] != 0xD7:
        return False
    length = (np.int64(data[at]) ^ 0x29) | ((np.int64(data[at + 1]) ^ 0x18) << 8)
    return 200 <= length <= 1_024 and length + 4 >= end - at


@kernel
def is_noise(data, at, end):  # type: ignore[no-untyped-def]
    """A handshake message of Stratum V2 over Noise (protocols.md, 7.1, 7.3), by its size and by looking random.

    64 bytes of a client, 234 (or 170, as the text of the specification has it) of a server; 34, 172 and 174 with a
    length in front in the version of 2019.
    """
    size = end - at
    if size == 34:
        return data[at] == 0x20 and data[at + 1] == 0 and distinct(data, at + 2, end) >= 26
    if size == 172 or size == 174:
        return le16(data, at) == size - 2 and distinct(data, at + 2, end) >= 100
    if size == 64:
        return distinct(data, at, end) >= 46
    return (size == 234 or size == 170) and distinct(data, at, end) >= 100


@kernel
def distinct(data, at, end):  # type: ignore[no-untyped-def]
    """How many different bytes there are."""
    w0 = w1 = w2 = w3 = np.uint64(0)
    for i in range(at, end):
        byte = data[i]
        bit = np.uint64(1) << np.uint64(byte & 63)
        if byte < 64:
            w0 |= bit
        elif byte < 128:
            w1 |= bit
        elif byte < 192:
            w2 |= bit
        else:
            w3 |= bit
    return ones(w0) + ones(w1) + ones(w2) + ones(w3)


@kernel
def ones(word):  # type: ignore[no-untyped-def]
    """How many bits of a word are set."""
    count = 0
    while word != np.uint64(0):
        word &= word - np.uint64(1)
        count += 1
    return count


@kernel
def is_peer(data, at, end):  # type: ignore[no-untyped-def]
    """The first message between nodes of a coin (protocols.md, 11): Bitcoin and its kin, Monero, Ethereum."""
    if at + 8 > end:
        return False
    magic = u32(data, at)
    if magic in MAGICS:
        return 0x61 <= data[at + 4] <= 0x7A  # then a command in letters
    if magic == LEVIN:
        return u32(data, at + 4) == 0x01010101
    return u16(data, at) == end - at - 2 and 0x100 <= u16(data, at) < 0x300 and data[at + 2] == 4  # RLPx


@kernel
def is_binary(data, at, end):  # type: ignore[no-untyped-def]
    """A frame of one of the binary mining protocols."""
    return is_agent_frame(data, at, end) or is_sv2_frame(data, at, end) or is_datum_hello(data, at, end)


@kernel
def is_management(data, at, end, port):  # type: ignore[no-untyped-def]
    """A datagram that miners and their tools send one another (protocols.md, 10), by port and by being text."""
    return port in MANAGEMENT_PORTS and end - at >= 4 and is_printable(data, at, min(end, at + 16))
