"""What a ``payload`` condition may say, and which of them a rule set hands to the gate.

In: plain YAML data; conditions.  Out: a Pattern, or every fault at its place; sentences about what cannot be carried.
Never: a pattern that the gate could not carry, or that would have it carry half of all traffic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sniffer.errors import printable
from sniffer.model import OPENING, Pattern
from sniffer.strictyaml import suggest

if TYPE_CHECKING:
    from collections.abc import Callable

    from sniffer.strictyaml import Place

KEYS: Final = ("starts_with", "starts_with_hex", "at", "side", "transport")
UNANCHORED: Final = (
    "contains",
    "matches",
    "ends_with",
)  # what may be asked about facts, and about no payload
SHORTEST_TEXT: Final = 3
SHORTEST_HEX: Final = 4
TLS_HEAD: Final = 6  # bytes that every hello begins with, apart from its length
SIDES: Final = ("client", "server", "any")
TRANSPORTS: Final = ("tcp", "udp", "any")
FACTS_BESIDE: Final = (
    "client.ip", "client.port", "server.ip", "server.port", "server.name", "flow.transport", "payload.hex", "payload.text", "payload.side",
)  # fmt: skip
"""Facts of an opening; no other fact stands beside a payload condition."""
ORDINARY: Final = (
    b"GET /", b"POST /", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 200 OK\r\n", b"SSH-2.0-", b"220 ", b"EHLO ", b"USER ",
    b"\x13BitTorrent protocol", bytes(OPENING),
)  # fmt: skip
"""Openings of protocols that everybody speaks; what says no more than these do, tells nothing."""


def parse_pattern(
    data: Any, place: Place, complain: Callable[[Place, str, str, str], None]
) -> Pattern | None:
    """Read what stands under ``payload``; tell each fault through ``complain``."""
    if not isinstance(data, dict):
        complain(
            place, "condition", "payload must be a mapping", 'write payload: {starts_with: "bytes as text"}'
        )
        return None
    faults: list[tuple[str | None, str, str]] = [_unknown(key) for key in data if key not in KEYS]
    wanted = None if faults else _wanted(data, faults)
    at = data.get("at", 0)
    if isinstance(at, bool) or not isinstance(at, int) or not 0 <= at < OPENING:
        faults.append(
            ("at", f"at must be a number from 0 to {OPENING - 1}", "it counts bytes from the first")
        )
        at = 0
    chosen = {}
    for key, known, usual in (("side", SIDES, "any"), ("transport", TRANSPORTS, "tcp")):
        chosen[key] = data.get(key, usual)
        if chosen[key] not in known:
            faults.append((key, f"{key} cannot be {chosen[key]!r}", f"choose {', '.join(known)}"))
    if wanted and at + len(wanted) > OPENING:
        what = f"reaches {at + len(wanted)} bytes in, beyond the first {OPENING}"
        faults.append((None, what, "name fewer bytes, or nearer ones"))
    is_tls = wanted is not None and wanted[:2] == b"\x16\x03" and len(wanted) <= TLS_HEAD
    if wanted and at == 0 and (is_tls or any(usual.startswith(wanted) for usual in ORDINARY)):
        what = f"{shown(wanted)} is how ordinary traffic opens: the rule would hit all of it"
        faults.append((None, what, "name more bytes"))
    for where, what, remedy in faults:
        complain(place if where is None else (*place, where), "payload", what, remedy)
    if faults or wanted is None:
        return None
    return Pattern(at, wanted, chosen["side"], chosen["transport"])


def _unknown(key: str) -> tuple[str, str, str]:
    """A key that a payload does not have, perhaps because nobody could carry it."""
    if key in UNANCHORED:
        what = f"an unanchored payload: {key!r} would have to look at every byte of every packet"
        return (
            key,
            what,
            "say how it begins with starts_with, and ask about its line with {fact: payload.text, ...}",
        )
    return key, f"there is no key {key!r} in a payload", suggest(key, list(KEYS))


def _wanted(data: dict[str, Any], faults: list[tuple[str | None, str, str]]) -> bytes | None:
    """The bytes that are named, as text or in hexadecimal."""
    given = [key for key in ("starts_with", "starts_with_hex") if key in data]
    if len(given) != 1:
        what = "an unanchored payload: it must say how it begins, once"
        faults.append((None, what, "give either starts_with: TEXT or starts_with_hex: DIGITS"))
        return None
    key = given[0]
    text = data[key]
    if not isinstance(text, str):
        faults.append((key, f"{key} must be text", "put it between quotes"))
        return None
    shortest = SHORTEST_TEXT
    wanted = text.encode()
    if key == "starts_with_hex":
        shortest = SHORTEST_HEX
        try:
            wanted = bytes.fromhex(text)
        except ValueError:
            faults.append(
                (key, f"{printable(text, 80)!r} is not hexadecimal", "write two digits for each byte")
            )
            return None
    if len(wanted) < shortest:
        what = f"{len(wanted)} bytes are too few: they would fit traffic of all kinds"
        faults.append((key, what, f"name at least {shortest}"))
        return None
    return wanted


def shown(data: bytes) -> str:
    """Bytes as a rule would write them: as text where they are printable, else in hexadecimal."""
    if data.isascii() and data.decode("ascii").isprintable():
        return f'"{data.decode("ascii")}"'
    return data.hex(" ")
