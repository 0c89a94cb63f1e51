"""HTTP request heads, as far as names go.

In: the first bytes of a request.  Out: method, host and agent as facts.
Never: bodies.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sniffer.model import Value

MAX_HEAD: Final = 16_384
MAX_HEADERS: Final = 64
REQUEST_LINE = re.compile(rb"([A-Z]{3,10}) ([^ \r\n]{1,8000}) HTTP/1\.[01]\r?\n")
VERBS: Final = (b"GET ", b"POST ", b"PUT ", b"HEAD ", b"OPTIONS ", b"DELETE ", b"PATCH ", b"TRACE ")


def begins_request(head: bytes) -> bool:
    """Whether a head begins, or may still begin, with a request line."""
    return any(verb.startswith(head[: len(verb)]) for verb in VERBS)


def read_request(head: bytes) -> dict[str, Value] | None:
    """Facts of a request; None while its head is incomplete; empty when it is no request.

    The host is taken from the target where that is absolute (RFC 9112, 3.2.2), else from the Host header.
    """
    end = head.find(b"\r\n\r\n", 0, MAX_HEAD)
    if end < 0:
        return None if len(head) < MAX_HEAD else {}
    line = REQUEST_LINE.match(head)
    if not line:
        return {}
    values: dict[str, Value] = {"http.method": line.group(1).decode("ascii")}
    host = b""
    for header in head[line.end() : end].split(b"\r\n")[:MAX_HEADERS]:
        name, colon, value = header.partition(b":")
        name = name.strip().lower()
        if colon and name == b"host" and not host:
            host = value.strip()
        elif colon and name == b"user-agent":
            values["http.user_agent"] = value.strip()[:256].decode("utf-8", "replace")
    target = line.group(2)
    if target[:7].lower() == b"http://":
        host = target[7:].split(b"/", 1)[0].rpartition(b"@")[2]
    name = re.sub(rb":\d{1,5}$", b"", host).strip(b"[]").rstrip(b".")
    if name and len(name) <= 255:
        values["http.host"] = name.lower().decode("ascii", "replace")
    return values
