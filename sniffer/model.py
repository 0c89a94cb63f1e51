"""The nouns that travel between the layers, and nothing that does work.

    source ──Batch──▶ gate ──Packet──▶ flows ──Chunk──▶ protocols ──Facts──▶ ruleset ──Detection──▶ sinks

In: nothing.  Out: plain records, each made by one layer and read by the next.
Never: I/O, parsing, decisions.
"""

from __future__ import annotations

import enum
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

# ── Packet: made by gate/, read by flows/ ────────────────────────────────────────────────────────────────


class Packet(msgspec.Struct, frozen=True):
    """One frame that may matter.  Addresses are the innermost, as packed bytes (4 or 16)."""

    time: int  # nanoseconds since 1970
    source: bytes
    source_port: int
    destination: bytes
    destination_port: int
    protocol: int  # IP protocol number: 6 TCP, 17 UDP
    tcp_flags: int
    sequence: int
    acknowledgement: int
    payload: bytes  # as captured
    missing: int  # payload bytes that were on the wire but not captured
    start: int  # sequence number of the first byte of this direction if its SYN was seen, else -1
    slot: int  # of the gate's flow table, or -1: where the verdict goes back to
    flow_hash: int  # what the gate wrote into that slot
    layers: tuple[str, ...]  # wrappings from the outside in, e.g. ("vlan", "vlan")
    vlans: tuple[int, ...]  # VLAN identifiers from the outside in
    interface: int
    frame_length: int
    reason: int  # why the gate let it pass: index into gate.reasons.REASONS
    now: int  # nanoseconds on the gate's own clock: packet time since the first packet, without leaps
    opener: int = -1  # the side that opened the connection, 0 or 1 as in ``flows``; -1: not known
    frame: bytes = b""  # as captured, from its first header on, with the tag that the kernel took out; of fragments the last
    link: int = 1  # LINKTYPE_ number of that header


class TcpFlag(enum.IntFlag):
    """Bits of the TCP flags byte (RFC 9293, section 3.1)."""

    FIN = 0x01
    SYN = 0x02
    RST = 0x04
    PSH = 0x08
    ACK = 0x10
    URG = 0x20


# ── Chunk: made by flows/, read by protocols/ ────────────────────────────────────────────────────────────


class Data(msgspec.Struct, frozen=True):
    """Bytes of one direction, in order."""

    side: int  # 0 or 1: which end of the flow sent them (see flows.Flow.ends)
    data: bytes
    time: int  # when the last of these bytes was seen, nanoseconds
    end: int  # sequence number just behind the last byte, -1 for datagrams

    def end_before(self, behind: int) -> int:
        """Sequence number ``behind`` bytes before the end, -1 for datagrams."""
        return self.end if self.end < 0 else (self.end - behind) & 0xFFFFFFFF


class Gap(msgspec.Struct, frozen=True):
    """``size`` bytes of one direction that the sensor did not get (0: unknown number)."""

    side: int
    size: int
    time: int


class End(msgspec.Struct, frozen=True):
    """One direction will send no more (FIN, RST, new connection on the same ports, expiry)."""

    side: int
    time: int


class Alternative(msgspec.Struct, frozen=True):
    """Another reading of bytes that were delivered already: whole lines, as a retransmission that differs has them."""

    side: int
    data: bytes
    time: int
    end: int


Chunk: TypeAlias = Data | Gap | End | Alternative

# ── Pattern: made by ruleset/, read by gate/ and protocols/ ──────────────────────────────────────────────

OPENING: Final = 64  # bytes of a side within which a pattern must end
MAX_PATTERNS: Final = 256


class Pattern(NamedTuple):
    """Bytes that a rule looks for where a side of a flow, or a datagram, begins."""

    at: int  # offset from the first byte
    data: bytes
    side: str  # who sends them: client | server | any
    transport: str  # tcp | udp | any

    def is_over(self, transport: str) -> bool:
        """Whether it is looked for in flows of TCP ("tcp"), or in datagrams ("udp")."""
        return self.transport in (transport, "any")


# ── Facts: made by protocols/, read by ruleset/ ──────────────────────────────────────────────────────────

Value: TypeAlias = str | int | float | bool


class Role(enum.Enum):
    """Who sent a message: the side that mines or asks, or the side that serves."""

    CLIENT = "client"
    SERVER = "server"

    @property
    def other(self) -> Role:
        """The opposite role."""
        return Role.SERVER if self is Role.CLIENT else Role.CLIENT


