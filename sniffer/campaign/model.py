"""The report as data: what the page shows, what the tables hold, what ``--format json`` prints.

In: nothing.  Out: frozen structs; :func:`report_schema`, their JSON Schema.
Never: a sentence in a language; a figure whose unit is not in its name or its comment.

Hashrates are in hashes a second (solutions for equihash, graphs for cuckoo cycles), energies in kWh, traffic in bytes,
times in ISO 8601 with the offset of the report.  A band holds the expected value with 95 %.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

FORMAT: Final = 1
"""Goes up when a key changes its meaning or is dropped."""

Text = Annotated[str, Meta(max_length=256)]
Moment = Annotated[
    str, Meta(description="Time to the second, ISO 8601, in the offset of the report.", min_length=19)
]


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the report."""


class Band(Part, frozen=True, kw_only=True):
    """A figure with what it lies between."""

    low: float
    value: float
    high: float


class Period(Part, frozen=True, kw_only=True):
    """What the report is about."""

    start: Moment
    end: Annotated[str, Meta(description="The first moment behind the period.")]
    zone: Annotated[str, Meta(description='Offset of all times and of the days, "+00:00".')]
    seconds: Annotated[int, Meta(description="From start to end.")]
    watched_seconds: Annotated[
        float,
        Meta(description="In which packets came in. Averages are over these; null: nobody knows, and they are over all."),
    ] | None  # fmt: skip


class Rate(Part, frozen=True, kw_only=True):
    """The hashrate of one algorithm."""

    algorithm: Annotated[str, Meta(description='"" where it is not known.')]
    unit: Annotated[str, Meta(description="H/s, Sol/s or g/s.")]
    average: Annotated[Band, Meta(description="Hashes of the period by watched seconds.")]
    peak: Annotated[
        Band | None, Meta(description="Of the hour with most hashes by watched second; null: no whole hour.")
    ] = None
    peak_hour: Annotated[str | None, Meta(description="When that hour begins.")] = None
    shares: Annotated[int, Meta(description="Counted shares of known worth.")] = 0
    stated_share: Annotated[
        float, Meta(description="Part of the average (0 to 1) that miners state themselves; it has no band.")
    ] = 0.0
    energy: Energy | None = None


class Energy(Part, frozen=True, kw_only=True):
    """Electric energy, with what hardware and counting leave open."""

    kwh: Annotated[Band, Meta(description="In the watched seconds of the period.")]
    kwh_per_day: Annotated[Band, Meta(description="The same for each 24 watched hours.")]


class Unknown(Part, frozen=True, kw_only=True):
    """What has no figure, and why."""

    shares: Annotated[
        int, Meta(description="Shares whose worth is not known: no difficulty was seen before them.")
    ]
    addresses_without_hashrate: Annotated[
        int,
        Meta(description="Addresses with shares of which none has a known worth, and without a statement."),
    ]
    addresses_without_energy: Annotated[
        int, Meta(description="Addresses with hashes, and no known consumption of a device for any of them.")
    ]
    energy_covered: Annotated[
        float, Meta(description="Part of the sessions' time with hashes (0 to 1) for which there is energy.")
    ]
    addresses_with_signs_only: Annotated[
        int, Meta(description="Addresses with detections and no mining session: names, shapes, questions.")
    ]
    addresses_without_tenant: Annotated[
        int, Meta(description="Mining addresses that belong to nobody known.")
    ]


class Totals(Part, frozen=True, kw_only=True):
    """All together."""

    addresses: Annotated[int, Meta(description="With a mining session in the period.")]
    tenants: Annotated[int, Meta(description="To whom these belong.")]
    sessions: Annotated[
        int, Meta(description="Host, server, account, whatever connections they took; a restart begins anew.")
    ]
    machines: Annotated[int, Meta(description="Estimate of machines behind the addresses.")]
    shares: Annotated[int, Meta(description="Counted in the period, of known worth or not.")]
    hits: Annotated[int, Meta(description="Of rules, by hour.")]
    mining_bytes: Annotated[int, Meta(description="Traffic of mining, both directions.")]
    all_bytes: Annotated[
        int,
        Meta(
            description="All traffic of the mining addresses while they were watched, estimated from one frame in 64;"
            " 0: not measured."
        ),
    ]
    energy: Energy | None
    rates: Annotated[tuple[Rate, ...], Meta(description="By algorithm, most energy first.")]


