"""Figures as people read them."""

from __future__ import annotations

import math
from datetime import UTC, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sniffer.campaign import units
from sniffer.campaign.model import Band
from sniffer.errors import UsageError


def plain(text: str) -> str:
    """With the spaces of a keyboard."""
    return text.replace(units.THIN, " ")


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (0.01234, "0.0123"), (1.5, "1.50"), (12.345, "12.3"), (123.4, "123"), (45_678.9, "45 679"), (math.inf, units.NOTHING)],
)  # fmt: skip
def test_three_digits(value: float, shown: str) -> None:
    """A figure has three significant digits, or all in front of the point."""
    assert plain(units.digits(value)) == shown


def test_estimates_are_rounded() -> None:
    """An estimate shows no digit that it is not good for."""
    assert plain(units.rounded(17_171)) == "17 200"
    assert plain(units.span(8_568, 57_330)) == f"8 570 {units.NOTHING} 57 300"


@pytest.mark.parametrize(
    ("algorithm", "value", "shown"),
    [
        ("sha256d", 1.1e17, "110 PH/s"),
        ("sha256d", 4.2e13, "0.0420 PH/s"),
        ("sha256d", 5e5, "500 kH/s"),
        ("randomx", 12_345.0, "12.3 kH/s"),
        ("equihash", 420e3, "420 kSol/s"),
        ("cuckoo", 9.0, "9.00 g/s"),
        ("", 999.0, "999 H/s"),
    ],
)
def test_hashrates(algorithm: str, value: float, shown: str) -> None:
    """Bitcoin's in PH/s as the notices have it; others in what keeps the figure short, solutions as such."""
    assert plain(units.rate(algorithm, Band(low=0.9 * value, value=value, high=1.1 * value))) == shown


def test_a_band_has_the_unit_of_its_rate() -> None:
    """Both can be compared at a glance."""
    assert (
        plain(units.rate_band("randomx", Band(low=900, value=1_100, high=1_300)))
        == f"0.900 {units.NOTHING} 1.30 kH/s"
    )


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_any_figure_has_a_text(value: float) -> None:
    """Whatever comes of a division, the page is made."""
    assert units.digits(value)
    assert units.rounded(value)


def test_sizes_counts_parts_and_hours() -> None:
    """The other figures of the page."""
    assert plain(units.size(0)) == "0 B"
    assert plain(units.size(5_368_709_120)) == "5.00 GiB"
    assert plain(units.count(1_234_567)) == "1 234 567"
    assert [plain(units.percent(share)) for share in (0, 0.0001, 0.25, 1)] == [
        "0 %",
        "< 0.1 %",
        "25 %",
        "100 %",
    ]
    assert plain(units.hours(600)) == "10.0 min"
    assert plain(units.hours(86_400)) == "24.0 h"


@pytest.mark.parametrize(
    ("text", "seconds", "offset"),
    [
        ("2026-11-01", 1_793_491_200, 0),
        ("2026-11-01T08:00", 1_793_520_000, 0),
        ("2026-11-01T08:00Z", 1_793_520_000, 0),
        ("2026-11-01T08:00+08:00", 1_793_491_200, 8),
        ("2026-11-01 00:00:30", 1_793_491_230, 0),
    ],
)
def test_times(text: str, seconds: int, offset: int) -> None:
    """A date, or ISO 8601; the offset that it was told in is kept."""
    read, zone = units.read_moment(text, "--from")
    assert (read, zone.utcoffset(None)) == (seconds, timedelta(hours=offset))


@pytest.mark.parametrize(
    "text", ["yesterday", "2026-13-01", "", "1e9", "0001-01-01", "2026-11-01T25:00", "\x1b[31m"]
)
def test_what_is_no_time(text: str) -> None:
    """It is told which option it was, and how a time is written."""
    with pytest.raises(UsageError, match=r"--to: .*; write a date") as told:
        units.read_moment(text, "--to")
    assert "\x1b" not in str(told.value)


def test_offsets() -> None:
    """As ISO 8601 writes them, also west of Greenwich and at half hours."""
    zones = [UTC, timezone(timedelta(hours=8)), timezone(timedelta(hours=-9, minutes=-30))]
    assert [units.offset_of(zone) for zone in zones] == ["+00:00", "+08:00", "-09:30"]


@given(st.floats(min_value=-1e18, max_value=1e18))
def test_any_packet_time_has_a_text(seconds: float) -> None:
    """A capture says what it likes; the report has a year for it."""
    assert units.iso(seconds, UTC)
