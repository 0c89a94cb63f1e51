"""What a worker hands over when a flow is to be kept as evidence.

In: nothing.  Out: plain records, made by :mod:`sniffer.evidence.witness` and read by :mod:`sniffer.evidence.recorder`.
Never: work, code, a path.
"""

from __future__ import annotations

from typing import Final

import msgspec

FRAME_WEIGHT: Final = 64
"""What a frame weighs besides its bytes."""


class Bounds(msgspec.Struct, frozen=True):
    """What a worker keeps, and of which hits: part of its Job."""

    confidence: int = 3  # the least that triggers
    severity: int = 1
    flow_bytes: int = 256 << 10  # of one exhibit: frames and messages
    flow_packets: int = 500
    after: int = 30_000_000_000  # nanoseconds of packet time for which a flow is kept on after the trigger
    all_bytes: int = 32 << 20  # of all flows that are watched
    one_sided: bool = False


class Frame(msgspec.Struct, frozen=True, array_like=True):
    """One frame, as captured."""

    time: int  # nanoseconds since 1970
    link: int  # LINKTYPE_ number of its first header
    interface: int  # index into Exhibit.interfaces
    length: int  # bytes that it had on the wire
    data: bytes

    @property
    def weight(self) -> int:
        """Bytes that it weighs, about."""
        return len(self.data) + FRAME_WEIGHT


class Verdict(msgspec.Struct, frozen=True, array_like=True):
    """What was said of the flow, by one rule."""

    rule: str
    rev: int
    confidence: str
    host: str  # the address that mines
    server: str  # "" where there is none
    server_port: int
    time: int  # of the message, nanoseconds since 1970
    line: bytes  # the event line


class Handshake(msgspec.Struct, frozen=True, array_like=True):
    """How one side of a TCP flow began, where its SYN was seen: SYNs themselves do not pass the gate."""

    source: bytes  # packed
    source_port: int
    destination: bytes
    destination_port: int
    start: int  # sequence number of the first byte
    opens: bool  # this side opened the connection


class Exhibit(msgspec.Struct, tag="exhibit", frozen=True):
    """A flow that triggered, from before the trigger on; one of these is one bundle."""

    rules_version: str
    host: bytes  # the address that mines, packed
    interfaces: tuple[str, ...]
    frames: tuple[Frame, ...]
    messages: tuple[bytes, ...]  # lines of JSON
    verdicts: tuple[Verdict, ...]  # the first one is the trigger
    handshake: tuple[Handshake, ...] = ()
    known_as: str = ""  # name that DNS had given to the server's address before the flow began
    forgotten: int = 0  # frames before the first one that found no room
    cut: bool = False  # the bounds of a flow were reached
    wall: int = 0  # nanoseconds since 1970 by this machine's clock, when it triggered
    packet_time: int = 0  # the same by the packets
    filename: str = ""  # of the capture that was read
    one_sided: bool = False  # answers were not waited for

    @property
    def size(self) -> int:
        """Bytes that it weighs, about."""
        parts = sum(frame.weight for frame in self.frames) + sum(map(len, self.messages))
        return parts + sum(len(verdict.line) for verdict in self.verdicts)