class Facts(msgspec.Struct):
    """Everything one message on the wire said, named and typed.

    ``values`` maps a fact's name (``stratum.method``) to what was seen (``mining.submit``).  Every name is
    declared in ``protocols.FACTS``.
    """

    protocol: str  # family name, reference/protocols.md section 15, e.g. "stratum-v1"; "dns", "tls", "http" for names
    message: str  # "mining.submit", "mining.subscribe.reply", "query", "client-hello"
    sender: Role
    values: dict[str, Value]
    side: int  # which end of the flow sent it
    time: int  # nanoseconds since 1970
    end: int = -1  # sequence number just behind the message; -1 for datagrams
    mining: bool = False  # a mining message was read, as opposed to a name or a hint
    again: bool = False  # another name in the message of the facts before: they are one hit together
    told: Mapping[str, Value] | None = None  # by the flow so far, this message included
    shares: int = 0  # that the message hands in, or, where it has a verdict, that this is about


# ── Detection: made by ruleset/ and engine, read by sinks/ ───────────────────────────────────────────────


class Confidence(enum.IntEnum):
    """How sure we are (design.md): what counts as proof, as likelihood, as a sign."""

    SUSPECTED = 1
    PROBABLE = 2
    CONFIRMED = 3

    @functools.cached_property
    def label(self) -> str:
        """As written in rules, events and metrics."""
        return self.name.lower()


class Severity(enum.IntEnum):
    """How much a rule matters.  EVE counts the other way round: 1 is the most severe."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    @functools.cached_property
    def label(self) -> str:
        """As written in rules, events and metrics."""
        return self.name.lower()

    @property
    def eve(self) -> int:
        """Severity number of Suricata's EVE format."""
        return 5 - self.value


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A mining endpoint of ``rules/pools``: a name by which somebody offers mining work."""

    domain: str  # lower case, no trailing dot
    suffix: bool  # also every name below it
    pool: str
    strength: str  # strong | mixed | weak
    category: str  # pool, solo_pool, devfee, browser_miner, proxy_malware, ...
    status: str = "unknown"  # active | defunct | unknown
    coins: tuple[str, ...] = ()
    country: str = ""
    ports_plain: tuple[int, ...] = ()
    ports_tls: tuple[int, ...] = ()
    seen_on: str = ""


class Listed(msgspec.Struct, frozen=True):
    """Why a list made a rule match: which list, and what is known of it.  "" where nothing is."""

    name: str  # as rules refer to it, without @
    entry: str = ""  # the name or network that was found in it
    origin: str = ""  # where the list comes from
    updated: str = ""  # when it was last brought up to date, YYYY-MM-DD
    seen_on: str = ""  # of a pool endpoint: where and when it was seen


class Match(msgspec.Struct, frozen=True):
    """A rule's answer to one message.  Truthy when it matched; carries the reasons either way."""

    matched: bool
    reasons: tuple[str, ...] = ()  # "stratum.method = mining.submit", the clauses that held
    endpoint: Endpoint | None = None  # the list entry that a domain_in clause found
    listed: Listed | None = None  # the first named list that a clause found something in

    def __bool__(self) -> bool:
        return self.matched


class Place(msgspec.Struct, frozen=True):
    """Where a message was seen: both ends as on the wire, and how it was wrapped."""

    source: bytes
    source_port: int
    destination: bytes
    destination_port: int
    protocol: int
    layers: tuple[str, ...]
    vlans: tuple[int, ...]
    interface: int


class Detection(msgspec.Struct):
    """A rule matched a message of a flow."""

    rule: Any  # ruleset.Rule; Any keeps this module free of imports
    facts: Facts
    match: Match
    place: Place
    flow_id: int
    confidence: Confidence
    host: bytes  # the address that mines, packed
    server: bytes | None
    server_port: int
    seen: str  # "client", "server" or "both": whose bytes the sensor has seen in this flow
    count: int = 1  # matching messages of this (flow, rule) so far
    session: Mapping[str, Value] = msgspec.field(
        default_factory=dict
    )  # what earlier messages of the flow told
    owned: Any = None  # owners.Owned at the time of the packet; None: no tenants are known

    @property
    def tenant(self) -> str:
        """Whose the host was at the time, "" if nobody's."""
        return self.owned.tenant if self.owned is not None else ""
