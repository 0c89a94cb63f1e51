"""How big one address is, as figures for programs and as texts for people.

In: what :class:`~sniffer.size.hosts.SizeBook` keeps of an address.  Out: :class:`Figures`; texts such as "95.3 TH/s sha256d".
Never: a figure in place of one that is not known: it is None, and a dash in a text.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

PREFIXES: Final = ("", "k", "M", "G", "T", "P", "E", "Z")
NEXT: Final = 999.5  # from here on three digits are those of the next prefix
ALGORITHMS: Final = 2  # of an address, in a text; the others are counted
DASH: Final = "-"


class Bounds(msgspec.Struct, frozen=True):
    """A figure with its band; None: not known."""

    low: float | None
    central: float | None
    high: float | None


class Figures(msgspec.Struct, frozen=True):
    """How big one address is."""

    submitted: int  # shares handed in
    accepted: int  # of these, by the pool's verdicts
    rejected: int
    devices: int  # machines, at least; 0: nobody has looked yet
    hashrate: dict[str, Bounds]  # by algorithm, hashes a second; where known
    watts: Bounds  # at the meter


def together(one: Figures, later: Figures) -> Figures:
    """Two captures about one address: shares of both, the most machines, the rate and the power of the later one."""
    return Figures(
        submitted=one.submitted + later.submitted,
        accepted=one.accepted + later.accepted,
        rejected=one.rejected + later.rejected,
        devices=max(one.devices, later.devices),
        hashrate=later.hashrate or one.hashrate,
        watts=later.watts if later.hashrate else one.watts,
    )


class Texts(NamedTuple):
    """The columns of a table, by their headings."""

    hashrate: str
    power: str
    machines: str


def texts_of(figures: Figures | None, dash: str = DASH) -> Texts:
    """What is known, for people.

    Args:
        figures: of the address; None: nothing was ever seen of its size.
        dash: what stands for a figure that is not known.
    """
    if figures is None:
        return Texts(dash, dash, dash)
    rates = sorted(
        (
            (rate.central, algorithm)
            for algorithm, rate in figures.hashrate.items()
            if rate.central is not None
        ),
        reverse=True,
    )
    shown = ", ".join(f"{scaled(rate, 'H/s')} {algorithm}" for rate, algorithm in rates[:ALGORITHMS])
    more = f" +{len(rates) - ALGORITHMS}" if len(rates) > ALGORITHMS else ""
    return Texts(
        shown + more or dash, _power(figures.watts, dash), str(figures.devices) if figures.devices else dash
    )


def _power(watts: Bounds, dash: str) -> str:
    """The central figure; where there is none both bounds, or that it is at least the low one."""
    if watts.central is not None:
        return scaled(watts.central, "W")
    if watts.low is None:
        return dash
    if watts.high is None:
        return f"> {scaled(watts.low, 'W')}"
    return f"{scaled(watts.low, 'W')} - {scaled(watts.high, 'W')}"


def scaled(number: float, unit: str) -> str:
    """A number with three digits and the prefix that makes it short: "3.25 kW"."""
    for prefix in PREFIXES[:-1]:
        if number < NEXT:
            return f"{number:.3g} {prefix}{unit}"
        number /= 1_000
    return f"{number:.3g} {PREFIXES[-1]}{unit}"
