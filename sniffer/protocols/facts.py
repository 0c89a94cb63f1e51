"""The vocabulary of facts: every name that protocol code may state and a rule may ask for.

In: nothing.  Out: :data:`FACTS`, one row a fact.
Never: meaning.  Code says what was seen; whether it matters is said in ``rules/``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class FactInfo:
    """One kind of fact: its type, what it says, an example."""

    type: type
    says: str
    example: str


FACTS: Final[dict[str, FactInfo]] = {
    # of every message, filled in from the flow
    "client.ip": FactInfo(str, "address of the side that asks or mines", "10.0.0.7"),
    "client.port": FactInfo(int, "port of the side that asks or mines", "51234"),
    "server.ip": FactInfo(str, "address of the side that serves", "203.0.113.9"),
    "server.port": FactInfo(int, "port of the side that serves", "3333"),
    "flow.transport": FactInfo(str, "tcp or udp", "tcp"),
    # of every mining message, whatever the dialect
    "mining.protocol": FactInfo(str, "family of the protocol (docs/facts.md lists them)", "stratum-v1"),
    "mining.message": FactInfo(str, "the method as decoded; a reply is <request>.reply", "mining.submit"),
    "mining.agent": FactInfo(str, "mining program as it names itself", "cgminer/4.11.1"),
    "mining.user": FactInfo(str, "account or wallet, raw", "bc1qexample.rig1"),
    "mining.worker": FactInfo(str, "name of the machine within the account", "rig1"),
    "mining.password": FactInfo(str, "password, often options for the pool", "d=65536"),
    "mining.pool": FactInfo(str, "pool address that the message itself names", "eu1-zcash.flypool.org:3333"),
    "mining.coin": FactInfo(str, "coin, where the message tells", "DOGE"),
    "mining.algorithm": FactInfo(str, "hash algorithm, where the message tells", "rx/0"),
    "mining.difficulty": FactInfo(float, "share difficulty that the message sets or asks for", "4096"),
    "mining.hashes_per_share": FactInfo(float, "expected hashes behind one share", "17592186044416"),
    "mining.hashrate": FactInfo(float, "hashrate the miner states itself, hashes a second", "30444129"),
    "mining.accepted": FactInfo(bool, "the pool's verdict on a share", "true"),
    "mining.hardware": FactInfo(str, "machine model that the agent gives away", "Antminer S9"),
    "mining.power": FactInfo(float, "power the machine states itself, watts", "3250"),
    "mining.wallet_kind": FactInfo(str, "kind of wallet that the account is, by its shape", "monero"),
    "mining.accounts": FactInfo(int, "different accounts in this flow so far, where more than one", "2"),
    "mining.workers": FactInfo(int, "machines behind this flow so far, where more than one", "128"),
    "mining.proxy": FactInfo(
        bool, "the flow stands for several machines, or says that it is a proxy", "true"
    ),
    "mining.role": FactInfo(
        str, "what stands beside miners: backend, job-declaration, template-distribution", "backend"
    ),
    # of every mining message: what its flow told last, in this message or in one before
    "flow.user": FactInfo(str, "account or wallet that the flow told last", "bc1qexample.rig1"),
    "flow.worker": FactInfo(str, "machine within the account that the flow told last", "rig1"),
    "flow.password": FactInfo(str, "password that the flow told last", "d=65536"),
    "flow.wallet_kind": FactInfo(str, "kind of wallet of the account that the flow told last", "monero"),
    "flow.agent": FactInfo(str, "mining program that the flow told last", "cgminer/4.11.1"),
    "flow.hardware": FactInfo(str, "machine model that the flow told last", "Antminer S9"),
    "flow.pool": FactInfo(str, "pool address that the flow told last", "eu1-zcash.flypool.org:3333"),
    "flow.coin": FactInfo(str, "coin that the flow told last", "DOGE"),
    "flow.algorithm": FactInfo(str, "hash algorithm that the flow told last", "rx/0"),
    "flow.difficulty": FactInfo(float, "share difficulty that the flow told last", "4096"),
    "flow.hashes_per_share": FactInfo(
        float, "expected hashes behind one share that the flow told last", "17592186044416"
    ),
    "flow.proxy": FactInfo(bool, "the flow told that it stands for several machines", "true"),
    # dialects
    "stratum.method": FactInfo(
        str, "method of a mining.* request or notification, lower case", "mining.submit"
    ),
    "stratum.reply": FactInfo(str, "method that a recognised reply answers", "mining.subscribe"),
    "cryptonote.method": FactInfo(
        str, "method of the CryptoNote family, with its parameters in shape", "login"
    ),
    "cryptonote.reply": FactInfo(str, "method that a recognised reply answers", "login"),
    "ethereum.method": FactInfo(str, "method of the getwork-over-TCP family, lower case", "eth_submitwork"),
    "ethereum.reply": FactInfo(str, "method that a recognised reply answers, lower case", "eth_submitlogin"),
    "ethereum.work": FactInfo(
        str, "new work pushed or returned by the pool: its target", "0x00000000dbe6fece"
    ),
    # names
    "dns.query": FactInfo(str, "name in a DNS question, lower case", "xmr.example.org"),
    "dns.answer": FactInfo(
        str, "other name that a DNS answer leads to (CNAME), lower case", "pool.example.net"
    ),
    "dns.type": FactInfo(str, "type of the question", "A"),
    "tls.server_name": FactInfo(str, "server name of a TLS ClientHello, lower case", "ws1.example.org"),
    "tls.alpn": FactInfo(str, "first application protocol offered", "http/1.1"),
    "http.method": FactInfo(str, "request method", "GET"),
    "http.host": FactInfo(str, "host of an HTTP request, lower case, without port", "pool.example.org"),
    "http.user_agent": FactInfo(str, "User-Agent of an HTTP request", "cpuminer/2.5.1"),
    "connect.host": FactInfo(
        str, "host that a proxy is asked to reach (HTTP CONNECT, SOCKS)", "pool.example.org"
    ),
    "connect.port": FactInfo(int, "port that a proxy is asked to reach", "3333"),
    "tls.certificate_name": FactInfo(
        str, "host name in a server's certificate (TLS 1.2 and before), lower case", "pool.example.org"
    ),
    "tls.ja3": FactInfo(str, "JA3 fingerprint of a TLS ClientHello", "ec2e8760003621ca668b5f03e616cd57"),
    "tls.ja4": FactInfo(str, "JA4 fingerprint of a TLS ClientHello", "t12d5410h1_a499d9840d02_7448b1316cd7"),
    "address.name": FactInfo(
        str,
        "of a flow that names no host: the name that an observed DNS answer gave to the server",
        "btc.pool.example.org",
    ),
    "server.name": FactInfo(
        str,
        "of every message: the server's name, as a proxy was asked for it, or as an observed DNS answer gave it",
        "btc.pool.example.org",
    ),
    # openings of flows and datagrams, where a rule has a payload condition that they fit
    "payload.hex": FactInfo(str, "first bytes that a side sent, at most 64, in hexadecimal", "48454c4c4f"),
    "payload.text": FactInfo(
        str,
        "the same as text: up to the first byte that is not printable ASCII, at most 256 characters",
        "HELLO-MINE v1 wallet=abc",
    ),
    "payload.side": FactInfo(str, "who sent them: client or server", "client"),
    # what is not mining
    "doh.resolver": FactInfo(str, "resolver for DNS over HTTPS or TLS that is talked to", "dns.example.org"),
    "p2p.network": FactInfo(str, "coin whose nodes greet each other", "bitcoin"),
}

FLOW_FACTS: Final = {
    f"flow.{name}": f"mining.{name}"
    for name in (
        "user", "worker", "password", "wallet_kind", "agent", "hardware", "pool", "coin", "algorithm", "difficulty",
        "hashes_per_share", "proxy",
    )
}  # fmt: skip
"""What a flow told, and the fact of a message that told it."""

NAME_FACTS: Final = (
    "dns.query", "dns.answer", "tls.server_name", "tls.certificate_name", "http.host", "connect.host",
    "address.name", "server.name",
)  # fmt: skip
"""Facts that hold a host name.  The gate tests these by hash, so that only candidates reach Python."""

ADDRESS_FACTS: Final = ("address.name", "server.name")
"""Those of them that come from an earlier DNS answer, not from the flow itself."""

SOURCES: Final[dict[str, str]] = {
    "client.": "every message: the flow it belongs to",
    "server.": "every message: the flow it belongs to",
    "flow.": "every message: the flow it belongs to",
    "mining.": "every mining dialect, as far as it tells",
    "stratum.": "Stratum V1 and its relatives, EthereumStratum 1 and 2",
    "cryptonote.": "CryptoNote (Monero and what xmrig-style programs speak)",
    "ethereum.": "eth-proxy, Ethereum getWork over HTTP",
    "dns.": "DNS over UDP and TCP",
    "tls.": "TLS ClientHello and certificate, QUIC Initial",
    "http.": "HTTP/1 requests, the first request of HTTP/2",
    "connect.": "HTTP CONNECT, SOCKS 4a and 5, PROXY",
    "address.": "DNS answers seen before the flow",
    "doh.": "TLS, HTTP, known addresses of resolvers",
    "p2p.": "greetings of coin nodes",
    "payload.": "how a side of a TCP connection, or a datagram, begins, where a rule asks for it",
}
"""Which protocols state a fact, by the beginning of its name."""


def source_of(fact: str) -> str:
    """Which protocols state a fact."""
    return SOURCES[fact[: fact.index(".") + 1]]
