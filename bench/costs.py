"""Measures what each protocol costs: in the gate, a packet; behind it, a packet that passes.

    python bench/costs.py [--rounds 7] [--core N]

In: nothing but the project.  Out: a table: packets, how many pass, nanoseconds a packet in the gate, microseconds a
passing packet in Python, messages read.
Never: a figure from a round in which a reader failed.

Each row is traffic of one kind, made here, held in memory and run through a fresh engine; figures are medians of
rounds by CPU time.  What Python costs a batch, packets or not, is shared out among the packets that pass.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import random
import statistics
import struct
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "pcaps")]
import initials
import sessions
from ends import ACK, PSH, SYN, Ends
from measure import pin
from mix import START

from sniffer.batch import FRAME, Batch
from sniffer.engine import Engine, EngineSettings
from sniffer.gate.gate import warm_up
from sniffer.paths import shipped_rules
from sniffer.ruleset import load_rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from sniffer.ruleset import RuleSet

STEP = 100_000  # nanoseconds from frame to frame
BATCH = 1_024
FLOWS = 200
TURNS = 25  # of a conversation
HEX32 = "c9" * 32


def batch(frames: list[bytes], begun: int) -> Batch:
    """Frames as one batch, that begins so many nanoseconds after the first."""
    rows = np.zeros(len(frames), dtype=FRAME)
    sizes = np.array([len(frame) for frame in frames])
    rows["offset"] = np.cumsum(sizes) - sizes
    rows["captured"] = rows["length"] = sizes
    rows["link"] = 1
    rows["time"] = START + begun + np.arange(len(frames)) * STEP
    return Batch(np.frombuffer(bytearray(b"".join(frames)), dtype=np.uint8), rows)


# ── kinds of traffic ─────────────────────────────────────────────────────────────────────────────────────


def talk(rng: random.Random, port: int, turns: Iterator[tuple[int, bytes]]) -> Iterator[bytes]:
    """A TCP connection: its handshake, then what is said, each answered by an acknowledgement."""
    ends = Ends(rng, rng.randrange(1_024, 65_536), port, version=4)
    yield ends.tcp(0, SYN)
    yield ends.tcp(1, SYN | ACK)
    yield ends.tcp(0, ACK)
    for side, data in turns:
        yield ends.tcp(side, PSH | ACK, data)
        yield ends.tcp(1 - side, ACK)


def lines(*turns: tuple[int, object]) -> Iterator[tuple[int, bytes]]:
    """A greeting, then the last two turns over and over."""
    said = [(side, json.dumps(document).encode() + b"\n") for side, document in turns]
    yield from said[:-2]
    for _ in range(TURNS):
        yield from said[-2:]


def stratum(rng: random.Random) -> Iterator[bytes]:
    """Shares of a Bitcoin miner."""
    submit = {"id": 4, "method": "mining.submit", "params": ["u.rig1", "bf", "0001", "504e86ed", "b2957c02"]}
    greeting = (0, {"id": 1, "method": "mining.subscribe", "params": ["cgminer/4.11.1"]})
    return talk(rng, 3_333, lines(greeting, (0, submit), (1, {"id": 4, "result": True, "error": None})))


def cryptonote(rng: random.Random) -> Iterator[bytes]:
    """Shares of a Monero miner."""
    params = {"id": "5a1f", "job_id": "7", "nonce": "d0030040", "result": HEX32}
    submit = {"id": 2, "jsonrpc": "2.0", "method": "submit", "params": params}
    verdict = {"id": 2, "jsonrpc": "2.0", "error": None, "result": {"status": "OK"}}
    login = {"login": "4x", "pass": "x", "agent": "XMRig/6.26.0"}
    greeting = (0, {"id": 1, "jsonrpc": "2.0", "method": "login", "params": login})
    return talk(rng, 3_333, lines(greeting, (0, submit), (1, verdict)))


def eth_proxy(rng: random.Random) -> Iterator[bytes]:
    """Shares of an Ethereum miner."""
    params = ["0x07a05fa4133e5126", "0x" + HEX32, "0x" + HEX32]
    submit = {"id": 4, "method": "eth_submitWork", "params": params}
    return talk(rng, 4_444, lines((0, submit), (1, {"id": 4, "jsonrpc": "2.0", "result": True})))


def electrum(rng: random.Random) -> Iterator[bytes]:
    """A wallet: lines of JSON, no mining."""
    ask = {"id": 3, "method": "blockchain.scripthash.get_balance", "params": [HEX32]}
    balance = {"confirmed": 1, "unconfirmed": 0}
    return talk(rng, 50_001, lines((0, ask), (1, {"id": 3, "jsonrpc": "2.0", "result": balance})))


def post(body: bytes, *fields: bytes) -> bytes:
    """An HTTP request."""
    head = [b"POST / HTTP/1.1", b"Host: 192.0.2.9:8332", *fields, b"Content-Type: application/json"]
    return b"\r\n".join([*head, b"Content-Length: %d" % len(body), b"", body])


def getwork(rng: random.Random) -> Iterator[bytes]:
    """The work of old miners, over HTTP."""
    account = b"Authorization: Basic " + base64.b64encode(b"user:x")
    ask = post(b'{"method": "getwork", "params": [], "id":0}', account, b"User-Agent: cpuminer/2.5.1")
    work = json.dumps(
        {"error": None, "id": 0, "result": {"data": "00" * 128, "target": "ff" * 28 + "00" * 4}}
    )
    answer = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(work)}\r\n\r\n{work}"
    return talk(rng, 8_332, iter([(0, ask), (1, answer.encode())] * TURNS))


def node_rpc(rng: random.Random) -> Iterator[bytes]:
    """JSON-RPC of an Ethereum node over HTTP, no mining."""
    ask = post(b'{"jsonrpc":"2.0","method":"eth_blockNumber","params":[],"id":1}')
    reply = '{"jsonrpc":"2.0","id":1,"result":"0x10d4f"}'
    answer = (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(reply)}\r\n\r\n{reply}"
    )
    return talk(rng, 8_545, iter([(0, ask), (1, answer.encode())] * TURNS))


def web(rng: random.Random) -> Iterator[bytes]:
    """Plain HTTP of browsers."""
    ask = b"GET /x HTTP/1.1\r\nHost: " + sessions.name(rng) + b"\r\nUser-Agent: Mozilla/5.0\r\n\r\n"
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1000\r\n\r\n" + bytes(1_000)
    return talk(rng, 80, iter([(0, ask), (1, answer)] * TURNS))


def websocket(rng: random.Random) -> Iterator[bytes]:
    """A miner in a browser."""
    ask = b"GET /proxy HTTP/1.1\r\nHost: m.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    agreed = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    share = {"type": "submit", "params": {"job_id": "7", "nonce": "f4c80e00", "result": HEX32}}
    text = json.dumps(share).encode()
    key = b"\x37\xfa\x21\x3d"
    masked = bytes(byte ^ key[i % 4] for i, byte in enumerate(text))
    verdict = b'{"type":"hash_accepted","params":{"hashes":256}}'
    frames = [
        (0, b"\x81\xfe" + struct.pack("!H", len(text)) + key + masked),
        (1, b"\x81" + bytes([len(verdict)]) + verdict),
    ]
    return talk(rng, 80, iter([(0, ask), (1, agreed), *frames * TURNS]))


def btcagent(rng: random.Random) -> Iterator[bytes]:
    """Shares behind BTCAgent."""
    subscribe = b'{"id":1,"method":"mining.subscribe","params":["btccom-agent/1.0.0-mu"]}\n'
    register = b"\x7f\x01\x14\x00\x11\x22cgminer\0s1099\0"
    share = bytes.fromhex("7f020f00a9112244332211ddccbbaa")
    return talk(rng, 3_333, iter([(0, subscribe), (0, register), *[(0, share)] * 2 * TURNS]))


def stratum_v2(rng: random.Random) -> Iterator[bytes]:
    """Shares of Stratum V2 in plain text."""
    setup = (
        bytes.fromhex("000000330000000200020001000000")
        + b"\x10pool.example.com\xce\x85\x06bitaxe\x06BM1370\x07v2.13.1\0"
    )
    share = bytes.fromhex("00801a180000") + struct.pack("<IIIIII", 1, 2, 3, 4, 5, 6)
    verdict = bytes.fromhex("00801c140000") + struct.pack("<IIIQ", 1, 2, 1, 4_096)
    return talk(rng, 34_254, iter([(0, setup), *[(0, share), (1, verdict)] * TURNS]))


def noise(rng: random.Random) -> Iterator[bytes]:
    """Stratum V2 inside Noise."""
    sizes = [(0, 64), (1, 234), (0, 61), (1, 44), *[(0, 62), (1, 58)] * TURNS]
    return talk(rng, 3_333, iter([(side, rng.randbytes(size)) for side, size in sizes]))


def tls(name: bytes = b"") -> Callable[[random.Random], Iterator[bytes]]:
    """A ClientHello, and a little more: of a name that is listed, or of nobody's."""

    def make(rng: random.Random) -> Iterator[bytes]:
        hello = sessions.client_hello(rng, host=name)
        return talk(rng, 443, iter([(0, hello), (1, b"\x17\x03\x03\x04\x00" + rng.randbytes(1_024))]))

    return make


