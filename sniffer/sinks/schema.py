"""JSON Schema of event lines, for those who store or check them; docs/events.md is made of it.

In: the vocabulary of facts.  Out: a schema of what :mod:`~sniffer.sinks.event`, :mod:`~sniffer.sinks.stats` and
:mod:`~sniffer.sinks.gap` write: one kind of line for each ``event_type``, a sentence for each property.
Never: keys that events do not have.
"""

from __future__ import annotations

from typing import Any, Final

from sniffer.protocols.facts import FACTS
from sniffer.sinks.event import LISTED, NUMBERS
from sniffer.sinks.privacy import PRIVATE

DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
TEXT: Final = {"type": "string", "pattern": "^[ -~]*$", "maxLength": 256}
TIME: Final = {"type": "string", "format": "date-time"}
PORT: Final = {"type": "integer", "minimum": 0, "maximum": 65_535}
NUMBER: Final = {"type": "number"}
COUNT: Final = {"type": "integer", "minimum": 0}
COUNTS: Final = {"type": "object", "additionalProperties": COUNT}
TOLD: Final = ("coin", "algorithm", "user", "worker", "password", "wallet_kind", "agent", "hardware", "role")
"""Texts of :mod:`~sniffer.sinks.event` that are facts of the same name."""


OWNED: Final = {
    "name": 'Name of the tenant; "unknown behind NAT": an address of our own NAT that no mapping explains.',
    "contact": "Whom to tell.",
    "site": "Where it is.",
    "district": "District that reports rank by.",
    "kind": "What it is: park, data-centre, power-plant, telecom and so on.",
    "subscriber": "Who held the address, by RADIUS or DHCP; a keyed hash, unless events.personal_data says otherwise.",
    "inside_ip": "The address behind our NAT, by its log.",
}
"""What ``tenant`` can say (``owners/table.py``)."""


def event_schema() -> dict[str, Any]:
    """The schema of a line, of whatever ``event_type``."""
    return {
        "$schema": DRAFT,
        "title": "sniffer event",
        "type": "object",
        "required": ["timestamp", "event_type"],
        "oneOf": [_alert(), _stats(), _gap()],
    }


def _is(says: str, kind: dict[str, Any]) -> dict[str, Any]:
    """A property: what it says, and its type."""
    return {"description": says, **kind}


