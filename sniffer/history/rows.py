"""The rows of the history, and the page that carries them.

In: what the parent counts.  Out: frozen structs, handed to :class:`~sniffer.history.recorder.History` once a minute.
Never: an increment.  Rows of a page are as they stand; the later one takes the place of the earlier.

Rows go to another process as arrays without names, and hold nothing that could lead back to them (``gc=False``).

Strings that came from the wire are printable ASCII of at most 256 characters already.  Packet times are nanoseconds since
1970; ``start`` and ``hour`` are seconds since 1970.
"""

from __future__ import annotations

from typing import Final

import msgspec

BUCKET: Final = 300  # seconds that a sample and a health row are of
HOUR: Final = 3_600
DAY: Final = 86_400
SECOND: Final = 1_000_000_000  # nanoseconds


def hour_of(time: int) -> int:
    """The hour that a packet time lies in, seconds since 1970."""
    return time // (HOUR * SECOND) * HOUR


class Session(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One (host, server, server_port, protocol, account, tenant), cumulative since the daemon's start (``begun``)."""

    host: str  # label: "192.0.2.7", "2001:db8::/64"
    server: str
    server_port: int
    protocol: str
    account: str  # as shown: "h:...", clear text, or ""
    tenant: str
    begun: int  # ns: the run of the daemon that counted; the same of another run, or after it was let go, is another row
    first: int  # ns, packet time
    last: int  # ns, packet time
    submitted: int
    accepted: int
    rejected: int
    unknown: int  # counted shares whose worth was not known
    difficulty: float | None
    stated: float | None  # H/s that the miner states itself, of all its machines
    devices: int  # machines behind it, at least 1
    seen: str  # both | client | server
    algorithm: str  # this and the following: "" for unknown
    coin: str
    pool: str
    domain: str
    agent: str
    hardware: str
    bytes_up: int
    bytes_down: int


class Sample(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One session in one bucket; given again when the bucket is added to."""

    host: str
    server: str
    server_port: int
    protocol: str
    account: str
    tenant: str
    begun: int
    start: int  # s, a multiple of BUCKET
    seconds: float  # observed in this bucket with the worth of a share known
    shares: int  # counted (accepted where verdicts are seen, else submitted), of known worth
    hashes: float  # sum of their worth
    squares: float  # sum of their worth squared
    unknown: int  # counted shares of unknown worth
    stated: float | None  # hashes by the miner's own statement (rate x seconds); None: it stated none
    joules_low: float | None  # None: unknown
    joules: float | None
    joules_high: float | None


class Detection(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Hits of one rule on one host in one hour, so far."""

    host: str
    tenant: str
    rule: str
    severity: str
    confidence: str
    hour: int  # s, a multiple of HOUR
    hits: int
    first: int  # ns
    last: int  # ns
    begun: int  # ns


class Tenant(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An owner as configured now."""

    name: str
    site: str
    district: str
    kind: str  # of sniffer.owners.keys.KINDS, or ""
    contact: str


class Health(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What the sensor saw in one bucket."""

    start: int  # s, a multiple of BUCKET
    seconds: float
    packets: int  # that were read
    dropped: int  # beside these
    one_sided: float  # share of flows, 0 to 1
    hidden_tls: int
    up: bool


class Traffic(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Bytes of one host in one hour."""

    host: str
    tenant: str
    hour: int  # s, a multiple of HOUR
    bytes: int  # estimate of all
    mining_bytes: int


class Page(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What the parent hands over at once."""

    now: int  # ns, packet time
    sessions: tuple[Session, ...] = ()
    samples: tuple[Sample, ...] = ()
    detections: tuple[Detection, ...] = ()
    tenants: tuple[Tenant, ...] = ()
    health: tuple[Health, ...] = ()
    traffic: tuple[Traffic, ...] = ()
