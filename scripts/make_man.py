"""Writes the manual page from the command line itself, so that it says what the program does.

    python scripts/make_man.py FILE

In: the commands and options of sniffer/cli.py, the statuses of sniffer/errors.py.  Out: sniffer(1) in man(7).
Never: an option or a command by hand.
"""

from __future__ import annotations

import datetime as dt
import re
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import typer

from packing import epoch
from sniffer import __version__, errors
from sniffer.cli import app

if TYPE_CHECKING:
    from collections.abc import Iterator

FILES = (
    ("/etc/sniffer/sniffer.yaml", "the configuration of the service, with every setting"),
    ("/opt/sniffer/share/sniffer/rules/", "the shipped rules"),
    ("/var/log/sniffer/", "where events.file may point to"),
    ("/var/cache/sniffer/", "the compiled packet gate; may be removed while the service is stopped"),
)
SIGNALS = (
    ("TERM, INT", "finish what has arrived and end with status 0; a second one ends at once"),
    (
        "HUP",
        "load the rules again and open the event file again; whatever is wrong, the old rules stay in use",
    ),
)


def quoted(text: str) -> str:
    """Text as roff takes it literally."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("…", "...").replace("'", "\\(aq")
    return f"\\&{text}" if text[:1] in {".", "\\"} and text[:2] != "\\-" else text


def bold(text: str) -> str:
    """A word of the command line."""
    return f"\\fB{quoted(text)}\\fR"


def lines_of(text: str) -> list[str]:
    """Text in lines as short as roff's sources have them."""
    return [quoted(line) for line in textwrap.wrap(text, 72, break_long_words=False, break_on_hyphens=False)]


def item(title: str, text: str) -> Iterator[str]:
    """A term and what it means."""
    yield from (".TP", title, *lines_of(text))


def statuses() -> Iterator[tuple[int, str]]:
    """Each exit status and its meaning."""
    yield errors.EXIT_OK, "Fine."
    yield errors.EXIT_FAILURE, "Something failed at run time."
    yield errors.EXIT_HITS, "Mining was found (with --fail-on-hit)."
    for kind in errors.SnifferError.__subclasses__():
        first = (kind.__doc__ or "").partition("\n")[0]
        yield kind.exit_status, first.partition(".")[0] + "."


def operand(parameter: Any) -> str:
    """What stands for the value of an option or argument: empty for a switch."""
    if getattr(parameter, "is_flag", False):
        return ""
    return parameter.metavar or ("NUMBER" if isinstance(parameter.default, int | float) else "VALUE")


def usage(name: str, command: Any) -> str:
    """The command with its arguments."""
    words = [
        parameter.metavar or parameter.name
        for parameter in command.params
        if parameter.param_type_name == "argument"
    ]
    return " ".join([bold(name), "[options]", *(f"\\fI{quoted(word)}\\fR" for word in words)])


def describe(name: str, command: Any) -> Iterator[str]:
    """A command, its options, the commands below it."""
    if getattr(command, "commands", None):
        for below, one in command.commands.items():
            yield from describe(f"{name} {below}".strip(), one)
        return
    yield from (f".SS {usage(name, command)}", *paragraphs(command.help or ""))
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            if parameter.help:
                yield from item(f"\\fI{quoted(parameter.metavar or parameter.name)}\\fR", parameter.help)
        elif not parameter.hidden and "--help" not in parameter.opts:
            names = ", ".join(bold(word) for word in (*parameter.opts, *parameter.secondary_opts))
            value = operand(parameter)
            yield from item(f"{names} \\fI{quoted(value)}\\fR" if value else names, parameter.help or "")


def paragraphs(text: str) -> Iterator[str]:
    """Running text."""
    for number, part in enumerate(re.split(r"\n\s*\n", text.strip())):
        if number:
            yield ".PP"
        yield from lines_of(" ".join(part.split()))


def page() -> Iterator[str]:
    """The lines of the page."""
    program = typer.main.get_command(app)
    date = dt.datetime.fromtimestamp(epoch(), dt.UTC).date()
    yield f'.TH SNIFFER 1 {date} "sniffer {quoted(__version__)}" "User Commands"'
    yield from (".SH NAME", r"sniffer \- recognises cryptocurrency mining on a mirror port")
    yield from (".SH SYNOPSIS", r"\fBsniffer\fR \fIcommand\fR [options]")
    yield from (".SH DESCRIPTION", *paragraphs(program.help or ""))
    yield ".SH COMMANDS"
    yield from describe("", program)
    yield ".SH EXIT STATUS"
    for status, meaning in sorted(statuses()):
        yield from item(str(status), meaning)
    yield ".SH SIGNALS"
    for name, does in SIGNALS:
        yield from item(name, does)
    yield ".SH FILES"
    for name, holds in FILES:
        yield from item(f"\\fI{quoted(name)}\\fR", holds)
    yield ".SH SEE ALSO"
    yield quoted("/usr/share/doc/sniffer, packet(7), systemctl(1)")


def main() -> None:
    """Entry."""
    if len(sys.argv) != 2:
        sys.exit("usage: make_man.py FILE")
    Path(sys.argv[1]).write_text("\n".join(page()) + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
