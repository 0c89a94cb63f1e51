"""Lines of RADIUS accounting, DHCP and NAT logs: who holds which address, from when, until when.

In: lines of text, one record each: JSON objects, or CSV below a line of headings.  Out: a :class:`~.timeline.Change` each.
Never: a subscriber's name as it is, unless the configuration asks for it; a line that is taken for something it may not be.

Names of fields are those of RADIUS attributes (RFC 2866, 2869, 3162), of Kea's lease files, and plain words; upper and
lower case, ``-`` and ``_`` are the same.  A line needs an address and a time.  What it says is told by ``Acct-Status-Type`` or
``event``; a line without either holds from one time to another.
"""

from __future__ import annotations

import csv
import hashlib
import ipaddress
import math
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec

from sniffer.errors import printable
from sniffer.owners.timeline import OPEN, PORTS, Change

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_LINE: Final = 16 << 10
MAX_SUBSCRIBER: Final = 256
MAX_DEPTH: Final = 16  # of brackets in a line
FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "address": ("address", "ip", "ip_address", "framed_ip_address", "framed_ipv6_prefix", "framed_ipv6_address",
                "delegated_ipv6_prefix", "outside", "outside_address"),
    "event": ("event", "acct_status_type"),
    "time": ("time", "timestamp", "event_timestamp"),
    "from": ("from", "start", "starts"),
    "until": ("until", "end", "ends", "expire", "expires"),
    "seconds": ("valid_lifetime", "lease_time", "lease_seconds"),
    "lasted": ("acct_session_time",),
    "user": ("user", "user_name", "subscriber"),
    "line": ("calling_station_id", "mac", "hwaddr", "hw_address", "client", "client_id", "duid"),
    "session": ("session", "acct_session_id"),
    "tenant": ("tenant",),
    "ports": ("ports", "outside_ports", "port", "outside_port"),
    "inside": ("inside", "inside_address"),
    "state": ("state",),
}  # fmt: skip
"""What a line can say, and the names that each goes by."""
NAMES: Final = {alias: field for field, aliases in FIELDS.items() for alias in aliases}
EVENTS: Final = {
    **dict.fromkeys(("start", "1", "ack", "dhcpack", "lease", "renew", "assign", "allocate"), "hold"),
    **dict.fromkeys(("interim_update", "interim", "alive", "3"), "alive"),
    **dict.fromkeys(
        ("stop", "2", "release", "dhcprelease", "expire", "expired", "free", "deallocate"), "stop"
    ),
    **dict.fromkeys(("accounting_on", "accounting_off", "7", "8"), ""),
}
"""What an event means; "": nothing that concerns us."""
RANGE: Final = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")
NUMERAL: Final = re.compile(r"\d{1,20}(?:\.\d{1,9})?")
FORGOTTEN: Final = ("1", "2")
"""States of a lease of Kea's that nobody holds: declined, reclaimed."""


class NothingError(Exception):
    """A line that is no fault and says nothing."""


class LineReader:
    """Reads the lines of one file, one after another.

    Args:
        hide: what is shown of a subscriber (``Privacy.hide``).
    """

    def __init__(self, hide: Callable[[str], str]) -> None:
        self._hide = hide
        self._headings: list[str] = []

    def read(self, line: bytes) -> Change | None:
        """What a line says; None for headings, blank lines, comments, and events that concern nobody's address.

        Raises:
            ValueError: nothing that can be used; the text says why.
        """
        text = line.strip()
        if not text or text.startswith(b"#"):
            return None
        if len(text) > MAX_LINE:
            raise ValueError(f"has more than {MAX_LINE} bytes")
        fields = _json(text) if text.startswith(b"{") else self._csv(text)
        try:
            return self._change(fields) if fields is not None else None
        except NothingError:
            return None

    def _csv(self, text: bytes) -> dict[str, str] | None:
        """The known fields of a row; None: it is the headings."""
        try:
            (cells,) = csv.reader([text.removeprefix(b"\xef\xbb\xbf").decode()], strict=True)
        except (csv.Error, ValueError):
            raise ValueError("is neither CSV nor JSON") from None
        names = [NAMES.get(_plain(cell), "") for cell in cells]
        if "address" in names:
            self._headings = names
            return None
        if not self._headings:
            raise ValueError("stands before any line of headings")
        if len(cells) != len(self._headings):
            raise ValueError(f"has {len(cells)} columns, not {len(self._headings)}")
        return {name: cell.strip() for name, cell in zip(self._headings, cells, strict=True) if name and cell}

    def _change(self, fields: Mapping[str, str]) -> Change:
        address, length = _address(fields)
        what = "hold"
        if "event" in fields:
            what = EVENTS.get(_plain(fields["event"]), "?")
            if what == "?":
                raise ValueError(f"has the unknown event {printable(fields['event'], 40)}")
        if not what or fields.get("state") in FORGOTTEN:
            raise NothingError
        start, end = _span(fields, what)
        low, high = _ports(fields.get("ports", ""))
        inside = ipaddress.ip_address(fields["inside"]).packed if "inside" in fields else b""
        user = fields.get("user") or fields.get("line") or ""
        session = fields.get("session", "")
        return Change(
            what="stop" if what == "stop" else "alive" if what == "alive" else "hold",
            address=address,
            length=length,
            start=start,
            end=end,
            subscriber=printable(self._hide(user[:MAX_SUBSCRIBER]), MAX_SUBSCRIBER) if user else "",
            tenant=fields.get("tenant", "")[:64],
            inside=inside,
            session=hashlib.blake2s(session.encode(), digest_size=8).hexdigest() if session else "",
            low=low,
            high=high,
        )


