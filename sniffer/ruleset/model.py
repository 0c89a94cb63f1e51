"""What a rule file, a pool file and a list file may say.

In: plain data from :mod:`sniffer.strictyaml`.  Out: typed records.
Never: the meaning of a condition; that is :mod:`sniffer.ruleset.conditions`.
"""

from __future__ import annotations

import ipaddress
import zlib
from collections.abc import Callable, Sequence  # noqa: TC003 -- pydantic reads the annotations of this module
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from sniffer.config import Duration  # noqa: TC001 -- as above
from sniffer.model import Confidence, Endpoint, Severity
from sniffer.ruleset.datafile import MAX_ENTRIES, Format
from sniffer.ruleset.domains import HostPattern, checked

if TYPE_CHECKING:
    from sniffer.ruleset.conditions import Condition
    from sniffer.ruleset.count import Count

FIRST_SIGNATURE: Final = 9_000_000
SIGNATURES: Final = 900_000
Port = Annotated[int, Field(ge=1, le=65_535)]


class Strict(BaseModel):
    """No unknown keys, no change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Example(Strict):
    """Something on the wire that a rule must hit, or must miss."""

    client: str = Field("", description="what the client sends, as text; a line end is added")
    server: str = Field("", description="what the server sends, as text; a line end is added")
    client_hex: str = Field("", description="what the client sends, in hexadecimal")
    server_hex: str = Field("", description="what the server sends, in hexadecimal")
    dns: str = Field("", description="a name that is asked for")
    tls: str = Field("", description="the server name of a TLS ClientHello")
    http: str = Field("", description="the host of an HTTP request")
    facts: dict[str, str | int | float | bool] = Field({}, description="facts by name")
    repeat: int = Field(1, ge=1, le=10_000, description="how often all of it is seen, one after the other")
    every: Duration = Field(0.0, le=86_400, description="time from one to the next")

    @field_validator("client_hex", "server_hex")
    @classmethod
    def _hexadecimal(cls, text: str) -> str:
        bytes.fromhex(text)
        return text

    @model_validator(mode="after")
    def _says_something(self) -> Example:
        if not any(
            (
                self.client,
                self.server,
                self.client_hex,
                self.server_hex,
                self.dns,
                self.tls,
                self.http,
                self.facts,
            )
        ):
            raise ValueError("an example must show something")
        if (self.client and self.client_hex) or (self.server and self.server_hex):
            raise ValueError("an example gives the bytes of one side either as text or in hexadecimal")
        return self

    def client_bytes(self) -> bytes:
        """Bytes of the client."""
        return bytes.fromhex(self.client_hex) or wire(self.client)

    def server_bytes(self) -> bytes:
        """Bytes of the server."""
        return bytes.fromhex(self.server_hex) or wire(self.server)


def wire(text: str) -> bytes:
    """Text as lines on the wire."""
    return text.encode() + (b"\n" if text and not text.endswith("\n") else b"")


class Examples(Strict):
    """What a rule must hit and what it must miss; both are needed."""

    hits: list[Example] = Field(min_length=1)
    misses: list[Example] = Field(min_length=1)


class RuleShape(Strict):
    """One rule as written."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{2,63}$", description="stable and unique")
    title: str = Field(min_length=3, max_length=120)
    severity: Literal["low", "medium", "high", "critical"]
    confidence: Literal["suspected", "probable", "confirmed"] = Field(
        description="the most that a hit of this rule can claim"
    )
    category: str = Field("mining", pattern=r"^[a-z][a-z0-9-]{1,31}$")
    rev: int = Field(1, ge=1)
    signature_id: int | None = Field(
        None, ge=1, description="number in EVE events; derived from the id if not given"
    )
    match: dict[str, Any]
    examples: Examples
    sees: str = Field("", description="what the rule sees, in words")
    misses: str = Field("", description="what it does not see")
    references: list[str] = Field([], description="where to read about it: specifications, sources, reports")
    since: str = Field(
        "",
        pattern=r"^(|\d{1,4}\.\d{1,4}(\.\d{1,4})?|\d{4}-\d{2}-\d{2})$",
        description="version (in quotes) or day (YYYY-MM-DD) that brought the rule",
    )


class EndpointShape(Strict):
    """One endpoint of a pool as written: a host, or a suffix with everything below it."""

    host: str = ""
    suffix: str = ""
    strength: Literal["strong", "mixed", "weak"]
    status: Literal["active", "defunct", "unknown"] = "unknown"
    ports_plain: tuple[Port, ...] = ()
    ports_tls: tuple[Port, ...] = ()
    coins: tuple[str, ...] = ()
    seen_on: str = ""

    @field_validator("host", "suffix")
    @classmethod
    def _name(cls, text: str) -> str:
        return checked(text) if text else text

    @model_validator(mode="after")
    def _one_name(self) -> EndpointShape:
        if bool(self.host) == bool(self.suffix):
            raise ValueError("an endpoint needs either host or suffix")
        return self


class PoolShape(Strict):
    """One pool as written."""

    name: str
    country: str = ""
    endpoints: list[EndpointShape] = Field(min_length=1)


