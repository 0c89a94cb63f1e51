"""docs/commands.md: every command, its arguments and options, as the command line declares them; also for the manual page."""

from __future__ import annotations

import inspect
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from typer.models import ArgumentInfo, OptionInfo

from pages import WRITTEN, cell
from sniffer import errors
from sniffer.cli import app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import typer

METAVARS = {int: "N", float: "N"}
"""What stands behind an option that names nothing itself."""


@dataclass(frozen=True)
class Argument:
    """What stands behind a command without a name."""

    name: str
    says: str


@dataclass(frozen=True)
class Option:
    """One option of a command."""

    names: tuple[str, ...]  # the shortest first
    value: str  # what stands behind it; "" for a switch
    says: str
    default: str  # "" where there is none worth telling
    required: bool

    @property
    def name(self) -> str:
        """Its names, with what stands behind them."""
        return " ".join([", ".join(self.names), *([self.value] if self.value else [])])


@dataclass(frozen=True)
class Command:
    """One command: its words, what it does, what it takes."""

    words: str
    says: str
    arguments: tuple[Argument, ...]
    options: tuple[Option, ...]

    @property
    def usage(self) -> str:
        """How it is called."""
        return " ".join(
            [self.words, *(["[OPTIONS]"] if self.options else []), *(one.name for one in self.arguments)]
        )


def commands(group: typer.Typer = app, words: str = "sniffer") -> Iterator[Command]:
    """Every command that does something, in the order of the module."""
    for one in group.registered_commands:
        if one.hidden:
            continue
        yield command(f"{words} {one.name or one.callback.__name__}", one.callback)
    for below in group.registered_groups:
        yield from commands(below.typer_instance, f"{words} {below.name}")


def command(words: str, function: Callable[..., int]) -> Command:
    """What the signature of a function says."""
    # The module imports for type checkers only what a command would have to wait for.
    hints = typing.get_type_hints(function, include_extras=True)
    arguments, options = [], []
    for name, parameter in inspect.signature(function).parameters.items():
        told = next(one for one in hints[name].__metadata__ if isinstance(one, ArgumentInfo | OptionInfo))
        kind = hints[name].__origin__
        if told.hidden:
            continue
        if isinstance(told, ArgumentInfo):
            arguments.append(Argument(told.metavar or name.upper(), told.help or ""))
        else:
            options.append(option(name, kind, told, parameter.default))
    return Command(words, inspect.cleandoc(function.__doc__ or ""), tuple(arguments), tuple(options))


def option(name: str, kind: object, told: OptionInfo, default: object) -> Option:
    """One option."""
    # Within Annotated, typer keeps the first name where a default would stand.
    first = [told.default] if isinstance(told.default, str) else []
    names = sorted([*first, *(told.param_decls or ())], key=len)
    value = "" if kind is bool else told.metavar or METAVARS.get(kind, name.upper())
    shown = (
        ""
        if default in (None, False, "", inspect.Parameter.empty)
        else f"{default:g}"
        if isinstance(default, float | int)
        else str(default)
    )
    return Option(tuple(names), value, told.help or "", shown, default is inspect.Parameter.empty)


def lines() -> Iterator[str]:
    """The page."""
    yield from ("# Commands", "", WRITTEN, "")
    yield "`sniffer COMMAND --help` says the same. Errors are one readable line each on stderr: what is wrong, where, what to do."
    for one in commands():
        yield from ("", f"## {one.words}", "", one.says, "", "```text", one.usage, "```")
        if one.options:
            yield from ("", "| option | does | default |", "| --- | --- | --- |")
        for each in one.options:
            default = f"`{each.default}`" if each.default else "required" * each.required
            yield f"| `{cell(each.name)}` | {cell(each.says)} | {default} |"
    yield from ("", "## Exit status", "", "| status | means |", "| --- | --- |")
    for status, says in errors.STATUSES.items():
        yield f"| {status} | {says} |"