def _plain(name: str) -> str:
    """A name without differences of spelling."""
    return name.strip().lower().replace("-", "_").replace(" ", "_")


def _json(text: bytes) -> dict[str, str]:
    """The known fields of a JSON object, as text."""
    if text.count(b"[") + text.count(b"{") > MAX_DEPTH:
        raise ValueError("is nested too deep")
    try:
        found = msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise ValueError("is no JSON") from None
    out: dict[str, str] = {}
    for name, value in found.items():
        field = NAMES.get(_plain(name))
        if field and isinstance(value, str | int | float) and not isinstance(value, bool) and value != "":
            out.setdefault(field, str(value))
    return out


def _address(fields: Mapping[str, str]) -> tuple[bytes, int]:
    if "address" not in fields:
        raise ValueError("names no address")
    try:
        network = ipaddress.ip_network(fields["address"], strict=False)
    except ValueError:
        raise ValueError("names no address that can be") from None
    return network.network_address.packed, network.prefixlen


def _span(fields: Mapping[str, str], what: str) -> tuple[int, int]:
    """From when, until when.  Of a stop the beginning may be unknown: -1."""
    told = {name: read_time(fields[name]) for name in ("time", "from", "until") if name in fields}
    seconds = {name: _seconds(fields[name]) for name in ("seconds", "lasted") if name in fields}
    time = told.get("time")
    if what != "hold":
        at = time if time is not None else told.get("until")
        if at is None:
            raise ValueError("names no time")
        start = told.get("from", at - seconds["lasted"] if "lasted" in seconds else -1)
        return (at if what == "alive" and start < 0 else max(start, -1)), at
    begun, end = told.get("from", time), told.get("until")
    if begun is not None:
        start = begun
    elif end is not None and "seconds" in seconds:
        start = end - seconds["seconds"]
    else:
        raise ValueError("names no time")
    if end is None:
        end = start + seconds["seconds"] if "seconds" in seconds else OPEN
    if end <= start:
        if "seconds" in seconds and not seconds["seconds"]:
            raise NothingError  # a lease that Kea has let go
        raise ValueError("ends before it begins")
    return max(start, 0), end


def _ports(text: str) -> tuple[int, int]:
    if not text:
        return 0, PORTS - 1
    found = RANGE.fullmatch(text.strip())
    if found is None:
        raise ValueError("names no ports that can be")
    low, high = int(found[1]), int(found[2] or found[1])
    if not low <= high < PORTS:
        raise ValueError("names no ports that can be")
    return low, high


def read_time(text: str) -> int:
    """Nanoseconds since 1970 of seconds since 1970, or of a date and time (ISO 8601; without a zone it is UTC).

    Raises:
        ValueError: it is neither, or before 1970, or centuries away.
    """
    text = text.strip()
    if NUMERAL.fullmatch(text):
        return _seconds(text)
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return _seconds(repr(moment.timestamp()))
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"has no time that can be: {printable(text, 40)}") from None


def _seconds(text: str) -> int:
    """Nanoseconds of so many seconds."""
    try:
        seconds = float(text)
    except ValueError:
        raise ValueError(f"has no number of seconds: {printable(text, 40)}") from None
    if not math.isfinite(seconds) or not 0 <= seconds < 1 << 33:
        raise ValueError(f"has no number of seconds that can be: {printable(text, 40)}")
    whole, _, rest = text.partition(".") if NUMERAL.fullmatch(text) else (str(int(seconds)), "", "")
    return int(whole) * 1_000_000_000 + (int(rest.ljust(9, "0")) if rest else 0)
