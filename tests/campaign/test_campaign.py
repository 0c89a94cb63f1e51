"""A campaign of known size goes through the history, and the report says what was so, within the bands it states."""

from __future__ import annotations

import time
from collections import defaultdict
from datetime import UTC
from typing import TYPE_CHECKING

import msgspec
import pytest
from keeping import history_of
from plain import Plain
from simulator import HOUR, Campaign, Plan

from sniffer.campaign.figures import BY, Question, build
from sniffer.campaign.model import Band
from sniffer.campaign.units import iso

if TYPE_CHECKING:
    from pathlib import Path

    from sniffer.campaign.model import Report

SMALL = Plan(
    days=3,
    tenants=20,
    miners=100,
    stop_after=3 * HOUR,
    down=((1.5, 0.05),),
    silent=((2.25, 0.08),),
    page_seconds=1_800,
    round_seconds=300,
)

EXACT = 0.05
WIDER = 0.1


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Campaign, Report]:
    """Three days of 100 miners."""
    return run(SMALL, tmp_path_factory.mktemp("small"))


def run(plan: Plan, folder: Path) -> tuple[Campaign, Report]:
    """A campaign and what is reported of it."""
    campaign = Campaign(plan)
    with history_of(campaign, folder) as history:
        return campaign, build(history, Question(campaign.begin, campaign.end, UTC))


def check(campaign: Campaign, report: Report) -> None:
    """Everything that the truth has a figure for."""
    figures(campaign, report)
    bands(campaign, report)
    energy(campaign, report)
    cases(campaign, report)


def figures(campaign: Campaign, report: Report) -> None:
    """What is counted is exact: addresses, machines, shares, traffic; time to a second, for looks at the clock are rare."""
    truth = campaign.truth
    assert report.totals.addresses == len(truth.shares)
    assert {one.host: one.shares for one in report.addresses} == truth.shares
    assert report.totals.shares == sum(truth.shares.values())
    assert report.unknown.shares == truth.unknown
    assert report.period.watched_seconds == pytest.approx(campaign.watched(), abs=1)
    assert report.totals.mining_bytes == truth.mining_bytes
    assert {one.host: one.all_bytes for one in report.addresses if one.all_bytes} == {
        host: octets for host, octets in truth.all_bytes.items() if octets
    }
    assert report.totals.all_bytes == sum(truth.all_bytes.values())
    assert report.totals.machines == sum(truth.machines.values())
    tenants = {
        phase.tenant for miner in campaign.miners for phase in miner.phases if phase.host in truth.shares
    }
    assert report.totals.tenants == len(tenants - {""})
    assert report.blind is not None
    assert report.blind.down_seconds == pytest.approx(sum(end - begin for begin, end in campaign.down), abs=1)
    assert report.blind.silent_seconds == sum(end - begin for begin, end in campaign.silent)


def bands(campaign: Campaign, report: Report) -> None:
    """What was so lies within what is stated, as often as is stated: of 20 bands about one does not hold its figure.

    So of the few totals one may miss its band, none may by as much again; of the many rates of tenants, 95 in 100 hold.
    Where miners state their rate, what was so is what they stated, for as long as a statement is believed: 15 minutes, also
    after a miner has gone.  What that makes differ from the hashes that were done in sight is less than two in a hundred.
    """
    truth, watched = campaign.truth, campaign.watched()
    by_algorithm: dict[str, float] = defaultdict(float)
    for (_, algorithm), hashes in truth.told.items():
        by_algorithm[algorithm] += hashes / watched
    told = {one.algorithm: one.average for one in report.totals.rates}
    assert set(told) == set(by_algorithm)
    assert sum(not holds(told[algorithm], rate) for algorithm, rate in by_algorithm.items()) <= 1
    for algorithm, rate in by_algorithm.items():
        assert holds(twice(told[algorithm]), rate), (algorithm, told[algorithm], rate)
        assert told[algorithm].low * watched <= truth.all_hashes[algorithm]
        done = sum(hashes for (_, name), hashes in truth.hashes.items() if name == algorithm)
        assert rate * watched == pytest.approx(done, rel=0.02)
    within = [
        holds(rate.average, truth.told[group.name, rate.algorithm] / watched)
        for group in report.ranking
        for rate in group.rates
        if not rate.stated_share
    ]
    # 95 %, give or take three standard deviations of such a count.
    spread = 3 * (0.95 * 0.05 / len(within)) ** 0.5
    assert 0.95 - spread <= sum(within) / len(within) <= 0.95 + spread


def twice(band: Band) -> Band:
    """A band that reaches twice as far on both sides."""
    return Band(low=2 * band.low - band.value, value=band.value, high=2 * band.high - band.value)


