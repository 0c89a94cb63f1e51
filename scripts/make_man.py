"""Writes the manual page from the command line itself, so that it says what the program does.

    python scripts/make_man.py FILE

In: the commands that pages/commands.py finds in sniffer/cli.py, the statuses of sniffer/errors.py.  Out: sniffer(1) in man(7).
Never: an option or a command by hand.
"""

from __future__ import annotations

import datetime as dt
import re
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parent.parent))

from packing import epoch
from pages import commands
from sniffer import __version__, errors
from sniffer.cli import app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pages.commands import Command

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


def italic(text: str) -> str:
    """What stands for something else."""
    return f"\\fI{quoted(text)}\\fR"


def lines_of(text: str) -> list[str]:
    """Text in lines as short as roff's sources have them."""
    return [quoted(line) for line in textwrap.wrap(text, 72, break_long_words=False, break_on_hyphens=False)]


def item(title: str, text: str) -> Iterator[str]:
    """A term and what it means."""
    yield from (".TP", title, *lines_of(text))


def describe(one: Command) -> Iterator[str]:
    """A command and what it takes."""
    usage = [bold(one.words.removeprefix("sniffer ")), "[options]"]  # --help at least
    usage += [italic(argument.name) for argument in one.arguments]
    yield from (f".SS {' '.join(usage)}", *paragraphs(one.says))
    for argument in one.arguments:
        if argument.says:
            yield from item(italic(argument.name), argument.says)
    for option in one.options:
        title = ", ".join(bold(name) for name in option.names)
        default = f" Default: {option.default}." if option.default else " Required." * option.required
        yield from item(f"{title} {italic(option.value)}" if option.value else title, option.says + default)


def paragraphs(text: str) -> Iterator[str]:
    """Running text."""
    for number, part in enumerate(re.split(r"\n\s*\n", text.strip())):
        if number:
            yield ".PP"
        yield from lines_of(" ".join(part.split()))


def page() -> Iterator[str]:
    """The lines of the page."""
    date = dt.datetime.fromtimestamp(epoch(), dt.UTC).date()
    yield f'.TH SNIFFER 1 {date} "sniffer {quoted(__version__)}" "User Commands"'
    yield from (".SH NAME", r"sniffer \- recognises cryptocurrency mining on a mirror port")
    yield from (".SH SYNOPSIS", r"\fBsniffer\fR \fIcommand\fR [options]")
    yield from (".SH DESCRIPTION", *paragraphs(app.info.help or ""))
    yield ".SH COMMANDS"
    for one in commands.commands():
        yield from describe(one)
    yield ".SH EXIT STATUS"
    for status, says in errors.STATUSES.items():
        yield from item(str(status), f"{says[0].upper()}{says[1:]}.".replace("`", ""))
    yield ".SH SIGNALS"
    for name, does in SIGNALS:
        yield from item(name, does)
    yield ".SH FILES"
    for name, holds in FILES:
        yield from item(italic(name), holds)
    yield ".SH SEE ALSO"
    yield quoted("/usr/share/doc/sniffer, packet(7), systemctl(1)")


def main() -> None:
    """Entry."""
    if len(sys.argv) != 2:
        sys.exit("usage: make_man.py FILE")
    Path(sys.argv[1]).write_text("\n".join(page()) + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
