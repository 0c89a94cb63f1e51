"""One JSON text of the wire, read within limits.

In: the bytes of one line.  Out: the parsed value, or None and a counted oddity.
Never: an exception, deep recursion, a long number, a search for mining words (parse first, then match).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from sniffer.oddities import Oddities

MAX_TEXT: Final = 16_384
"""Bytes of a line that are parsed as a whole; a longer one is only skimmed (robustness.md, T6)."""
MAX_DEPTH: Final = 16
MAX_NUMBER: Final = 32
BLANK: Final = b" \t\r\n"

STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
LONG_NUMBER = re.compile(rb"[0-9.eE+-]{%d}" % (MAX_NUMBER + 1))
NUMERALS: Final = bytes(0x30 if byte in b"0123456789.eE+-" else 0x20 for byte in range(256))
LONG_RUN: Final = b"0" * (MAX_NUMBER + 1)
"""What a long number becomes when all that numbers are made of is written as 0."""
BRACKETS: Final = bytes(b for b in range(256) if b not in b"{}[]")
MEMBER = re.compile(
    rb'"((?:[^"\\]|\\.)*+)"[ \t\r\n]*:[ \t\r\n]*(?:"((?:[^"\\]|\\.)*+)"|(-?[0-9][0-9.eE+-]{0,31}))'
)
OBJECT = re.compile(rb'"((?:[^"\\]|\\.)*+)"[ \t\r\n]*:[ \t\r\n]*\{')


def depth_of(skeleton: bytes) -> int:
    """Deepest nesting of a text whose strings were taken out."""
    depth = deepest = 0
    for bracket in skeleton.translate(None, BRACKETS):
        if bracket in b"{[":
            depth += 1
            deepest = max(deepest, depth)
        else:
            depth -= 1
    return deepest


def parse(text: bytes, oddities: Oddities) -> Any | None:
    """Parse one JSON text, or count why not.

    A key given twice: the last one wins, as in the usual parsers, except ``method`` (see :func:`methods`).
    """
    # Nearly every text keeps both limits even if what stands in strings counts; only of others these are taken out.
    is_flat = text.count(b"{") + text.count(b"[") <= MAX_DEPTH
    if is_flat and LONG_RUN not in text.translate(NUMERALS):
        return _decode(text, oddities)
    skeleton = STRING.sub(b"", text)
    if skeleton.count(b"{") + skeleton.count(b"[") > MAX_DEPTH and depth_of(skeleton) > MAX_DEPTH:
        oddities.count("json_depth")
        return None
    if LONG_NUMBER.search(skeleton) and any(
        len(number.group()) > MAX_NUMBER for number in re.finditer(rb"[0-9.eE+-]+", skeleton)
    ):
        return _without_long_numbers(text, oddities)
    return _decode(text, oddities)


def _decode(text: bytes, oddities: Oddities) -> Any | None:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    try:  # lone surrogates, control characters, bytes that are not UTF-8: readable all the same
        return json.loads(
            text.decode("utf-8", "surrogateescape"), strict=False, parse_constant=lambda _: None
        )
    except (ValueError, RecursionError):
        oddities.count("json_broken")
        return None


def _without_long_numbers(text: bytes, oddities: Oddities) -> Any | None:
    """Parse a text in which numbers are longer than any program needs; those become null (Ergo sends some)."""
    oddities.count("json_number")

    def shorten(match: re.Match[bytes]) -> bytes:
        piece = match.group()
        return piece if piece[:1] == b'"' or len(piece) <= MAX_NUMBER else b"null"

    return _decode(re.sub(STRING.pattern + rb"|[0-9.eE+-]+", shorten, text, flags=re.DOTALL), oddities)


def methods(text: bytes, message: dict[str, Any]) -> list[str]:
    """Every ``method`` of the top level, the one that the parser kept last."""
    kept = message.get("method")
    found = [kept] if isinstance(kept, str) else []
    if text.count(b"method") + text.count(b"\\u00") > 1:
        try:
            pairs = json.loads(text.decode("utf-8", "replace"), object_pairs_hook=list, strict=False)
        except (ValueError, RecursionError):
            return found
        given = [value for key, value in pairs if key == "method" and isinstance(value, str)]
        found = given or found
    return found


def skim(head: bytes, tail: bytes) -> dict[str, Any]:
    """Read the scalar members of a long object, and those of the objects in it, from its first and last bytes.

    Servers put ``method`` first or last (protocols.md, 1.2), so one of the two ends holds it.  Arrays are left out,
    and so is what lies deeper.
    """
    found: dict[str, Any] = {}
    depth = at = 0
    places: list[dict[str, Any] | None] = [found]  # the object at each depth; None: nothing is kept there
    while at < len(head):
        byte = head[at]
        if byte == 0x22:
            place = places[-1] if depth in (1, 2) else None
            member = MEMBER.match(head, at) if place is not None else None
            if member and place is not None:
                _keep(member, place)
            opening = None if member or depth != 1 or place is None else OBJECT.match(head, at)
            if opening and place is not None:
                inside: dict[str, Any] = {}
                place[_key(opening.group(1))] = inside
                places.append(inside)
                depth += 1
            whole = member or opening or STRING.match(head, at)
            at = whole.end() if whole else len(head)
            continue
        if byte in b"{[":
            depth += 1
            places.append(found if depth == 1 and byte == 0x7B else None)
        elif byte in b"}]":
            depth -= 1
            if len(places) > 1:
                places.pop()
        at += 1
    # The end of the text is depth 0; walking backwards, whatever lies behind the last bracket closed at depth 1 is
    # top level.  A string may be cut where the tail begins, so only what follows the last ']' or '}' inside counts.
    inner = tail.rstrip(BLANK)
    if inner.endswith(b"}"):
        inner = inner[:-1]
        last = max(inner.rfind(b"]"), inner.rfind(b"}"))
        for member in MEMBER.finditer(inner, last + 1):
            _keep(member, found)
    return found


def _key(raw: bytes) -> str:
    try:
        return msgspec.json.decode(b'"' + raw + b'"', type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""


def _keep(member: re.Match[bytes], found: dict[str, Any]) -> None:
    try:
        key = msgspec.json.decode(b'"' + member.group(1) + b'"', type=str)
        text = member.group(2)
        found[key] = msgspec.json.decode(b'"' + text + b'"' if text is not None else member.group(3))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return