class PoolFile(Strict):
    """A file under ``rules/pools``."""

    category: str = Field(pattern=r"^[a-z][a-z_]{1,31}$")
    pools: list[PoolShape]

    def endpoints(self) -> list[Endpoint]:
        """Every endpoint of the file."""
        return [
            Endpoint(
                domain=one.host or one.suffix,
                suffix=bool(one.suffix),
                pool=pool.name,
                strength=one.strength,
                category=self.category,
                status=one.status,
                coins=one.coins,
                country=pool.country,
                ports_plain=one.ports_plain,
                ports_tls=one.ports_tls,
                seen_on=one.seen_on,
            )
            for pool in self.pools
            for one in pool.endpoints
        ]


def _port(value: str | int) -> Sequence[str | int]:
    """A port, or each port of a range ``first-last``."""
    low, dash, high = (str(value)).partition("-")
    ends = [int(end) for end in ((low, high) if dash else (low, low)) if end.isdecimal() and len(end) <= 5]
    if len(ends) != 2 or not 0 < ends[0] <= ends[1] <= 65_535:
        raise ValueError(f"{str(value)[:80]!r} is neither a port nor a range of ports")
    return range(ends[0], ends[1] + 1)


def _network(value: str | int) -> Sequence[str | int]:
    """A network; bits behind its prefix are a fault."""
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a network")  # noqa: TRY004 -- whoever calls takes ValueError for a fault
    return (str(ipaddress.ip_network(value)),)


def _domain(value: str | int) -> Sequence[str | int]:
    """A domain name."""
    return (checked(str(value)),)


def _string(value: str | int) -> Sequence[str | int]:
    """Text."""
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not text; put it between quotes")  # noqa: TRY004 -- as above
    return (value,)


ListType = Literal["domains", "ports", "networks", "strings"]
MEMBERS: Final[dict[str, Callable[[str | int], Sequence[str | int]]]] = {
    "domains": _domain,
    "ports": _port,
    "networks": _network,
    "strings": _string,
}
"""What one value of a list stands for, by the type of the list; ValueError where it stands for nothing."""


class ListFile(Strict):
    """A named list: a file under ``rules/lists``.  Its values stand there, or in a file of their own."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["values"]}, {"required": ["file"]}]},
    )

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{1,47}$")
    type: ListType = "strings"
    title: str = ""
    origin: str = Field("", max_length=200, description="where the list comes from, in words or as a URL")
    updated: str = Field(
        "", pattern=r"^\d{4}-\d{2}-\d{2}$", description="when it was last brought up to date, YYYY-MM-DD"
    )
    file: str = Field(
        "", min_length=1, description="file with the values, beside this one or in a folder below"
    )
    format: Format = Field("text", description="of that file")
    column: str = Field("", description="heading of the column with the values; CSV only")
    values: list[str | int] = Field([], min_length=1, max_length=MAX_ENTRIES)

    @field_validator("updated")
    @classmethod
    def _day(cls, text: str) -> str:
        date.fromisoformat(text)
        return text


class BenignFile(Strict):
    """Names that no pool list may match."""

    benign: list[str] = Field(min_length=1)

    @field_validator("benign")
    @classmethod
    def _names(cls, names: list[str]) -> list[str]:
        return [checked(name) for name in names]


class PatternShape(Strict):
    """What the labels left of a base domain tell."""

    base: str
    left: str = Field(min_length=1, max_length=1_024)
    strength: Literal["strong", "mixed", "weak"]
    category: str = "pool"

    @field_validator("base")
    @classmethod
    def _base(cls, text: str) -> str:
        return text if text == "*" else checked(text)


class PatternFile(Strict):
    """Patterns of host names below pools."""

    host_patterns: list[PatternShape]

    def patterns(self) -> list[HostPattern]:
        """Every pattern of the file."""
        return [HostPattern(p.base, p.left, p.strength, p.category) for p in self.host_patterns]


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule ready to match."""

    id: str
    title: str
    severity: Severity
    confidence: Confidence
    category: str
    rev: int
    signature_id: int
    condition: Condition  # what one message must be like
    count: Count | None  # how many such messages make a hit; None: each is one
    examples: Examples
    sees: str
    misses: str
    references: tuple[str, ...]
    since: str
    file: str
    line: int


def signature_of(identifier: str) -> int:
    """A stable number for a rule that does not give one."""
    return FIRST_SIGNATURE + zlib.crc32(identifier.encode()) % SIGNATURES


def make_rule(shape: RuleShape, condition: Condition, count: Count | None, file: str, line: int) -> Rule:
    """Join a rule's shape, its condition and its count."""
    return Rule(
        id=shape.id,
        title=shape.title,
        severity=Severity[shape.severity.upper()],
        confidence=Confidence[shape.confidence.upper()],
        category=shape.category,
        rev=shape.rev,
        signature_id=shape.signature_id or signature_of(shape.id),
        condition=condition,
        count=count,
        examples=shape.examples,
        sees=shape.sees,
        misses=shape.misses,
        references=tuple(shape.references),
        since=shape.since,
        file=file,
        line=line,
    )
