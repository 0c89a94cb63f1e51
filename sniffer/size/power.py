"""What hashing draws: joules for a hash, by algorithm, machine and rate.

In: an algorithm, and what is known of the machines.  Out: low, central and high joules a hash, each of them known or not.
Never: a central figure from rows that nobody verified; a figure for an algorithm that no row is about.

The table is ``efficiency.csv`` (reference/miner_efficiency.csv; protocols.md, section 14).  What a machine is said to draw
is its nameplate: some 5 % of tolerance, 20 to 40 % less where it is undervolted; cooling and supplies are a site's own
factor, from the configuration.
"""

from __future__ import annotations

import csv
import re
from functools import cache, lru_cache
from importlib import resources
from statistics import median
from typing import Final, NamedTuple

PLAUSIBLE: Final = (0.6, 1.6)  # rates that a model may be run at, as parts of what it is sold for
KINDS: Final = (
    (re.compile(r"^(xmrig|xmr-stak|cpuminer|srbminer-cpu)", re.IGNORECASE), "cpu"),
    (
        re.compile(
            r"^(phoenixminer|gminer|lolminer|t-rex|nbminer|teamredminer|rigel|bzminer|ethminer|kawpowminer|ccminer|wildrig)",
            re.IGNORECASE,
        ),
        "gpu",
    ),
    (re.compile(r"^(bmminer|luxminer|bosminer|whatsminer|xminer|powerplay|godminer|iceriver)", re.IGNORECASE), "asic"),
)  # fmt: skip
"""Kinds of machine that a program runs on (protocols.md, section 14)."""
BESIDE: Final = {"etchash": ("ethash",), "ethash": ("etchash",)}
"""Algorithms that the same machines do at the same rate."""
USUAL: Final = {"randomx": "cpu", "sha256d": "asic"}
"""Where nothing tells the kind of machine: what it is but for rare exceptions."""


class Row(NamedTuple):
    """One model."""

    algorithm: str
    model: str
    kind: str  # asic | gpu | cpu | hobby
    rate: float  # hashes a second
    joules: float  # a hash
    verified: bool


class Efficiency(NamedTuple):
    """Joules a hash; ``central`` is None where only unverified figures are there."""

    low: float
    central: float | None
    high: float


@cache
def rows() -> tuple[Row, ...]:
    """The table."""
    with (resources.files("sniffer.size") / "efficiency.csv").open(encoding="utf-8") as file:
        return tuple(
            Row(
                row["algorithm"],
                row["model"],
                row["kind"],
                float(row["hashes_per_second"]),
                float(row["joules_per_hash"]),
                row["verified"] == "yes",
            )
            for row in csv.DictReader(file)
        )


@lru_cache(maxsize=4_096)
def hardware_algorithm(hardware: str) -> str:
    """The algorithm of a machine's model, "" where it is unknown or does several."""
    found = {row.algorithm for row in of_model(rows(), hardware)}
    return found.pop() if len(found) == 1 else ""


@lru_cache(maxsize=4_096)
def efficiency(algorithm: str, hardware: str = "", agent: str = "", rate: int = 0) -> Efficiency | None:
    """What a hash costs; None where nothing is known.

    Args:
        algorithm: by our name.
        hardware: model, as far as an agent gave it away.
        agent: mining program.
        rate: hashes a second of one machine, two digits of it (:func:`rounded`); 0 unknown.
    """
    names = (algorithm, *BESIDE.get(algorithm, ()))
    found = [row for row in rows() if row.algorithm in names]
    modelled = of_model(found, hardware) if hardware else []
    if modelled:
        found = modelled
    else:
        kind = next((kind for pattern, kind in KINDS if pattern.search(agent)), "")
        kind = kind or USUAL.get(algorithm, "")
        found = [row for row in found if row.kind == kind] or found
    low, high = PLAUSIBLE
    found = [row for row in found if low * row.rate <= rate <= high * row.rate] or found
    if not found:
        return None
    costs = [row.joules for row in found]
    verified = [row.joules for row in found if row.verified]
    return Efficiency(min(costs), median(verified) if verified else None, max(costs))


def of_model(among: list[Row] | tuple[Row, ...], hardware: str) -> list[Row]:
    """Rows of a model, or, where only a maker or series is known, of all that begin with it."""
    name = bare(hardware)
    exact = [row for row in among if bare(row.model) == name]
    return exact or [row for row in among if name and bare(row.model).startswith(f"{name} ")]


@lru_cache(maxsize=4_096)
def bare(model: str) -> str:
    """A model without what stands in brackets, such as its firmware, in lower case."""
    return re.sub(r"\s*\(.*?\)", "", model).strip().lower()


def rounded(rate: float) -> int:
    """A rate with two digits, so that one that wavers is not looked up anew each time."""
    return int(float(f"{rate:.2g}")) if rate >= 1 else 0