class Group(Part, frozen=True, kw_only=True):
    """A row of the ranking."""

    rank: int
    name: Annotated[str, Meta(description='"" stands for all that belong to nobody known.')]
    site: Text = ""
    district: Text = ""
    kind: Text = ""
    addresses: int
    sessions: int
    machines: int
    shares: int
    mining_bytes: int
    all_bytes: int
    energy: Energy | None
    rates: tuple[Rate, ...]


class Address(Part, frozen=True, kw_only=True):
    """A row of the addresses with most shares."""

    rank: int
    host: Text
    tenant: Text
    sessions: int
    machines: int
    shares: int
    mining_bytes: int
    all_bytes: Annotated[int, Meta(description="Estimate, as in the totals; 0: not measured.")]
    first: Annotated[str, Meta(description="First share or message of a session that lives in the period.")]
    last: Annotated[str, Meta(description="The last one.")]
    algorithms: tuple[str, ...]
    pools: tuple[str, ...]
    coins: tuple[str, ...]
    energy: Energy | None
    rates: tuple[Rate, ...]


class Case(Part, frozen=True, kw_only=True):
    """What became of one miner in the period."""

    number: Annotated[int, Meta(description="Of the case in the history.")]
    change: Annotated[str, Meta(description="new, stopped, relapsed or moved")]
    at: Annotated[str, Meta(description="When.")]
    host: Text
    tenant: Text
    opened: str
    stopped: str | None = None
    relapses: Annotated[int, Meta(description="Ever.")] = 0
    other_host: Annotated[str, Meta(description='moved: where it was before; else "".')] = ""
    other_tenant: Text = ""
    reasons: Annotated[tuple[str, ...], Meta(description="moved: what both have in common.")] = ()
    score: Annotated[int, Meta(description="moved: how sure that is, of 100.")] = 0
    confidence: Annotated[str, Meta(description="confirmed or probable")] = ""
    pools: tuple[str, ...] = ()


class CaseCounts(Part, frozen=True, kw_only=True):
    """Cases by what became of them in the period."""

    new: int
    stopped: int
    relapsed: int
    moved: int
    open_at_end: int


class Day(Part, frozen=True, kw_only=True):
    """One day of the period."""

    start: str
    watched_seconds: Annotated[float | None, Meta(description="As for the period.")]
    shares: int
    energy_kwh: Band | None
    rates: Annotated[dict[str, Band], Meta(description="By algorithm, over the watched seconds of the day.")]


class Hole(Part, frozen=True, kw_only=True):
    """A stretch in which nothing was seen."""

    start: str
    end: str
    reason: Annotated[str, Meta(description="down: no sensor ran; silent: no packet came")]


class Blind(Part, frozen=True, kw_only=True):
    """What the sensor could not see."""

    down_seconds: Annotated[float, Meta(description="No sensor was running.")]
    silent_seconds: Annotated[float, Meta(description="It ran, and no packet came.")]
    packets: int
    dropped: Annotated[int, Meta(description="Of packets and dropped together, lost by the kernel.")]
    one_sided: Annotated[float, Meta(description="Share of flows seen from one side, weighed by packets.")]
    hidden_tls: Annotated[int, Meta(description="TLS and QUIC sessions that showed no name.")]
    holes: Annotated[tuple[Hole, ...], Meta(description="The longest 100, in order of time.")]


class Report(Part, frozen=True, kw_only=True):
    """Everything."""

    format: int
    sensor: str
    program: str
    rules: str
    made: Moment
    by: Annotated[str, Meta(description="tenant, site, district, kind, pool or coin")]
    period: Period
    totals: Totals
    unknown: Unknown
    ranking: tuple[Group, ...]
    ranking_more: Annotated[int, Meta(description="Further rows, not listed.")]
    addresses: tuple[Address, ...]
    addresses_more: int
    case_counts: CaseCounts
    cases: tuple[Case, ...]
    cases_more: int
    days: tuple[Day, ...]
    blind: Blind | None


def report_schema() -> dict[str, Any]:
    """The JSON Schema of ``--format json``."""
    schema = msgspec.json.schema(Report)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "sniffer report",
        **schema,
    }
