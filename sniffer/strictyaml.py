"""YAML as operators mean it: what looks like text is text, and nothing is silently dropped.

In: YAML text.  Out: plain data with the line and column of every key and value; or every fault at once.
Never: aliases, merge keys, tags (code, types), a repeated key, a second document, unbounded depth or size.

PyYAML reads the events; the types are those of YAML 1.2's core schema (section 10.3.2) without octal and without the
spellings that surprise: ``no`` is a word, ``010`` is text, ``12:30`` is text (robustness.md, finding 2 and T12).
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import pydantic
import yaml

from sniffer.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator
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
INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]{1,16}")
REAL = re.compile(r"[-+]?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]{1,3})?")


@dataclass(frozen=True, slots=True)
class Document:
    """Plain data and where each part of it stands."""

    file: str
    data: Any
    places: dict[Place, tuple[int, int]]  # of keys and list items, from 1

    def position(self, place: Place) -> tuple[int, int]:
        """Line and column of a part, or of the nearest part around it."""
        while place not in self.places and place:
            place = place[:-1]
        return self.places.get(place, (1, 1))

    def problem(self, place: Place, code: str, what: str, remedy: str = "") -> Problem:
        """A fault at a part of this document."""
        line, column = self.position(place)
        return Problem(self.file, line, column, code, what, remedy)


def load_file(path: Path) -> Document:
    """Read a file; raise ConfigError with everything that is wrong in it."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_SIZE + 1)
        text = raw.decode("utf-8-sig")
    except FileNotFoundError:
        raise _refuse(path, "missing", "no such file", "check the name") from None
    except IsADirectoryError:
        raise _refuse(path, "directory", "is a folder, not a file", "name a file") from None
    except OSError as error:
        raise _refuse(path, "unreadable", f"cannot be read ({error.strerror})", "check owner and mode") from None
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - (raw.rfind(b"\n", 0, error.start) + 1) + 1
        raise ConfigError([Problem(str(path), line, column, "encoding", "is not UTF-8", "save it as UTF-8")]) from None
    return load(text, str(path))


def _refuse(path: Path, code: str, what: str, remedy: str) -> ConfigError:
    return ConfigError([Problem(str(path), 1, 1, code, what, remedy)])


def load(text: str, file: str) -> Document:
    """Read text; raise ConfigError with everything that is wrong in it."""
    if len(text) > MAX_SIZE:
        raise ConfigError([Problem(file, 1, 1, "size", f"is larger than {MAX_SIZE >> 20} MiB", "split it")])
    reader = _Reader(text, file)
    data = reader.read()
    if reader.problems:
        raise ConfigError(reader.problems)
    return Document(file, data, reader.places)


class _Stop(Exception):  # noqa: N818: control flow inside this module
    """Nothing sensible can be read behind this fault."""


