"""Writes a capture of one kind of traffic, always with a few miners in it.

    python bench/mix.py OUT.pcap [--kind isp] [--packets 2000000] [--miners N] [--seed 1]

In: a kind, a size and a seed.  Out: OUT.pcap, and OUT.json: what a sensor must find in it.  The same arguments give
the same bytes.
Never: a real address, name or payload; more in memory than the open flows.

The kinds, all over 300 seconds of packet time but the floods, which come at a million packets a second:

isp       like an access network's: by packets half TLS over TCP, a third QUIC (Initials that can be opened, half of them
          with the long hello of browsers in two packets), the rest DNS and plain HTTP; flow sizes follow a Pareto law;
          30 000 flows are open at any time; a quarter is IPv6, one flow in sixteen carries a VLAN tag; ten miners
mining1   the same with one packet in a hundred of mining sessions
mining10  the same with one in ten
dns       nine packets in ten are questions and answers of DNS, one question in 2 000 for a pool
quic      most packets are QUIC, a sixth of them Initials; one session in 2 000 goes to a pool
small     frames of 64 bytes: datagrams and acknowledgements of 100 000 flows, and small data of 64 TCP connections
syn       SYN segments of 64 bytes, each from another address and port
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import shutil
import struct
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import sessions
from ends import ACK, MACS, PSH, SYN, Ends, chance
from sessions import LISTED, Found, Miners, dns, quic, tls, web

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

START = 1_764_000_000 * 10**9
SECONDS = 300  # of packet time
FLOOD_RATE = 1_000_000  # packets a second
OPEN_FLOWS = 30_000
MINERS = 10
TURNS = 60  # of a miner: it speaks about once in five seconds
MINER_PACKETS = 250  # what that comes to
LISTED_EVERY = 2_000  # flows of the kinds with many names
BLOCK = 1 << 16  # frames of a flood made at a time

HEADER = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262_144, 1)
RECORD = struct.Struct("<IIII")
ROW = np.dtype([("seconds", "<u4"), ("nanoseconds", "<u4"), ("captured", "<u4"), ("length", "<u4")])

Frames: TypeAlias = "bytes | list[bytes] | NDArray[np.uint8]"
"""One frame, several said in one go, or an array with a row for each frame."""


class NoRoomError(Exception):
    """The disk is too small for a capture; says how much is needed and where."""


class Writer:
    """Writes frames into a capture, evenly spaced in time.

    Args:
        file: opened for writing.
        step: nanoseconds from frame to frame.
    """

    def __init__(self, file: BinaryIO, step: int) -> None:
        self.packets = 0
        self.bytes = 0  # of frames
        self._file = file
        self._step = step
        self._pieces: list[bytes] = []
        file.write(HEADER)

    def put(self, frame: bytes) -> None:
        """Write one frame."""
        now = START + self.packets * self._step
        size = len(frame)
        self._pieces += (RECORD.pack(now // 10**9, now % 10**9, size, size), frame)
        self.packets += 1
        self.bytes += size
        if len(self._pieces) > 4_000:
            self.flush()

    def put_rows(self, frames: NDArray[np.uint8]) -> None:
        """Write a frame for each row."""
        self.flush()
        count, size = frames.shape
        now = START + (self.packets + np.arange(count, dtype=np.int64)) * self._step
        head = np.zeros(count, dtype=ROW)
        head["seconds"], head["nanoseconds"] = now // 10**9, now % 10**9
        head["captured"] = head["length"] = size
        records = np.empty((count, ROW.itemsize + size), dtype=np.uint8)
        records[:, : ROW.itemsize] = head.view(np.uint8).reshape(count, ROW.itemsize)
        records[:, ROW.itemsize :] = frames
        self._file.write(records.data)
        self.packets += count
        self.bytes += count * size

    def flush(self) -> None:
        """Hand everything over to the file."""
        self._file.write(b"".join(self._pieces))
        self._pieces.clear()


# ── many flows, interleaved ──────────────────────────────────────────────────────────────────────────────

Flow: TypeAlias = "Iterator[bytes] | Iterator[bytes | list[bytes]]"


def interleaved(
    rng: random.Random,
    found: Found,
    packets: int,
    *,
    shares: tuple[tuple[str, int], ...],
    open_flows: int = OPEN_FLOWS,
) -> Iterator[Frames]:
    """Flows of several sorts, each with a weight; frame by frame from one that is chosen by chance."""
    noise = rng.randbytes(1 << 16)
    below, choose = chance(rng), rng.choices
    sorts, weights = zip(*shares, strict=True)
    makers: dict[str, Callable[[], Flow]] = {
        "tls": partial(tls, rng, noise),
        "quic": partial(quic, rng, noise),
        "short quic": partial(quic, rng, noise, law=sessions.short_length),
        "dns": partial(dns, rng, noise),
        "web": partial(web, rng, noise),
        "listed quic": partial(quic, rng, noise, law=sessions.short_length, host=LISTED, found=found),
        "listed dns": partial(dns, rng, noise, host=LISTED, found=found),
    }

    def fresh() -> Flow:
        return makers[choose(sorts, weights)[0]]()

    flows = [fresh() for _ in range(min(open_flows, packets // 10 + 1))]
    count = len(flows)
    while True:
        chosen = below(count)
        said = next(flows[chosen], None)
        if said is None:
            flows[chosen] = fresh()
        else:
            yield said


# ── floods: frames by the thousand ───────────────────────────────────────────────────────────────────────

FRAME = np.dtype(
    [
        ("link", "V14"),
        ("version", "u1"),
        ("service", "u1"),
        ("length", ">u2"),
        ("identity", ">u2"),
        ("fragment", ">u2"),
        ("hops", "u1"),
        ("protocol", "u1"),
        ("checksum", ">u2"),
        ("source", ">u4"),
        ("destination", ">u4"),
        ("source_port", ">u2"),
        ("destination_port", ">u2"),
        ("rest", "V22"),  # of TCP or UDP, payload, padding
    ]
)
"""64 bytes on the wire, of which the last four are the link's own check and never captured."""
TCP = np.dtype(
    [
        ("sequence", ">u4"),
        ("acknowledgement", ">u4"),
        ("size", "u1"),
        ("flags", "u1"),
        ("window", ">u2"),
        ("checks", "V4"),
        ("payload", "V6"),
    ]
)
BENCH_NETWORK = 198 << 24 | 18 << 16  # 198.18.0.0/15, which RFC 2544 keeps for benchmarks
SERVERS = 198 << 24 | 51 << 16 | 100 << 8
SMALL_FLOWS = 100_000
CONNECTIONS = 64
MAXIMUM_SEGMENT = bytes.fromhex("020405b40000")