def quic(name: bytes = b"", filling: int = 220) -> Callable[[random.Random], Iterator[bytes]]:
    """The Initials of a client."""

    def make(rng: random.Random) -> Iterator[bytes]:
        ends = Ends(rng, rng.randrange(1_024, 65_536), 443, version=4)
        hello = initials.message(sessions.client_hello(rng, filling=filling, host=name))
        return iter([ends.udp(0, packet) for packet in initials.initials(hello, rng.randbytes(8))])

    return make


def dns(name: bytes = b"") -> Callable[[random.Random], Iterator[bytes]]:
    """A question and its answer."""
    return lambda rng: sessions.dns(rng, b"", host=name)


def data(rng: random.Random) -> Iterator[bytes]:
    """The rest of a session that was judged: data one way, acknowledgements the other."""
    ends = Ends(rng, rng.randrange(1_024, 65_536), 443, version=4)
    yield ends.tcp(0, SYN)
    yield ends.tcp(0, PSH | ACK, sessions.client_hello(rng))
    for _ in range(TURNS):
        yield ends.tcp(1, ACK, b"\x17\x03\x03\x05\x73" + bytes(1_395))
        yield ends.tcp(0, ACK)


def wrapped(head: bytes) -> Callable[[random.Random], Iterator[bytes]]:
    """The same behind other headers."""
    return lambda rng: (frame[:12] + head + frame[14:] if frame[12] == 8 else frame for frame in data(rng))


