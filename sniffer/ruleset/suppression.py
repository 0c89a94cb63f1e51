"""Suppressions: hits that are known, and are counted without being told.

In: files with the key ``allow``.  Out: for a hit, the entry that covers it.
Never: an entry without a reason, without an end, or without saying whom it concerns; a fact that a rule is asked about.

An entry counts until the end of its last day, by packet time (UTC): live that is the clock, and a capture gives the same
result whenever it is read.
"""

from __future__ import annotations

import functools
import hashlib
import ipaddress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from pydantic import Field, field_validator, model_validator

from sniffer.ruleset.domains import checked, splits
from sniffer.ruleset.model import Strict
from sniffer.strictyaml import suggest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from sniffer.errors import Problem
    from sniffer.strictyaml import Document

MAX_SUPPRESSIONS: Final = 1_000
MAX_AHEAD: Final = timedelta(days=366)
MAX_ANSWERS: Final = 4_096  # remembered
CRITERIA: Final = ("address", "network", "server", "tenant", "rule", "domain")
EVERYTHING: Final = "covers every address; leave it out, or name a network"

# ── as written ───────────────────────────────────────────────────────────────────────────────────────────


class SuppressionShape(Strict):
    """One entry as written; all that it gives must hold."""

    address: str | None = Field(None, description="the address that mines")
    network: str | None = Field(None, description="a network that holds the address that mines")
    server: str | None = Field(None, description="address or network of the server")
    tenant: str | None = Field(None, min_length=1, description="tenant of the address that mines")
    rule: str | list[str] | None = Field(None, description="id of the rule, or several")
    domain: str | None = Field(None, description="domain of the event, or one above it")
    reason: str = Field(min_length=3, max_length=200, description="why; goes into the log")
    until: str = Field(description="last day, YYYY-MM-DD, at most a year ahead")

    @field_validator("address")
    @classmethod
    def _address(cls, text: str | None) -> str | None:
        return text if text is None else str(ipaddress.ip_address(text))

    @field_validator("network", "server")
    @classmethod
    def _network(cls, text: str | None) -> str | None:
        if text is None:
            return None
        network = ipaddress.ip_network(text)
        if not network.prefixlen:
            raise ValueError(EVERYTHING)
        return str(network)

    @field_validator("domain")
    @classmethod
    def _domain(cls, text: str | None) -> str | None:
        return text if text is None else checked(text)

    @field_validator("until")
    @classmethod
    def _until(cls, text: str) -> str:
        try:
            day = date.fromisoformat(text)
        except ValueError:
            day = None
        if day is None or day.isoformat() != text or not 1970 < day.year < 2200:
            raise ValueError("expected the last day as YYYY-MM-DD; nothing is suppressed for ever")
        return text

    @model_validator(mode="after")
    def _says_whom(self) -> SuppressionShape:
        if all(getattr(self, name) is None for name in CRITERIA):
            raise ValueError(f"an entry needs at least one of {', '.join(CRITERIA)}")
        if self.rule == []:
            raise ValueError("rule is an empty list")
        if self.address and self.network:
            address, network = ipaddress.ip_address(self.address), ipaddress.ip_network(self.network)
            if address not in network:
                raise ValueError(f"{address} is not in {network}: the entry can never hold")
        return self

    @property
    def rules(self) -> list[str]:
        """Rules that are named."""
        return [] if self.rule is None else [self.rule] if isinstance(self.rule, str) else self.rule


class SuppressionFile(Strict):
    """A file of suppressions, usually ``allow.yaml``."""

    allow: list[SuppressionShape] = Field(max_length=MAX_SUPPRESSIONS)


# ── ready to use ─────────────────────────────────────────────────────────────────────────────────────────


