"""How big an address is, as people read it."""

from __future__ import annotations

import math

import pytest

from sniffer.size.figures import Bounds, Figures, Texts, scaled, texts_of, together

UNKNOWN = Bounds(None, None, None)


def exactly(number: float | None) -> Bounds:
    """A figure without a band."""
    return Bounds(number, number, number)


def figures(
    hashrate: dict[str, float] | None = None, watts: Bounds = UNKNOWN, devices: int = 1, shares: int = 9
) -> Figures:
    """What is known of an address."""
    rates = {name: exactly(rate) for name, rate in (hashrate or {}).items()}
    return Figures(shares, shares - 2, 2, devices, rates, watts)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 W"), (0.867, "0.867 W"), (18.44, "18.4 W"), (999.4, "999 W"), (999.6, "1 kW"), (3_250, "3.25 kW"),
        (110e12, "110 TW"), (9.5e17, "950 PW"), (1e21, "1 ZW"), (1e26, "1e+05 ZW"), (math.inf, "inf ZW"),
    ],
)  # fmt: skip
def test_three_digits_and_a_prefix(number: float, text: str) -> None:
    """Whatever the size, it is short; rounding never makes four digits."""
    assert scaled(number, "W") == text


def test_what_is_not_known_is_a_dash() -> None:
    """Of an address that was never seen mining, and of one that nobody has looked at yet."""
    assert texts_of(None) == Texts("-", "-", "-")
    assert texts_of(figures(devices=0), "\N{EN DASH}") == Texts(*"\N{EN DASH}" * 3)
    assert texts_of(figures(devices=1)) == Texts("-", "-", "1")


def test_rates_by_algorithm() -> None:
    """Two of them, the largest number first; others are counted, because rates of different algorithms have no sum."""
    assert texts_of(figures({"sha256d": 95.3e12})).hashrate == "95.3 TH/s sha256d"
    four = {"randomx": 4_200.0, "sha256d": 95.3e12, "ethash": 1e8, "x11": 1.0}
    assert texts_of(figures(four)).hashrate == "95.3 TH/s sha256d, 100 MH/s ethash +2"


@pytest.mark.parametrize(
    ("watts", "text"),
    [
        (Bounds(2_900.0, 3_250.0, 3_900.0), "3.25 kW"),
        (Bounds(900.0, None, 1_200.0), "900 W - 1.2 kW"),
        (Bounds(900.0, None, None), "> 900 W"),
        (UNKNOWN, "-"),
    ],
)
def test_power_says_no_more_than_is_known(watts: Bounds, text: str) -> None:
    """The central figure; else both bounds; else that it is more than the low one."""
    assert texts_of(figures(watts=watts)).power == text


def test_two_captures_of_one_address() -> None:
    """Shares add up, machines do not; rate and power are those of the later one, if it has any."""
    one = figures({"sha256d": 1e12}, exactly(100.0), devices=3, shares=10)
    later = figures({"randomx": 1e3}, UNKNOWN, devices=2, shares=5)
    both = together(one, later)
    assert (both.submitted, both.accepted, both.rejected, both.devices) == (15, 11, 4, 3)
    assert (both.hashrate, both.watts) == (later.hashrate, UNKNOWN)
    silent = together(one, figures())
    assert (silent.hashrate, silent.watts) == (one.hashrate, one.watts)
