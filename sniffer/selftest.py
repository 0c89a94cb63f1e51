"""A mining session of our own, read by the same kernels, readers and rules as everybody's, and counted nowhere.

In: the rules in use.  Out: whether the session was recognised, or why not.
Never: a packet on any wire; a hit, a host or a packet in the books: the engine it runs through is thrown away.

A sensor that has gone blind looks like a quiet network.  This tells the two apart, at the start and once a minute
(robustness.md, 1.11), for everything behind the ring.  That packets arrive, their time stamp tells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sniffer.engine import Engine, EngineSettings
from sniffer.frames import batch, conversation

if TYPE_CHECKING:
    from sniffer.batch import Batch
    from sniffer.prepared import Prepared
    from sniffer.ruleset import RuleSet

MINER: Final = (bytes([192, 0, 2, 1]), 40_000)  # RFC 5737: nobody has these addresses
POOL: Final = (bytes([198, 51, 100, 1]), 3_333)
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
    return batch([frame for _, frame in conversation((MINER, POOL), TALK)])


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
    made = session()
    engine.process(made)
    engine.finish()
    totals = engine.totals()
    if totals.packets != len(made.frames) or totals.packets != totals.passed + sum(totals.skipped.values()):
        return f"{totals.packets} packets of {len(made.frames)} are in the books"
    read = totals.facts["mining.message"]
    return "" if read == len(TALK) else f"{read} of {len(TALK)} mining messages were read"
