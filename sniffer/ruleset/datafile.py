"""Lists as others publish them: plain text, CSV, and the hosts files that filters use.

In: a file.  Out: its entries as text, and the line of each.
Never: what an entry means (that is told by the type of its list); more than MAX_ENTRIES; a file outside the folder of rules.

- ``text``: one entry a line.
- ``csv``: a line of headings, then rows; separated by comma, semicolon or tab, whichever the headings have most of
  (RFC 4180).
- ``hosts``: an address and one name or more a line (hosts(5)); the names that every such file begins with are left out.

Blank lines and what follows ``#`` at the start of a line or behind a space are comments (in CSV: whole lines only).  A byte
order mark and CR line ends are taken, because other people's files have them.
"""

from __future__ import annotations

import csv
import io
import re
from array import array
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

from sniffer.addresses import is_address
from sniffer.errors import ConfigError, Problem
from sniffer.strictyaml import UNPRINTABLE, Document, Part, read_text, suggest

if TYPE_CHECKING:
    from collections.abc import Iterator

Format: TypeAlias = Literal["text", "csv", "hosts"]
FORMATS: Final[tuple[str, ...]] = get_args(Format)
MAX_ENTRIES: Final = 250_000
MAX_SIZE: Final = 16 << 20
COMMENT: Final = re.compile(r"(?:^|\s)#.*")
SEPARATORS: Final = ",;\t"
LOCAL_NAMES: Final = frozenset(
    (
        "localhost",
        "localhost.localdomain",
        "local",
        "broadcasthost",
        "ip6-localhost",
        "ip6-loopback",
        "ip6-localnet",
        "ip6-mcastprefix",
        "ip6-allnodes",
        "ip6-allrouters",
        "ip6-allhosts",
        "0.0.0.0",  # noqa: S104 -- a name that such files hold, not an address to listen on
    )
)
"""Names in hosts files that are there for the machine itself."""


def with_data(document: Document, home: Path) -> Document:
    """A list together with the entries of the file that it names; any other document as it is.

    Args:
        document: what a YAML file says.
        home: the folder of rules, resolved; the data file must be inside.

    Raises:
        ConfigError: with everything that is wrong with the data file.
    """
    data = document.data
    if not isinstance(data, dict) or "file" not in data:
        return document
    if "values" in data:
        raise ConfigError(
            [document.problem(("values",), "list", "has both file and values", "leave one of them out")]
        )
    name, kind, heading = data["file"], data.get("format", "text"), data.get("column", "")
    if not (name and isinstance(name, str) and kind in FORMATS and isinstance(heading, str)):
        return document  # which is a fault of its shape, and told as such
    if heading and kind != "csv":
        what = f"a file of format {kind} has no columns"
        raise ConfigError(
            [document.problem(("column",), "list", what, "write format: csv, or leave column out")]
        )
    path = data_path(document, home)
    entries = read_data(read_text(path, MAX_SIZE), str(path), kind, heading)
    return Document(document.file, {**data, "values": entries.data}, document.whole, {"values": entries})


def data_path(document: Document, home: Path) -> Path:
    """Where the data file of a list lies.

    Raises:
        ConfigError: outside the folder of rules.
    """
    name: str = document.data["file"]
    path = Path(document.file).parent / name
    try:
        resolved = path.resolve()
        # From Python 3.13 on, links in a circle stay links; before, they raise.
        is_inside = resolved.is_relative_to(home) and not resolved.is_symlink()
    except (OSError, ValueError, RuntimeError):  # also a NUL in the name
        is_inside = False
    if name.startswith("/") or not is_inside:
        remedy = "name a file beside it, or in a folder below"
        what = "names a file outside the folder of rules"
        raise ConfigError([document.problem(("file",), "outside", what, remedy)])
    return path


