"""Writes a capture like an access network's: heavy-tailed TLS, QUIC and DNS flows, and a few miners among them.

    python bench/mix.py OUT.pcap [--packets 2000000] [--miners 10] [--seed 1]

In: a size and a seed.  Out: OUT.pcap, about 850 bytes a packet on the wire, and OUT.json: what a sensor must find in
it.  The same arguments give the same bytes.  Never: a real address, name or payload.

What it is made of, by packets: half TLS over TCP (a ClientHello each, then data and acknowledgements), a third QUIC
(Initials that can be opened, half of them with the long hello of browsers in two packets), the rest DNS and plain
HTTP; flow sizes follow a Pareto law; 30 000 flows are open at any time; a quarter is IPv6, one flow in sixteen carries
a VLAN tag.
"""

from __future__ import annotations

import argparse
import json
import random
import struct
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[1] / "pcaps"))
import initials

if TYPE_CHECKING:
    from collections.abc import Iterator

START = 1_764_000_000 * 10**9
SECONDS = 300  # of packet time
OPEN_FLOWS = 30_000
SYN, ACK, PSH = 0x02, 0x10, 0x08
SEGMENT = 1_400
PAUSE = b""  # what a miner's conversation yields between messages

TCP4 = struct.Struct("!HBBHHHBBH4s4sHHIIBBHHH")
TCP6 = struct.Struct("!HIHBB16s16sHHIIBBHHH")
UDP4 = struct.Struct("!HBBHHHBBH4s4sHHHH")
UDP6 = struct.Struct("!HIHBB16s16sHHHH")
RECORD = struct.Struct("<IIII")
MACS = bytes.fromhex("020000000001020000000002")
TAG = struct.Struct("!HH")