class _Reader:
    """Builds plain data from parser events."""

    def __init__(self, text: str, file: str) -> None:
        self.problems: list[Problem] = []
        self.places: dict[Place, tuple[int, int]] = {}
        self._text, self._file = text, file
        self._nodes = 0

    def read(self) -> Any:
        try:
            events = self._events()
            for event in events:
                if isinstance(event, yaml.DocumentStartEvent):
                    data = self._node(next(events), events, (), 0)
                    self._only_document(events)
                    return data
        except _Stop:
            pass
        return None

    def _only_document(self, events: Iterator[yaml.Event]) -> None:
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                self._complain(event, "documents", "holds more than one document", "use one file for each")
                return

    def _events(self) -> Iterator[yaml.Event]:
        try:
            yield from yaml.parse(self._text, Loader=yaml.CSafeLoader)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
            what = getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be read"
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            self.problems.append(Problem(self._file, line, column, "syntax", f"is not YAML: {what}", "mend the line, or the one before"))
            raise _Stop from None

    def _complain(self, event: yaml.Event, code: str, what: str, remedy: str) -> None:
        mark = event.start_mark
        self.problems.append(Problem(self._file, mark.line + 1, mark.column + 1, code, what, remedy))

    def _node(self, event: yaml.Event, events: Iterator[yaml.Event], place: Place, depth: int) -> Any:
        self.places.setdefault(place, (event.start_mark.line + 1, event.start_mark.column + 1))
        self._nodes += 1
        if self._nodes > MAX_NODES:
            self._complain(event, "size", f"has more than {MAX_NODES} values", "split it")
            raise _Stop
        if depth > MAX_DEPTH:
            self._complain(event, "depth", f"is nested deeper than {MAX_DEPTH} levels", "flatten it")
            raise _Stop
        if isinstance(event, yaml.AliasEvent):
            self._complain(event, "alias", "aliases are not allowed", "write the value out")
            return None
        if getattr(event, "anchor", None):
            self._complain(event, "anchor", "anchors are not allowed", "write the value out")
        if getattr(event, "tag", None):
            self._complain(event, "tag", f"tags are not allowed ({event.tag})", "remove the tag")
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(events, place, depth)
        return self._mapping(events, place, depth)

    def _scalar(self, event: yaml.ScalarEvent) -> Any:
        text = event.value
        if event.style is not None and event.style != "":
            return text
        if text in WORDS:
            return WORDS[text]
        if INTEGER.fullmatch(text):
            return int(text)
        if HEXADECIMAL.fullmatch(text):
            return int(text, 16)
        if REAL.fullmatch(text):
            return float(text)
        return text

    def _sequence(self, events: Iterator[yaml.Event], place: Place, depth: int) -> list[Any]:
        out: list[Any] = []
        for event in events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            out.append(self._node(event, events, (*place, len(out)), depth + 1))
        return out

    def _mapping(self, events: Iterator[yaml.Event], place: Place, depth: int) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for event in events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            if not isinstance(event, yaml.ScalarEvent):
                self._complain(event, "key", "a key must be text", "use a plain word as key")
                self._node(event, events, (*place, "?"), depth + 1)
                self._node(next(events), events, (*place, "?"), depth + 1)
                continue
            key = event.value
            if key == "<<" and event.style in (None, ""):
                self._complain(event, "merge", "merge keys are not allowed", "write the values out")
            elif key in out:
                self._complain(event, "repeated", f"key {key!r} is given twice", "keep one of them")
            if event.tag or event.anchor:
                self._complain(event, "tag", "keys take neither tags nor anchors", "remove it")
            self.places.setdefault((*place, key), (event.start_mark.line + 1, event.start_mark.column + 1))
            out[key] = self._node(next(events), events, (*place, key), depth + 1)
        return out


# ── shapes ───────────────────────────────────────────────────────────────────────────────────────────────


def validate(document: Document, model: type[Model], place: Place = ()) -> Model:
    """Give data the shape of a model; raise ConfigError with every fault, each at its place."""
    data = document.data
    for step in place:
        data = data[step]
    try:
        return model.model_validate(data if data is not None else {}, strict=False)
    except pydantic.ValidationError as error:
        known = sorted(field_names(model))
        raise ConfigError([_problem(document, place, one, known) for one in error.errors(include_url=False)]) from None


def _problem(document: Document, place: Place, error: Any, known: list[str]) -> Problem:
    where = (*place, *error["loc"])
    if error["type"] == "extra_forbidden":
        return document.problem(where, "unknown_key", f"unknown key {error['loc'][-1]!r}", suggest(str(error["loc"][-1]), known))
    if error["type"] == "missing":
        return document.problem(where, "missing_key", f"key {error['loc'][-1]!r} is missing", "add it")
    given = error.get("input")
    got = f" (got {str(given)[:80]!r})" if isinstance(given, str | int | float | bool) else ""
    message = error["msg"].removeprefix("Value error, ")
    name = ".".join(str(step) for step in error["loc"])
    return document.problem(where, "value", f"{name}: {message}{got}", "")


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