def fragments(rng: random.Random) -> Iterator[bytes]:
    """Datagrams in three IP fragments each."""
    for number in range(TURNS):
        ends = Ends(rng, rng.randrange(1_024, 65_536), 9_000, version=4, tagged=False)
        whole = ends.udp(0, rng.randbytes(3_000))
        head, payload = whole[14:34], whole[34:]
        for begin in range(0, len(payload), 1_400):
            part = payload[begin : begin + 1_400]
            more = begin + len(part) < len(payload)
            place = struct.pack("!HHH", 20 + len(part), number, begin >> 3 | more << 13)
            yield whole[:14] + head[:2] + place + head[8:] + part


GTP = struct.Struct("!BBHI")


def gtp(rng: random.Random) -> Iterator[bytes]:
    """The same in GTP-U, as a mobile network carries it."""
    for frame in data(rng):
        inner = frame[14:] if frame[12] != 0x81 else frame[18:]
        outer = Ends(rng, 2_152, 2_152, version=4, tagged=False)
        yield outer.udp(0, GTP.pack(0x30, 0xFF, len(inner), 7) + inner)


MPLS = bytes.fromhex("8847 03e81040 05dc1140")
QINQ = bytes.fromhex("88a8 0064 8100 0065 0800")
KINDS: dict[str, tuple[Callable[[random.Random], Iterator[bytes]], int]] = {  # and connections
    "TLS data and acknowledgements": (data, FLOWS),
    "  in two VLAN tags": (wrapped(QINQ), FLOWS),
    "  in MPLS": (wrapped(MPLS), FLOWS),
    "  in GTP-U": (gtp, FLOWS),
    "IP fragments": (fragments, FLOWS),
    "TLS, a name of nobody's": (tls(), 10 * FLOWS),
    "TLS, a pool's name": (tls(sessions.LISTED), 10 * FLOWS),
    "QUIC Initial, a name of nobody's": (quic(), 20 * FLOWS),
    "QUIC Initials, the hello in two": (quic(b"", 1_440), 10 * FLOWS),
    "QUIC Initial, a pool's name": (quic(sessions.LISTED), 10 * FLOWS),
    "DNS, a name of nobody's": (dns(), 20 * FLOWS),
    "DNS, a pool's name": (dns(sessions.LISTED), 10 * FLOWS),
    "HTTP of browsers": (web, FLOWS),
    "HTTP, JSON-RPC of a node": (node_rpc, FLOWS),
    "HTTP, getwork": (getwork, FLOWS),
    "WebSocket, a browser miner": (websocket, FLOWS),
    "Electrum": (electrum, FLOWS),
    "Stratum V1": (stratum, FLOWS),
    "CryptoNote": (cryptonote, FLOWS),
    "eth-proxy": (eth_proxy, FLOWS),
    "BTCAgent": (btcagent, FLOWS),
    "Stratum V2, plain": (stratum_v2, FLOWS),
    "Stratum V2, Noise": (noise, FLOWS),
}


