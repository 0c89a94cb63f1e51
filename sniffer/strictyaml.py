"""YAML as operators mean it: what looks like text is text, and nothing is silently dropped.

In: YAML text.  Out: plain data with the line and column of every key and value; or every fault at once.
Never: aliases, merge keys, tags (code, types), directives, a repeated key, a second document, unbounded depth or size,
a device or pipe in the place of a file.

PyYAML reads the events; the types are those of YAML 1.2's core schema (section 10.3.2) without octal and without the
spellings that surprise: ``no`` is a word, ``010``, ``1_000`` and ``12:30`` are text.  Where a number is wanted, such
text is a fault with a place, never another number.
"""

from __future__ import annotations

import difflib
import json
import math
import re
import stat
import sys
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import pydantic
import yaml

from sniffer.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MAX_SIZE: Final = 4 << 20
MAX_DEPTH: Final = 32
MAX_NODES: Final = 400_000

Place: TypeAlias = tuple[str | int, ...]
Model = TypeVar("Model", bound=pydantic.BaseModel)

WORDS: Final[dict[str, bool | None]] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
REAL = re.compile(r"[-+]?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
NUMERAL: Final = "+-0123456789"  # how a number can begin
MAX_NUMBER: Final = 32  # characters
UNPRINTABLE = re.compile(
    "[^\\t\\n\\r -~\\x85\\xa0-\\ud7ff\\ue000-\\ufefe\\uff00-\\ufffd\\U00010000-\\U0010ffff]"
)
"""What a YAML file may not hold (YAML 1.2.2, section 5.1), and the byte order mark."""


class Part:
    """Where the keys of a mapping, or the items of a list, stand: two numbers each, since a list can be long."""

    __slots__ = ("marks", "parts")

    def __init__(self) -> None:
        self.marks = array("I")  # line and column of each in turn, from 1
        self.parts: dict[int, Part] | None = (
            None  # of those that are mappings or lists themselves, by their number
        )

    def add(self, event: yaml.Event) -> None:
        """Note where the next key or item begins."""
        self.marks.extend(_place_of(event))

    def open(self) -> Part:
        """The mapping or list that the last key or item is."""
        if self.parts is None:
            self.parts = {}
        part = self.parts[len(self.marks) // 2 - 1] = Part()
        return part

    def part(self, number: int) -> Part | None:
        """The mapping or list that a key or item is."""
        return self.parts.get(number) if self.parts else None

    def position(self, number: int) -> tuple[int, int]:
        """Line and column of a key or item."""
        return self.marks[2 * number], self.marks[2 * number + 1]


@dataclass(frozen=True, slots=True)
class Document:
    """Plain data and where each part of it stands."""

    file: str
    data: Any
    whole: Part | None = None  # of which the data are the only item; None: not known
    apart: Mapping[str, Document] | None = None  # what stands in a file of its own, by key

    def position(self, place: Place) -> tuple[int, int]:
        """Line and column of a part, or of the nearest part around it."""
        if self.whole is None:
            return 1, 1
        found, part, data = self.whole.position(0), self.whole.part(0), self.data
        for step in place:
            number = _number_of(step, data)
            if part is None or number is None:
                break
            found, part, data = part.position(number), part.part(number), data[step]
        return found

    def problem(self, place: Place, code: str, what: str, remedy: str = "") -> Problem:
        """A fault at a part of this document, or of the file that holds this part."""
        if self.apart and place and place[0] in self.apart:
            return self.apart[str(place[0])].problem(place[1:], code, what, remedy)
        line, column = self.position(place)
        return Problem(self.file, line, column, code, what, remedy)


def _number_of(step: str | int, data: Any) -> int | None:
    """Which of its keys or items a step leads to; None: to nothing."""
    if isinstance(data, dict):
        return next((number for number, key in enumerate(data) if key == step), None)
    return step if isinstance(data, list) and isinstance(step, int) and 0 <= step < len(data) else None


def load_file(path: Path) -> Document:
    """Read a file.

    Raises:
        ConfigError: with everything that is wrong in it.
    """
    return load(read_text(path, MAX_SIZE), str(path))


def read_text(path: Path, most: int) -> str:
    """The text of a file of at most so many bytes.

    Raises:
        ConfigError: it is none, is too large, or cannot be read.
    """
    raw = read_bytes(path, most)
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        start = raw.rfind(b"\n", 0, error.start) + 1
        line, column = raw.count(b"\n", 0, error.start) + 1, len(raw[start : error.start].decode()) + 1
        raise ConfigError(
            [Problem(str(path), line, column, "encoding", "is not UTF-8", "save it as UTF-8")]
        ) from None


def read_bytes(path: Path, most: int) -> bytes:
    """What a file of at most so many bytes holds.

    Raises:
        ConfigError: it is none, is too large, or cannot be read.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            is_folder = path.is_dir()
            code, what = (
                ("directory", "is a folder, not a file") if is_folder else ("special", "is no regular file")
            )
            raise _refusal(path, code, what, "name a file")
        with path.open("rb") as file:
            raw = file.read(most + 1)
    except FileNotFoundError:
        raise _refusal(path, "missing", "no such file", "check the name") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise _refusal(path, "unreadable", f"cannot be read ({reason})", "check owner and mode") from None
    if len(raw) > most:
        raise _too_large(str(path), most)
    return raw


def _refusal(path: Path, code: str, what: str, remedy: str) -> ConfigError:
    return ConfigError([Problem(str(path), 1, 1, code, what, remedy)])


def _too_large(file: str, most: int) -> ConfigError:
    size = f"{most >> 20} MiB" if most >> 20 else f"{most >> 10} KiB"
    return ConfigError([Problem(file, 1, 1, "size", f"is larger than {size}", "split it")])


def load(text: str, file: str) -> Document:
    """Read text.

    Args:
        text: one YAML document, at most 4 MiB.
        file: what to call it in faults.

    Raises:
        ConfigError: with everything that is wrong in it.
    """
    if len(text) > MAX_SIZE:
        raise _too_large(file, MAX_SIZE)
    foreign = _foreign_character(text, file)
    if foreign:
        raise ConfigError([foreign])
    reader = _Reader(text, file)
    data = reader.read()
    if data is None and not reader.problems:
        reader.problems.append(
            Problem(file, 1, 1, "empty", "holds no data", "write something, or leave the file out")
        )
    if reader.problems:
        raise ConfigError(reader.problems)
    return Document(file, data, reader.whole)


def _foreign_character(text: str, file: str) -> Problem | None:
    """The first character that has no business in a YAML file."""
    found = UNPRINTABLE.search(text)
    at = found.start() if found else len(text)
    carriage_return = text.find("\r", 0, at)
    if (
        carriage_return >= 0
    ):  # libyaml would make another text of it, also inside examples of bytes on the wire
        at, code, what = carriage_return, "line_end", "has line ends of another system (CR)"
        remedy = "save it with LF line ends"
    elif found is None:
        return None
    elif found[0] == "\ufeff":
        code, what, remedy = "byte_order_mark", "holds a byte order mark", "save it as UTF-8 without one"
    else:
        code, what = "character", f"holds the control character U+{ord(found[0]):04X}"
        remedy = 'remove it, or write it as an escape between double quotes ("\\x1b")'
    line, column = text.count("\n", 0, at) + 1, at - (text.rfind("\n", 0, at) + 1) + 1
    return Problem(file, line, column, code, what, remedy)


class _StopError(Exception):
    """Nothing sensible can be read behind this fault."""


def _place_of(event: yaml.Event) -> tuple[int, int]:
    """Line and column of an event, from 1."""
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


class _Reader:
    """Builds plain data from parser events."""

    def __init__(self, text: str, file: str) -> None:
        self.problems: list[Problem] = []
        self.whole = Part()
        self._text, self._file = text, file
        self._nodes = 0

    def read(self) -> Any:
        loader = yaml.CSafeLoader(self._text)
        events: Iterator[yaml.Event] = iter(loader.get_event, None)
        try:
            for event in events:
                if isinstance(event, yaml.DocumentStartEvent):
                    if event.version or event.tags:
                        self._complain(
                            event, "directive", "directives are not allowed", "remove the line with %"
                        )
                    start = next(events)
                    self.whole.add(start)
                    data = self._node(start, events, self.whole, 0)
                    self._only_document(events)
                    return data
        except yaml.YAMLError as error:
            self._complain_of_syntax(error)
        except _StopError:
            pass
        return None

    def _only_document(self, events: Iterator[yaml.Event]) -> None:
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                self._complain(event, "documents", "holds more than one document", "use one file for each")
                return

    def _complain_of_syntax(self, error: yaml.YAMLError) -> None:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        what = getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be read"
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        last = self._text.count("\n") + 1
        if line > last:  # the parser puts the end of an unfinished last line on a line that is not there
            line, column = last, len(self._text) - (self._text.rfind("\n") + 1) + 1
        self.problems.append(
            Problem(
                self._file,
                line,
                column,
                "syntax",
                f"is not YAML: {what}",
                "mend the line, or the one before",
            )
        )

    def _complain(self, event: yaml.Event, code: str, what: str, remedy: str) -> None:
        self.problems.append(Problem(self._file, *_place_of(event), code, what, remedy))

    def _node(self, event: yaml.Event, events: Iterator[yaml.Event], around: Part, depth: int) -> Any:
        """The value that begins here; where it stands is noted already."""
        self._nodes += 1
        if self._nodes > MAX_NODES:
            self._complain(event, "size", f"has more than {MAX_NODES} values", "split it")
            raise _StopError
        if depth > MAX_DEPTH:
            self._complain(event, "depth", f"is nested deeper than {MAX_DEPTH} levels", "flatten it")
            raise _StopError
        if isinstance(event, yaml.AliasEvent):
            self._complain(event, "alias", "aliases are not allowed", "write the value out")
            return None
        if getattr(event, "anchor", None):
            self._complain(event, "anchor", "anchors are not allowed", "write the value out")
        tag = getattr(event, "tag", None)
        if tag:
            self._complain(event, "tag", f"tags are not allowed ({tag})", "remove the tag")
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(events, around.open(), depth)
        return self._mapping(events, around.open(), depth)

    def _scalar(self, event: yaml.ScalarEvent) -> Any:
        text = event.value
        if not _is_plain(event):
            return text
        if text in WORDS:
            return WORDS[text]
        if text[0] not in NUMERAL:
            return text
        is_whole, is_hexadecimal = INTEGER.fullmatch(text), HEXADECIMAL.fullmatch(text)
        if not (is_whole or is_hexadecimal or REAL.fullmatch(text)):
            return text
        if len(text) <= MAX_NUMBER:
            number = int(text, 16 if is_hexadecimal else 10) if is_whole or is_hexadecimal else float(text)
            if math.isfinite(number) and (isinstance(number, float) or abs(number) < 1 << 63):
                return number
        self._complain(
            event, "number", "is a number out of range", "use a smaller one, or put text between quotes"
        )
        return 0

    def _sequence(self, events: Iterator[yaml.Event], part: Part, depth: int) -> list[Any]:
        out: list[Any] = []
        for event in events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            part.add(event)
            out.append(self._node(event, events, part, depth + 1))
        return out

    def _mapping(self, events: Iterator[yaml.Event], part: Part, depth: int) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for event in events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            if not isinstance(event, yaml.ScalarEvent):
                self._complain(event, "key", "a key must be text", "use a plain word as key")
                self._node(event, events, part, depth + 1)
                self._node(next(events), events, part, depth + 1)
                continue
            key = self._key(event, part, out)
            if key not in out:  # a repeated one is a fault, and keeps the place of the first
                part.add(event)
            out[key] = self._node(next(events), events, part, depth + 1)
        return out

    def _key(self, event: yaml.ScalarEvent, part: Part, known: dict[str, Any]) -> str:
        key = sys.intern(event.value)  # the same few words in every entry of a list
        if event.tag or event.anchor:
            self._complain(event, "tag", "keys take neither tags nor anchors", "remove it")
        if _is_plain(event) and key == "<<":
            self._complain(event, "merge", "merge keys are not allowed", "write the values out")
        elif _is_plain(event) and (key in WORDS or REAL.fullmatch(key)):
            self._complain(
                event,
                "key",
                f"a key must be text, not {key!r}",
                "use a word as key, or put it between quotes",
            )
        elif key in known:
            line, _ = part.position(list(known).index(key))
            self._complain(
                event, "repeated", f"key {key!r} is given twice, first in line {line}", "keep one of them"
            )
        return key


def _is_plain(event: yaml.ScalarEvent) -> bool:
    """Whether a scalar was written without quotes and not as a block."""
    return not event.style


# ── shapes ───────────────────────────────────────────────────────────────────────────────────────────────


def validate(document: Document, model: type[Model], place: Place = (), *, quote: bool = True) -> Model:
    """Give data the shape of a model.

    Nothing is converted on the way: ``"5"`` is no number and ``1`` no truth value.

    Args:
        document: what was read.
        model: the shape.
        place: the part of the document that must have it.
        quote: faults say what was given; not so where that may be a secret.

    Raises:
        ConfigError: with every fault, each at its place.
    """
    data = document.data
    for step in place:
        data = data[step]
    try:
        # Through JSON, because pydantic's strict mode then still takes text for enumerations, paths and addresses.
        return model.model_validate_json(json.dumps(data if data is not None else {}), strict=True)
    except pydantic.ValidationError as error:
        known = sorted(field_names(model))
        raise ConfigError(
            [_problem(document, place, one, known, quote=quote) for one in error.errors(include_url=False)]
        ) from None


def _problem(document: Document, place: Place, error: Any, known: list[str], *, quote: bool) -> Problem:
    where = (*place, *error["loc"])
    name = ".".join(str(step) for step in error["loc"])
    last = str(error["loc"][-1]) if error["loc"] else ""
    if error["type"] == "extra_forbidden":
        return document.problem(where, "unknown_key", f"unknown key {last!r}", suggest(last, known))
    if error["type"] == "missing":
        return document.problem(where, "missing_key", f"key {last!r} is missing", "add it")
    given = error.get("input")
    got = f' (got "{str(given)[:80]}")' if quote and isinstance(given, str | int | float | bool) else ""
    message = error["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    what = f"{name}: {message}{got}" if name else f"{message}{got}"
    return document.problem(where, _code(error["type"]), what, _remedy(error))


def _code(kind: str) -> str:
    """Our word for a kind of fault of pydantic's."""
    if kind.endswith(("_type", "_parsing", "_from_float")):
        return "type"
    if kind.startswith(("greater_than", "less_than", "too_", "string_too", "finite", "int_parsing_size")):
        return "range"
    return "value"


REMEDIES: Final = {
    "string": "write text; put what looks like a number, or like nothing, between quotes",
    "int": "write a whole number, without quotes",
    "float": "write a number, without quotes",
    "bool": "write true or false, without quotes",
    "list": "write a list: [one, other], or a line with - for each",
    "tuple": "write a list: [one, other], or a line with - for each",
    "dict": "write keys with values: {key: value}, or a line for each",
    "model": "write keys with values: {key: value}, or a line for each",
    "greater": "choose a number within these bounds",
    "less": "choose a number within these bounds",
    "too": "add an entry, or leave some out",
}
"""What to do, by the first word of a kind of fault of pydantic's."""


def _remedy(error: Any) -> str:
    """What to do about a fault of pydantic's."""
    kind: str = error["type"]
    if kind in ("literal_error", "enum"):
        return suggest(str(error.get("input")), re.findall(r"'([^']*)'", error["ctx"]["expected"]))
    if kind == "string_pattern_mismatch":
        return "write it in the form that the pattern describes"
    if kind.startswith("string_too"):
        return "write more, or less"
    return REMEDIES.get(kind.partition("_")[0], "mend the value, or leave it out")


def suggest(word: str, known: list[str]) -> str:
    """A remedy for an unknown word."""
    close = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known[:20])}"


def field_names(model: type[pydantic.BaseModel], seen: set[type] | None = None) -> set[str]:
    """Every key that a model and the models inside it know."""
    seen = seen if seen is not None else set()
    if model in seen:
        return set()
    seen.add(model)
    out: set[str] = set()
    for name, field in model.model_fields.items():
        out.add(field.alias or name)
        for part in _models_in(field.annotation):
            out |= field_names(part, seen)
    return out


def _models_in(annotation: Any) -> Iterator[type[pydantic.BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _models_in(argument)
