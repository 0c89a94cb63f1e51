"""Files of tenants: CSV below a line of headings, or YAML under the key ``tenants``, with the same names.

In: paths, and the tenants of the configuration.  Out: :class:`~.table.Owners`, and where each claim stands; or every fault of
every file at once.
Never: half a set; a tenant at two sites (name it twice, such as "acme north"); a network that two tenants have alike.

A cell of CSV, and a text of YAML, may hold several keys, separated by blanks; in YAML a list will do as well.
"""

from __future__ import annotations

from array import array
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, TypeAlias, TypeVar

import msgspec
from pydantic import BeforeValidator, Field, PlainValidator, field_validator

from sniffer.config import Name, Section
from sniffer.errors import ConfigError, Problem
from sniffer.owners import keys
from sniffer.owners.keys import BEHIND_NAT, Kind, L2tp, Pppoe, Prefix, Vlan
from sniffer.owners.table import Owner, Owners
from sniffer.ruleset.datafile import MAX_SIZE, plain_text, table_rows
from sniffer.strictyaml import Document, Part, load_file, read_text, suggest, validate

if TYPE_CHECKING:
    from sniffer.owners.keys import Key

MAX_TENANTS: Final = 10_000
MAX_CLAIMS: Final = 100_000
ABOUT: Final = ("site", "district", "kind", "contact")
SORTS: Final = ("prefix", "vlan", "pppoe", "l2tp", "mpls")
"""What a tenant can be known by; also columns."""
COLUMNS: Final = ("tenant", *ABOUT, *SORTS)

T = TypeVar("T")

# ── as written ───────────────────────────────────────────────────────────────────────────────────────────


def listed(value: Any) -> tuple[Any, ...]:
    """Keys out of a list, or of a text with blanks."""
    if isinstance(value, list):
        return tuple(value)
    return tuple(value.split()) if isinstance(value, str) else (value,)


Prefixes: TypeAlias = Annotated[
    tuple[Annotated[Prefix, PlainValidator(keys.read_prefix)], ...], BeforeValidator(listed)
]
Vlans: TypeAlias = Annotated[
    tuple[Annotated[Vlan, PlainValidator(keys.read_vlan)], ...], BeforeValidator(listed)
]
PppoeSessions: TypeAlias = Annotated[
    tuple[Annotated[Pppoe, PlainValidator(keys.read_pppoe)], ...], BeforeValidator(listed)
]
L2tpSessions: TypeAlias = Annotated[
    tuple[Annotated[L2tp, PlainValidator(keys.read_l2tp)], ...], BeforeValidator(listed)
]
MplsLabels: TypeAlias = Annotated[
    tuple[Annotated[int, PlainValidator(keys.read_mpls)], ...], BeforeValidator(listed)
]


class TenantShape(Section):
    """A line about a tenant; one may have several."""

    tenant: Name = Field(description="name, as in labels")
    site: str = Field(default="", max_length=64, description="where it is")
    district: str = Field(default="", max_length=64, description="by which reports rank")
    kind: Kind | None = Field(default=None, description="what it is")
    contact: str = Field(default="", max_length=256, description="whom to tell; goes into events")
    prefix: Prefixes = Field(default=(), description="networks")
    vlan: Vlans = Field(default=(), description="S.C, or the outermost VLAN")
    pppoe: PppoeSessions = Field(default=(), description="SESSION, SESSION@S.C or SESSION@MAC")
    l2tp: L2tpSessions = Field(default=(), description="TUNNEL.SESSION, or SESSION of version 3")
    mpls: MplsLabels = Field(default=(), description="labels")

    @field_validator("site", "district", "contact")
    @classmethod
    def _printable(cls, text: str) -> str:
        if not text.isprintable():
            raise ValueError("holds a character that cannot be printed")
        return text

    @field_validator("tenant")
    @classmethod
    def _not_reserved(cls, text: str) -> str:
        if text == BEHIND_NAT:
            raise ValueError(f"{text!r} is what addresses of our NAT are called")
        return text


