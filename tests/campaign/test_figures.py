"""From a history to figures: averages over what was watched, bands, energy, and nothing that is not known."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from told import HOUR, Miner, Told, case

from sniffer.campaign.figures import build
from sniffer.campaign.tables import as_json
from sniffer.size.bands import band

if TYPE_CHECKING:
    from sniffer.campaign.figures import Question
    from sniffer.campaign.model import Rate, Report

GOLDEN = Path(__file__).parent / "report.golden.json"
WATCHED = (72 - 7) * HOUR


def rate_of(report: Report, algorithm: str) -> Rate:
    """The hashrate of one algorithm."""
    (rate,) = [one for one in report.totals.rates if one.algorithm == algorithm]
    return rate


def test_the_whole_report(report: Report) -> None:
    """Every figure of a small campaign is as it was reviewed.

    After a change that is meant: run with SNIFFER_GOLDEN=write in the environment, and look at the difference.
    """
    told = json.dumps({**rounded(json.loads(as_json(report))), "program": "-"}, indent=1) + "\n"
    if os.environ.get("SNIFFER_GOLDEN") == "write":
        GOLDEN.write_text(told, encoding="utf-8")
    assert told == GOLDEN.read_text(encoding="utf-8")


def rounded(told: Any) -> Any:
    """Figures with nine digits: the last ones are the processor's."""
    if isinstance(told, dict):
        return {name: rounded(each) for name, each in told.items()}
    if isinstance(told, list):
        return [rounded(each) for each in told]
    return float(f"{told:.9g}") if isinstance(told, float) else told


def test_the_average_is_over_what_was_watched(report: Report) -> None:
    """Seven hours without packets are not seven hours without mining: they are left out of the division."""
    assert report.period.seconds == 72 * HOUR
    assert report.period.watched_seconds == WATCHED
    assert rate_of(report, "sha256d").average.value == pytest.approx(48 * 100 * 1e15 / WATCHED)


def test_the_band_is_that_of_the_count(report: Report) -> None:
    """4800 shares of the same worth: the band of a Poisson count, divided as the rate is."""
    expected = band(4_800 * 1e15, 4_800 * 1e30)
    average = rate_of(report, "sha256d").average
    assert (average.low, average.high) == pytest.approx((expected.low / WATCHED, expected.high / WATCHED))


def test_what_miners_state_is_preferred_and_has_no_band(report: Report) -> None:
    """Shares of the same time are not added to it."""
    rate = rate_of(report, "etchash")
    assert (
        rate.average.low
        == rate.average.value
        == rate.average.high
        == pytest.approx(2e8 * 48 * HOUR / WATCHED)
    )
    assert rate.stated_share == 1


def test_energy_has_a_range_and_unknown_stays_unknown(report: Report) -> None:
    """Low and high take the worst of hardware and counting; randomx here has no known device and adds nothing."""
    energy = rate_of(report, "sha256d").energy
    assert energy is not None
    hashes, counted = 4_800 * 1e15, band(4_800 * 1e15, 4_800 * 1e30)
    assert energy.kwh.value == pytest.approx(hashes * 3e-11 / 3.6e6)
    assert energy.kwh.low == pytest.approx(counted.low * 2e-11 / 3.6e6)
    assert energy.kwh.high == pytest.approx(counted.high * 5e-11 / 3.6e6)
    assert energy.kwh_per_day.value == pytest.approx(energy.kwh.value * 86_400 / WATCHED)
    assert rate_of(report, "randomx").energy is None
    assert report.unknown.addresses_without_energy == 1
    total = report.totals.energy
    assert total is not None
    parts = [rate.energy.kwh.value for rate in report.totals.rates if rate.energy]
    assert total.kwh.value == pytest.approx(sum(parts))


def test_shares_of_unknown_worth_are_counted_and_nothing_more(report: Report) -> None:
    """They are shares, and no hashes; the address that has no others is told."""
    assert report.unknown.shares == 7
    assert report.unknown.addresses_without_hashrate == 1
    assert report.totals.shares == 4_800 + 24 * 40 + 48 * 20 + 7


def test_the_highest_hour_needs_half_of_it(told: Told, question: Question) -> None:
    """An hour of which a quarter was watched would be four times too high: it is no candidate."""
    assert rate_of(build(told, question), "sha256d").peak_hour == "2026-11-01T00:00:00+00:00"
    begin = question.since
    told.down = [(begin + 900, begin + 3_600)]
    peak = rate_of(build(told, question), "sha256d")
    assert peak.peak_hour == "2026-11-01T01:00:00+00:00"
    assert peak.peak is not None
    assert peak.peak.value == pytest.approx(100 * 1e15 / HOUR)


