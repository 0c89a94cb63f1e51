"""Named lists that rules refer to as ``@name``: pool endpoints by category and strength, ports, names, networks.

In: what the files under ``rules/pools`` and ``rules/lists`` say.  Out: values by list name, the index of endpoints.
Never: rules.

Endpoint lists need not be written down: ``@pool.strong`` is every live endpoint of that category and strength,
``@pool`` every live one of that category, ``@defunct`` every one that is known to be out of service.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sniffer.model import Listed
from sniffer.ruleset.domains import STRENGTHS, DomainIndex, HostPattern

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sniffer.model import Endpoint

RESOLVER_NAMES: Final = "doh-resolvers"
"""List of the names of resolvers that speak DNS inside TLS or HTTPS; the engine asks for it, whatever the rules are."""
RESOLVER_ADDRESSES: Final = "doh-addresses"
DEFUNCT: Final = ("defunct", "")


class NamedList(NamedTuple):
    """A list that is written down."""

    type: str  # domains | ports | networks | strings
    values: Sequence[Any]
    origin: str = ""  # where it comes from
    updated: str = ""  # YYYY-MM-DD
    file: str = ""  # that holds the values


class ListRow(NamedTuple):
    """A list that rules may refer to, as it is shown."""

    name: str
    type: str
    entries: int
    origin: str = ""
    updated: str = ""
    file: str = ""


class Lists:
    """Every named list of a rule set."""

    def __init__(
        self,
        named: Mapping[str, NamedList],
        endpoints: Sequence[Endpoint],
        patterns: Sequence[HostPattern] = (),
        benign: Sequence[str] = (),
    ) -> None:
        self.named = named
        self.endpoints = endpoints
        self.index = DomainIndex(endpoints, patterns, benign)
        categories = {e.category for e in endpoints} | {p.category for p in patterns if p.base != "*"}
        self.categories = frozenset(categories - {"defunct_pool"})

    @staticmethod
    def class_of(endpoint: Endpoint) -> tuple[str, str]:
        """Category and strength of an endpoint; what is out of service is a class of its own."""
        if endpoint.status == "defunct" or endpoint.category == "defunct_pool":
            return DEFUNCT
        return endpoint.category, endpoint.strength

    @classmethod
    def class_name(cls, endpoint: Endpoint) -> str:
        """The list that stands for the class of an endpoint: ``pool.strong``."""
        return ".".join(filter(None, cls.class_of(endpoint)))

    def is_endpoint_list(self, name: str) -> bool:
        """Whether a name stands for a class of endpoints."""
        category, _, strength = name.partition(".")
        return name not in self.named and (
            name == "defunct" or (category in self.categories and strength in ("", *STRENGTHS))
        )

    def endpoint_classes(self, name: str) -> set[tuple[str, str]]:
        """The classes of endpoints that a list name stands for."""
        category, _, strength = name.partition(".")
        if name == "defunct":
            return {DEFUNCT}
        return {(category, strength)} if strength else {(category, one) for one in STRENGTHS}

    def knows(self, name: str) -> bool:
        """Whether there is a list of this name."""
        return name in self.named or self.is_endpoint_list(name)

    def known(self) -> list[str]:
        """Every name that a rule may refer to, with its ``@``."""
        classes = [f"{category}.{strength}" for category in self.categories for strength in STRENGTHS]
        return sorted("@" + name for name in {*self.named, *self.categories, *classes, "defunct"})

    def overview(self) -> Iterator[ListRow]:
        """Every list by its name: those that are written down, then the classes of endpoints."""
        for name, one in sorted(self.named.items()):
            yield ListRow(name, one.type, len(one.values), one.origin, one.updated, one.file)
        counts = Counter(map(self.class_name, self.endpoints))
        for name, count in sorted(counts.items()):
            yield ListRow(name, "domains", count)

    def listed(self, name: str, entry: str = "") -> Listed:
        """An entry of a list that is written down."""
        one = self.named[name]
        return Listed(name, entry, one.origin, one.updated)

    def listed_endpoint(self, endpoint: Endpoint) -> Listed:
        """An endpoint as an entry of the list of its class."""
        return Listed(self.class_name(endpoint), endpoint.domain, seen_on=endpoint.seen_on)

    def values(self, name: str) -> Sequence[Any]:
        """Members of a list that is written down; raise ValueError when there is none of this name."""
        if name not in self.named:
            raise ValueError(f"there is no list @{name}")
        return self.named[name].values

    def type_of(self, name: str) -> str:
        """What a list holds; endpoint lists hold domains.  Raises ValueError when there is no such list."""
        if self.is_endpoint_list(name):
            return "domains"
        self.values(name)
        return self.named[name].type