class TenantFile(Section):
    """A file of tenants."""

    tenants: list[TenantShape] = Field(max_length=MAX_CLAIMS)


# ── where from ───────────────────────────────────────────────────────────────────────────────────────────


class InlineTenant(msgspec.Struct, frozen=True, array_like=True):
    """A tenant of the configuration itself."""

    owner: Owner
    networks: tuple[str, ...]


class Sources(msgspec.Struct, frozen=True):
    """Where tenants come from; travels to the process that loads them."""

    inline: tuple[InlineTenant, ...] = ()
    files: tuple[str, ...] = ()
    nat: tuple[str, ...] = ()
    inside: tuple[str, ...] = ()


class Claim(NamedTuple):
    """A key, whose it is, and where that is written."""

    sort: str  # of SORTS
    key: Key
    tenant: str
    problem_at: tuple[str, int, int]  # file, line, column

    @property
    def text(self) -> str:
        """As it is told."""
        return f"{self.sort} {self.key}"

    def problem(self, code: str, what: str, remedy: str) -> Problem:
        """A fault at this place."""
        return Problem(*self.problem_at, code, what, remedy)


class Read(NamedTuple):
    """What was found."""

    owners: Owners
    claims: list[Claim]  # in order of the files, the same key of the same tenant twice included
    first: dict[str, tuple[str, int, int]]  # where each tenant is named first


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────


def read_sources(sources: Sources, config_file: str = "tenants") -> Read:
    """Read everything.

    Args:
        sources: the tenants of the configuration, and files.
        config_file: what to call the place of the former in faults.

    Raises:
        ConfigError: with every fault of every file.
    """
    problems: list[Problem] = []
    collector = _Collector(problems)
    for inline in sources.inline:
        place = (config_file, 1, 1)
        collector.tenant(inline.owner, place)
        for text in inline.networks:
            collector.claim("prefix", keys.read_prefix(text), inline.owner.tenant, place)
    for file in sources.files:
        try:
            document = read_document(Path(file))
            shapes = validate(document, TenantFile)
        except ConfigError as error:
            problems += error.problems
            continue
        for number, shape in enumerate(shapes.tenants):
            line, column = document.position(("tenants", number))
            collector.shape(shape, (file, line, column))
    if problems:
        raise ConfigError(problems)
    nat, inside = (tuple(map(keys.read_prefix, texts)) for texts in (sources.nat, sources.inside))
    return collector.result(nat, inside)


def read_document(path: Path) -> Document:
    """The data of a file, in the shape of :class:`TenantFile`, and where each line of it stands.

    Raises:
        ConfigError: with everything that is wrong with the file as such.
    """
    suffix = path.suffix.lower()
    if suffix in (".yaml", ".yml"):
        return load_file(path)
    if suffix != ".csv":
        what = "is neither CSV nor YAML by its name"
        raise ConfigError([Problem(str(path), 1, 1, "name", what, "call it NAME.csv or NAME.yaml")])
    file = str(path)
    problems: list[Problem] = []
    rows = table_rows(plain_text(read_text(path, MAX_SIZE), file), file, problems)
    line, first = next(rows, (1, []))
    headings = [one.strip().lower() for one in first]
    for heading in headings:
        if heading not in COLUMNS:
            problems.append(
                Problem(
                    file, line, 1, "column", f"unknown column {heading!r}", suggest(heading, list(COLUMNS))
                )
            )
        elif headings.count(heading) > 1:
            problems.append(Problem(file, line, 1, "column", f"has two columns {heading!r}", "keep one"))
    if "tenant" not in headings:
        problems.append(
            Problem(file, line, 1, "column", "has no column 'tenant'", "name the columns in the first line")
        )
    lines, entries = array("I"), []
    for line, row in rows if not problems else ():
        if len(row) > len(headings):
            what = f"has {len(row)} columns, not {len(headings)}"
            problems.append(
                Problem(file, line, 1, "value", what, "mend the line; put text with a comma between quotes")
            )
            continue
        cells = {name: cell.strip() for name, cell in zip(headings, row, strict=False)}
        entries.append({name: cell for name, cell in cells.items() if cell or name == "tenant"})
        lines.extend((line, 1))
    if problems:
        raise ConfigError(problems)
    return Document(file, {"tenants": entries}, _whole(lines))


