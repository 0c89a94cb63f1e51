"""``sniffer tenants``: what is wrong or doubtful about tenants, and whose an address is.

In: the configuration, files, an address with how it was seen.  Out: lines and objects to print, an exit status.
Never: a subscriber's name, unless the configuration asks for it.
"""

from __future__ import annotations

import ipaddress
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from sniffer.addresses import address_text
from sniffer.checks.finding import Finding, Level
from sniffer.config import privacy_key
from sniffer.errors import EXIT_OK, ConfigError, UsageError, printable
from sniffer.moments import moment
from sniffer.owners import keys
from sniffer.owners.asking import load_holders
from sniffer.owners.checks import findings
from sniffer.owners.files import read_sources
from sniffer.owners.keys import ANY, Labels
from sniffer.owners.mappings import read_time
from sniffer.owners.table import Owned, Ownership, Seen
from sniffer.sinks.privacy import Privacy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from sniffer.config import Config

T = TypeVar("T")


def privacy_of(config: Config) -> Privacy:
    """How the configuration shows subscribers."""
    return Privacy(privacy_key(config.events), leave_out=config.events.personal_data == "leave_out")


# ── check ────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check found."""

    findings: list[Finding]
    tenants: int = 0
    claims: int = 0
    mappings: dict[str, dict[str, int]] = field(default_factory=dict)  # by file: what became of its lines

    @property
    def exit_status(self) -> int:
        """Faults make it 78; what is doubtful does not."""
        is_faulty = any(one.level is Level.ERROR for one in self.findings)
        return ConfigError.exit_status if is_faulty else EXIT_OK

    def lines(self) -> Iterator[str]:
        """For people."""
        yield from map(str, self.findings)
        if self.exit_status == EXIT_OK:
            for file, lines in self.mappings.items():
                told = ", ".join(f"{number} {name}" for name, number in lines.items())
                yield f"{printable(file)}: lines: {told}"
            doubtful = f", {len(self.findings)} warnings" if self.findings else ""
            yield f"fine: {self.tenants} tenants, known by {self.claims} keys{doubtful}"
        else:
            yield f"{sum(one.level is Level.ERROR for one in self.findings)} faults"

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        return {
            "tenants": self.tenants,
            "keys": self.claims,
            "mappings": self.mappings,
            "findings": [one.as_dict() for one in self.findings],
        }


def check(config: Config, files: Sequence[Path] | None, config_file: str) -> Outcome:
    """Check tenants and logs of mappings.

    Args:
        config: the configuration.
        files: files of tenants in place of those that it names.
        config_file: what to call the place of its own tenants.
    """
    sources = config.sources
    if files is not None:
        sources = msgspec.structs.replace(sources, files=tuple(map(str, files)))
    try:
        read = read_sources(sources, config_file)
    except ConfigError as error:
        return Outcome([Finding.of_problem(problem) for problem in error.problems])
    found = findings(read, has_mappings=bool(config.ownership.mappings))
    _, lines, told = load_holders(config.ownership, privacy_of(config).hide)
    found += [Finding(config_file, 1, 1, Level.WARNING, "mappings", line, "") for line in told]
    mappings = {
        file: {"read": one.read, "skipped": one.skipped, "bad": one.bad} for file, one in lines.items()
    }
    return Outcome(
        sorted(found, key=lambda one: (one.file, one.line)),
        len(read.owners.tenants),
        len(read.claims),
        mappings,
    )


# ── of ───────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Answer:
    """Whose an address is."""

    seen: Seen
    owned: Owned
    warnings: list[str]

    def as_dict(self) -> dict[str, str]:
        """What is known, for machines."""
        told = {
            "address": address_text(self.seen.address),
            "at": moment(self.seen.time),
            "tenant": self.owned.tenant,
            **self.owned.as_event(),
            "why": self.owned.why or "no mapping, session, VLAN, label or prefix has it",
        }
        del told["name"]
        return {name: printable(text) for name, text in told.items() if text}

    def lines(self) -> Iterator[str]:
        """The same for people."""
        told = self.as_dict()
        told.setdefault("tenant", "nobody's")
        width = max(map(len, told))
        return (f"{name:{width}}  {text}" for name, text in told.items())


def ask(config: Config, seen: Seen) -> Answer:
    """Say whose an address is.

    Raises:
        ConfigError: tenants have faults.
    """
    owners = read_sources(config.sources).owners
    timeline, _, warnings = load_holders(config.ownership, privacy_of(config).hide)
    return Answer(seen, Ownership(owners, timeline).of(seen), warnings)


def read_seen(address: str, at: str, port: int, *, vlan: str, pppoe: str, l2tp: str, mpls: str) -> Seen:
    """How an address was seen, from options of the command line.

    Raises:
        UsageError: one of them is not what it should be.
    """

    def option(name: str, read: Callable[[str], T], text: str) -> T:
        try:
            return read(text)
        except ValueError as error:
            raise UsageError(f"{name}: {error}", remedy="see sniffer tenants of --help") from None

    labels = Labels()
    tags = option("--vlan", keys.read_vlan, vlan) if vlan else None
    if pppoe:
        session = option("--pppoe", keys.read_pppoe, pppoe)
        tags = session.vlan or tags
        labels = labels._replace(pppoe=((session.session, (session.mac,) if session.mac else ()),))
    if l2tp:
        one = option("--l2tp", keys.read_l2tp, l2tp)
        labels = labels._replace(l2tp=((one.tunnel, one.session),))
    if mpls:
        labels = labels._replace(mpls=(option("--mpls", keys.read_mpls, mpls),))
    vlans = () if tags is None else (tags.outer,) if tags.inner == ANY else tuple(tags)
    packed = option("ADDRESS", ipaddress.ip_address, address).packed
    when = option("--at", read_time, at) if at else time.time_ns()
    return Seen(packed, port, when, vlans, labels)