def words(rng: random.Random, count: int) -> NDArray[np.uint32]:
    """Numbers by chance."""
    return np.frombuffer(rng.randbytes(4 * count), dtype="<u4")


def blank(count: int) -> NDArray[Any]:
    """Frames whose headers say IPv4, and that lack ends."""
    frames = np.zeros(count, dtype=FRAME)
    frames["link"] = np.void(MACS + b"\x08\x00")
    frames["version"], frames["hops"], frames["fragment"] = 0x45, 64, 0x4000
    return frames


def as_rows(frames: NDArray[Any]) -> NDArray[np.uint8]:
    """The bytes of frames, a row each."""
    return frames.view(np.uint8).reshape(len(frames), FRAME.itemsize)


def small(rng: random.Random, _found: Found, _packets: int) -> Iterator[Frames]:
    """Datagrams and acknowledgements of many flows; one frame in sixteen is data of an established connection."""
    ends = [Ends(rng, 1_024 + i, 443, version=4, tagged=False) for i in range(CONNECTIONS)]
    for pair in ends:
        yield [pair.tcp(0, SYN), pair.tcp(1, SYN | ACK), pair.tcp(0, ACK)]
    clients = np.array([int.from_bytes(pair.client, "big") for pair in ends], dtype=np.uint32)
    servers = np.array([int.from_bytes(pair.server, "big") for pair in ends], dtype=np.uint32)
    sequences = np.array([pair.seq for pair in ends], dtype=np.uint32)
    said = 0
    while True:
        drawn = words(rng, BLOCK)
        frames, flow = blank(BLOCK), drawn % SMALL_FLOWS
        frames["source"] = BENCH_NETWORK + flow
        frames["destination"] = SERVERS + flow % 251
        frames["source_port"] = 1_024 + flow * 7 % 60_000
        datagram = flow % 2 == 0
        frames["protocol"] = np.where(datagram, 17, 6)
        frames["length"] = np.where(datagram, 46, 40)
        frames["destination_port"] = np.where(datagram, 27_015, 443)
        rest = np.zeros(BLOCK, dtype=TCP)
        rest["sequence"], rest["acknowledgement"] = flow * 9_973, flow * 7_919
        rest["size"], rest["flags"], rest["window"] = 0x50, ACK, 65_535
        body = rest.view(np.uint8).reshape(BLOCK, TCP.itemsize)
        body[datagram] = (
            words(rng, BLOCK * 6).view(np.uint8)[: BLOCK * TCP.itemsize].reshape(body.shape)[datagram]
        )
        body[datagram, :4] = (0, 26, 0, 0)
        # The data of connections goes on from block to block, so that it stays in order.
        turn = np.arange(0, BLOCK, 16)
        number = said + np.arange(len(turn))
        which, nth = number % CONNECTIONS, number // CONNECTIONS
        said += len(turn)
        frames["protocol"][turn], frames["length"][turn] = 6, 46
        frames["source"][turn], frames["destination"][turn] = clients[which], servers[which]
        frames["source_port"][turn], frames["destination_port"][turn] = 1_024 + which, 443
        data = np.zeros(len(turn), dtype=TCP)
        data["sequence"] = sequences[which, 0] + nth.astype(np.uint32) * np.uint32(6)
        data["acknowledgement"] = sequences[which, 1]
        data["size"], data["flags"], data["window"] = 0x50, PSH | ACK, 65_535
        data["payload"] = np.void(b"\x17\x03\x03\x00\x60\x99")
        body[turn] = data.view(np.uint8).reshape(len(turn), TCP.itemsize)
        frames["rest"] = body.view("V22")[:, 0]
        yield as_rows(frames)