class Prefix(NamedTuple):
    """A network, for quick comparison."""

    size: int  # bytes of its addresses
    shift: int  # bits behind the prefix
    bits: int

    @classmethod
    def of(cls, text: str) -> Prefix:
        """The network that is written so."""
        network = ipaddress.ip_network(text)
        shift = network.max_prefixlen - network.prefixlen
        return cls(network.max_prefixlen // 8, shift, int(network.network_address) >> shift)

    def holds(self, address: bytes) -> bool:
        """Whether a packed address is in it."""
        return len(address) == self.size and int.from_bytes(address, "big") >> self.shift == self.bits


class Hit(NamedTuple):
    """What of a hit is looked at."""

    rule: str
    host: bytes  # the address that mines, packed
    server: bytes | None
    tenant: str  # "" if none
    domain: str  # that the event would name, "" if none


@dataclass(frozen=True, slots=True)
class Suppression:
    """One entry."""

    key: str  # of what it says; the same entry has the same key wherever it stands
    where: str  # file and number in it, counted from 1
    reason: str
    until: date
    end: int  # from when on it does not count, nanoseconds since 1970
    hosts: tuple[Prefix, ...]
    server: Prefix | None
    tenant: str
    rules: frozenset[str]
    domain: str

    def covers(self, hit: Hit) -> bool:
        """Whether everything that it gives holds."""
        if self.rules and hit.rule not in self.rules:
            return False
        if self.tenant and hit.tenant != self.tenant:
            return False
        if not all(prefix.holds(hit.host) for prefix in self.hosts):
            return False
        if self.server is not None and (hit.server is None or not self.server.holds(hit.server)):
            return False
        return not self.domain or any(parent == self.domain for _, parent in splits(hit.domain))

    def has_expired(self, today: date) -> bool:
        """Whether its last day is over."""
        return self.until < today


class Suppressions:
    """All entries of a rule set, in order of the files."""

    def __init__(self, entries: Sequence[Suppression] = ()) -> None:
        self.entries = tuple(entries)
        self._covering = functools.lru_cache(MAX_ANSWERS)(Index(self.entries).covering)

    def find(self, hit: Hit, time: int) -> Suppression | None:
        """The first entry that covers a hit at a time, nanoseconds since 1970."""
        if not self.entries:
            return None
        return next((entry for entry in self._covering(hit) if time < entry.end), None)

    def expired(self, today: date) -> list[Suppression]:
        """Entries whose last day is over."""
        return [entry for entry in self.entries if entry.has_expired(today)]


class Index:
    """Finds entries by one thing that each of them names: a hit costs the same with one entry and with a thousand."""

    def __init__(self, entries: Sequence[Suppression]) -> None:
        self._entries = entries
        self._numbers: dict[object, list[int]] = {}
        self._shapes: dict[str, set[tuple[int, int]]] = {"host": set(), "server": set()}  # sizes and shifts
        for number, entry in enumerate(entries):
            for anchor in self._anchors(entry):
                self._numbers.setdefault(anchor, []).append(number)

    def _anchors(self, entry: Suppression) -> Iterator[object]:
        """Of what an entry names, the kind that fewest hits have."""
        for kind, prefixes in (("host", entry.hosts), ("server", (entry.server,) if entry.server else ())):
            if prefixes:
                narrow = min(prefixes, key=lambda prefix: prefix.shift)
                self._shapes[kind].add((narrow.size, narrow.shift))
                yield kind, narrow
                return
        if entry.domain:
            yield "domain", entry.domain
        elif entry.tenant:
            yield "tenant", entry.tenant
        else:
            yield from (("rule", rule) for rule in entry.rules)

    def _asked(self, hit: Hit) -> Iterator[object]:
        """Everything that a hit can be found by."""
        for kind, address in (("host", hit.host), ("server", hit.server or b"")):
            number = int.from_bytes(address, "big")
            for size, shift in self._shapes[kind]:
                if size == len(address):
                    yield kind, Prefix(size, shift, number >> shift)
        yield from (("domain", parent) for _, parent in splits(hit.domain))
        yield "tenant", hit.tenant
        yield "rule", hit.rule

    def covering(self, hit: Hit) -> tuple[Suppression, ...]:
        """Entries that cover a hit, in order, as far as time allows."""
        numbers = {number for anchor in self._asked(hit) for number in self._numbers.get(anchor, ())}
        return tuple(entry for n in sorted(numbers) if (entry := self._entries[n]).covers(hit))


def make_suppressions(file: str, shapes: SuppressionFile) -> Iterator[Suppression]:
    """The entries of one file."""
    for number, shape in enumerate(shapes.allow, 1):
        until = date.fromisoformat(shape.until)
        over = datetime(until.year, until.month, until.day, tzinfo=UTC) + timedelta(days=1)
        said = shape.model_dump_json(exclude_none=True).encode()
        yield Suppression(
            key=hashlib.blake2s(said, digest_size=4).hexdigest(),
            where=f"{file}, entry {number}",
            reason=shape.reason,
            until=until,
            end=int(over.timestamp()) * 1_000_000_000,
            hosts=tuple(Prefix.of(text) for text in (shape.address, shape.network) if text),
            server=Prefix.of(shape.server) if shape.server else None,
            tenant=shape.tenant or "",
            rules=frozenset(shape.rules),
            domain=shape.domain or "",
        )


# ── faults that only the whole set shows ─────────────────────────────────────────────────────────────────


def suppression_faults(
    document: Document,
    shapes: SuppressionFile,
    rules: Collection[str] | None,
    tenants: Collection[str] | None,
    today: date,
) -> Iterator[Problem]:
    """Rules and tenants that do not exist, and ends that are too far away, in a file whose shape is right.

    Args:
        document: the file.
        shapes: what it says.
        rules: identifiers of the rules there are; None: not known, because some rule has a fault of its own.
        tenants: names of the tenants there are; None: not known.
        today: by the clock, UTC.
    """
    for number, shape in enumerate(shapes.allow):
        for position, rule in enumerate(shape.rules):
            if rules is not None and rule not in rules:
                place = ("allow", number, "rule", *((position,) if isinstance(shape.rule, list) else ()))
                what = f"there is no rule {rule!r}"
                yield document.problem(place, "unknown_rule", what, suggest(rule, sorted(rules)))
        if shape.tenant is not None and tenants is not None and shape.tenant not in tenants:
            what = f"there is no tenant {shape.tenant!r}"
            remedy = suggest(shape.tenant, sorted(tenants)) if tenants else "name it under tenants"
            yield document.problem(("allow", number, "tenant"), "unknown_tenant", what, remedy)
        if date.fromisoformat(shape.until) > today + MAX_AHEAD:
            what = f"until: {shape.until} is more than a year ahead"
            yield document.problem(
                ("allow", number, "until"), "range", what, "choose a nearer day, and look again then"
            )