def test_rows_by_day_have_no_highest_hour(told: Told, question: Question) -> None:
    """What is kept by day alone would look like one busy hour."""
    later = dataclasses.replace(question, hours_since=question.until)
    assert rate_of(build(told, later), "sha256d").peak is None


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("tenant", ["north", "south", ""]),
        ("site", ["Hall 1", "Dorm", ""]),
        ("district", ["Riverside", "Hill", ""]),
        ("kind", ["data-centre", "campus", ""]),
        ("pool", ["f2pool", "ethermine", ""]),
        ("coin", ["BTC", "ETC", "XMR", ""]),
    ],
)
def test_rankings(told: Told, question: Question, by: str, names: list[str]) -> None:
    """Most energy first, then most shares; all rows together are the total."""
    report = build(told, dataclasses.replace(question, by=by))
    assert [one.name for one in report.ranking] == names
    assert [one.rank for one in report.ranking] == list(range(1, len(names) + 1))
    energy = sum(one.energy.kwh.value for one in report.ranking if one.energy)
    assert report.totals.energy is not None
    assert energy == pytest.approx(report.totals.energy.kwh.value)
    assert sum(one.shares for one in report.ranking) == report.totals.shares


def test_a_tenant_brings_its_place_along(report: Report) -> None:
    """Site, district and kind are those of the configuration."""
    first = report.ranking[0]
    assert (first.site, first.district, first.kind) == ("Hall 1", "Riverside", "data-centre")


def test_addresses_go_by_shares(report: Report) -> None:
    """What an inspection asks for first: who submits most."""
    assert [(one.host, one.shares) for one in report.addresses] == [
        ("10.0.0.1", 4_800), ("10.0.0.2", 960), ("10.0.1.1", 960), ("10.0.1.9", 7),
    ]  # fmt: skip
    assert report.unknown.addresses_without_tenant == 1
    assert report.totals.tenants == 2


def test_cases_are_those_of_the_period(report: Report) -> None:
    """Who has moved is not new as well; what happened before is not told, and still says who is open at the end."""
    changes = [(one.change, one.host) for one in report.cases]
    assert changes == [
        ("relapsed", "10.0.0.2"), ("new", "10.0.0.1"), ("moved", "10.0.1.1"), ("stopped", "10.0.0.1"),
    ]  # fmt: skip
    moved = report.cases[2]
    assert (moved.other_host, moved.score, moved.reasons) == (
        "10.0.0.1",
        85,
        ("account-private", "gap 5400", "rate 1.02"),
    )
    counts = report.case_counts
    assert (counts.new, counts.stopped, counts.relapsed, counts.moved, counts.open_at_end) == (1, 1, 1, 1, 2)


def test_a_move_at_the_edge_of_the_period(told: Told, question: Question) -> None:
    """The old address may be unknown: it is left out, not invented."""
    told.told_cases = [
        case(9, "10.0.0.9", "", [(question.since, "opened"), (question.since, "moved")], came_from=77)
    ]
    (row,) = build(told, question).cases
    assert (row.change, row.other_host) == ("moved", "")


def test_blind_spots(report: Report) -> None:
    """Hours without a sensor and hours without packets are told apart, each stretch by itself."""
    blind = report.blind
    assert blind is not None
    assert (blind.down_seconds, blind.silent_seconds) == (6 * HOUR, HOUR)
    assert [hole.reason for hole in blind.holes] == ["down", "silent"]
    assert blind.dropped * 100_000 == blind.packets


def test_nobody_wrote_down_what_was_watched(told: Told, question: Question) -> None:
    """Averages are then over the whole period, and the report says so."""
    told.watched = False
    report = build(told, question)
    assert report.blind is None
    assert report.period.watched_seconds is None
    assert rate_of(report, "sha256d").average.value == pytest.approx(48 * 100 * 1e15 / (72 * HOUR))


def test_days(told: Told, question: Question) -> None:
    """Every day is there; their energy is the period's; a day without sight has no rate."""
    told.down = [(question.since + 24 * HOUR, question.since + 48 * HOUR)]
    told.miners = [Miner("10.0.0.1", begin=question.since, end=question.since + 24 * HOUR)]
    days = build(told, question).days
    assert [day.start[:10] for day in days] == ["2026-11-01", "2026-11-02", "2026-11-03"]
    assert days[0].rates["sha256d"].value == pytest.approx(100 * 1e15 / HOUR)
    assert [day.watched_seconds for day in days] == [86_400, 0, 23 * HOUR]
    assert [bool(day.rates) for day in days] == [True, False, False]


def test_an_empty_history(question: Question) -> None:
    """No row, no error: zeros, and nothing that looks like a figure."""
    report = build(Told([], watched=False), question)
    assert report.totals.addresses == report.totals.shares == 0
    assert report.totals.energy is None
    assert report.ranking == report.addresses == report.cases == ()


def test_signs_alone_are_counted_apart(told: Told, question: Question) -> None:
    """An address that asked for a pool's name is not a mining address."""

    class WithSigns(Told):
        """One host more, with hits and no session."""

        def totals(self, since: int, until: int, by: str):  # type: ignore[no-untyped-def] # noqa: ANN202
            """As told, and one sign."""
            rows = super().totals(since, until, by)
            sign = self._total("10.9.9.9", [], since, until)
            return [
                *rows,
                type(sign)(**{**{name: getattr(sign, name) for name in sign.__struct_fields__}, "hits": 3}),
            ]

    report = build(WithSigns(told.miners, told.owners), question)
    assert report.unknown.addresses_with_signs_only == 1
    assert report.totals.addresses == 4
