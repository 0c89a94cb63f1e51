"""DNS questions and answers."""

from __future__ import annotations

import dpkt
from hypothesis import given
from hypothesis import strategies as st

from sniffer.model import Role
from sniffer.oddities import Oddities
from sniffer.protocols import dns


def test_dns_question_and_aliases() -> None:
    """A question gives one fact, an answer one for each alias; the asking side is the client either way."""
    message = dpkt.dns.DNS(id=1, qd=[dpkt.dns.DNS.Q(name="Pool.Example.COM", type=1)])
    (query,) = dns.read_message(bytes(message), 5, Oddities())
    assert (query.sender, query.message, query.values) == (
        Role.CLIENT,
        "query",
        {"dns.query": "pool.example.com", "dns.type": "A"},
    )
    message.qr = 1
    message.an = [dpkt.dns.DNS.RR(name="pool.example.com", type=5, cls=1, ttl=9, cname="edge.nanopool.org")]
    question, alias = dns.read_message(bytes(message), 5, Oddities())
    assert question.sender is Role.SERVER
    assert alias.values["dns.answer"] == "edge.nanopool.org"


@given(st.binary(max_size=200))
def test_any_bytes(head: bytes) -> None:
    """No bytes raise."""
    dns.read_message(head, 0, Oddities())
    dns.read_message(b"\0\1\1\0\0\1\0\0\0\0\0\0" + head, 0, Oddities())
