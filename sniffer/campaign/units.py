"""Figures as people read them: 1.23 PH/s, 45 600 kWh, 12.3 GiB, +08:00.

In: numbers in base units.  Out: short texts.  Never: more digits than the figure is good for.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final

from sniffer.errors import UsageError, printable

if TYPE_CHECKING:
    from sniffer.campaign.model import Band

THIN: Final = "\N{NARROW NO-BREAK SPACE}"
NOTHING: Final = "\N{EN DASH}"
STEPS: Final = ("", "k", "M", "G", "T", "P", "E", "Z", "Y")
BYTES: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
YARDSTICK: Final = "sha256d"
"""Its hashrate is always told in PH/s, as the notices do."""
MOMENT_FORMS: Final = 'a date ("2026-11-01") or a time ("2026-11-01T08:00", "2026-11-01T08:00+08:00")'
EARLIEST: Final = 0
DAY: Final = 86_400
LATEST: Final = 32_503_680_000  # the year 3000


def unit_of(algorithm: str) -> str:
    """What an algorithm's work is counted in, by second."""
    if algorithm.startswith("equihash"):
        return "Sol/s"
    if algorithm.startswith(("cuck", "beamhash")):
        return "g/s"
    return "H/s"


def digits(value: float) -> str:
    """Three significant digits, or all in front of the point, in groups of three."""
    if not math.isfinite(value):
        return NOTHING
    size = abs(value)
    if size >= 100 or value == 0:
        text = f"{value:,.0f}"
    else:
        places = 2 - math.floor(math.log10(size))
        text = f"{value:,.{min(max(places, 0), 6)}f}"
    return text.replace(",", THIN)


def step_of(algorithm: str, value: float) -> tuple[float, str]:
    """What to divide a hashrate by, and the unit that it then has."""
    unit = unit_of(algorithm)
    if algorithm == YARDSTICK and value >= 1e11:
        return 1e15, f"P{unit}"
    power = 0 if value < 1_000 else min(int(math.log10(value) // 3), len(STEPS) - 1)
    return 1_000.0**power, f"{STEPS[power]}{unit}"


def rate(algorithm: str, band: Band) -> str:
    """A hashrate with its unit, without the band."""
    step, unit = step_of(algorithm, band.value)
    return f"{digits(band.value / step)}{THIN}{unit}"


def rate_band(algorithm: str, band: Band) -> str:
    """What a hashrate lies between, in the unit that the rate itself is told in."""
    step, unit = step_of(algorithm, band.value)
    return f"{span(band.low / step, band.high / step)}{THIN}{unit}"


def rounded(value: float) -> str:
    """Three significant digits: what an estimate is good for."""
    return digits(float(f"{value:.3g}"))


def span(low: float, high: float) -> str:
    """Two ends."""
    return f"{rounded(low)}{THIN}\N{EN DASH}{THIN}{rounded(high)}"


def size(octets: float) -> str:
    """Bytes."""
    power = 0
    while octets >= 1_024 and power < len(BYTES) - 1:
        octets, power = octets / 1_024, power + 1
    return f"{digits(octets)}{THIN}{BYTES[power]}"


def count(number: int) -> str:
    """A whole number in groups of three."""
    return f"{number:,}".replace(",", THIN)


def percent(share: float) -> str:
    """A share of 0 to 1."""
    if 0 < share < 0.001:
        return f"<{THIN}0.1{THIN}%"
    text = f"{share * 100:.1f}".removesuffix(".0")
    return f"{text}{THIN}%"


# ── times ────────────────────────────────────────────────────────────────────────────────────────────────


def read_moment(text: str, option: str) -> tuple[int, timezone]:
    """Seconds since 1970 and the offset that they were told in; a date is its midnight, without an offset it is UTC.

    Raises:
        UsageError: it is neither date nor time.
    """
    text = text.strip()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{option}: {printable(text, 60)!r} is no time", remedy=f"write {MOMENT_FORMS}"
        ) from None
    offset = moment.utcoffset() or timedelta()
    zone = timezone(offset) if offset else UTC
    seconds = int(moment.replace(tzinfo=zone).timestamp())
    if not EARLIEST <= seconds < LATEST:
        raise UsageError(f"{option}: {printable(text, 60)!r} is too far away", remedy=f"write {MOMENT_FORMS}")
    return seconds, zone


def iso(seconds: float, zone: timezone) -> str:
    """Time to the second, with its offset."""
    bounded = min(max(int(seconds), EARLIEST), LATEST)
    return datetime.fromtimestamp(bounded, zone).isoformat(timespec="seconds")


def offset_of(zone: timezone) -> str:
    """An offset as ISO 8601 writes it."""
    return iso(DAY, zone)[19:]


def shown(moment: str | None) -> str:
    """An ISO time as people read it: without T and offset, which the page tells once."""
    return NOTHING if not moment else moment[:16].replace("T", " ")


def day(moment: str) -> str:
    """The date of an ISO time."""
    return moment[:10]


def hours(seconds: float) -> str:
    """A length of time in hours, in minutes below two hours."""
    if seconds < 7_200:
        return f"{digits(round(seconds / 60))}{THIN}min"
    return f"{digits(seconds / 3_600)}{THIN}h"
