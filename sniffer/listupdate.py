"""A list of the operator's own, brought up to date from a file: offline, and whole or not at all.

In: a file as others publish it, and the folders of rules.  Out: for each list a :class:`Change`; the list's data file and
the date in its YAML file written anew.
Never: the network; a file that ships with the program; a list that is not plausible, or with which the rules would not load.

The new entries take the place of the old ones.  What is written is first tried: the rules are loaded with it from a copy,
their examples run.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import io
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sniffer.addresses import is_address
from sniffer.errors import ConfigError, InputError, Problem, UsageError
from sniffer.examples import load_checked
from sniffer.paths import shipped_rules
from sniffer.replace import replace_file
from sniffer.ruleset.datafile import FORMATS, MAX_SIZE, SEPARATORS, data_path, read_data
from sniffer.ruleset.domains import is_public_suffix, normalise, splits
from sniffer.ruleset.load import rule_files
from sniffer.ruleset.model import MEMBERS, BenignFile, ListFile
from sniffer.strictyaml import Document, load_file, read_text, suggest, validate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import date


SUFFIXES: Final = {".txt": "text", ".csv": "csv", ".hosts": "hosts"}
LEAST_SHARE: Final = 0.5  # of the entries before: fewer are not believed
UPDATED: Final = re.compile(r"""updated:\s*(["']?)\d{4}-\d{2}-\d{2}\1""")


@dataclass(frozen=True, slots=True)
class Change:
    """What an update does to one list; entries sorted."""

    name: str
    added: Sequence[str]
    removed: Sequence[str]
    unchanged: Sequence[str]
    files: tuple[Path, ...]  # that are written


@dataclass(frozen=True, slots=True)
class Prepared:
    """A change, and what it takes to make it."""

    change: Change
    one: OwnList
    text: str  # of the new data file


@dataclass(frozen=True, slots=True)
class OwnList:
    """A list whose values stand in a file of their own."""

    document: Document  # its YAML file
    shape: ListFile
    data: Path  # the file of its own
    folder: Path  # of rules, that both are in

    @property
    def yaml(self) -> Path:
        """Its YAML file."""
        return Path(self.document.file)


@dataclass(frozen=True, slots=True)
class Source:
    """Where new entries come from, and how to read them."""

    path: Path
    kind: str = ""  # text, csv or hosts; "": by its suffix, else by what it holds
    heading: str = ""  # of a column; "": the one that the list names


def update(
    source: Source,
    folders: Sequence[Path],
    today: date,
    *,
    name: str = "",
    force: bool = False,
    dry_run: bool = False,
) -> list[Change]:
    """Bring lists up to date.

    Args:
        source: a file, or a folder of files that are named as the lists are (``pools.txt`` for ``@pools``).
        folders: of rules.
        today: what ``updated:`` will say.
        name: of the list; "": as the file is named.
        force: believe a list that is much shorter than the one before.
        dry_run: write nothing.

    Raises:
        InputError: there is nothing to read.
        UsageError: there is no such list, or it is not one to be written.
        ConfigError: the new file, or the rules with it, have faults; each of them.
        OutputError: the files cannot be written.
    """
    missing = next((folder for folder in folders if not folder.is_dir()), None)
    if missing:
        raise UsageError("no such folder of rules", where=str(missing), remedy="name one with --rules DIR")
    if source.kind not in ("", *FORMATS):
        raise UsageError(f"there is no format {source.kind!r}", remedy=f"choose one of {', '.join(FORMATS)}")
    files = source_files(source.path, name)
    lists, benign = survey(folders)
    prepared = []
    for file in files:
        one = find_list(lists, name or file.stem.lower(), folders)
        prepared.append(prepare(one, dataclasses.replace(source, path=file), benign, force=force))
    texts: dict[Path, str] = {}
    for each in prepared:  # the entries before the date that speaks of them
        texts[each.one.data] = each.text
        texts[each.one.yaml] = dated(each.one, today)
    _try_out(folders, lists, texts, prepared)
    if not dry_run:
        for path, text in texts.items():
            replace_file(path, text.encode())
    return [each.change for each in prepared]


def source_files(path: Path, name: str) -> list[Path]:
    """The files to read: the one that is named, or those in a folder (of the list's name, if one is given)."""
    if not path.is_dir():
        if not path.exists():
            raise InputError("no such file", where=str(path), remedy="name a file or a folder with --from")
        return [path]
    found = sorted(one for one in path.iterdir() if one.suffix.lower() in SUFFIXES and one.name[0] != ".")
    chosen = [one for one in found if not name or one.stem.lower() == name]
    if not chosen:
        what = "holds no " + (f"file {name}.txt, .csv or .hosts" if name else "file *.txt, *.csv or *.hosts")
        raise InputError(what, where=str(path), remedy="name the file itself with --from")
    stems = [one.stem.lower() for one in chosen]
    twice = next((one for one, stem in zip(chosen, stems, strict=True) if stems.count(stem) > 1), None)
    if twice:
        raise UsageError(
            f"two files are named {twice.stem}", where=str(path), remedy="name one of them with --from"
        )
    return chosen


# ── the lists there are ──────────────────────────────────────────────────────────────────────────────────


def survey(folders: Sequence[Path]) -> tuple[list[OwnList], set[str]]:
    """Lists with a data file in folders of the operator, and the benign names there and in the shipped rules.

    Files with faults are left to those who load the rules.
    """
    lists: list[OwnList] = []
    benign: set[str] = set()
    with contextlib.suppress(InputError, ConfigError):
        benign.update(validate(load_file(shipped_rules() / "lists" / "benign.yaml"), BenignFile).benign)
    for folder in folders:
        for path in rule_files(folder) if not is_shipped(folder) else ():
            with contextlib.suppress(ConfigError):
                document = load_file(path)
                keys = document.data if isinstance(document.data, dict) else ()
                if "benign" in keys:
                    benign.update(validate(document, BenignFile).benign)
                elif "file" in keys:
                    shape = validate(document, ListFile)
                    lists.append(OwnList(document, shape, data_path(document, folder.resolve()), folder))
    return lists, benign


def is_shipped(path: Path) -> bool:
    """Whether a path belongs to the rules that come with the program."""
    try:
        return path.resolve().is_relative_to(shipped_rules().resolve())
    except InputError:
        return False


def find_list(lists: Sequence[OwnList], name: str, folders: Sequence[Path]) -> OwnList:
    """A list by its name.

    Raises:
        UsageError: there is none, or none that can be written.
    """
    named = {one.shape.name: one for one in lists}
    if name in named and not is_shipped(named[name].data):
        return named[name]
    if all(is_shipped(folder) for folder in folders):
        remedy = "name a folder of your own with --rules DIR, or a configuration that does with --config FILE"
        raise UsageError("the shipped rules are not written to", remedy=remedy)
    remedy = f"to begin one, write lists/{name}.yaml with name: {name}, type: domains and file: {name}.txt"
    if named:
        remedy += f"; or name another with --list: {suggest(name, sorted(named))}"
    raise UsageError(f"there is no list @{name} of your own with its values in a file", remedy=remedy)


# ── what changes ─────────────────────────────────────────────────────────────────────────────────────────


def prepare(one: OwnList, source: Source, benign: AbstractSet[str], *, force: bool) -> Prepared:
    """The change that a new file makes.

    Raises:
        ConfigError: the new file cannot be read, or is not plausible.
    """
    text = read_text(source.path, MAX_SIZE)
    kind = source.kind or guess(source.path, text)
    heading = (source.heading or one.shape.column) if kind == "csv" else ""
    new = read_data(text, str(source.path), kind, heading)
    entries, problems = canonical(new, one.shape.type)
    if problems:
        raise ConfigError(problems)
    before = entries_before(one)
    problems += implausible(new, one.shape.type, benign)
    if len(entries) < LEAST_SHARE * len(before) and not force:
        what = f"holds {len(entries)} entries, @{one.shape.name} has {len(before)}: less than half"
        remedy = "look at what it lacks; if that is right, add --force"
        problems.append(Problem(str(source.path), 1, 1, "implausible", what, remedy))
    if problems:
        raise ConfigError(problems)
    change = Change(
        one.shape.name,
        sorted(entries - before),
        sorted(before - entries),
        sorted(before & entries),
        (one.data, one.yaml),
    )
    return Prepared(change, one, written(one, sorted(entries)))


def guess(path: Path, text: str) -> str:
    """The format of a file: by its suffix, else by its first line."""
    if path.suffix.lower() in SUFFIXES and path.name != "hosts.txt":
        return SUFFIXES[path.suffix.lower()]
    first = next((line for line in text.splitlines() if line.strip() and line.lstrip()[0] != "#"), "")
    fields = first.split()
    if len(fields) > 1 and is_address(fields[0]):
        return "hosts"
    return "csv" if set(first) & set(SEPARATORS) else "text"


def canonical(entries: Document, kind: str) -> tuple[set[str], list[Problem]]:
    """Entries as the rules know them: names in lower case and ASCII, networks with their prefix.

    Returns:
        Those, and a fault for each entry that the type of the list does not take.
    """
    found, problems = set(), []
    for number, entry in enumerate(entries.data):
        try:
            members = MEMBERS[kind](entry)
        except ValueError as error:
            problems.append(entries.problem((number,), "value", str(error), "take it out, or mend it"))
        else:
            found.add(str(members[0]) if len(members) == 1 else entry)
    return found, problems


def entries_before(one: OwnList) -> set[str]:
    """What the list holds now, as far as it can be read: faults in it are no reason to keep it."""
    try:
        text = read_text(one.data, MAX_SIZE)
        old = read_data(text, str(one.data), one.shape.format, one.shape.column)
    except ConfigError:  # also where it does not exist yet
        return set()
    return canonical(old, one.shape.type)[0]


def implausible(entries: Document, kind: str, benign: AbstractSet[str]) -> Iterator[Problem]:
    """Entries that would match what nobody can mean."""
    if kind not in ("domains", "networks"):
        return
    reason_of = reasons_of_names(benign) if kind == "domains" else reason_of_network
    for number, entry in enumerate(entries.data):
        reason = reason_of(entry)
        if reason:
            yield entries.problem((number,), "implausible", reason, "take it out")


def reason_of_network(entry: str) -> str:
    """What is wrong with a network; "" for nothing."""
    return f"{entry} is every address there is" if entry.endswith("/0") else ""


def reasons_of_names(benign: AbstractSet[str]) -> Callable[[str], str]:
    """A function that says what is wrong with a name; "" for nothing."""
    above: dict[str, str] = {}  # every domain that has a benign name in it
    for name in sorted(benign):
        for _, base in splits(name):
            above.setdefault(base, name)

    def reason(entry: str) -> str:
        name = normalise(entry)
        if is_public_suffix(name):
            return f"{name} is a public suffix: everybody's names lie below it"
        if name in benign:
            return f"{name} is on the benign list"
        return f"{name} has {above[name]} of the benign list below it" if name in above else ""

    return reason


# ── what is written ──────────────────────────────────────────────────────────────────────────────────────


def written(one: OwnList, entries: Sequence[str]) -> str:
    """Entries as the text of the list's data file."""
    if one.shape.format == "hosts":
        return "".join(f"0.0.0.0 {entry}\n" for entry in entries)
    if one.shape.format == "text":
        return "".join(f"{entry}\n" for entry in entries)
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows(
        [[one.shape.column or "value"], *([entry] for entry in entries)]
    )
    return table.getvalue()


def dated(one: OwnList, today: date) -> str:
    """The text of the list's YAML file with a new date; everything else stays as it was written.

    Raises:
        ConfigError: there is no place for a date.
    """
    text = one.yaml.read_text(encoding="utf-8")
    if one.shape.updated:
        line, column = one.document.position(("updated",))
        lines = text.split("\n")
        before, rest = lines[line - 1][: column - 1], lines[line - 1][column - 1 :]
        lines[line - 1] = before + UPDATED.sub(f"updated: {today.isoformat()}", rest, count=1)
        return "\n".join(lines)
    if one.document.position(("name",))[1] != 1:
        remedy = f"write updated: {today.isoformat()} into it"
        raise ConfigError(
            [one.document.problem((), "list", "says no date, and has no place for one", remedy)]
        )
    return text.rstrip("\n") + f"\nupdated: {today.isoformat()}\n"


def _try_out(
    folders: Sequence[Path], lists: Sequence[OwnList], texts: Mapping[Path, str], prepared: Sequence[Prepared]
) -> None:
    """Load the rules as they will be, from a copy of the folders that change.

    Raises:
        ConfigError: they have faults then, or a list would not mean what the new file says.
    """
    with tempfile.TemporaryDirectory(prefix="sniffer-rules-") as temporary:
        copies: dict[str, str] = {}
        tried = []
        for number, folder in enumerate(folders):
            if is_shipped(folder):
                tried.append(folder)
                continue
            copy = Path(temporary) / str(number)
            _copy(folder, copy, [one.data for one in lists if one.folder == folder], texts)
            copies[str(copy)] = str(folder)
            tried.append(copy)
        try:
            ruleset = load_checked(tried)
        except ConfigError as error:
            raise ConfigError([_moved(problem, copies) for problem in error.problems]) from None
    problems: list[Problem] = []
    for each in prepared:
        shape, change = each.one.shape, each.change
        expand = MEMBERS[shape.type]
        wanted = {str(member) for entry in (*change.added, *change.unchanged) for member in expand(entry)}
        if wanted != {*map(str, ruleset.lists.named[change.name].values)}:
            what = f"a file of format {shape.format} cannot hold these entries as they are"
            problems.append(each.one.document.problem(("format",), "list", what, "choose another format"))
    if problems:
        raise ConfigError(problems)


def _copy(folder: Path, copy: Path, data: Sequence[Path], texts: Mapping[Path, str]) -> None:
    """Copy rule files and data files; those that change, as they will be."""
    copy.mkdir()
    for path in {*rule_files(folder), *data}:
        target = copy / path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path in texts:
            target.write_text(texts[path], encoding="utf-8")
        elif path.is_file():
            shutil.copyfile(path, target)


def _moved(problem: Problem, copies: Mapping[str, str]) -> Problem:
    """A fault of a copy as one of the file itself."""
    for copy, folder in copies.items():
        if problem.file.startswith(copy):
            return dataclasses.replace(problem, file=folder + problem.file.removeprefix(copy))
    return problem
