"""Sessions of the benchmark's traffic: what browsers, resolvers and miners say.

In: a source of chance.  Out: frames in order, and for each message of mining the rule that must tell it.
Never: a real user; a listed name outside of the sessions that are there to be found.
"""

from __future__ import annotations

import ipaddress
import json
import struct
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

sys.path.insert(0, str(Path(__file__).parents[1] / "pcaps"))
import initials
from ends import ACK, PSH, SYN, Ends, chance

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator

SEGMENT = 1_400
LISTED = b"xmr-eu1.nanopool.org"
"""A name that the shipped rules list as a strong sign."""
PAUSE = b""  # what a miner's conversation yields between messages

Found: TypeAlias = "defaultdict[str, Counter[str]]"
"""Messages that must be found: by address, by rule."""


def nothing_found() -> Found:
    """No message yet."""
    return defaultdict(Counter)


def name(rng: random.Random) -> bytes:
    """A host name that nobody lists."""
    below = chance(rng)
    kind = (b"www", b"cdn", b"api", b"img")[below(4)]
    return b"%s%d.site%d.example" % (kind, below(100), below(100_000))


def client_hello(rng: random.Random, *, filling: int = 220, host: bytes = b"") -> bytes:
    """A TLS 1.3 ClientHello of ordinary size, in one record; ``filling`` stands for its other extensions."""
    host = host or name(rng)
    extensions = struct.pack("!HHHBH", 0, len(host) + 5, len(host) + 3, 0, len(host)) + host
    extensions += struct.pack("!HH", 21, filling) + bytes(filling)
    body = (
        b"\x03\x03"
        + rng.randbytes(32)
        + b"\x20"
        + rng.randbytes(32)
        + b"\x00\x20"
        + rng.randbytes(32)
        + b"\x01\x00"
    )
    body += struct.pack("!H", len(extensions)) + extensions
    return b"\x16\x03\x01" + struct.pack("!H", len(body) + 4) + b"\x01" + len(body).to_bytes(3, "big") + body


def length(rng: random.Random) -> int:
    """Packets of data in a flow: heavy-tailed."""
    return min(int(rng.paretovariate(1.05) * 5), 20_000)


def short_length(rng: random.Random) -> int:
    """Packets of data in a flow where most flows are new ones."""
    return min(int(rng.paretovariate(1.5) * 4), 2_000)


def client_port(rng: random.Random) -> int:
    """A port by chance."""
    return 1_024 + chance(rng)(64_512)


def host_of(ends: Ends) -> str:
    """The address of the end that begins, as events spell it."""
    return str(ipaddress.ip_address(ends.client))


# ── innocent ones, except where they are given a name ────────────────────────────────────────────────────


def tls(rng: random.Random, noise: bytes) -> Iterator[bytes]:
    """A TLS session."""
    ends = Ends(rng, client_port(rng), 443)
    yield ends.tcp(0, SYN)
    yield ends.tcp(1, SYN | ACK)
    yield ends.tcp(0, ACK)
    yield ends.tcp(0, PSH | ACK, client_hello(rng))
    below, random, span = chance(rng), rng.random, len(noise) - SEGMENT
    for _ in range(length(rng)):
        at = below(span)
        if random() < 0.71:
            yield ends.tcp(1, ACK, b"\x17\x03\x03\x05\x73" + noise[at : at + SEGMENT - 5])
        elif random() < 0.9:
            yield ends.tcp(0, ACK)
        else:
            yield ends.tcp(0, PSH | ACK, b"\x17\x03\x03\x00\x60" + noise[at : at + 0x60])


def quic(
    rng: random.Random,
    noise: bytes,
    *,
    law: Callable[[random.Random], int] = length,
    host: bytes = b"",
    found: Found | None = None,
) -> Iterator[bytes | list[bytes]]:
    """A QUIC session: Initials of both sides, the client's with its hello, then short headers."""
    ends = Ends(rng, client_port(rng), 443)
    identity = rng.randbytes(8)
    filling = 220 if rng.random() < 0.5 else 1_440
    hello = initials.message(client_hello(rng, filling=filling, host=host))
    if found is not None:
        found[host_of(ends)]["pool-tls"] += 1
    yield [ends.udp(0, datagram) for datagram in initials.initials(hello, identity)]
    answer = initials.crypto(0, noise[:120])
    yield ends.udp(1, initials.packet(answer, rng.randbytes(8), key_identity=identity, side=b"server in"))
    below, random, span = chance(rng), rng.random, len(noise) - SEGMENT
    for _ in range(law(rng)):
        at = below(span)
        if random() < 0.75:
            yield ends.udp(1, b"\x41" + noise[at : at + 1_250])
        else:
            yield ends.udp(0, b"\x41" + noise[at : at + 40])


def dns(
    rng: random.Random, _noise: bytes, *, host: bytes = b"", found: Found | None = None
) -> Iterator[bytes]:
    """A question and its answer."""
    ends = Ends(rng, client_port(rng), 53)
    labels = (host or name(rng)).split(b".")
    question = b"".join(bytes([len(label)]) + label for label in labels) + b"\0\0\1\0\1"
    identity = rng.getrandbits(16)
    if found is not None:
        found[host_of(ends)]["pool-dns"] += 1  # and the answer says the name again
    yield ends.udp(0, struct.pack("!HHHHHH", identity, 0x0100, 1, 0, 0, 0) + question)
    answer = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + rng.randbytes(4)
    if found is not None:
        found[host_of(ends)]["pool-dns"] += 1
    yield ends.udp(1, struct.pack("!HHHHHH", identity, 0x8180, 1, 1, 0, 0) + question + answer)


