"""Which mining endpoint a host name belongs to.

In: endpoints, patterns for host names below them, names that must not match.  Out: for a name, an Endpoint or None.
Never: a match inside a label (``notf2pool.com`` is not below ``f2pool.com``), a question to the network.

From the most specific to the least: the name itself, then each parent.  At the same place a benign entry wins over
an endpoint, and a pattern over both, because it says more.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final, NamedTuple

import re2

from sniffer.model import Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

STRENGTHS: Final = ("weak", "mixed", "strong")
MAX_NAME: Final = 255


class HostPattern(NamedTuple):
    """What the labels left of a base domain tell (``*``: of any pool)."""

    base: str
    left: str  # RE2 over everything left of the base
    strength: str
    category: str


def normalise(name: str) -> str:
    """Lower case, without a trailing dot, in ASCII (IDNA)."""
    name = name.rstrip(".").lower()[:MAX_NAME]
    if not name.isascii():
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError:
            return name
    return name


class DomainIndex:
    """Finds the endpoint of a name in a few dictionary look-ups."""

    def __init__(self, endpoints: Iterable[Endpoint], patterns: Iterable[HostPattern] = (), benign: Iterable[str] = ()) -> None:
        self._exact: dict[str, Endpoint] = {}
        self._below: dict[str, Endpoint] = {}
        for endpoint in endpoints:
            (self._below if endpoint.suffix else self._exact)[endpoint.domain] = endpoint
        self._benign = {normalise(name) for name in benign}
        self._patterns: dict[str, list[tuple[re2._Regexp, HostPattern]]] = {}
        for pattern in patterns:
            self._patterns.setdefault(pattern.base, []).append((re2.compile(pattern.left), pattern))

    def find(self, name: str) -> Endpoint | None:
        """The endpoint that a name belongs to; its strength is that of the name, not of the entry."""
        name = normalise(name)
        if name in self._benign:
            return None
        found = self._exact.get(name)
        if found is not None:
            return found
        for left, base in splits(name):
            endpoint = self._below.get(base)
            if left:
                told = self._told(left, base, endpoint)
                if told is not None:
                    return told
            if base in self._benign:
                return None
            if endpoint is not None:
                return self._general(left, endpoint) if left else endpoint
        return None

    def _told(self, left: str, base: str, endpoint: Endpoint | None) -> Endpoint | None:
        """What a pattern of this very base says."""
        for regex, pattern in self._patterns.get(base, ()):
            if regex.search(left):
                if endpoint is not None:
                    return dataclasses.replace(endpoint, strength=pattern.strength)
                return Endpoint(base, True, base, pattern.strength, pattern.category)
        return None

    def _general(self, left: str, endpoint: Endpoint) -> Endpoint:
        """What the patterns of every pool say: a web label weakens, a mining label lifts a weak entry to mixed."""
        for regex, pattern in self._patterns.get("*", ()):
            if regex.search(left):
                if pattern.strength == "weak":
                    return dataclasses.replace(endpoint, strength="weak")
                if STRENGTHS.index(pattern.strength) > STRENGTHS.index(endpoint.strength):
                    return dataclasses.replace(endpoint, strength=pattern.strength)
        return endpoint

    def names(self) -> Iterator[tuple[str, bool]]:
        """Every name that can lead to an endpoint, and whether names below it can, too."""
        yield from ((name, False) for name in self._exact)
        yield from ((name, True) for name in {*self._below, *self._patterns} - {"*"})


def splits(name: str) -> Iterator[tuple[str, str]]:
    """``("", "a.b.c"), ("a", "b.c"), ("a.b", "c")``: what is left of each parent, most specific first."""
    yield "", name
    at = name.find(".")
    while at >= 0:
        yield name[:at], name[at + 1 :]
        at = name.find(".", at + 1)


def is_below(name: str, domain: str) -> bool:
    """Whether a name is a domain or lies below it, by whole labels."""
    return name == domain or name.endswith("." + domain)