def read_data(text: str, file: str, kind: str, heading: str = "") -> Document:
    """Take the entries out of the text of a file.

    Args:
        text: the whole of it.
        file: what to call it in faults.
        kind: one of FORMATS.
        heading: of the column that holds the entries; CSV only.

    Returns:
        A list of texts, each with its line.

    Raises:
        ConfigError: with everything that is wrong in it.
    """
    text = plain_text(text, file)
    problems: list[Problem] = []
    entries: list[str] = []
    whole, part = Part(), Part()
    for line, entry in _entries(text, file, kind, heading, problems):
        if len(entries) == MAX_ENTRIES:
            what = f"holds more than {MAX_ENTRIES} entries"
            problems.append(Problem(file, line, 1, "size", what, "make several lists of it"))
            break
        entries.append(entry)
        part.marks.extend((line, 1))
    if not entries and not problems:
        problems.append(Problem(file, 1, 1, "empty", "holds no entry", "add one, or take the list out"))
    if problems:
        raise ConfigError(problems)
    whole.marks, whole.parts = array("I", (1, 1)), {0: part}
    return Document(file, entries, whole)


def plain_text(text: str, file: str) -> str:
    """A text without byte order mark and CR.

    Raises:
        ConfigError: it holds a control character.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    foreign = UNPRINTABLE.search(text)
    if foreign:
        line = text.count("\n", 0, foreign.start()) + 1
        what = f"holds the character U+{ord(foreign[0]):04X}"
        raise ConfigError(
            [Problem(file, line, 1, "character", what, "remove it; save the file as UTF-8 text")]
        )
    return text


def _entries(
    text: str, file: str, kind: str, heading: str, problems: list[Problem]
) -> Iterator[tuple[int, str]]:
    """Each entry with its line."""
    if kind == "csv":
        yield from _column(text, file, heading, problems)
        return
    addresses: set[str] = set()  # the same one in every line, mostly
    for line, full in enumerate(text.split("\n"), 1):
        shown = (COMMENT.sub("", full) if "#" in full else full).strip()
        if not shown:
            continue
        if kind == "text":
            yield line, shown
            continue
        address, *names = shown.split()
        if address not in addresses and is_address(address):
            addresses = {address}
        if not names or address not in addresses:
            what = f"{shown[:80]!r} is no line of a hosts file"
            problems.append(
                Problem(file, line, 1, "value", what, "write an address and a name, or choose another format")
            )
        yield from ((line, name) for name in names if name.lower() not in LOCAL_NAMES)


def _column(text: str, file: str, heading: str, problems: list[Problem]) -> Iterator[tuple[int, str]]:
    """Each entry of one column of a table."""
    rows = table_rows(text, file, problems)
    line, headings = next(rows, (1, []))
    headings = [one.strip() for one in headings]
    if not headings:
        return
    if not heading and len(headings) == 1:
        heading = headings[0]
    if heading not in headings:
        what = f"has no column {heading!r}" if heading else f"has {len(headings)} columns, and none is named"
        remedy = suggest(heading, headings) if heading else f"name one of {', '.join(headings[:20])}"
        problems.append(Problem(file, line, 1, "column", what, remedy))
        return
    number = headings.index(heading)
    for line, row in rows:
        if number >= len(row):
            what = f"has {len(row)} columns, not {len(headings)}"
            problems.append(Problem(file, line, 1, "value", what, "mend the line"))
        elif row[number].strip():
            yield line, row[number].strip()


def table_rows(text: str, file: str, problems: list[Problem]) -> Iterator[tuple[int, Any]]:
    """Each row that is neither blank nor a comment, with the line it ends in."""
    first = next((one for one in text.split("\n") if one.strip() and one[0] != "#"), "")
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=max(SEPARATORS, key=first.count), strict=True
    )
    try:
        for row in reader:
            if any(cell.strip() for cell in row) and row[0][:1] != "#":
                yield reader.line_num, row
    except csv.Error as error:
        problems.append(
            Problem(file, max(reader.line_num, 1), 1, "syntax", f"is no CSV: {error}", "mend the line")
        )
