"""Farms of known size: what the whole way from frames to an estimate makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import frames as build
import pytest
from farm import KINDS, Farm
from sizerun import SizeRun

from sniffer.prepared import prepare
from sniffer.size.bands import band

if TYPE_CHECKING:
    from sniffer.ruleset import RuleSet
    from sniffer.size.sessions import Rate, Session


def watched(farm: Farm, ruleset: RuleSet) -> tuple[Session, SizeRun]:
    """The one session of a farm, at the end of the watching."""
    run = SizeRun(prepare(ruleset)).feed([build.batch(farm.frames())])
    run.book.turn(farm.end, everything=True)
    (session,) = run.sessions
    return session, run


def rate_of(farm: Farm, ruleset: RuleSet) -> Rate:
    """The estimate of a farm; its shares and verdicts are counted one by one."""
    session, _ = watched(farm, ruleset)
    counts = session.submitted, session.accepted, session.rejected
    assert counts == (farm.submitted, farm.accepted, farm.rejected)
    rate = session.rate(farm.end)
    assert rate is not None
    return rate


@pytest.mark.parametrize("kind", KINDS)
def test_every_share_counts_once(kind: str, ruleset: RuleSet) -> None:
    """Whatever the farm: each share and each verdict that the mirror shows is counted, and the estimate is not far off."""
    farm = Farm(1, **KINDS[kind])
    rate = rate_of(farm, ruleset)
    assert 0.5 * farm.truth < rate.hashes < 1.6 * farm.truth


@pytest.mark.slow
def test_bands_hold_the_truth(ruleset: RuleSet) -> None:
    """Of 400 farms of every kind, the 95 % bands hold the truth of 93 to 97 %; at 400 shares estimates are within 10 %."""
    inside, near, large = 0, 0, 0
    for seed in range(400):
        farm = Farm(seed, **list(KINDS.values())[seed % len(KINDS)])
        rate = rate_of(farm, ruleset)
        low, high = band(rate.hashes, rate.variance)
        inside += low <= farm.truth <= high
    for seed in range(40):
        farm = Farm(1_000 + seed, pace=0.35, seconds=1_300.0)
        rate = rate_of(farm, ruleset)
        large += rate.shares >= 400
        near += rate.shares >= 400 and abs(rate.hashes / farm.truth - 1) <= 0.1
    assert 0.93 * 400 <= inside <= 0.97 * 400
    assert near >= 0.9 * large > 0


def test_a_proxy_of_a_thousand_machines(ruleset: RuleSet) -> None:
    """Each machine that a proxy names is counted, all in one connection."""
    session, run = watched(Farm(2, workers=1_000, seconds=300.0, pace=1.0), ruleset)
    assert session.devices(run.book.now) == 1_000


def test_shares_alone_are_no_hashes(ruleset: RuleSet) -> None:
    """Where only the miner is seen, and no difficulty, shares are counted and no hashrate is told."""
    farm = Farm(3, sides=(0,), seconds=600.0)
    session, run = watched(farm, ruleset)
    assert (session.submitted, session.accepted, session.unknown) == (farm.submitted, 0, farm.submitted)
    assert session.rate(farm.end) is None
    assert b"sniffer_host_hashrate_hashes_per_second{" not in run.book.render()
    assert b"sniffer_host_power_watts{" not in run.book.render()


def test_a_session_joined_late_has_no_rate_before_a_difficulty(ruleset: RuleSet) -> None:
    """What was handed in before the first difficulty was seen counts as shares and not as hashes."""
    farm = Farm(4, joined=10.0, seconds=170.0)
    session, _ = watched(farm, ruleset)
    assert session.rate(farm.end) is None
    assert session.unknown == session.accepted == farm.accepted > 0
