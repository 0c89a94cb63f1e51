"""A mining session of our own, read by the same kernels, readers and rules as everybody's, and counted nowhere.

In: the rules in use.  Out: whether the session was recognised, or why not.
Never: a packet on any wire; a hit, a host or a packet in the books: the engine it runs through is thrown away.

A sensor that has gone blind looks like a quiet network.  This tells the two apart, at the start and once a minute
(robustness.md, 1.11), for everything behind the ring.  That packets arrive, their time stamp tells.
"""

from __future__ import annotations

import itertools
import struct
from typing import TYPE_CHECKING, Final

import numpy as np

from sniffer.engine import Engine, EngineSettings
from sniffer.model import FRAME, Batch, TcpFlag

if TYPE_CHECKING:
    from sniffer.prepared import Prepared
    from sniffer.ruleset import RuleSet

MINER: Final = (bytes([192, 0, 2, 1]), 40_000)  # RFC 5737: nobody has these addresses
POOL: Final = (bytes([198, 51, 100, 1]), 3_333)
MILLISECOND: Final = 1_000_000
TALK: Final = (
    (0, b'{"id":1,"method":"mining.subscribe","params":["selftest/1"]}\n'),
    (1, b'{"id":1,"result":[[["mining.notify","01"]],"02",4],"error":null}\n'),
    (0, b'{"id":2,"method":"mining.authorize","params":["selftest","x"]}\n'),
    (1, b'{"id":2,"result":true,"error":null}\n'),
    (0, b'{"id":3,"method":"mining.submit","params":["selftest","1","00000000","504e86ed","b2957c02"]}\n'),
    (1, b'{"id":3,"result":true,"error":null}\n'),
)
"""Who says what: 0 the miner, 1 the pool."""


def session() -> Batch:
    """The frames of the session: a handshake, and the talk."""
    ends, sequences = (MINER, POOL), [1_000, 5_000]
    frames: list[bytes] = []

    def add(side: int, flags: int, payload: bytes = b"") -> None:
        (source, source_port), (destination, destination_port) = ends[side], ends[1 - side]
        known = sequences[1 - side] if flags & TcpFlag.ACK else 0
        tcp = struct.pack(
            ">HHIIBBHHH", source_port, destination_port, sequences[side], known, 0x50, flags, 65_535, 0, 0
        )
        length = 20 + len(tcp) + len(payload)
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, length, 0, 0, 64, 6, 0, source, destination)
        frames.append(bytes(12) + b"\x08\x00" + ip + tcp + payload)
        sequences[side] += len(payload) + bool(flags & TcpFlag.SYN)

    add(0, TcpFlag.SYN)
    add(1, TcpFlag.SYN | TcpFlag.ACK)
    add(0, TcpFlag.ACK)
    for side, payload in TALK:
        add(side, TcpFlag.PSH | TcpFlag.ACK, payload)
    rows = np.zeros(len(frames), dtype=FRAME)
    sizes = [len(frame) for frame in frames]
    rows["offset"] = [0, *itertools.accumulate(sizes[:-1])]
    rows["captured"] = rows["length"] = sizes
    rows["link"] = 1
    rows["time"] = [(number + 1) * MILLISECOND for number in range(len(frames))]
    # Writable, like all batches: for memory that is not, the kernels would have to be compiled once more.
    return Batch(np.frombuffer(bytearray(b"".join(frames)), dtype=np.uint8), rows)


def find_fault(rules: RuleSet | Prepared) -> str:
    """Read the session; return what is wrong, "" if it was recognised.

    With prepared rules it takes milliseconds, however many names they list.
    """
    engine = Engine(
        rules,
        interfaces=["selftest"],
        settings=EngineSettings(gate_flows=8, read_flows=8, read_bytes=1 << 20),
        hit=lambda _: None,
        event=lambda _: None,
    )
    batch = session()
    engine.process(batch)
    engine.finish()
    totals = engine.totals()
    if totals.packets != len(batch.frames) or totals.packets != totals.passed + sum(totals.skipped.values()):
        return f"{totals.packets} packets of {len(batch.frames)} are in the books"
    read = totals.facts["mining.message"]
    return "" if read == len(TALK) else f"{read} of {len(TALK)} mining messages were read"
