"""A detection as one line of Suricata's EVE JSON.

In: a :class:`~sniffer.model.Detection`.  Out: a plain dict, and its encoding: one line of printable ASCII, at most 4 KiB.
Never: null, an empty string, a number that is not finite, text of the wire that is not escaped and cut.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec

from sniffer.addresses import address_text
from sniffer.errors import printable
from sniffer.ruleset.domains import name_seen
from sniffer.sinks.privacy import PRIVATE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sniffer.model import Detection, Listed, Value
    from sniffer.sinks.privacy import Privacy

MAX_STRING: Final = 256
MAX_REASONS: Final = 16
MAX_LINE: Final = 4096
SHORT_STRING: Final = 64  # what a string is cut to when a line would become too long
PROTOCOLS: Final = {6: "TCP", 17: "UDP"}
NUMBERS: Final = ("difficulty", "hashes_per_share", "hashrate", "power", "accounts", "workers")
LISTED: Final = ("name", "entry", "origin", "updated", "seen_on")
EXACT: Final = 1 << 53  # integers below it survive readers that know doubles only
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
LAST_MICROSECOND: Final = 253_402_300_799_999_999  # of the year 9999

# ── values ───────────────────────────────────────────────────────────────────────────────────────────────


def timestamp(nanoseconds: int) -> str:
    """A time as EVE writes it, ``2026-11-23T08:00:00.123456+00:00``: whole microseconds, UTC."""
    microseconds = min(max(nanoseconds // 1000, 0), LAST_MICROSECOND)
    return (EPOCH + timedelta(microseconds=microseconds)).isoformat(timespec="microseconds")


def community_id(
    source: bytes, source_port: int, destination: bytes, destination_port: int, protocol: int
) -> str:
    """The flow's Community ID, version 1, seed 0: the same for both directions and in every tool that knows it.

    Source: the Community ID specification (github.com/corelight/community-id-spec).

    Args:
        source: address, packed.
        source_port: its port.
        destination: address, packed.
        destination_port: its port.
        protocol: 6 for TCP, 17 for UDP (message types of ICMP need a table that nothing here asks for).
    """
    ends = sorted([(source, source_port), (destination, destination_port)])
    (low, low_port), (high, high_port) = ends
    ports = low_port.to_bytes(2, "big") + high_port.to_bytes(2, "big")
    digest = hashlib.sha1(
        bytes(2) + low + high + bytes([protocol, 0]) + ports, usedforsecurity=False
    ).digest()
    return "1:" + base64.b64encode(digest).decode("ascii")


def number(value: object) -> int | float | None:
    """A finite number that every JSON reader takes, whole where it is whole; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        real = float(value)
    except OverflowError:
        return None
    if not math.isfinite(real):
        return None
    return int(real) if real.is_integer() and abs(real) < EXACT else real


def text(value: object) -> str:
    """Printable ASCII, at most :data:`MAX_STRING` characters."""
    return printable(value, MAX_STRING)


# ── one event ────────────────────────────────────────────────────────────────────────────────────────────


