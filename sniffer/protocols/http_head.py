"""Heads of HTTP/1 messages (RFC 9112).

In: bytes.  Out: a :class:`Head`, or that there is none.
Never: a body; a field beyond the limits.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from sniffer.protocols.messages import Head

MAX_HEAD: Final = 16_384
MAX_FIELDS: Final = 64
MAX_VALUE: Final = 512
MAX_HOST: Final = 255
REQUEST = re.compile(rb"([A-Z]{3,10}) ([^ \r\n]{1,8000}) HTTP/1\.[01]\r?\n")
RESPONSE = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?: [^\r\n]{0,256})?\r?\n")
VERBS: Final = (b"GET ", b"POST ", b"PUT ", b"HEAD ", b"OPTIONS ", b"DELETE ", b"PATCH ", b"TRACE ")
STATUS: Final = b"HTTP/1."
END = re.compile(rb"\r?\n\r?\n")
MALFORMED: Final = Head(status=-1)


def opens(head: bytes) -> bool:
    """Whether a text begins, or may still begin, with a request or a status line."""
    return any(word.startswith(head[: len(word)]) for word in (*VERBS, STATUS))


def read(data: bytes | bytearray) -> tuple[Head, int] | None:
    """The head that ``data`` begins with, and the offset behind it; None while it is incomplete.

    A head that is none or too long is MALFORMED.
    """
    end = END.search(data, 0, MAX_HEAD)
    if end is None:
        return (MALFORMED, 0) if len(data) >= MAX_HEAD else None
    line = REQUEST.match(data) or RESPONSE.match(data)
    if line is None:
        return MALFORMED, 0
    fields: dict[str, str] = {}
    for field in re.split(rb"\r?\n", data[line.end() : end.start()], maxsplit=MAX_FIELDS)[:MAX_FIELDS]:
        name, colon, value = field.partition(b":")
        if colon and name[:1] not in (b" ", b"\t"):  # those continue the field before (RFC 9112, 5.2)
            text = value.strip()[:MAX_VALUE].decode("utf-8", "replace")
            fields.setdefault(name.strip().lower().decode("ascii", "replace"), text)
    if line.re is RESPONSE:
        return Head(status=int(line.group(1)), fields=fields), end.end()
    user, password = basic(fields.get("authorization", ""))
    target = line.group(2).decode("utf-8", "replace")
    return Head(line.group(1).decode("ascii"), target, 0, fields, user, password), end.end()


def basic(field: str) -> tuple[str, str]:
    """User and password of the Basic scheme (RFC 7617)."""
    scheme, _, text = field.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        pair = base64.b64decode(text.strip(), validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return "", ""
    user, _, password = pair.partition(":")
    return user, password


def host(head: Head) -> str:
    """Host of a request, lower case, without port; from the target where that is absolute (RFC 9112, 3.2.2)."""
    name = head.fields.get("host", "")
    if head.target[:7].lower() == "http://":
        name = re.split(r"[/?#]", head.target[7:], maxsplit=1)[0].rpartition("@")[2]
    return plain_host(name)


def plain_host(name: str) -> str:
    """A host as a field names it: lower case, without port and brackets; "" where it is too long."""
    name = re.sub(r":\d{1,5}$", "", name).strip("[]").rstrip(".").lower()
    return name if len(name) <= MAX_HOST else ""
