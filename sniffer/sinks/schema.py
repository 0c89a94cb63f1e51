"""JSON Schema of an event line, for those who store or check events.

In: nothing.  Out: a schema of what :mod:`sniffer.sinks.event` writes.
Never: keys that events do not have.
"""

from __future__ import annotations

from typing import Any, Final

from sniffer.sinks.event import LISTED, NUMBERS

TEXT: Final = {"type": "string", "pattern": "^[ -~]*$", "maxLength": 256}
PORT: Final = {"type": "integer", "minimum": 0, "maximum": 65_535}
NUMBER: Final = {"type": "number"}


def event_schema() -> dict[str, Any]:
    """The schema of one ``alert`` line."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "sniffer event",
        "type": "object",
        "required": [
            "timestamp",
            "event_type",
            "src_ip",
            "src_port",
            "dest_ip",
            "dest_port",
            "proto",
            "alert",
            "mining",
        ],
        "properties": {
            "timestamp": {"type": "string", "format": "date-time"},
            "event_type": {"const": "alert"},
            "sensor": TEXT,
            "in_iface": TEXT,
            "pcap_filename": TEXT,
            "vlan": {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 4_095}},
            "flow_id": {"type": "integer"},
            "community_id": TEXT,
            "src_ip": TEXT,
            "src_port": PORT,
            "dest_ip": TEXT,
            "dest_port": PORT,
            "proto": {"enum": ["TCP", "UDP"]},
            "alert": {
                "type": "object",
                "required": ["signature_id", "rule", "signature", "category", "severity", "rev"],
                "properties": {
                    "signature_id": {"type": "integer"},
                    "rule": TEXT,
                    "signature": TEXT,
                    "category": TEXT,
                    "severity": {"type": "integer", "minimum": 1, "maximum": 4},
                    "rev": {"type": "integer"},
                },
            },
            "mining": {
                "type": "object",
                "required": ["host_ip", "protocol", "message", "confidence", "seen", "count", "reasons"],
                "properties": {
                    "host_ip": TEXT,
                    "server_ip": TEXT,
                    "server_port": PORT,
                    **dict.fromkeys(
                        (
                            "protocol",
                            "message",
                            "coin",
                            "algorithm",
                            "pool",
                            "domain",
                            "user",
                            "worker",
                            "password",
                            "wallet_kind",
                            "agent",
                            "hardware",
                            "role",
                        ),
                        TEXT,
                    ),
                    "list": {
                        "type": "object",
                        "required": ["name"],
                        "properties": dict.fromkeys(LISTED, TEXT),
                        "additionalProperties": False,
                    },
                    **dict.fromkeys(NUMBERS, NUMBER),
                    "accepted": {"type": "boolean"},
                    "proxy": {"const": True},
                    "confidence": {"enum": ["suspected", "probable", "confirmed"]},
                    "seen": {"enum": ["both", "client", "server"]},
                    "encapsulation": {"type": "array", "items": TEXT},
                    "count": {"type": "integer", "minimum": 1},
                    "reasons": {"type": "array", "items": TEXT},
                },
                "additionalProperties": False,
            },
            "tenant": {"type": "object"},
        },
        "additionalProperties": False,
    }