def web(rng: random.Random, noise: bytes) -> Iterator[bytes]:
    """A plain HTTP exchange."""
    ends = Ends(rng, client_port(rng), 80)
    yield ends.tcp(0, SYN)
    yield ends.tcp(1, SYN | ACK)
    yield ends.tcp(0, ACK)
    yield ends.tcp(
        0, PSH | ACK, b"GET /x HTTP/1.1\r\nHost: " + name(rng) + b"\r\nUser-Agent: Mozilla/5.0\r\n\r\n"
    )
    yield ends.tcp(1, PSH | ACK, b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n" + noise[:1_000])
    below = chance(rng)
    for _ in range(length(rng)):
        at = below(len(noise) - SEGMENT)
        yield ends.tcp(1, ACK, noise[at : at + SEGMENT]) if rng.random() < 0.7 else ends.tcp(0, ACK)


# ── miners ───────────────────────────────────────────────────────────────────────────────────────────────


def stratum(ends: Ends, number: int) -> Iterator[tuple[bytes, str]]:
    """A Bitcoin miner: frames, and the rule that each message must hit."""
    yield ends.tcp(0, SYN), ""
    yield ends.tcp(1, SYN | ACK), ""
    yield ends.tcp(0, ACK), ""
    user = f"bc1qbench.rig{number}"

    def say(side: int, message: dict[str, object], rule: str) -> Iterator[tuple[bytes, str]]:
        yield ends.tcp(side, PSH | ACK, json.dumps(message).encode() + b"\n"), rule
        yield ends.tcp(1 - side, ACK), ""

    yield from say(
        0, {"id": 1, "method": "mining.subscribe", "params": ["cgminer/4.11.1"]}, "stratum-v1-subscribe"
    )
    pairs = [[["mining.set_difficulty", "1"], ["mining.notify", "1"]], "00b61738", 4]
    yield from say(1, {"id": 1, "result": pairs, "error": None}, "stratum-v1-subscription")
    yield from say(0, {"id": 2, "method": "mining.authorize", "params": [user, "x"]}, "stratum-v1-authorize")
    yield from say(1, {"id": 2, "result": True, "error": None}, "stratum-v1-reply")
    yield from say(
        1, {"id": None, "method": "mining.set_difficulty", "params": [65_536]}, "stratum-v1-difficulty"
    )
    work = ["00" * 32, "01" * 60, "ff" * 80, [], "20000000", "1802a8d7", "5a0b5d6c", True]
    share = 4
    while True:
        yield from say(
            1, {"id": None, "method": "mining.notify", "params": [f"{share:x}", *work]}, "stratum-v1-notify"
        )
        for _ in range(4):
            yield PAUSE, ""
            submit = {
                "params": [user, f"{share:x}", "00000001", "504e86ed", "b2957c02"],
                "id": share,
                "method": "mining.submit",
            }
            yield from say(0, submit, "stratum-v1-submit")
            yield from say(1, {"id": share, "result": True, "error": None}, "stratum-v1-share-verdict")
            share += 1


def cryptonote(ends: Ends, _number: int) -> Iterator[tuple[bytes, str]]:
    """A Monero miner, joined in the middle of its session."""
    blob = "1010" + "9c" * 74
    share = 100
    while True:
        job = {
            "jsonrpc": "2.0",
            "method": "job",
            "params": {"blob": blob, "job_id": str(share), "target": "b88d0600"},
        }
        yield ends.tcp(1, PSH | ACK, json.dumps(job).encode() + b"\n"), "cryptonote-job"
        yield ends.tcp(0, ACK), ""
        for _ in range(3):
            yield PAUSE, ""
            params = {"id": "5a1f", "job_id": str(share), "nonce": f"{share:08x}", "result": "c9" * 32}
            submit = {"id": share, "jsonrpc": "2.0", "method": "submit", "params": params}
            yield ends.tcp(0, PSH | ACK, json.dumps(submit).encode() + b"\n"), "cryptonote-submit"
            verdict = {"id": share, "jsonrpc": "2.0", "error": None, "result": {"status": "OK"}}
            yield ends.tcp(1, PSH | ACK, json.dumps(verdict).encode() + b"\n"), "cryptonote-share-verdict"
            yield ends.tcp(0, ACK), ""
            share += 1


class Miners:
    """Miners that take turns: half stratum V1 from the handshake on, half CryptoNote."""

    def __init__(self, rng: random.Random, count: int, found: Found) -> None:
        self.packets = 0
        self._found = found
        self._turn = 0
        self._talks = []
        for number in range(count):
            address = (10 << 24 | 200 << 16 | number + 1).to_bytes(4, "big")
            ends = Ends(rng, 40_000 + number % 20_000, 3_333, version=4, client=address)
            self._talks.append((host_of(ends), (stratum, cryptonote)[number % 2](ends, number)))

    def speak(self) -> Iterator[bytes]:
        """What the next miner has to say, up to its pause."""
        host, talk = self._talks[self._turn % len(self._talks)]
        self._turn += 1
        for frame, rule in talk:
            if frame is PAUSE:
                return
            if rule:
                self._found[host][rule] += 1
            self.packets += 1
            yield frame
