"""Which mining endpoint a host name belongs to.

In: endpoints, patterns for host names below them, names that must not match.  Out: for a name, an Endpoint or None.
Never: a match inside a label (``notf2pool.com`` is not below ``f2pool.com``), a question to the network.

From the most specific to the least: the name itself, then each parent.  At the same place a benign entry wins over
an endpoint, and a pattern over both, because it says more.  ``www.`` and its like are web sites whatever the pool's own
patterns say, except below hosts that only machines talk to.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from typing import TYPE_CHECKING, Final, NamedTuple

import re2

from sniffer.addresses import is_address
from sniffer.model import Endpoint
from sniffer.protocols.facts import NAME_FACTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from publicsuffixlist import PublicSuffixList

    from sniffer.model import Value

STRENGTHS: Final = ("weak", "mixed", "strong")
MAX_NAME: Final = 255
LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
NAME = re.compile(rf"(?:{LABEL}\.)+{LABEL}")
AMBIGUOUS = re.compile("[\u00df\u03c2\u200c\u200d]")
"""Letters of which the two versions of IDNA make different names (RFC 5894, section 7.2)."""
MACHINES: Final = ("devfee", "miner_management")
"""Categories whose ``api.`` and ``static.`` hosts are asked by mining programs, not by people."""


class HostPattern(NamedTuple):
    """What the labels left of a base domain tell (``*``: of any pool)."""

    base: str
    left: str  # RE2 over everything left of the base
    strength: str
    category: str


def normalise(name: str) -> str:
    """Lower case, without a trailing dot, in ASCII (IDNA); "" where it is too long for a name.

    It is not cut: what is left of a long name may be a listed one.
    """
    found = name.rstrip(".").lower()
    if len(found) > MAX_NAME:
        return ""
    if not found.isascii():
        try:
            return found.encode("idna").decode("ascii")
        except UnicodeError:
            return found
    return name if found == name else found  # no copy: lists are long, and written as they are kept


def checked(name: str) -> str:
    """A name as :func:`normalise` gives it.

    Raises:
        ValueError: it is no host name of two labels or more (a whole top-level domain cannot be listed), or one that
            no program asks for.
    """
    found = normalise(name)
    if len(found) > MAX_NAME - 2 or name.endswith("..") or not NAME.fullmatch(found):
        raise ValueError(f"{name[:80]!r} is {_instead(name)}")
    if found[-1].isdigit() and found.rpartition(".")[2].isdigit():
        what = "an address, not a name" if is_address(found) else "no domain name: it ends in a number"
        raise ValueError(f"{name[:80]!r} is {what}")
    if not name.isascii() and AMBIGUOUS.search(name):
        raise ValueError(
            f"{name[:80]!r} can stand for two names: write the one that is meant in ASCII (xn--...)"
        )
    return found


def _instead(name: str) -> str:
    """What a text is that is no domain name."""
    if is_address(name):
        return "an address, not a name"
    return "no domain name of two labels or more"


def is_public_suffix(name: str) -> bool:
    """Whether anybody can have names below this one: top-level domains, and domains of hosters."""
    return _suffixes().is_public(name)


@functools.cache
def _suffixes() -> PublicSuffixList:
    from publicsuffixlist import PublicSuffixList  # noqa: PLC0415  # a tenth of a second, and seldom asked for

    return PublicSuffixList()


class DomainIndex:
    """Finds the endpoint of a name in a few dictionary look-ups."""

    def __init__(
        self, endpoints: Iterable[Endpoint], patterns: Iterable[HostPattern] = (), benign: Iterable[str] = ()
    ) -> None:
        self._exact: dict[str, Endpoint] = {}
        self._below: dict[str, Endpoint] = {}
        for endpoint in endpoints:
            (self._below if endpoint.suffix else self._exact)[endpoint.domain] = endpoint
        self._benign = {normalise(name) for name in benign}
        self._patterns: dict[str, list[tuple[re2._Regexp, HostPattern]]] = {}
        self._last: tuple[str, Endpoint | None] = (
            "",
            None,
        )  # every clause of every rule asks for the same name
        for pattern in patterns:
            self._patterns.setdefault(pattern.base, []).append((re2.compile(pattern.left), pattern))
        self._general_patterns = self._patterns.pop("*", [])

    def find(self, name: str) -> Endpoint | None:
        """The endpoint that a name belongs to; its strength is that of the name, not of the entry."""
        if self._last[0] != name:
            self._last = (name, self._find(normalise(name)))
        return self._last[1]

    def _find(self, name: str) -> Endpoint | None:
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
            if regex.search(left) and (pattern.category in MACHINES or not self._is_web(left)):
                if endpoint is not None:
                    return dataclasses.replace(endpoint, strength=pattern.strength)
                return Endpoint(base, True, base, pattern.strength, pattern.category)
        return None

    def _is_web(self, left: str) -> bool:
        """Whether the labels left of a pool's domain, or the first of them, are those of web sites."""
        first = left.partition(".")[0]
        weak = [regex for regex, pattern in self._general_patterns if pattern.strength == "weak"]
        return any(regex.search(left) or regex.search(first) for regex in weak)

    def _general(self, left: str, endpoint: Endpoint) -> Endpoint:
        """What the patterns of every pool say: a web label weakens, a mining label lifts a weak entry to mixed."""
        if endpoint.category not in MACHINES and self._is_web(left):
            return dataclasses.replace(endpoint, strength="weak")
        rank = STRENGTHS.index
        for regex, pattern in self._general_patterns:
            if rank(pattern.strength) > rank(endpoint.strength) and regex.search(left):
                return dataclasses.replace(endpoint, strength=pattern.strength)
        return endpoint

    def is_benign(self, name: str) -> bool:
        """Whether this very name is listed as one that must not match."""
        return normalise(name) in self._benign

    def names(self) -> Iterator[tuple[str, bool]]:
        """Every name that can lead to an endpoint, and whether names below it can, too."""
        yield from ((name, False) for name in self._exact)
        yield from ((name, True) for name in {*self._below, *self._patterns})


def splits(name: str) -> Iterator[tuple[str, str]]:
    """``("", "a.b.c"), ("a", "b.c"), ("a.b", "c")``: what is left of each parent, most specific first."""
    yield "", name
    at = name.find(".")
    while at >= 0:
        yield name[:at], name[at + 1 :]
        at = name.find(".", at + 1)


def name_seen(values: Mapping[str, Value], endpoint: Endpoint | None) -> str:
    """The name that a message is about: the one that led to the listed endpoint, if there is one; "" for none."""
    names = [str(values[fact]) for fact in NAME_FACTS if values.get(fact)]
    if endpoint is not None:
        for name in names:
            plain = name.lower().rstrip(".")
            if plain == endpoint.domain or plain.endswith("." + endpoint.domain):
                return name
    return names[0] if names else ""
