"""Bands of sums over random arrivals."""

from __future__ import annotations

import random

import pytest

from sniffer.size.bands import band, quantile

GAMMA = (  # shape, quantiles at 2.5 % and 97.5 %: tables of chi square (half of them, at twice the shape)
    (1.5, 0.10790, 4.67420),
    (2.5, 0.41560, 6.41625),
    (5.0, 1.62349, 10.24159),
    (10.0, 4.79539, 17.08480),
    (50.0, 37.11096, 64.78060),
)


@pytest.mark.parametrize(("shape", "low", "high"), GAMMA)
def test_quantiles_are_those_of_the_tables(shape: float, low: float, high: float) -> None:
    """Within 1 % from a shape of 3 on, within 17 % below."""
    tolerance = 0.01 if shape >= 3 else 0.17
    assert quantile(shape, -1.959964) == pytest.approx(low, rel=tolerance)
    assert quantile(shape, 1.959964) == pytest.approx(high, rel=tolerance)


@pytest.mark.parametrize("expected", [4, 10, 25, 100])
def test_bands_hold_what_was_expected(expected: int) -> None:
    """Of 2 000 counts, 93.5 to 97 % have the expectation within their band."""
    chance = random.Random(expected)
    inside = 0
    for _ in range(2_000):
        count, at = 0, chance.expovariate(expected)
        while at < 1:
            count, at = count + 1, at + chance.expovariate(expected)
        low, high = band(count, count)
        inside += low <= expected <= high
    assert 0.935 <= inside / 2_000 <= 0.97


def test_nothing_has_no_band() -> None:
    """Where nothing arrived nobody knows what it would weigh."""
    assert band(0, 0) == (0, 0)


def test_the_unit_does_not_matter() -> None:
    """A band scales with what is summed, and unequal weights make it wider."""
    one, other = band(30, 30), band(30e9, 30e18)
    assert [end * 1e9 for end in one] == pytest.approx(list(other))
    uneven = band(30, 2 * 10 + 10 * 1.0 + 100)
    assert uneven.low < one.low < 30 < one.high < uneven.high
