"""Rule files into a rule set: everything, or every fault at once.

In: folders with YAML.  Out: a RuleSet.
Never: half a set; the old one stays in use until a new one is whole.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec
import re2

from sniffer.errors import ConfigError, Problem
from sniffer.garbage import not_collected
from sniffer.ruleset.count import parse_match
from sniffer.ruleset.datafile import with_data
from sniffer.ruleset.lint import endpoint_faults, example_faults, pattern_faults, payload_faults, rule_faults
from sniffer.ruleset.lists import Lists, NamedList
from sniffer.ruleset.matcher import RuleSet
from sniffer.ruleset.model import (
    MEMBERS,
    BenignFile,
    ListFile,
    PatternFile,
    PoolFile,
    RuleShape,
    make_rule,
)
from sniffer.ruleset.operators import regex_fault
from sniffer.ruleset.suppression import (
    MAX_SUPPRESSIONS,
    SuppressionFile,
    Suppressions,
    make_suppressions,
    suppression_faults,
)
from sniffer.strictyaml import Document, load_file, validate

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from sniffer.model import Endpoint
    from sniffer.ruleset.domains import HostPattern
    from sniffer.ruleset.model import Rule
    from sniffer.ruleset.suppression import Suppression

MAX_FILES: Final = 2_000


def load_rules(directories: Sequence[Path], tenants: Collection[str] | None = None) -> RuleSet:
    """Read every YAML file below the folders, in order of their names.

    Args:
        directories: the folders.
        tenants: names of tenants that suppressions may name; None: not known, so any.

    Raises:
        ConfigError: with each Problem of each file.
    """
    return load_with_documents(directories, tenants)[0]


@not_collected()
def load_with_documents(
    directories: Sequence[Path], tenants: Collection[str] | None = None
) -> tuple[RuleSet, list[Document]]:
    """The same, and the files as they were read: who complains of a rule needs the place of each part.

    Raises:
        ConfigError: with each Problem of each file.
    """
    problems: list[Problem] = []
    documents: list[Document] = []
    for directory in directories:
        if not directory.is_dir():
            problems.append(
                Problem(
                    str(directory), 1, 1, "missing", "no such folder of rules", "name one with --rules DIR"
                )
            )
            continue
        files = rule_files(directory)
        if not files:
            problems.append(
                Problem(str(directory), 1, 1, "empty", "no rule file (*.yaml) in this folder", "add one")
            )
        if len(files) > MAX_FILES:
            problems.append(
                Problem(str(directory), 1, 1, "size", f"more than {MAX_FILES} rule files", "join some")
            )
        home = directory.resolve()
        for path in files[:MAX_FILES]:
            if not path.resolve().is_relative_to(home):
                problems.append(
                    Problem(str(path), 1, 1, "outside", "leads out of its folder", "copy the file")
                )
                continue
            try:
                document = load_file(path)
            except ConfigError as error:
                problems += error.problems
                continue
            try:
                documents.append(with_data(document, home))
            except ConfigError as error:
                problems += error.problems
                documents.append(document)  # so that its name is known to the rules
    builder, rules, lists = _build(documents, problems)
    problems += endpoint_faults(documents, lists)
    problems += pattern_faults(rules)
    known = None if problems else {rule.id for rule in rules}
    for document, shapes in builder.with_suppressions:
        problems += suppression_faults(document, shapes, known, tenants, datetime.now(UTC).date())
    if not problems and not rules:
        problems.append(
            Problem(documents[0].file if documents else "rules", 1, 1, "empty", "holds no rule", "add one")
        )
    if problems:
        raise ConfigError(problems)
    packed = [msgspec.Raw(msgspec.msgpack.encode(document.data)) for document in documents]
    version = hashlib.blake2s(msgspec.msgpack.encode(packed), digest_size=5).hexdigest()
    dump = pack(version, documents)
    ruleset = RuleSet(rules, lists, version, dump, builder.suppressions())
    return ruleset, documents


def pack(version: str, documents: Iterable[Document]) -> bytes:
    """A set as :func:`restore` takes it, out of what its files say."""
    held = list(documents)
    packed = [msgspec.Raw(msgspec.msgpack.encode(document.data)) for document in held]
    return msgspec.msgpack.encode(Dump(version, [document.file for document in held], packed))


def unpack(dump: bytes) -> Iterator[Document]:
    """What the files of a set say, one after another."""
    found = _dumps.decode(dump)
    for file, data in zip(found.files, found.documents, strict=True):
        yield Document(file, msgspec.msgpack.decode(data))


class Dump(msgspec.Struct, array_like=True):
    """What a rule set was made of; each document packed by itself, so that they can be opened one after another."""

    version: str
    files: list[str]
    documents: list[msgspec.Raw]


_dumps = msgspec.msgpack.Decoder(Dump)


def rule_files(directory: Path) -> list[Path]:
    """YAML files below a folder by name; nothing hidden (editors and volume mounts keep copies there)."""
    found = (path for path in directory.rglob("*") if path.suffix in (".yaml", ".yml"))
    return sorted(
        path for path in found if not any(part[0] == "." for part in path.relative_to(directory).parts)
    )


@not_collected()
def restore(dump: bytes) -> RuleSet:
    """Build a set again from :meth:`RuleSet.dump`; it was checked when it was first loaded."""
    problems: list[Problem] = []
    builder, rules, lists = _build(unpack(dump), problems)
    if problems:
        raise ConfigError(problems)
    return RuleSet(rules, lists, _dumps.decode(dump).version, dump, builder.suppressions())


def _build(documents: Iterable[Document], problems: list[Problem]) -> tuple[_Builder, list[Rule], Lists]:
    """Take the lists of each document, then the rules; what is only lists is not held on to."""
    builder = _Builder(problems)
    with_rules = []
    for document in documents:
        builder.read(document)
        if isinstance(document.data, list):
            with_rules.append(document)
    lists = builder.lists()
    return builder, [rule for document in with_rules for rule in builder.rules(document, lists)], lists


class _Builder:
    """Collects lists first, then the rules that refer to them."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        self._named: dict[str, NamedList] = {}
        self._endpoints: list[Endpoint] = []
        self._patterns: list[HostPattern] = []
        self._benign: list[str] = []
        self._suppressions: list[Suppression] = []
        self.with_suppressions: list[tuple[Document, SuppressionFile]] = []
        self._ids: dict[str, str] = {}
        self._signatures: dict[int, str] = {}

    def lists(self) -> Lists:
        return Lists(self._named, self._endpoints, self._patterns, self._benign)

    def suppressions(self) -> Suppressions:
        return Suppressions(self._suppressions)

    def read(self, document: Document) -> None:
        """Take the lists of a document; the kind of a file is told by its keys."""
        data = document.data
        if isinstance(data, list):
            return
        if not isinstance(data, dict):
            self._complain(
                document, (), "shape", "is neither a list of rules nor a list file", "begin a rule with - id:"
            )
            return
        readers: dict[str, Callable[[Document], None]] = {
            "pools": self._read_pools,
            "benign": self._read_benign,
            "host_patterns": self._read_patterns,
            "values": self._read_list,
            "file": self._read_list,
            "allow": self._read_suppressions,
        }
        for key, reader in readers.items():
            if key in data:
                try:
                    reader(document)
                except ConfigError as error:
                    self.problems += error.problems
                return
        known = ", ".join(readers)
        self._complain(
            document, (), "shape", f"has none of the keys {known}", "rules are a list: begin with - id:"
        )

    def _complain(
        self, document: Document, place: tuple[str | int, ...], code: str, what: str, remedy: str = ""
    ) -> None:
        self.problems.append(document.problem(place, code, what, remedy))

    def _read_pools(self, document: Document) -> None:
        self._endpoints += validate(document, PoolFile).endpoints()

    def _read_benign(self, document: Document) -> None:
        self._benign += validate(document, BenignFile).benign

    def _read_patterns(self, document: Document) -> None:
        options = re2.Options()
        options.log_errors = False
        for number, pattern in enumerate(validate(document, PatternFile).patterns()):
            try:
                re2.compile(pattern.left, options)
            except re2.error as error:
                self._complain(
                    document,
                    ("host_patterns", number, "left"),
                    "operand",
                    f"is no regular expression of RE2: {regex_fault(error)}",
                    "write it in RE2: no back-references, no look-around",
                )
                continue
            self._patterns.append(pattern)

    def _read_list(self, document: Document) -> None:
        found = validate(document, ListFile)
        if found.name in self._named:
            self._complain(
                document, ("name",), "repeated", f"there is a list @{found.name} already", "rename one"
            )
        expand = MEMBERS[found.type]
        values: list[str | int] = []
        for number, value in enumerate(found.values):
            try:
                values += expand(value)
            except ValueError as error:
                self._complain(document, ("values", number), "value", str(error), "mend it, or leave it out")
        file = document.apart["values"].file if document.apart else document.file
        self._named[found.name] = NamedList(found.type, values, found.origin, found.updated, file)

    def _read_suppressions(self, document: Document) -> None:
        shapes = validate(document, SuppressionFile)
        self._suppressions += make_suppressions(document.file, shapes)
        self.with_suppressions.append((document, shapes))
        if len(self._suppressions) > MAX_SUPPRESSIONS:
            what = f"more than {MAX_SUPPRESSIONS} suppressions in all"
            self._complain(
                document, ("allow",), "range", what, "give networks or rules in place of addresses"
            )

    def rules(self, document: Document, lists: Lists) -> list[Rule]:
        """The rules of one file."""
        out = []
        for number in range(len(document.data)):
            rule = self._rule(document, number, lists)
            if rule is not None:
                out.append(rule)
        return out

    def _rule(self, document: Document, number: int, lists: Lists) -> Rule | None:
        place = (number,)
        if not isinstance(document.data[number], dict):
            self._complain(document, place, "shape", "a rule must be a mapping", "begin it with id:")
            return None
        try:
            shape = validate(document, RuleShape, place)
        except ConfigError as error:
            self.problems += error.problems
            shape = None
        match = document.data[number].get("match")
        condition, count = (
            parse_match(match, (*place, "match"), document, lists, self.problems)
            if match is not None
            else (None, None)
        )
        if shape is None or condition is None:
            return None
        line = document.position(place)[0]
        if shape.id in self._ids:
            self._complain(
                document,
                (*place, "id"),
                "repeated",
                f"rule {shape.id} is also in {self._ids[shape.id]}",
                "rename one",
            )
            return None
        self._ids[shape.id] = f"{document.file}:{line}"
        rule = make_rule(shape, condition, count, document.file, line)
        signature = rule.signature_id
        if signature in self._signatures:
            what = f"rules {rule.id} and {self._signatures[signature]} share signature_id {signature}"
            self._complain(document, (*place, "id"), "repeated", what, "give one of them a signature_id")
        self._signatures[signature] = rule.id
        for fault in rule_faults(rule):
            self._complain(document, (*place, "match"), "condition", fault, "leave one of them out")
        for fault, remedy in payload_faults(condition):
            self._complain(document, (*place, "match"), "payload", fault, remedy)
        for where, fault, remedy in example_faults(rule):
            self._complain(document, (*place, "examples", *where), "example", fault, remedy)
        return rule
