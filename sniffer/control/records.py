"""What parent and worker tell each other, and how it is framed on their socket.

    parent ── Job, NewRules, Mapped, NewSocket, Learned, Watched, Stop ──▶ worker
    worker ── Ready, News, Exhibit, Learned, RulesInUse, Lost, Ended, Finished ──▶ parent

In: records.  Out: frames of msgpack (:mod:`sniffer.children`), and records from their bodies.
Never: code on either side.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from sniffer.capture.packet_socket import Position, RingSettings
from sniffer.children import framed
from sniffer.counts import Sighting  # noqa: TC001  # as below
from sniffer.evidence.exhibit import Bounds, Exhibit  # as below
from sniffer.model import Confidence, Severity  # noqa: TC001  # as below
from sniffer.owners.table import Owners
from sniffer.owners.timeline import Change  # noqa: TC001  # as below
from sniffer.size.work import Work  # noqa: TC001
from sniffer.totals import Totals  # noqa: TC001  # msgspec reads annotations at run time

# ── parent to worker ─────────────────────────────────────────────────────────────────────────────────────


class ReplayJob(msgspec.Struct, frozen=True):
    """A capture file in place of an interface."""

    path: str
    speed: float = 1.0  # 0: as fast as possible
    loop: bool = False


class Job(msgspec.Struct, tag="job", frozen=True):
    """What a worker is for; the first record it gets."""

    rules: bytes  # RuleSet.dump()
    interfaces: tuple[str, ...] = ()
    sockets: tuple[int, ...] = ()  # descriptors of ring sockets, one an interface; none: a portable source
    rings: tuple[RingSettings, ...] = ()  # how each of them was opened
    board: int = -1  # descriptor of the board
    positions: tuple[Position, ...] = ()  # how far the worker before this one had read each ring
    hands: tuple[int, ...] = ()  # the block of each ring that it died over; 0: none
    promiscuous: bool = True  # of a portable source
    replay: ReplayJob | None = None
    sensor: str = ""
    key: bytes | None = None  # of hashes in events; None: clear text
    leave_out: bool = False  # personal data from events
    events: bool = False  # whether event lines are wanted
    owners: Owners = Owners()
    max_mappings: int = 0  # entries of mappings at most; 0: there are none
    one_sided: bool = False
    repeat_interval: int = 600_000_000_000  # nanoseconds
    cpu: int | None = None  # processor to stay on; None: any
    shares: bool = False  # there are other workers: tell what was learned
    paranoid: bool = False  # each answer of the rules is found twice, and compared
    evidence: Bounds | None = None  # what is kept as evidence; None: nothing
    traffic: bool = False  # tell how much hosts that mine carry in all


class NewRules(msgspec.Struct, tag="rules", frozen=True):
    """Match these rules from now on."""

    generation: int
    dump: bytes
    owners: Owners = Owners()  # and tell tenants by these


class Mapped(msgspec.Struct, tag="mapped", frozen=True):
    """Who holds which address.  Behind a Job come all that are known; the first packet waits for the last of these."""

    changes: tuple[Change, ...] = ()
    complete: bool = False  # the last one behind a Job


class NewSocket(msgspec.Struct, tag="socket", frozen=True):
    """A new ring socket for an interface that came back; the descriptor travels with the frame."""

    interface: str
    ring: RingSettings = RingSettings()  # how it was opened


class Learned(msgspec.Struct, tag="learned", frozen=True):
    """An address that DNS gave to a listed name: seen by one worker, and told to the others."""

    address: bytes  # packed
    name: str
    seconds: float  # for which it counts from now on


class Watched(msgspec.Struct, tag="watched", frozen=True):
    """Hosts that mine, as another worker saw: count what they carry here."""

    hosts: tuple[bytes, ...]  # packed


class Stop(msgspec.Struct, tag="stop", frozen=True):
    """Finish what has arrived, then end."""


ToWorker: TypeAlias = Job | NewRules | Mapped | NewSocket | Learned | Watched | Stop

# ── worker to parent ─────────────────────────────────────────────────────────────────────────────────────


class Ready(msgspec.Struct, tag="ready", frozen=True):
    """Kernels are compiled, the source is open."""


class HitDelta(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Hits of one (host, rule, confidence, tenant) since the last record."""

    host: bytes  # packed
    rule: str
    severity: Severity
    confidence: Confidence
    count: int
    last: int  # packet time of the last one, nanoseconds since 1970
    tenant: str = ""  # whose the address was at the time


class Carried(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a host that mines has carried in one hour, since the last record; estimates, bytes on the wire."""

    host: bytes  # packed
    hour: int  # seconds since 1970
    mining: int  # frames of connections that mine which are in no work
    other: int  # everything else


class News(msgspec.Struct, tag="news", frozen=True):
    """Hits, event lines, sightings, work and traffic since the last one."""

    hits: tuple[HitDelta, ...] = ()
    events: tuple[bytes, ...] = ()
    sightings: tuple[Sighting, ...] = ()  # the parent counts them by host
    works: tuple[Work, ...] = ()  # of flows that mine
    carried: tuple[Carried, ...] = ()  # by their hosts in all
    watched: tuple[bytes, ...] = ()  # these hosts, for the other workers


class Snapshot(msgspec.Struct, frozen=True):
    """The worker's books: what it puts onto the board (``board.py``)."""

    totals: Totals
    up: dict[str, bool] = {}  # interfaces with a carrier
    dropped_events: int = 0  # lines that found no room
    dropped_hits: int = 0  # hits and sightings that found no room
    fault: str = ""  # what the last self-test found wrong
    positions: tuple[Position, ...] = ()  # how far each ring has been read, by these books
    differing: tuple[str, ...] = ()  # rules about which both matchers disagreed
    dropped_exhibits: int = 0  # that found no room


class RulesInUse(msgspec.Struct, tag="rules-in-use", frozen=True):
    """The answer to NewRules."""

    generation: int
    fault: str = ""  # "" when they are in use


class Lost(msgspec.Struct, tag="lost", frozen=True):
    """An interface was removed: its socket will stay silent."""

    interface: str


class Ended(msgspec.Struct, tag="ended", frozen=True):
    """The source has ended; the worker stays, for its books' sake."""

    lines: tuple[str, ...] = ()  # faults, ready for stderr
    exit_status: int = 0


class Finished(msgspec.Struct, tag="finished", frozen=True):
    """The last record: the source has ended, or Stop was obeyed, or nothing more can be done."""

    lines: tuple[str, ...] = ()  # faults, ready for stderr
    exit_status: int = 0
    stopped: bool = False  # by Stop, as opposed to the end of the source


FromWorker: TypeAlias = Ready | News | Exhibit | Learned | RulesInUse | Lost | Ended | Finished

# ── frames ───────────────────────────────────────────────────────────────────────────────────────────────

_encoder = msgspec.msgpack.Encoder()
to_worker = msgspec.msgpack.Decoder(ToWorker)
from_worker = msgspec.msgpack.Decoder(FromWorker)


def frame(record: ToWorker | FromWorker) -> bytes:
    """One record, ready for the socket."""
    return framed(_encoder.encode(record))