# ── measuring ────────────────────────────────────────────────────────────────────────────────────────────


def make(build: Callable[[random.Random], Iterator[bytes]], count: int) -> list[Batch]:
    """Connections of one kind, interleaved, in batches."""
    rng = random.Random(1)
    flows = [build(rng) for _ in range(count)]
    frames: list[bytes] = []
    while flows:
        said = [(flow, next(flow, None)) for flow in flows]
        frames += [frame for _, frame in said if frame is not None]
        flows = [flow for flow, frame in said if frame is not None]
    return [batch(frames[first : first + BATCH], first * STEP) for first in range(0, len(frames), BATCH)]


class Round:
    """One run of an engine over traffic: seconds in the gate and behind it, and what came of it."""

    def __init__(self, ruleset: RuleSet, traffic: list[Batch]) -> None:
        engine = Engine(
            ruleset,
            interfaces=["bench"],
            settings=EngineSettings(gate_flows=1 << 16),
            hit=lambda _: None,
            event=lambda _: None,
        )
        for memory in (engine.gate._state, engine.gate._area):  # noqa: SLF001 - pages that a daemon touches once
            memory.view(np.uint8)[::4_096] += 0
        passes, spent = engine.gate.passes, [0.0]

        def timed(one: Batch) -> Iterator[NDArray[Any]]:
            going = passes(one)
            found: NDArray[Any] | None = np.zeros(0)
            while found is not None:
                begun = time.process_time()
                found = next(going, None)
                spent[0] += time.process_time() - begun
                if found is not None:
                    yield found

        engine.gate.passes = timed  # type: ignore[method-assign]
        begun = time.process_time()
        for one in traffic:
            engine.process(one)
        engine.finish()
        self.gate = spent[0]
        self.python = time.process_time() - begun - self.gate
        totals = engine.totals()
        self.packets, self.passed = totals.packets, totals.passed
        self.read = sum(totals.facts[fact] for fact in ("mining.message", "tls.server_name", "dns.query"))
        self.failed = totals.oddities["reader_failed"]


def begin(says: str | None) -> int:
    """Read the command line of a script that says this, pin it and compile; return the rounds that are asked for."""
    parser = argparse.ArgumentParser(description=says, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    arguments = parser.parse_args()
    pin(arguments.core)
    warm_up()
    rounds: int = arguments.rounds
    return rounds


def main() -> int:
    """Measure and print."""
    asked = begin(__doc__)
    ruleset = load_rules([shipped_rules()])
    print(f"{'traffic':34} {'packets':>8} {'pass':>7} {'gate ns':>8} {'Python us':>10} {'read':>7}")
    faults = 0
    for name, (build, count) in KINDS.items():
        traffic = make(build, count)
        rounds = [Round(ruleset, traffic) for _ in range(asked)]
        last = rounds[-1]
        gate = statistics.median(one.gate for one in rounds) / last.packets * 1e9
        python = statistics.median(one.python for one in rounds) / max(last.passed, 1) * 1e6
        shown = f"{python:10.1f}" if last.passed else f"{'-':>10}"
        print(f"{name:34} {last.packets:8} {last.passed:7} {gate:8.0f} {shown} {last.read:7}")
        faults += last.failed
    return 1 if faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