def make_event(
    detection: Detection,
    *,
    sensor: str,
    interfaces: Sequence[str],
    privacy: Privacy,
    filename: str = "",
    tenant: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Tell one detection as an EVE alert (interfaces.md, "Events").

    Args:
        detection: what was found; ``place`` is as on the wire, ``host`` is the address that mines.
        sensor: name of this sensor.
        interfaces: names that ``place.interface`` counts in.
        privacy: how accounts, worker names and passwords are shown.
        filename: the capture file that was read, "" when live.
        tenant: whose address it is, if that is known.

    Returns:
        Keys in the order of the documentation; absent values are left out.
    """
    place, rule = detection.place, detection.rule
    event: dict[str, Any] = {
        "timestamp": timestamp(detection.facts.time),
        "event_type": "alert",
        "sensor": text(sensor),
        "in_iface": text(interfaces[place.interface]) if 0 <= place.interface < len(interfaces) else "",
        "pcap_filename": text(filename),
        "vlan": list(place.vlans),
        "flow_id": detection.flow_id % EXACT,
        "community_id": community_id(
            place.source, place.source_port, place.destination, place.destination_port, place.protocol
        ),
        "src_ip": address_text(place.source),
        "src_port": place.source_port,
        "dest_ip": address_text(place.destination),
        "dest_port": place.destination_port,
        "proto": PROTOCOLS.get(place.protocol, str(place.protocol)),
        "alert": {
            "signature_id": rule.signature_id,
            "rule": text(rule.id),
            "signature": text(rule.title),
            "category": text(rule.category),
            "severity": rule.severity.eve,
            "rev": rule.rev,
        },
        "mining": _mining(detection, privacy),
        "tenant": {text(key): text(value) for key, value in (tenant or {}).items() if value},
    }
    return _without_absent(event)


def _mining(detection: Detection, privacy: Privacy) -> dict[str, Any]:
    facts = detection.facts
    told: dict[str, Value] = {**detection.session, **facts.values}

    def said(name: str) -> str:
        value = told.get(f"mining.{name}", "")
        if not value and value != 0:
            return ""
        return text(privacy.hide(str(value)) if f"mining.{name}" in PRIVATE else value)

    endpoint = detection.match.endpoint
    accepted = facts.values.get("mining.accepted")  # a verdict belongs to its own message, not to later ones
    mining: dict[str, Any] = {
        "host_ip": address_text(detection.host),
        "server_ip": address_text(detection.server) if detection.server is not None else "",
        "server_port": detection.server_port or None,
        "protocol": text(facts.protocol),
        "message": text(facts.message),
        "coin": said("coin"),
        "algorithm": said("algorithm"),
        "pool": text(endpoint.pool) if endpoint is not None else said("pool"),
        "domain": text(name_seen(facts.values, endpoint)),
        "list": _list(detection.match.listed),
        "user": said("user"),
        "worker": said("worker"),
        "password": said("password"),
        "wallet_kind": said("wallet_kind"),
        "agent": said("agent"),
        "hardware": said("hardware"),
        "role": said("role"),
        **{name: number(told.get(f"mining.{name}")) for name in NUMBERS},
        "accepted": accepted if isinstance(accepted, bool) else None,
        "proxy": True if told.get("mining.proxy") is True else None,
        "confidence": detection.confidence.label,
        "seen": detection.seen,
        "encapsulation": [text(layer) for layer in detection.place.layers],
        "count": detection.count,
        "reasons": [_reason(one, told, privacy) for one in detection.match.reasons[:MAX_REASONS] if one],
    }
    return _without_absent(mining)


def _list(listed: Listed | None) -> dict[str, str]:
    """What is known of the list that made the rule match."""
    if listed is None:
        return {}
    return _without_absent({field: text(getattr(listed, field)) for field in LISTED})


def _reason(reason: str, told: Mapping[str, Value], privacy: Privacy) -> str:
    """A reason as it may be shown: it quotes what was seen, so a private fact is hidden here too."""
    fact = reason.partition(" ")[0]
    if not privacy.shows and fact in PRIVATE:
        hidden = privacy.hide(str(told.get(fact, "")))
        return f"{fact} = {hidden}" if hidden else fact
    return text(reason)


def _without_absent(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if value is not None and value not in ("", [], {})}


# ── one line ─────────────────────────────────────────────────────────────────────────────────────────────


def encode(event: dict[str, Any]) -> bytes:
    """Encode one record as a line of JSON in printable ASCII.

    An alert of more than :data:`MAX_LINE` bytes loses reasons from the end, then the tails of its strings.  A ``stats``
    record holds our own words only and stays whole.
    """
    line = _line(event)
    if len(line) <= MAX_LINE or event.get("event_type") != "alert":
        return line
    mining = dict(event.get("mining", {}))
    reasons = list(mining.pop("reasons", []))
    while reasons:
        reasons.pop()
        shorter = {**event, "mining": {**mining, "reasons": reasons} if reasons else mining}
        line = _line(shorter)
        if len(line) <= MAX_LINE:
            return line
    return _line(_shortened({**event, "mining": mining}))


def recounted(line: bytes, count: int) -> bytes:
    """A line of :func:`encode` about an alert, with another running count."""
    event = msgspec.json.decode(line)
    event["mining"]["count"] = count
    return encode(event)


def _line(record: dict[str, Any]) -> bytes:
    try:
        line = msgspec.json.encode(record)
    except (UnicodeEncodeError, OverflowError):  # a lone surrogate, an integer of more than 64 bits
        line = b"\xff"
    if not line.isascii() or b"\x7f" in line:
        line = (
            json.dumps(record, separators=(",", ":"), allow_nan=False)
            .encode("ascii")
            .replace(b"\x7f", b"\\u007f")
        )
    return line + b"\n"


def _shortened(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shortened(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_shortened(part) for part in value[:MAX_REASONS]]
    return printable(value, SHORT_STRING) if isinstance(value, str) else value
