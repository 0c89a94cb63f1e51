"""BTCAgent: binary frames for thousands of machines behind one connection (protocols.md, section 7.4).

In: bytes at a place where a frame may begin.  Out: how long it is; a Reading of it.
Never: state; who is who is the session's knowledge.

A frame is ``7F | type | length of the whole frame, little-endian | body``; frames stand between JSON lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sniffer.model import Role, Value
from sniffer.protocols import values as read
from sniffer.protocols.hardware import agent_values
from sniffer.protocols.messages import Reading
from sniffer.protocols.session import Difficulty

if TYPE_CHECKING:
    from sniffer.protocols.session import Session

FAMILY: Final = "btcagent"
MAGIC: Final = 0x7F
HEADER: Final = 4
SHORTEST: Final = 6
LONGEST: Final = 4_096
REGISTER_WORKER: Final = 0x01
SUBMIT_SHARE: Final = 0x02
UNREGISTER_WORKER: Final = 0x04
MINING_SET_DIFF: Final = 0x05
SHARES: Final = {  # message and length by type
    SUBMIT_SHARE: ("SUBMIT_SHARE", 15),
    0x03: ("SUBMIT_SHARE_WITH_TIME", 19),
    0x12: ("SUBMIT_SHARE_WITH_VER", 19),
    0x13: ("SUBMIT_SHARE_WITH_TIME_VER", 23),
}
MAX_EXPONENT: Final = 59  # 2^59 is below the largest difficulty that counts (protocols.md, 13)
MORE: Final = -1


def frame_length(data: bytes, at: int) -> int:
    """Length of the frame at ``at``; MORE: its header is not whole; 0: there is none that this module knows."""
    if data[at] != MAGIC:
        return 0
    if len(data) < at + HEADER:
        kind = data[at + 1] if len(data) > at + 1 else SUBMIT_SHARE
        return MORE if kind in SHARES or REGISTER_WORKER <= kind <= MINING_SET_DIFF else 0
    kind = data[at + 1]
    length = int.from_bytes(data[at + 2 : at + 4], "little")
    if kind in SHARES:
        return length if length == SHARES[kind][1] else 0
    if kind == UNREGISTER_WORKER:
        return length if length == SHORTEST else 0
    if kind == REGISTER_WORKER:
        return length if 8 <= length <= LONGEST else 0
    if kind == MINING_SET_DIFF:
        if len(data) < at + 7:
            return MORE
        count = int.from_bytes(data[at + 5 : at + 7], "little")
        return length if length == 7 + 2 * count <= LONGEST else 0
    return 0


def foreign_length(data: bytes, at: int) -> int:
    """Length of a frame of a type that this module does not know; MORE, or 0 for none."""
    if len(data) < at + HEADER:
        return MORE
    length = int.from_bytes(data[at + 2 : at + 4], "little")
    return length if HEADER <= length <= LONGEST else 0


def read_frame(frame: bytes, session: Session) -> Reading | None:
    """Read a whole frame; None: its body does not fit its type."""
    kind = frame[1]
    if kind in SHARES:
        name = str(int.from_bytes(frame[5:7], "little"))
        return Reading(FAMILY, SHARES[kind][0], Role.CLIENT, {}, share=True, session=name)
    if kind == MINING_SET_DIFF:
        return set_difficulty(frame, session)
    name = str(int.from_bytes(frame[4:6], "little"))
    if kind == REGISTER_WORKER:
        parts = frame[6:].split(b"\0")
        if len(parts) != 3 or parts[2]:
            return None
        try:
            agent, worker = (part.decode() for part in parts[:2])
        except UnicodeDecodeError:
            return None
        values: dict[str, Value] = agent_values(read.text(agent))
        if worker:
            values["mining.worker"] = worker[: read.MAX_STRING]
        return Reading(FAMILY, "REGISTER_WORKER", Role.CLIENT, values, names=name)
    if kind == UNREGISTER_WORKER:
        values = dict(session.sessions.pop(name, {}))
        return Reading(FAMILY, "UNREGISTER_WORKER", Role.CLIENT, values)
    return None


def set_difficulty(frame: bytes, session: Session) -> Reading | None:
    """Read a new difficulty for some machines: 2 to the power that the frame gives."""
    exponent = frame[4]
    values: dict[str, Value] = {}
    if exponent <= MAX_EXPONENT:
        value, hashes = 2.0**exponent, 2.0 ** (exponent + 32)
        for at in range(7, len(frame) - 1, 2):
            name = str(int.from_bytes(frame[at : at + 2], "little"))
            session.target_session(name, Difficulty(value, hashes))
        values = {"mining.difficulty": value, "mining.hashes_per_share": hashes}
    only = str(int.from_bytes(frame[7:9], "little")) if len(frame) >= 9 else ""
    return Reading(FAMILY, "MINING_SET_DIFF", Role.SERVER, values, session=only)
