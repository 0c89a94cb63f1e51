"""``count`` under ``match``: a rule that holds from the n-th message within a window on.

In: plain YAML data.  Out: what one message must be like, and a :class:`Count`; or every fault at its place.
Never: a count of anything; that is :mod:`sniffer.windows`.

A rule set answers about one message at a time.  So a rule with a count is a question about one message, as every rule is,
and two numbers: how many such messages make a hit, and within how long.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import Field, field_validator, model_validator

from sniffer.config import Duration  # noqa: TC001 -- pydantic reads the annotations of this module
from sniffer.errors import ConfigError
from sniffer.prefixes import PrefixTable
from sniffer.ruleset.conditions import All, parse_condition
from sniffer.ruleset.model import Strict
from sniffer.strictyaml import validate

if TYPE_CHECKING:
    from collections.abc import Callable

    from sniffer.errors import Problem
    from sniffer.prefixes import Network
    from sniffer.ruleset.conditions import Condition
    from sniffer.ruleset.lists import Lists
    from sniffer.strictyaml import Document, Place

SECOND: Final = 1_000_000_000
MOST: Final = 10_000
"""Messages that a window can ask for: it has to remember each."""
LONGEST: Final = 86_400
MAX_THRESHOLDS: Final = 1_000


class ThresholdShape(Strict):
    """Another number for one tenant, or for one network, as written."""

    tenant: str = Field("", max_length=64, description="name of a tenant of the configuration")
    network: str = Field("", description="addresses of hosts, such as 10.0.0.0/8")
    at_least: int = Field(ge=1, le=MOST, description="messages within the window, for these hosts")

    @field_validator("network")
    @classmethod
    def _network(cls, text: str) -> str:
        return str(ipaddress.ip_network(text)) if text else text

    @model_validator(mode="after")
    def _for_whom(self) -> ThresholdShape:
        if bool(self.tenant) == bool(self.network):
            raise ValueError("a threshold needs either tenant or network")
        return self


class CountShape(Strict):
    """What stands under ``count``."""

    at_least: int = Field(ge=2, le=MOST, description="messages within the window")
    within: Duration = Field(ge=1, le=LONGEST, description="length of the window, from the first to the last")
    per: Literal["flow", "host"] = Field("flow", description="what messages are counted by")
    of: dict[str, Any] = Field(description="what each of the messages must be like")
    thresholds: list[ThresholdShape] = Field(
        [],
        max_length=MAX_THRESHOLDS,
        description="other numbers for some hosts; a network comes before a tenant",
    )

    @model_validator(mode="after")
    def _thresholds(self) -> CountShape:
        if self.thresholds and self.per != "host":
            raise ValueError("thresholds are for per: host")
        names = [one.tenant or one.network for one in self.thresholds]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"there are two thresholds for {name!r}")
        return self


@dataclass(frozen=True, slots=True)
class Count:
    """How many messages within how long make a hit."""

    at_least: int
    within: int  # nanoseconds
    per_host: bool  # else by flow
    networks: tuple[tuple[Network, int], ...]  # the longest prefix first
    by_network: PrefixTable[int] = field(compare=False, repr=False)  # the same, to look up
    tenants: dict[str, int]
    digest: str  # of everything that is asked: messages of rules that ask otherwise are not counted together

    def limit(self, host: bytes, tenant: str) -> int:
        """How many messages it takes for a host: as its network says, else as its tenant, else as everybody.

        Args:
            host: its address, packed.
            tenant: whose it is, "" if nobody's.
        """
        found = self.by_network.get(host)
        if found is not None:
            return found
        return self.tenants.get(tenant, self.at_least) if self.tenants else self.at_least

    @property
    def reason(self) -> str:
        """In words, as an event gives it."""
        number = "count" if self.networks or self.tenants else f"at least {self.at_least} messages"
        return f"{number} within {self.within / SECOND:g} s, by {'host' if self.per_host else 'flow'}"


def parse_match(
    data: Any, place: Place, document: Document, lists: Lists, problems: list[Problem]
) -> tuple[Condition | None, Count | None]:
    """What stands under ``match``; add each fault to ``problems``."""

    def complain(where: Place, what: str, remedy: str) -> None:
        problems.append(document.problem(where, "count", what, remedy))

    def parse(part: Any, where: Place) -> Condition | None:
        return parse_condition(part, where, document, lists, problems)

    if not isinstance(data, dict):
        return parse(data, place), None
    if "count" in data:
        for other in data:
            if other != "count":
                complain(
                    (*place, other), f"{other!r} stands beside 'count'", "put both into a list under all"
                )
        return _count(data, (*place, "count"), document, parse, problems, data)
    parts = data.get("all")
    if len(data) != 1 or not isinstance(parts, list):
        return parse(data, place), None
    counts = [n for n, part in enumerate(parts) if isinstance(part, dict) and tuple(part) == ("count",)]
    if not counts:
        return parse(data, place), None
    for number in counts[1:]:
        complain((*place, "all", number), "a rule can count once", "write a rule for each")
    conditions: list[Condition | None] = []
    count = None
    for number, part in enumerate(parts):
        where = (*place, "all", number)
        if number in counts:
            condition, count = _count(part, (*where, "count"), document, parse, problems, data)
        else:
            condition = parse(part, where)
        conditions.append(condition)
    whole = tuple(condition for condition in conditions if condition is not None)
    if count is None or len(whole) < len(parts) or len(counts) > 1:
        return None, None
    return (All(whole) if len(whole) > 1 else whole[0]), count


def _count(
    data: dict[str, Any],
    place: Place,
    document: Document,
    parse: Callable[[Any, Place], Condition | None],
    problems: list[Problem],
    asked: Any,
) -> tuple[Condition | None, Count | None]:
    """One count and what it counts; ``asked`` is all that stands under ``match``."""
    written = data["count"]
    if not isinstance(written, dict):
        what = "'count' needs a mapping"
        problems.append(
            document.problem(place, "count", what, "write {at_least: 20, within: 60s, of: {...}}")
        )
        return None, None
    shape = None
    try:
        shape = validate(document, CountShape, place)
    except ConfigError as error:
        problems += error.problems
    condition = parse(written["of"], (*place, "of")) if isinstance(written.get("of"), dict) else None
    if shape is None or condition is None or len(data) > 1:
        return None, None
    networks = [(ipaddress.ip_network(one.network), one.at_least) for one in shape.thresholds if one.network]
    return condition, Count(
        at_least=shape.at_least,
        within=int(shape.within * SECOND),
        per_host=shape.per == "host",
        networks=tuple(sorted(networks, key=lambda row: -row[0].prefixlen)),
        by_network=PrefixTable(networks),
        tenants={one.tenant: one.at_least for one in shape.thresholds if one.tenant},
        digest=hashlib.blake2s(json.dumps(asked, sort_keys=True).encode(), digest_size=8).hexdigest(),
    )