def _closed(properties: dict[str, Any], *optional: str) -> dict[str, Any]:
    """An object with these properties and no others."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


def _line(kind: str, says: str, properties: dict[str, Any], *optional: str) -> dict[str, Any]:
    first = {
        "timestamp": _is("Time, UTC, to the microsecond.", TIME),
        "event_type": _is("Kind of line.", {"const": kind}),
        "sensor": _is("Name of the sensor (sensor.name).", TEXT),
    }
    return {
        "title": kind,
        "description": says,
        **_closed({**first, **properties}, "sensor", *optional),
    }


# ── alert ────────────────────────────────────────────────────────────────────────────────────────────────


def _alert() -> dict[str, Any]:
    properties = {
        "in_iface": _is("Interface that the message was read from; the file, when a file was read.", TEXT),
        "pcap_filename": _is("Name of the capture file, when a file was read.", TEXT),
        "vlan": _is(
            "VLAN identifiers, outermost first.",
            {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 4_095}},
        ),
        "flow_id": _is("Number of the flow: the same in all its lines, below 2^53.", {"type": "integer"}),
        "community_id": _is("Community ID of the flow, version 1, seed 0, as other tools count it.", TEXT),
        "src_ip": _is("Sender of the message, as on the wire.", TEXT),
        "src_port": _is("Its port.", PORT),
        "dest_ip": _is("Receiver of the message, as on the wire.", TEXT),
        "dest_port": _is("Its port.", PORT),
        "proto": _is("Transport.", {"enum": ["TCP", "UDP"]}),
        "alert": _is("The rule that matched.", _rule()),
        "mining": _is("What was found.", _mining()),
        "tenant": _is("Whose address it was at the time, as far as tenants and mappings tell.", _tenant()),
    }
    says = (
        "A rule matched for the first time in a flow; it became surer of it; or a reminder with the running count, every"
        " events.repeat_interval while the flow goes on matching."
    )
    return _line(
        "alert", says, properties, "in_iface", "pcap_filename", "vlan", "flow_id", "community_id", "tenant"
    )


def _rule() -> dict[str, Any]:
    return _closed(
        {
            "signature_id": _is("Number of the rule, made of its id.", {"type": "integer"}),
            "rule": _is("Id of the rule; sniffer rules explain ID tells more.", TEXT),
            "signature": _is("Title of the rule.", TEXT),
            "category": _is("Category of the rule.", TEXT),
            "severity": _is(
                "Severity of the rule: 1 critical, 2 high, 3 medium, 4 low.",
                {"type": "integer", "minimum": 1, "maximum": 4},
            ),
            "rev": _is("Revision of the rule.", {"type": "integer"}),
        }
    )


def _tenant() -> dict[str, Any]:
    return _closed(
        {name: _is(says, TEXT) for name, says in OWNED.items()},
        *OWNED,
    )


def _mining() -> dict[str, Any]:
    listed = {
        "name": "Name of the list.",
        "entry": "The entry that matched.",
        "origin": "Where the list comes from.",
        "updated": "Date of the list.",
        "seen_on": "When the endpoint was last seen.",
    }
    properties = {
        "host_ip": _is("The address that mines, also where the pool's answer is what was seen.", TEXT),
        "server_ip": _is("The address that it mines at.", TEXT),
        "server_port": _is("Its port.", PORT),
        "protocol": _is("Family of the protocol (docs/facts.md lists them), or how a name was seen.", TEXT),
        "message": _is("The message as decoded; an answer is REQUEST.reply.", TEXT),
        **{name: _is(_fact(name), TEXT) for name in TOLD},
        "pool": _is("Name of the pool, where its address or name is listed, or the message tells it.", TEXT),
        "domain": _is("Name of a server that was seen: in DNS, TLS, QUIC or HTTP.", TEXT),
        "list": _is(
            "The list that made the rule match.",
            _closed({name: _is(listed[name], TEXT) for name in LISTED}, *LISTED[1:]),
        ),
        **{name: _is(_fact(name), NUMBER) for name in NUMBERS},
        "accepted": _is(_fact("accepted"), {"type": "boolean"}),
        "proxy": _is(_fact("proxy"), {"const": True}),
        "confidence": _is(
            "How sure: a sign, mining messages of one direction, or answered ones.",
            {"enum": ["suspected", "probable", "confirmed"]},
        ),
        "seen": _is("Whose packets were seen of the flow.", {"enum": ["both", "client", "server"]}),
        "encapsulation": _is(
            "Tags and tunnels around the packet, outermost first.", {"type": "array", "items": TEXT}
        ),
        "count": _is(
            "Hits of this rule in this flow so far, this one included.", {"type": "integer", "minimum": 1}
        ),
        "reasons": _is(
            "What made the rule match, fact by fact; 16 at most, fewer in a line that would exceed 4 KiB.",
            {"type": "array", "items": TEXT},
        ),
    }
    required = ["host_ip", "protocol", "message", "confidence", "seen", "count"]
    return _closed(properties, *(name for name in properties if name not in required))


def _fact(name: str) -> str:
    fact = f"mining.{name}"
    says = FACTS[fact].says
    shown = "; a keyed hash, unless events.personal_data says otherwise" if fact in PRIVATE else ""
    return f"{says[0].upper()}{says[1:].removesuffix(', raw')}{shown}."


# ── stats ────────────────────────────────────────────────────────────────────────────────────────────────

BOOKS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "packets": ("Packets read.", COUNT),
    "bytes": ("Bytes of these on the wire.", COUNT),
    "passed": ("Packets that may matter and were read further.", COUNT),
    "skipped": ("The others by reason; with those that passed they make all packets.", COUNTS),
    "undecoded": ("Packets whose headers could not be decoded, by the layer they were lost at.", COUNTS),
    "offered": ("Packets that there were to read: read and dropped ones.", COUNT),
    "drops": ("Packets that were dropped before they could be read.", COUNT),
    "cut": ("Packets of which only a part was captured.", COUNT),
    "wrapped": ("Packets inside tags and tunnels, by kind; kinds that did not occur are left out.", COUNTS),
    "tls_hellos": (
        "ClientHellos of TLS and QUIC, by whether the server name is readable, hidden or split.",
        COUNTS,
    ),
    "datagrams_read": ("UDP datagrams that were read further.", COUNT),
    "segments_sampled": ("TCP segments with payload of one flow in sixteen, looked at for repeats.", COUNT),
    "flows": ("Flows in the gate's table now.", COUNT),
    "flows_one_sided_ratio": (
        "Share of flows with data that were heard in one direction only, 0 to 1.",
        NUMBER,
    ),
    "flows_evicted": ("Flows that made room for newer ones, by kind.", COUNTS),
    "facts": ("Messages that told a fact, by fact; facts that did not occur are left out.", COUNTS),
    "oddities": ("Nonsense on the wire, by kind; kinds that did not occur are left out.", COUNTS),
    "sightings": ("Messages that rules with a count asked for.", COUNT),
    "hits": ("Messages that a rule matched, each counted.", COUNT),
    "suppressed": (
        "Messages that a rule matched and an entry of allow keeps from being told, by rule.",
        COUNTS,
    ),
    "hosts": ("Series of addresses with hits; of scan: addresses.", COUNT),
}
DAEMON_BOOKS: Final = {
    "sinks": (
        "Lines by sink since the start, this one not included.",
        {
            "type": "object",
            "additionalProperties": _closed(dict.fromkeys(("written", "dropped", "failed"), COUNT)),
        },
    ),
}
KNOWN: Final = {"type": ["number", "null"]}
BAND: Final = _closed(
    {
        "low": _is("The least that it may be.", KNOWN),
        "central": _is("The best guess.", KNOWN),
        "high": _is("The most that it may be.", KNOWN),
    }
)
SIZE: Final = _closed(
    {
        "ip": _is("The address that mines.", TEXT),
        "submitted": _is("Shares that it handed in.", COUNT),
        "accepted": _is("Shares that its pools accepted.", COUNT),
        "rejected": _is("Shares that its pools rejected.", COUNT),
        "devices": _is("Machines behind it, at least.", COUNT),
        "hashrate": _is(
            "Hashes a second over the last hour in which it mined, low, central and high, by algorithm; where known.",
            {"type": "object", "additionalProperties": BAND},
        ),
        "watts": _is("Power at the meter that this stands for; null: not known.", BAND),
    }
)
SCAN_BOOKS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "files": ("Of scan: files read.", COUNT),
    "hits_by_rule": ("Of scan: hits by rule.", COUNTS),
    "expected": ("Of scan: bytes of the files.", COUNT),
    "unreadable": ("Of scan: bytes of these that could not be read.", COUNT),
    "faults": ("Of scan: files with a fault.", COUNT),
    "sizes": (
        "Of scan: how big the addresses are that mine, at most 1,000, those that draw most first (docs/size.md).",
        {"type": "array", "items": SIZE},
    ),
}


def _stats() -> dict[str, Any]:
    more = {**DAEMON_BOOKS, **SCAN_BOOKS}
    books = {name: _is(says, kind) for name, (says, kind) in {**BOOKS, **more}.items()}
    says = (
        "The sensor's books: counters since the start, once a minute and at the end; of scan: the last line."
    )
    return _line("stats", says, {"stats": _is("The books.", _closed(books, *more))})


# ── gap ──────────────────────────────────────────────────────────────────────────────────────────────────


def _gap() -> dict[str, Any]:
    gap = _closed(
        {
            "sink": _is("The sink that lost lines: the one that this line comes from.", TEXT),
            "lines": _is("Lines that are missing.", {"type": "integer", "minimum": 1}),
            "dropped": _is("Of these, lines that its outbox had no room for.", COUNT),
            "failed": _is("Of these, lines that could not be written.", COUNT),
            "since": _is("When the first of them was lost.", TIME),
            "until": _is("When the last of them was lost.", TIME),
        }
    )
    says = (
        "Lines are missing before this one: the disk was full, the server away. Hits are counted all the same:"
        " metrics and the next reminder have them."
    )
    return _line("gap", says, {"gap": _is("What is missing.", gap)})