class Ends:
    """Two ends of a flow; writes frames between them."""

    def __init__(self, rng: random.Random, client_port: int, server_port: int, *, version: int = 0) -> None:
        self.version = version or (6 if rng.random() < 0.25 else 4)
        if self.version == 4:
            self.client = bytes((10, rng.randrange(64), rng.randrange(256), rng.randrange(1, 255)))
            self.server = bytes(
                (rng.choice((198, 203)), *rng.choice(((51, 100), (0, 113))), rng.randrange(1, 255))
            )
        else:
            self.client = bytes.fromhex("20010db800010000") + rng.randbytes(8)
            self.server = bytes.fromhex("20010db8ffff0000") + rng.randbytes(8)
        self.ports = client_port, server_port
        self.seq = [rng.randrange(1 << 32), rng.randrange(1 << 32)]
        self.link = MACS + (TAG.pack(0x8100, rng.randrange(2, 4_000)) if rng.random() < 1 / 16 else b"")

    def tcp(self, side: int, flags: int, payload: bytes = b"") -> bytes:
        """A segment; sequence numbers move on."""
        ends = (self.client, self.server)
        a, b = (0, 1) if side == 0 else (1, 0)
        seq, ack = self.seq[a], self.seq[b] if flags & ACK else 0
        self.seq[a] = (seq + len(payload) + (flags & SYN) // SYN) & 0xFFFFFFFF
        rest = (self.ports[a], self.ports[b], seq, ack, 0x50, flags, 65_535, 0, 0)
        if self.version == 4:
            head = TCP4.pack(0x0800, 0x45, 0, 40 + len(payload), 0, 0x4000, 64, 6, 0, ends[a], ends[b], *rest)
        else:
            head = TCP6.pack(0x86DD, 6 << 28, 20 + len(payload), 6, 64, ends[a], ends[b], *rest)
        return self.link + head + payload

    def udp(self, side: int, payload: bytes) -> bytes:
        """A datagram."""
        ends = (self.client, self.server)
        a, b = (0, 1) if side == 0 else (1, 0)
        rest = (self.ports[a], self.ports[b], 8 + len(payload), 0)
        if self.version == 4:
            head = UDP4.pack(
                0x0800, 0x45, 0, 28 + len(payload), 0, 0x4000, 64, 17, 0, ends[a], ends[b], *rest
            )
        else:
            head = UDP6.pack(0x86DD, 6 << 28, 8 + len(payload), 17, 64, ends[a], ends[b], *rest)
        return self.link + head + payload


def name(rng: random.Random) -> bytes:
    """A host name that nobody lists."""
    return b"%s%d.site%d.example" % (
        rng.choice((b"www", b"cdn", b"api", b"img")),
        rng.randrange(100),
        rng.randrange(100_000),
    )


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


def tls(rng: random.Random, noise: bytes) -> Iterator[bytes]:
    """A TLS session."""
    ends = Ends(rng, rng.randrange(1_024, 65_536), 443)
    yield ends.tcp(0, SYN)
    yield ends.tcp(1, SYN | ACK)
    yield ends.tcp(0, ACK)
    yield ends.tcp(0, PSH | ACK, client_hello(rng))
    for _ in range(length(rng)):
        at = rng.randrange(len(noise) - SEGMENT)
        if rng.random() < 0.71:
            yield ends.tcp(1, ACK, b"\x17\x03\x03\x05\x73" + noise[at : at + SEGMENT - 5])
        elif rng.random() < 0.9:
            yield ends.tcp(0, ACK)
        else:
            yield ends.tcp(0, PSH | ACK, b"\x17\x03\x03\x00\x60" + noise[at : at + 0x60])


def quic(rng: random.Random, noise: bytes) -> Iterator[bytes | list[bytes]]:
    """A QUIC session: Initials of both sides, the client's with its hello, then short headers."""
    ends = Ends(rng, rng.randrange(1_024, 65_536), 443)
    identity = rng.randbytes(8)
    hello = initials.message(client_hello(rng, filling=220 if rng.random() < 0.5 else 1_440))
    yield [ends.udp(0, datagram) for datagram in initials.initials(hello, identity)]
    answer = initials.crypto(0, noise[:120])
    yield ends.udp(1, initials.packet(answer, rng.randbytes(8), key_identity=identity, side=b"server in"))
    for _ in range(length(rng)):
        at = rng.randrange(len(noise) - SEGMENT)
        yield (
            ends.udp(1, b"\x41" + noise[at : at + 1_250])
            if rng.random() < 0.75
            else ends.udp(0, b"\x41" + noise[at : at + 40])
        )


def dns(rng: random.Random, _noise: bytes, *, host: bytes = b"") -> Iterator[bytes]:
    """A question and its answer."""
    ends = Ends(rng, rng.randrange(1_024, 65_536), 53)
    labels = (host or name(rng)).split(b".")
    question = b"".join(bytes([len(label)]) + label for label in labels) + b"\0\0\1\0\1"
    number = rng.randrange(65_536)
    yield ends.udp(0, struct.pack("!HHHHHH", number, 0x0100, 1, 0, 0, 0) + question)
    answer = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + rng.randbytes(4)
    yield ends.udp(1, struct.pack("!HHHHHH", number, 0x8180, 1, 1, 0, 0) + question + answer)


def web(rng: random.Random, noise: bytes) -> Iterator[bytes]:
    """A plain HTTP exchange."""
    ends = Ends(rng, rng.randrange(1_024, 65_536), 80)
    yield ends.tcp(0, SYN)
    yield ends.tcp(1, SYN | ACK)
    yield ends.tcp(0, ACK)
    yield ends.tcp(
        0, PSH | ACK, b"GET /x HTTP/1.1\r\nHost: " + name(rng) + b"\r\nUser-Agent: Mozilla/5.0\r\n\r\n"
    )
    yield ends.tcp(1, PSH | ACK, b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n" + noise[:1_000])
    for _ in range(length(rng)):
        at = rng.randrange(len(noise) - SEGMENT)
        yield ends.tcp(1, ACK, noise[at : at + SEGMENT]) if rng.random() < 0.7 else ends.tcp(0, ACK)


KINDS = (tls, quic, dns, web)
WEIGHTS = (34, 24, 38, 4)  # of flows; DNS flows are short


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


def write(path: Path, packets: int, miners: int, seed: int) -> dict[str, object]:
    """Write the capture; return what must be found in it."""
    rng = random.Random(seed)
    noise = rng.randbytes(1 << 16)
    mining = []
    for number in range(miners):
        ends = Ends(rng, 40_000 + number, 3333, version=4)
        ends.client = bytes((10, 200, 0, number + 1))
        mining.append((f"10.200.0.{number + 1}", (stratum, cryptonote)[number % 2](ends, number)))
    expected: dict[str, Counter[str]] = {host: Counter() for host, _ in mining}
    every = max(1, packets // (SECONDS * max(1, miners)) * 5)  # a miner speaks about once in five seconds

    def fresh() -> Iterator[bytes | list[bytes]]:
        return rng.choices(KINDS, WEIGHTS)[0](rng, noise)

    flows = [fresh() for _ in range(min(OPEN_FLOWS, packets // 10 + 1))]
    written = size = turn = 0
    step = SECONDS * 10**9 // packets
    pieces: list[bytes] = []
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262_144, 1))

        def put(frame: bytes) -> None:
            nonlocal written, size
            now = START + written * step
            pieces.append(RECORD.pack(now // 10**9, now % 10**9, len(frame), len(frame)))
            pieces.append(frame)
            written += 1
            size += len(frame)
            if len(pieces) > 20_000:
                file.write(b"".join(pieces))
                pieces.clear()

        while written < packets:
            if mining and written % every == 0:
                host, talk = mining[turn % len(mining)]
                turn += 1
                for frame, rule in talk:
                    if frame is PAUSE:
                        break
                    put(frame)
                    if rule:
                        expected[host][rule] += 1
            chosen = rng.randrange(len(flows))
            said = next(flows[chosen], None)
            if said is None:
                flows[chosen] = fresh()
                continue
            for frame in said if isinstance(said, list) else [said]:  # a list is said in one go
                put(frame)
        file.write(b"".join(pieces))
    return {
        "packets": written,
        "mean_bytes": round(size / written, 1),
        "hosts": {host: dict(counts) for host, counts in expected.items()},
    }


def main() -> int:
    """Write the capture and its expectation."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--packets", type=int, default=2_000_000)
    parser.add_argument("--miners", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    begun = time.monotonic()
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    found = write(arguments.out, arguments.packets, arguments.miners, arguments.seed)
    arguments.out.with_suffix(".json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    seconds = time.monotonic() - begun
    print(
        f"{arguments.out}: {found['packets']} packets, {found['mean_bytes']} bytes on average, {seconds:.0f} s",
        file=sys.stderr,
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