def syn(rng: random.Random, _found: Found, _packets: int) -> Iterator[Frames]:
    """SYN segments, each from another address and port."""
    while True:
        frames = blank(BLOCK)
        frames["protocol"], frames["length"] = 6, 44
        where = words(rng, BLOCK)
        frames["source"] = BENCH_NETWORK + (where & 0x1FFFF)
        frames["source_port"] = 1_024 + (where >> 17)
        frames["destination"], frames["destination_port"] = SERVERS + 1 + where % 4, 443
        rest = np.zeros(BLOCK, dtype=TCP)
        rest["sequence"] = words(rng, BLOCK)
        rest["size"], rest["flags"], rest["window"] = 0x60, SYN, 64_240
        rest["payload"] = np.void(MAXIMUM_SEGMENT)
        frames["rest"] = rest.view("V22")
        yield as_rows(frames)


# ── kinds ────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Kind:
    """A kind of traffic.

    Args:
        frames: what is not mining, without end.
        mining: share of packets that are of mining sessions; 0: as many as ten miners send.
        frame_bytes: about what a packet takes in the file, for a look at the disk.
        flood: comes at a million packets a second.
    """

    frames: Callable[[random.Random, Found, int], Iterator[Frames]]
    mining: float = 0.0
    frame_bytes: int = 0
    flood: bool = False