def holds(band: Band, value: float) -> bool:
    """Whether a band holds a figure; a statement, which has none, to one in a million."""
    return band.low * (1 - 1e-6) <= value <= band.high * (1 + 1e-6)


def energy(campaign: Campaign, report: Report) -> None:
    """What was drawn at the meter lies within the band, of each algorithm; nothing is told where no cost is known.

    The figure in the middle is what the table says of each miner's rate and model, to EXACT: the rate by which models are
    found plausible is that of the last hour, and wavers.  The ends of the band are those of the table or farther out, because
    of that and because shares come at random, by no more than WIDER.
    """
    truth = campaign.truth
    told = {one.algorithm: one.energy.kwh for one in report.totals.rates if one.energy}
    assert set(told) == set(truth.joules)
    for algorithm, joules in truth.joules.items():
        assert holds(told[algorithm], joules / 3.6e6), algorithm
        low, central, high = (each / 3.6e6 for each in truth.estimates[algorithm])
        assert told[algorithm].value == pytest.approx(central, rel=EXACT), algorithm
        assert low * (1 - WIDER) <= told[algorithm].low <= low * (1 + EXACT), algorithm
        assert high * (1 - EXACT) <= told[algorithm].high <= high * (1 + WIDER), algorithm
    assert report.totals.energy is not None
    assert holds(report.totals.energy.kwh, sum(truth.joules.values()) / 3.6e6)


def cases(campaign: Campaign, report: Report) -> None:
    """Opened, stopped, relapsed and moved as it was: the hosts exactly, the times to a page."""
    truth, page = campaign.truth, campaign.plan.page_seconds
    moves = campaign.moves()
    expected: dict[tuple[str, str], list[int]] = {}
    for (host, tenant), stretches in truth.signs.items():
        first = "moved" if host in moves.values() else "new"
        expected.setdefault((first, host), []).append(stretches[0][0])
        for number, (begin, end) in enumerate(stretches):
            if number:
                expected.setdefault(("relapsed", host), []).append(begin)
            if number + 1 < len(stretches) or end + campaign.plan.stop_after <= campaign.end:
                expected.setdefault(("stopped", host), []).append(end)
        assert tenant is not None
    found: dict[tuple[str, str], list[str]] = {}
    for one in report.cases:
        found.setdefault((one.change, one.host), []).append(one.at)
        if one.change == "moved":
            assert moves[one.other_host] == one.host
    assert set(found) == set(expected)
    for key, moments in expected.items():
        assert len(found[key]) == len(moments), key
        for moment, at in zip(sorted(moments), sorted(found[key]), strict=True):
            assert iso(moment - page, UTC) <= at <= iso(moment + page, UTC), (key, moment, at)
    assert report.case_counts.open_at_end == sum(
        stretches[-1][1] + campaign.plan.stop_after > campaign.end for stretches in truth.signs.values()
    )


def test_a_small_campaign(small: tuple[Campaign, Report]) -> None:
    """Three days, 20 tenants, 100 miners that start, stop, relapse, move and hide; the sensor was away twice."""
    check(*small)


def test_the_history_answers_as_its_plain_twin(tmp_path: Path) -> None:
    """The same report from SQL and from a few lines of Python that keep every row in memory."""
    plain = Plain(Campaign(SMALL).pages())
    campaign = Campaign(SMALL)
    with history_of(campaign, tmp_path) as reader:
        plain.told = reader.cases(campaign.begin, campaign.end)
        for by in BY:
            question = Question(campaign.begin, campaign.end, UTC, by)
            one, other = (told_of(build(history, question)) for history in (reader, plain))
            assert set(one) == set(other)
            for place, value in one.items():
                wanted = pytest.approx(other[place], rel=1e-9) if isinstance(value, float) else other[place]
                assert value == wanted, (by, place)


def told_of(report: Report) -> dict[str, object]:
    """Every figure and text of a report by its place; names in an order of their own are sorted."""
    out: dict[str, object] = {}

    def walk(place: str, value: object) -> None:
        if isinstance(value, dict):
            for name, each in value.items():
                walk(f"{place}.{name}", each)
        elif isinstance(value, list) and value and isinstance(value[0], str):
            out[place] = sorted(value)
        elif isinstance(value, list):
            for number, each in enumerate(value):
                walk(f"{place}.{number}", each)
        else:
            out[place] = value

    walk("", msgspec.json.decode(msgspec.json.encode(report)))
    return out


@pytest.mark.slow
def test_a_whole_campaign(tmp_path: Path) -> None:
    """Thirty days, 200 tenants, 3,000 miners: the same, within minutes."""
    begun = time.monotonic()
    campaign, report = run(Plan(), tmp_path)
    assert time.monotonic() - begun < 300
    check(campaign, report)
    assert report.case_counts.moved > 300
    assert report.case_counts.relapsed > 300
