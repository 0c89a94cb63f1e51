"""Stratum V2 in plain text: between translators, job declarators and nodes, and in test setups (protocols.md, 7.2).

In: bytes of one direction, in order.  Out: facts.
Never: a frame of a type or a length that the specification does not give to it.

A frame is ``extension u16 | type u8 | length u24 | payload``, little-endian; the top bit of the extension says that
the payload begins with a channel.  Source: sv2-spec, chapters 3 and 5 to 8.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from sniffer.model import Role, Value
from sniffer.protocols import values as read
from sniffer.protocols.hardware import agent_values
from sniffer.protocols.messages import Reading
from sniffer.protocols.reader import Fit, Reader
from sniffer.protocols.session import Difficulty

if TYPE_CHECKING:
    from sniffer.model import Data, Facts
    from sniffer.protocols.reader import Start
    from sniffer.protocols.session import Session

FAMILY: Final = "stratum-v2"
HEADER: Final = 6
CHANNEL: Final = 0x8000
MAX_FRAME: Final = 65_536  # read as a whole; of a longer one only its head
MAX_PAYLOAD: Final = 1 << 24
MAX_AHEAD: Final = 4  # frames looked ahead, to be sure of one in the middle of a stream
CLIENT, SERVER = Role.CLIENT, Role.SERVER


class Type(NamedTuple):
    """A message type: its name, who sends it, whether it belongs to a channel, and the payloads it can have."""

    name: str
    sender: Role
    channel: bool
    shortest: int
    longest: int


LONG: Final = MAX_PAYLOAD
TYPES: Final[dict[int, Type]] = {
    0x00: Type("SetupConnection", CLIENT, channel=False, shortest=16, longest=2_048),
    0x01: Type("SetupConnection.Success", SERVER, channel=False, shortest=6, longest=6),
    0x02: Type("SetupConnection.Error", SERVER, channel=False, shortest=5, longest=260),
    0x03: Type("ChannelEndpointChanged", SERVER, channel=True, shortest=4, longest=4),
    0x04: Type("Reconnect", SERVER, channel=False, shortest=3, longest=258),
    0x10: Type("OpenStandardMiningChannel", CLIENT, channel=False, shortest=41, longest=296),
    0x11: Type("OpenStandardMiningChannel.Success", SERVER, channel=False, shortest=45, longest=77),
    0x12: Type("OpenMiningChannel.Error", SERVER, channel=False, shortest=5, longest=260),
    0x13: Type("OpenExtendedMiningChannel", CLIENT, channel=False, shortest=43, longest=298),
    0x14: Type("OpenExtendedMiningChannel.Success", SERVER, channel=False, shortest=43, longest=79),
    0x15: Type("NewMiningJob", SERVER, channel=True, shortest=45, longest=49),
    0x16: Type("UpdateChannel", CLIENT, channel=True, shortest=40, longest=40),
    0x17: Type("UpdateChannel.Error", SERVER, channel=True, shortest=5, longest=260),
    0x18: Type("CloseChannel", CLIENT, channel=True, shortest=5, longest=260),
    0x19: Type("SetExtranoncePrefix", SERVER, channel=True, shortest=5, longest=37),
    0x1A: Type("SubmitSharesStandard", CLIENT, channel=True, shortest=24, longest=24),
    0x1B: Type("SubmitSharesExtended", CLIENT, channel=True, shortest=25, longest=57),
    0x1C: Type("SubmitShares.Success", SERVER, channel=True, shortest=16, longest=20),
    0x1D: Type("SubmitShares.Error", SERVER, channel=True, shortest=9, longest=264),
    0x1F: Type("NewExtendedMiningJob", SERVER, channel=True, shortest=20, longest=LONG),
    0x20: Type("SetNewPrevHash", SERVER, channel=True, shortest=48, longest=48),
    0x21: Type("SetTarget", SERVER, channel=True, shortest=36, longest=36),
    0x22: Type("SetCustomMiningJob", CLIENT, channel=False, shortest=40, longest=LONG),
    0x23: Type("SetCustomMiningJob.Success", SERVER, channel=False, shortest=12, longest=12),
    0x24: Type("SetCustomMiningJob.Error", SERVER, channel=False, shortest=9, longest=264),
    0x25: Type("SetGroupChannel", SERVER, channel=False, shortest=6, longest=LONG),
    0x50: Type("AllocateMiningJobToken", CLIENT, channel=False, shortest=5, longest=260),
    0x51: Type("AllocateMiningJobToken.Success", SERVER, channel=False, shortest=6, longest=LONG),
    0x55: Type("ProvideMissingTransactions", SERVER, channel=False, shortest=6, longest=LONG),
    0x56: Type("ProvideMissingTransactions.Success", CLIENT, channel=False, shortest=6, longest=LONG),
    0x57: Type("DeclareMiningJob", CLIENT, channel=False, shortest=16, longest=LONG),
    0x58: Type("DeclareMiningJob.Success", SERVER, channel=False, shortest=5, longest=260),
    0x59: Type("DeclareMiningJob.Error", SERVER, channel=False, shortest=6, longest=LONG),
    0x60: Type("PushSolution", CLIENT, channel=False, shortest=45, longest=160),
    0x70: Type("CoinbaseOutputConstraints", CLIENT, channel=False, shortest=4, longest=6),
    0x71: Type("NewTemplate", SERVER, channel=False, shortest=40, longest=LONG),
    0x72: Type("SetNewPrevHash", SERVER, channel=False, shortest=80, longest=80),
    0x73: Type("RequestTransactionData", CLIENT, channel=False, shortest=8, longest=8),
    0x74: Type("RequestTransactionData.Success", SERVER, channel=False, shortest=8, longest=LONG),
    0x75: Type("RequestTransactionData.Error", SERVER, channel=False, shortest=9, longest=264),
    0x76: Type("SubmitSolution", CLIENT, channel=False, shortest=20, longest=LONG),
}
SETUP, SETUP_SUCCESS, RECONNECT = 0x00, 0x01, 0x04
OPEN_STANDARD, OPEN_STANDARD_SUCCESS, OPEN_EXTENDED, OPEN_EXTENDED_SUCCESS = 0x10, 0x11, 0x13, 0x14
UPDATE, CLOSE = 0x16, 0x18
SUBMIT_STANDARD, SUBMIT_EXTENDED, SUBMIT_SUCCESS, SUBMIT_ERROR, SET_TARGET = 0x1A, 0x1B, 0x1C, 0x1D, 0x21
VERSION: Final = 2
PROTOCOLS: Final = range(3)
ROLES: Final = {1: "job-declaration", 2: "template-distribution"}  # what stands beside the machines of a farm
EXACT: Final = (SETUP_SUCCESS, SUBMIT_STANDARD, SUBMIT_SUCCESS, 0x15, 0x20, SET_TARGET)
"""Types with so few possible lengths that one frame alone, filling its segment, is enough in the middle of a stream."""


def frame_type(data: bytes | bytearray, at: int = 0) -> tuple[Type, int] | None:
    """Type and payload length of the frame whose header lies at ``at``; None: there is none."""
    extension = int.from_bytes(data[at : at + 2], "little")
    kind = TYPES.get(data[at + 2])
    length = int.from_bytes(data[at + 3 : at + 6], "little")
    if kind is None or extension not in (0, CHANNEL) or (extension == CHANNEL) is not kind.channel:
        return None
    if not kind.shortest <= length <= kind.longest:
        return None
    return (kind, length) if length in lengths(data[at + 2], kind) else None


def lengths(number: int, kind: Type) -> range | tuple[int, ...]:
    """Payload lengths that a type can have."""
    if number in (0x15, SUBMIT_SUCCESS):
        return (kind.shortest, kind.longest)  # with and without an optional field; new and old width of a sum
    return range(kind.shortest, kind.longest + 1)


class StratumV2(Reader):
    """Reads frames."""

    __slots__ = ("_buffer", "_skip")

    def __init__(self, start: Start) -> None:
        super().__init__(start)
        self._buffer = bytearray()
        self._skip = 0  # bytes of a frame that is too long

    @classmethod
    def probe(cls, head: bytes, start: Start) -> Fit:
        """The greeting of either side; in the middle of a stream, frames that follow one another without a break."""
        if head[0] != 0 or (len(head) > 1 and head[1] not in (0, 0x80)):
            return Fit.NO
        if len(head) < HEADER:
            return Fit.MORE
        found = frame_type(head)
        if found is None:
            return Fit.NO
        if head[2] in (SETUP, SETUP_SUCCESS):
            return probe_greeting(head, found[1])
        return probe_chain(head) if start.midway or start.channel.session.protocol == FAMILY else Fit.NO

    def feed(self, chunk: Data) -> list[Facts]:
        """Read what came."""
        skipped = min(self._skip, len(chunk.data))
        self._skip -= skipped
        self._buffer += chunk.data[skipped:]
        out: list[Facts] = []
        while len(self._buffer) >= HEADER and not self.finished:
            found = frame_type(self._buffer)
            if found is None:
                self.finish()
                break
            number, (kind, length) = self._buffer[2], found
            end = HEADER + length
            if length <= MAX_FRAME and len(self._buffer) < end:
                break
            payload = bytes(self._buffer[HEADER : min(end, HEADER + MAX_FRAME)])
            self._skip = max(0, end - len(self._buffer))
            del self._buffer[:end]
            reading = read_payload(number, kind, payload, self.channel.session)
            if reading is None:
                self.finish()
                break
            out += self.channel.session.take(reading, self.origin(chunk, len(self._buffer)))
        return out

    @property
    def held(self) -> int:
        """Bytes of an unfinished frame."""
        return len(self._buffer)


def probe_greeting(head: bytes, length: int) -> Fit:
    """Whether SetupConnection or its answer stands here."""
    if len(head) < HEADER + length:
        body = head[HEADER:]
        if head[2] == SETUP:
            fits = (not body or body[0] in PROTOCOLS) and int.from_bytes(body[1:3], "little") <= VERSION
        else:
            fits = body[:2] == b"\x02\0"[: len(body)]
        return Fit.MORE if fits else Fit.NO
    payload = head[HEADER : HEADER + length]
    if head[2] == SETUP:
        return Fit.YES if read_setup(payload) is not None else Fit.NO
    return Fit.YES if payload[:2] == b"\x02\0" else Fit.NO


def probe_chain(head: bytes) -> Fit:
    """Whether whole frames stand here, one behind the other."""
    at = frames = 0
    while len(head) >= at + HEADER and frames < MAX_AHEAD:
        found = frame_type(head, at)
        if found is None:
            return Fit.NO
        at += HEADER + found[1]
        if at > len(head):
            break
        frames += 1
        if at == len(head) and (frames > 1 or head[2] in EXACT):
            return Fit.YES
    return Fit.YES if frames >= 2 else Fit.MORE if len(head) <= MAX_FRAME else Fit.NO


# ── payloads ─────────────────────────────────────────────────────────────────────────────────────────────


def read_payload(number: int, kind: Type, payload: bytes, session: Session) -> Reading | None:
    """Read a payload; None: it contradicts itself."""
    match number:
        case _ if number == SETUP:
            values = read_setup(payload)
            return None if values is None else Reading(FAMILY, kind.name, kind.sender, values)
        case _ if number in (OPEN_STANDARD, OPEN_EXTENDED):
            return read_open(kind, payload)
        case _ if number in (OPEN_STANDARD_SUCCESS, OPEN_EXTENDED_SUCCESS):
            return read_opened(kind, payload, session)
        case _ if number == SET_TARGET:
            name = channel_of(payload)
            values = target_values(payload[4:36])
            hashes = values.get("mining.hashes_per_share")
            if isinstance(hashes, float):
                session.target_session(name, Difficulty(None, hashes))
            return Reading(FAMILY, kind.name, kind.sender, values, session=name)
        case _ if number in (SUBMIT_STANDARD, SUBMIT_EXTENDED, SUBMIT_SUCCESS, SUBMIT_ERROR):
            values = {}
            if kind.sender is SERVER:
                values["mining.accepted"] = number == SUBMIT_SUCCESS
            return Reading(
                FAMILY,
                kind.name,
                kind.sender,
                values,
                share=True,
                shares=int.from_bytes(payload[8:12], "little") if number == SUBMIT_SUCCESS else 1,
                session=channel_of(payload),
            )
        case _ if number == UPDATE:
            rate = read.hashrate(struct.unpack_from("<f", payload, 4)[0])
            values = {} if rate is None else {"mining.hashrate": rate}
            return Reading(FAMILY, kind.name, kind.sender, values, session=channel_of(payload))
        case _ if number == RECONNECT:
            values = pool_values(payload)
            return Reading(FAMILY, kind.name, kind.sender, values)
        case _ if number == CLOSE:
            session.sessions.pop(channel_of(payload), None)
            return Reading(FAMILY, kind.name, None, {})
        case _:
            return Reading(FAMILY, kind.name, kind.sender, {})


def channel_of(payload: bytes) -> str:
    """The channel that a payload begins with, as a name of a session."""
    return str(int.from_bytes(payload[:4], "little"))


def text_at(payload: bytes, at: int) -> tuple[str, int] | None:
    """A string with its length in front, and the offset behind it."""
    if at >= len(payload) or at + 1 + payload[at] > len(payload):
        return None
    end = at + 1 + payload[at]
    try:
        return payload[at + 1 : end].decode(), end
    except UnicodeDecodeError:
        return None


def pool_values(payload: bytes) -> dict[str, Value]:
    """A host, and the port behind it."""
    found = text_at(payload, 0)
    if not found or not found[0] or len(payload) < found[1] + 2:
        return {}
    port = int.from_bytes(payload[found[1] : found[1] + 2], "little")
    return {"mining.pool": f"{found[0]}:{port}" if port else found[0]}


def read_setup(payload: bytes) -> dict[str, Value] | None:
    """Facts of SetupConnection: which pool, what machine; None: the payload is not whole, or none."""
    if len(payload) < 12 or payload[0] not in PROTOCOLS:
        return None
    lowest, highest = struct.unpack_from("<HH", payload, 1)
    if not lowest <= VERSION <= highest:
        return None
    host = text_at(payload, 9)
    if host is None or len(payload) < host[1] + 2:
        return None
    at = host[1] + 2
    parts: list[str] = []
    for _ in range(4):  # vendor, hardware version, firmware, device
        part = text_at(payload, at)
        if part is None:
            return None
        parts.append(part[0])
        at = part[1]
    if at != len(payload):
        return None
    values: dict[str, Value] = pool_values(payload[9:])
    if payload[0] in ROLES:
        values["mining.role"] = ROLES[payload[0]]
    agent = " ".join(part for part in parts[:3] if part)
    values.update(agent_values(read.text(agent)))
    vendor, model = parts[0], parts[1]
    if vendor and model:
        values.update(hardware_values(f"{vendor}/{model}"))
    return values


def hardware_values(device: str) -> dict[str, Value]:
    """The machine that vendor and model tell of, where the table of agents knows it."""
    found = agent_values(device).get("mining.hardware")
    return {} if found is None else {"mining.hardware": found}


def read_open(kind: Type, payload: bytes) -> Reading | None:
    """Read a request for a channel: account, and the hashrate that the machine states."""
    user = text_at(payload, 4)
    if user is None or len(payload) < user[1] + 36:
        return None
    values: dict[str, Value] = read.wallet_values(user[0]) if user[0] else {}
    worker = read.worker_after_first_dot(user[0])
    if worker:
        values["mining.worker"] = worker
    rate = read.hashrate(struct.unpack_from("<f", payload, user[1])[0])
    if rate is not None:
        values["mining.hashrate"] = rate
    number = int.from_bytes(payload[:4], "little")
    return Reading(FAMILY, kind.name, kind.sender, values, names=f"request {number}")


def read_opened(kind: Type, payload: bytes, session: Session) -> Reading:
    """Read the answer to a request for a channel: its name, and its target."""
    request = session.sessions.pop(f"request {int.from_bytes(payload[:4], 'little')}", {})
    name = channel_of(payload[4:8])
    session.name_session(name, request)
    values = target_values(payload[8:40])
    hashes = values.get("mining.hashes_per_share")
    if isinstance(hashes, float):
        session.target_session(name, Difficulty(None, hashes))
    return Reading(FAMILY, kind.name, kind.sender, {**request, **values}, session=name)


def target_values(raw: bytes) -> dict[str, Value]:
    """Hashes behind a share of a target, 32 bytes little-endian."""
    hashes = read.target_hashes(raw[::-1].hex())
    return {} if hashes is None else {"mining.hashes_per_share": hashes}
