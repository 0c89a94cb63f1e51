"""DNS over UDP: the name that is asked for, and the names that an answer leads to.

In: one datagram of port 53.  Out: facts, one for each name.
Never: an address; learning addresses is another issue's work and another module's.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

import dpkt

from sniffer.model import Facts, Role, Value

if TYPE_CHECKING:
    from sniffer.oddities import Oddities

FAMILY: Final = "pool-dns"
MAX_RECORDS: Final = 64
TYPES: Final = {
    1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 12: "PTR", 15: "MX", 16: "TXT", 28: "AAAA", 33: "SRV",
    64: "SVCB", 65: "HTTPS", 255: "ANY",
}  # fmt: skip


def read_message(payload: bytes, time: int, oddities: Oddities) -> list[Facts]:
    """Facts of one DNS message: of the question first, then of each alias in the answer (RFC 1035)."""
    try:
        message = dpkt.dns.DNS(payload)
    except (dpkt.Error, IndexError, ValueError, struct.error, KeyError, TypeError, AttributeError):
        oddities.count("dns_malformed")
        return []
    sender = Role.SERVER if message.qr else Role.CLIENT
    what = "response" if message.qr else "query"
    out: list[Facts] = []
    for question in message.qd[:1]:
        values: dict[str, Value] = {"dns.type": TYPES.get(question.type, str(question.type))}
        name = _name(question.name)
        if name:
            out.append(Facts(FAMILY, what, sender, {"dns.query": name, **values}, 0, time))
    for record in message.an[:MAX_RECORDS]:
        alias = _name(getattr(record, "cname", "")) if record.type == dpkt.dns.DNS_CNAME else ""
        if alias:
            asked = {**out[0].values} if out else {}
            out.append(Facts(FAMILY, what, sender, {**asked, "dns.answer": alias}, 0, time))
    return out


def _name(name: str) -> str:
    return name.rstrip(".").lower()[:255]
