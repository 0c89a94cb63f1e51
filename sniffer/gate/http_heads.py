"""HTTP/1 heads: the host, and the signs of a message that may carry mining.

In: the first bytes of a request or a response (RFC 9112).  Out: features of the head, where the host and the body lie.
Never: a body, beyond how it opens; a look further than HTTP_HEAD bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sniffer.gate.compiled import kernel
from sniffer.gate.hashing import name_end, name_step
from sniffer.gate.names import is_listed, lower
from sniffer.gate.openings import (
    MAX_SPACE,
    OPEN_BRACE,
    OPEN_BRACKET,
    QUOTE,
    begins,
    is_json,
    skip_space,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

HTTP_HEAD = 4096
MAX_VALUE = 128  # bytes of a field that are searched
MAX_CHUNK_SIZE = 10  # characters of the line before a chunk
COLON = 0x3A
NEWLINE = 0x0A
RETURN = 0x0D

# Features of a head.
JSON_TYPE = 1  # the content type speaks of JSON
TYPED = 2  # there is a content type
UPGRADE = 4  # WebSocket is asked for or agreed to
MINING = 8  # a field that only miners and their servers send (protocols.md, 6)
ENCODED = 16  # the body is compressed


def word(text: bytes) -> NDArray[Any]:
    """Bytes for a comparison inside a kernel."""
    return np.frombuffer(text, dtype=np.uint8)


POST = word(b"POST ")
RESPONSE = word(b"HTTP/1.")
HOST = word(b"host:")
UPGRADE_FIELD = word(b"upgrade:")
CONTENT_TYPE = word(b"content-type:")
CONTENT_ENCODING = word(b"content-encoding:")
X_MINING = word(b"x-mining-")
X_STRATUM = word(b"x-stratum:")
X_LONG_POLLING = word(b"x-long-polling:")
X_ROLL = word(b"x-roll-ntime:")
X_REJECT = word(b"x-reject-reason:")
WEBSOCKET = word(b"websocket")
JSON = word(b"json")
KEYS = (word(b"id"), word(b"jsonrpc"), word(b"result"), word(b"error"), word(b"method"))


@kernel
def begins_lower(data, at, end, text):  # type: ignore[no-untyped-def]
    """Whether the bytes at ``at``, in lower case, are those of ``text``."""
    if end - at < len(text):
        return False
    for i in range(len(text)):
        if lower(np.int64(data[at + i])) != text[i]:
            return False
    return True


@kernel
def value_holds(data, at, end, text):  # type: ignore[no-untyped-def]
    """Whether the rest of a line holds ``text``, whatever its case."""
    stop = min(end, at + MAX_VALUE)
    while at < stop and data[at] != NEWLINE:
        if begins_lower(data, at, end, text):
            return True
        at += 1
    return False


@kernel
def feature_of(data, at, end):  # type: ignore[no-untyped-def]
    """Feature that the field at ``at`` gives to its head; 0: none."""
    first = lower(np.int64(data[at]))
    if first == 0x78:  # x
        if (
            begins_lower(data, at, end, X_MINING)
            or begins_lower(data, at, end, X_STRATUM)
            or begins_lower(data, at, end, X_LONG_POLLING)
            or begins_lower(data, at, end, X_ROLL)
            or begins_lower(data, at, end, X_REJECT)
        ):
            return MINING
    elif first == 0x75:  # u
        if begins_lower(data, at, end, UPGRADE_FIELD) and value_holds(data, at + 8, end, WEBSOCKET):
            return UPGRADE
    elif first == 0x63:  # c
        if begins_lower(data, at, end, CONTENT_TYPE):
            return TYPED | JSON_TYPE if value_holds(data, at + 13, end, JSON) else TYPED
        if begins_lower(data, at, end, CONTENT_ENCODING):
            return ENCODED
    return 0


@kernel
def read_head(data, at, end):  # type: ignore[no-untyped-def]
    """Read a head: ``(features, start and end of the host, start of the body)``.

    The host's start is -1 where there is none, its end -1 where it is cut; the body's start is -1 where the head goes
    on in a later segment, and -2 where it is longer than HTTP_HEAD.
    """
    features = 0
    host: Any = np.int64(-1)
    host_end: Any = np.int64(-1)
    stop = min(end, at + HTTP_HEAD)
    while at < stop:
        if data[at] != NEWLINE:
            at += 1
            continue
        at += 1  # start of a line
        if at >= stop:
            break
        if data[at] == NEWLINE:
            return features, host, host_end, at + 1
        if data[at] == RETURN:
            return features, host, host_end, at + 2 if at + 2 <= end else -1
        features |= feature_of(data, at, stop)
        if host < 0 and begins_lower(data, at, stop, HOST):
            at += 5
            while at < stop and (data[at] == 0x20 or data[at] == 0x09):
                at += 1
            host = at
            while at < stop and data[at] > 0x20 and data[at] != COLON:
                at += 1
            host_end = at if at < stop else -1
    return features, host, host_end, -1 if stop == end else -2


@kernel
def opens_json(data, at, end):  # type: ignore[no-untyped-def]
    """Whether a body opens like JSON, perhaps behind the size of a chunk; its start, or -1."""
    if is_json(data, at, end):
        return at
    start = at
    while at < end and at - start < MAX_CHUNK_SIZE and data[at] > 0x20:
        at += 1
    if (
        at > start
        and at + 2 < end
        and data[at] == RETURN
        and data[at + 1] == NEWLINE
        and is_json(data, at + 2, end)
    ):
        return at + 2
    return -1


@kernel
def opens_rpc(data, at, end):  # type: ignore[no-untyped-def]
    """Whether a JSON body opens like an answer or a push of JSON-RPC, by its first key; escapes may hide one."""
    at = opens_json(data, at, end)
    if at < 0:
        return False
    at = skip_space(data, at, end, MAX_SPACE)
    if at < end and data[at] == OPEN_BRACKET:
        at = skip_space(data, at + 1, end, MAX_SPACE)
    if at < end and data[at] == OPEN_BRACE:
        at = skip_space(data, at + 1, end, MAX_SPACE)
    if at >= end or data[at] != QUOTE:
        return at >= end
    at += 1
    if at >= end or data[at] == 0x5C:
        return True
    for key in KEYS:
        size = len(key)
        if begins(data, at, end, key) and (at + size >= end or data[at + size] == QUOTE):
            return True
    return False


@kernel
def is_path_listed(data, at, end, slots, seed):  # type: ignore[no-untyped-def]
    """Whether the path of a request target is listed as a whole."""
    stop = min(end, at + HTTP_HEAD)
    while at < stop and data[at] != 0x20:
        at += 1
    start = at + 1
    at = start
    while at < stop and at - start <= MAX_VALUE and data[at] > 0x20 and data[at] != 0x3F:
        at += 1
    if at >= stop or at - start > MAX_VALUE:
        return False
    h = seed
    for i in range(at - 1, start - 1, -1):
        h = name_step(h, lower(np.int64(data[i])))
    return is_listed(slots, name_end(h), True)
