"""The report for programs: one object, or tables for a spreadsheet.

In: a :class:`~sniffer.campaign.model.Report`.  Out: JSON, CSV by name of the table.
Never: a cell that a spreadsheet would run: text from the wire may begin like a formula.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sniffer.campaign.model import Band, Energy, Rate, Report

Cell = str | float | int | None

FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r")
"""What a cell begins with that a spreadsheet takes for a formula."""
MARK: Final = "\N{BYTE ORDER MARK}"
"""Without it the commonest spreadsheet does not take a file for UTF-8."""
SEPARATOR: Final = "; "
BANDS: Final = ("low", "value", "high")


def as_json(report: Report) -> bytes:
    """The whole report as one object."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


def as_csv(report: Report) -> dict[str, bytes]:
    """Every table, by its name without an ending."""
    return {
        "report": _csv(("figure", "value"), _figures(report)),
        "hashrate": _csv((*RATE, *ENERGY), (_rate(one) for one in report.totals.rates)),
        "ranking": _csv((*RANKING, *ENERGY), (_group(one, report.by) for one in report.ranking)),
        "addresses": _csv((*ADDRESSES, *ENERGY), (_address(one) for one in report.addresses)),
        "work": _csv(("table", "key", *RATE, *ENERGY), _work(report)),
        "cases": _csv(CASES, (_plain(one, CASES) for one in report.cases)),
        "days": _csv(DAYS, _days(report)),
        "holes": _csv(HOLES, (_plain(one, HOLES) for one in (report.blind.holes if report.blind else ()))),
    }


def _band(name: str) -> tuple[str, ...]:
    return tuple(f"{name}_{end}" for end in BANDS)


ENERGY: Final = (*_band("kwh"), *_band("kwh_per_day"))
RATE: Final = (
    "algorithm", "unit", *_band("average"), *_band("peak"), "peak_hour", "shares", "stated_share",
)  # fmt: skip
RANKING: Final = (
    "rank", "by", "name", "site", "district", "kind", "addresses", "sessions", "machines", "shares", "mining_bytes",
    "all_bytes",
)  # fmt: skip
ADDRESSES: Final = (
    "rank", "host", "tenant", "sessions", "machines", "shares", "mining_bytes", "all_bytes", "first", "last", "algorithms", "pools", "coins",
)  # fmt: skip
CASES: Final = (
    "number", "change", "at", "host", "tenant", "opened", "stopped", "relapses", "other_host", "other_tenant",
    "reasons", "score", "confidence", "pools",
)  # fmt: skip
DAYS: Final = (
    "start", "watched_seconds", "shares", *_band("energy_kwh"), "algorithm", *_band("rate"),
)  # fmt: skip
HOLES: Final = ("start", "end", "reason")


# ── rows ─────────────────────────────────────────────────────────────────────────────────────────────────


def _figures(report: Report) -> Iterator[tuple[Cell, Cell]]:
    """Every figure that stands alone, by its place in the JSON."""
    told = msgspec.to_builtins(report)
    for name in (
        "format",
        "sensor",
        "program",
        "rules",
        "made",
        "by",
        "ranking_more",
        "addresses_more",
        "cases_more",
    ):
        yield name, told[name]
    for name in ("period", "totals", "unknown", "case_counts", "blind"):
        yield from _flat(name, told[name])


def _flat(place: str, told: Any) -> Iterator[tuple[Cell, Cell]]:
    if isinstance(told, dict):
        for name, value in told.items():
            yield from _flat(f"{place}.{name}", value)
    elif not isinstance(told, tuple):  # lists have tables of their own
        yield place, told


def _of_band(band: Band | None) -> tuple[Cell, ...]:
    return (band.low, band.value, band.high) if band else (None, None, None)


def _of_energy(energy: Energy | None) -> tuple[Cell, ...]:
    return (*_of_band(energy.kwh), *_of_band(energy.kwh_per_day)) if energy else (None,) * len(ENERGY)


def _rate(one: Rate) -> tuple[Cell, ...]:
    return (
        one.algorithm, one.unit, *_of_band(one.average), *_of_band(one.peak), one.peak_hour, one.shares, one.stated_share,
        *_of_energy(one.energy),
    )  # fmt: skip


def _group(one: Any, by: str) -> tuple[Cell, ...]:
    plain = {**msgspec.structs.asdict(one), "by": by}
    return (*(plain[name] for name in RANKING), *_of_energy(one.energy))


def _address(one: Any) -> tuple[Cell, ...]:
    return (*_plain(one, ADDRESSES), *_of_energy(one.energy))


def _work(report: Report) -> Iterator[tuple[Cell, ...]]:
    """Hashrates of rows: a row each, since one may work on several algorithms."""
    for group in report.ranking:
        yield from (("ranking", group.name, *_rate(one)) for one in group.rates)
    for address in report.addresses:
        yield from (("addresses", address.host, *_rate(one)) for one in address.rates)


def _days(report: Report) -> Iterator[tuple[Cell, ...]]:
    """A row for each algorithm; energy is the day's, and so repeats."""
    for day in report.days:
        common = (day.start, day.watched_seconds, day.shares, *_of_band(day.energy_kwh))
        if not day.rates:
            yield (*common, None, *_of_band(None))
        for algorithm, rate in day.rates.items():
            yield (*common, algorithm, *_of_band(rate))


def _plain(one: Any, names: Sequence[str]) -> tuple[Cell, ...]:
    values = (getattr(one, name) for name in names)
    return tuple(SEPARATOR.join(value) if isinstance(value, tuple) else value for value in values)


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────────


def _csv(names: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")  # RFC 4180
    writer.writerow(names)
    writer.writerows([_harmless(cell) for cell in row] for row in rows)
    return (MARK + out.getvalue()).encode()


def _harmless(cell: Cell) -> Cell:
    """A text that no spreadsheet takes for a formula."""
    if isinstance(cell, str):
        shown = cell.encode("utf-8", "replace").decode()
        return f"'{shown}" if shown.startswith(FORMULAS) else shown
    return f"{cell:.6g}" if isinstance(cell, float) else cell