def _whole(lines: array[int]) -> Part:
    """The places of a table, as if it stood under ``tenants``."""
    whole, top, rows = Part(), Part(), Part()
    whole.marks, whole.parts = array("I", (1, 1)), {0: top}
    top.marks, top.parts = array("I", (1, 1)), {0: rows}
    rows.marks = lines
    return whole


class _Collector:
    """Joins what several files say."""

    def __init__(self, problems: list[Problem]) -> None:
        self._problems = problems
        self._about: dict[str, dict[str, str]] = {}
        self._first: dict[str, tuple[str, int, int]] = {}
        self._claims: list[Claim] = []
        self._by_key: dict[tuple[str, Key], Claim] = {}

    def shape(self, shape: TenantShape, place: tuple[str, int, int]) -> None:
        """Take a line."""
        owner = Owner(shape.tenant, shape.site, shape.district, shape.kind or "", shape.contact)
        self.tenant(owner, place)
        for sort in SORTS:
            for key in getattr(shape, sort):
                self.claim(sort, key, shape.tenant, place)

    def tenant(self, owner: Owner, place: tuple[str, int, int]) -> None:
        """Take what a line says of its tenant: lines add to each other, and may not contradict."""
        name = owner.tenant
        about = self._about.setdefault(name, {})
        first = self._first.setdefault(name, place)
        if first is place and len(self._first) > MAX_TENANTS:
            self._too_many(f"more than {MAX_TENANTS} tenants", place, len(self._first) == MAX_TENANTS + 1)
        for field in ABOUT:
            said = getattr(owner, field)
            known = about.setdefault(field, said) or said
            if said and said != known:
                what = f"{field} of {name!r} is {said!r} here and {known!r} in {first[0]}:{first[1]}"
                remedy = "correct one; a tenant at two places is two: give each a name of its own"
                self._problems.append(Problem(*place, "contradiction", what, remedy))
            about[field] = known

    def claim(self, sort: str, key: Key, tenant: str, place: tuple[str, int, int]) -> None:
        """Take a key."""
        one = Claim(sort, key, tenant, place)
        if len(self._claims) >= MAX_CLAIMS:
            self._too_many(f"more than {MAX_CLAIMS} keys", place, len(self._claims) == MAX_CLAIMS)
        self._claims.append(one)
        known = self._by_key.setdefault((sort, key), one)
        if known.tenant != tenant:
            file, line, _ = known.problem_at
            what = f"{one.text} belongs to {tenant!r} here and to {known.tenant!r} in {file}:{line}"
            self._problems.append(one.problem("duplicate", what, "leave it to one of them"))

    def _too_many(self, what: str, place: tuple[str, int, int], is_first: bool) -> None:  # noqa: FBT001
        if is_first:
            self._problems.append(Problem(*place, "size", what, "run a sensor for each part of the network"))

    def result(self, nat: tuple[Prefix, ...], inside: tuple[Prefix, ...]) -> Read:
        """What was taken."""
        tenants = tuple(Owner(name, **about) for name, about in self._about.items())
        numbers = {owner.tenant: number for number, owner in enumerate(tenants)}

        def of(sort: str, _kind: type[T]) -> tuple[tuple[T, int], ...]:
            return tuple(
                (key, numbers[claim.tenant])  # type: ignore[misc]  # keys of a sort have its type
                for (one, key), claim in self._by_key.items()
                if one == sort
            )

        owners = Owners(
            tenants,
            of("prefix", Prefix),
            of("vlan", Vlan),
            of("pppoe", Pppoe),
            of("l2tp", L2tp),
            of("mpls", int),
            nat,
            inside,
        )
        return Read(owners, self._claims, self._first)