ISP = partial(interleaved, shares=(("tls", 34), ("quic", 24), ("dns", 38), ("web", 4)))
QUIC = partial(
    interleaved,
    shares=(("tls", 200), ("short quic", 9_200), ("dns", 600), ("listed quic", 10_000 // LISTED_EVERY)),
)
DNS = partial(
    interleaved,
    shares=(("tls", 40), ("dns", 9_955), ("listed dns", 10_000 // LISTED_EVERY)),
    open_flows=500,  # so that an answer comes within a tenth of a second, at two million packets
)
KINDS = {
    "isp": Kind(ISP, frame_bytes=890),
    "small": Kind(small, frame_bytes=76, flood=True),
    "syn": Kind(syn, frame_bytes=76, flood=True),
    "dns": Kind(DNS, frame_bytes=250),
    "quic": Kind(QUIC, frame_bytes=1_050),
    "mining1": Kind(ISP, mining=0.01, frame_bytes=890),
    "mining10": Kind(ISP, mining=0.10, frame_bytes=830),
}


def miners_in(kind: Kind, packets: int) -> int:
    """How many miners a capture has, unless one asks for another number."""
    if kind.mining:
        return round(packets * kind.mining / MINER_PACKETS)
    return min(MINERS, packets // (10 * MINER_PACKETS))


def write(path: Path, kind: str, packets: int, miners: int, seed: int) -> dict[str, object]:
    """Write the capture; return what must be found in it."""
    rng = random.Random(seed)
    found = sessions.nothing_found()
    mining = Miners(rng, miners, found)
    every = max(1, packets // (TURNS * miners)) if miners else packets + 1
    step = 10**9 // FLOOD_RATE if KINDS[kind].flood else SECONDS * 10**9 // packets
    due = every
    with path.open("wb") as file:
        out = Writer(file, step)
        for said in KINDS[kind].frames(rng, found, packets):
            if isinstance(said, bytes):
                out.put(said)
            elif isinstance(said, list):
                for frame in said:
                    out.put(frame)
            else:
                due = put_around(out, said, mining, due, every, packets)
            if out.packets >= due:
                for frame in mining.speak():
                    out.put(frame)
                due += every
            if out.packets >= packets:
                break
        out.flush()
    return {
        "kind": kind,
        "packets": out.packets,
        "bytes": path.stat().st_size,
        "mean_bytes": round(out.bytes / out.packets, 1),
        "mining_packets": mining.packets,
        "hosts": {host: dict(counts) for host, counts in found.items()},
    }


def put_around(
    out: Writer, rows: NDArray[np.uint8], mining: Miners, due: int, every: int, packets: int
) -> int:
    """Write rows, and what miners say in between; return when the next miner speaks."""
    at = 0
    while at < len(rows) and out.packets < packets:
        count = min(len(rows) - at, max(due - out.packets, 0), packets - out.packets)
        out.put_rows(rows[at : at + count])
        at += count
        if out.packets >= due:
            for frame in mining.speak():
                out.put(frame)
            due += every
    return due


def look_for_room(path: Path, kind: str, packets: int) -> None:
    """See that the disk has room for a capture.

    Raises:
        NoRoomError: it has not.
    """
    needed = packets * KINDS[kind].frame_bytes
    free = shutil.disk_usage(path.parent).free + (path.stat().st_size if path.exists() else 0)
    if needed > free:
        raise NoRoomError(
            f"{path}: {packets} packets of kind {kind} take about {needed / 1e9:.1f} GB, "
            f"{free / 1e9:.1f} GB are free in {path.parent}; ask for fewer packets or choose another folder"
        )


def make(path: Path, kind: str, packets: int, *, miners: int | None = None, seed: int = 1) -> dict[str, Any]:
    """Write a capture and its expectation, unless the same is there already; return the expectation.

    Raises:
        NoRoomError: the disk is too small.
    """
    beside = path.with_suffix(".json")
    count = miners_in(KINDS[kind], packets) if miners is None else miners
    asked = {"asked": [kind, packets, count, seed]}
    if path.exists() and beside.exists():
        found: dict[str, Any] = json.loads(beside.read_text(encoding="utf-8"))
        if found.items() >= asked.items():
            return found
    path.parent.mkdir(parents=True, exist_ok=True)
    look_for_room(path, kind, packets)
    found = {**asked, **write(path, kind, packets, count, seed)}
    beside.write_text(json.dumps(found, indent=1), encoding="utf-8")
    return found


def main() -> int:
    """Write the capture and its expectation."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--kind", choices=sorted(KINDS), default="isp")
    parser.add_argument("--packets", type=int, default=2_000_000)
    parser.add_argument("--miners", type=int, default=None)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    begun = time.monotonic()
    gc.disable()  # nothing here goes in circles, and looking for circles takes a seventh of the time
    try:
        found = make(
            arguments.out,
            arguments.kind,
            arguments.packets,
            miners=arguments.miners,
            seed=arguments.seed,
        )
    except NoRoomError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    seconds = time.monotonic() - begun
    print(
        f"{arguments.out}: {found['packets']} packets, {found['mean_bytes']} bytes on average, {seconds:.0f} s",
        file=sys.stderr,
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
