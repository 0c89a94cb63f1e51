"""The table of offending addresses on a terminal, as it fills.

In: the host book, the size book.  Out: a live table on a terminal; elsewhere a line for each new address, and the table
at the end.
Never: text of the wire (rows hold addresses, our own rule names and numbers only).
"""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from sniffer.log import has_room
from sniffer.moments import moment
from sniffer.size.figures import DASH, Texts, texts_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

    from sniffer.sinks.hosts import HostBook, HostRow
    from sniffer.size.figures import Figures
    from sniffer.size.hosts import SizeBook

ROWS: Final = 40
RULES: Final = 3
COLOURS: Final = {"confirmed": "bold red", "probable": "yellow", "suspected": "cyan"}
PER_SECOND: Final = 4
WIDTH_OF_A_PIPE: Final = 140
WIDE: Final = 110  # characters from which on there is room for sizes


class HostTable:
    """Shows the host book."""

    def __init__(self, book: HostBook, sizes: SizeBook, *, title: str, stream: TextIO | None = None) -> None:
        """Show a book, and how big its hosts are, on ``stream`` (stdout unless told)."""
        self._book, self._sizes, self._title = book, sizes, title
        self._console = Console(file=stream, highlight=False)
        self._live: Live | None = None
        self._known: set[str] = set()
        self._status = ""

    def start(self) -> None:
        """Take a part of the terminal."""
        if self._console.is_terminal:
            self._live = Live(self.render(), console=self._console, refresh_per_second=PER_SECOND)
            self._live.start()
        else:
            self._say(self._title)

    def refresh(self, status: str) -> None:
        """Show the book as of now, and a line about the sensor below it."""
        self._status = status
        if self._live is not None:
            self._live.update(self.render())
            return
        for row in self._book.top(ROWS):
            if row.ip not in self._known and len(self._known) < ROWS:
                self._known.add(row.ip)
                self._say(f"new: {row.ip}  {row.confidence.label}  {some(row.rules)}")

    def stop(self) -> None:
        """Leave the table as it is and give the terminal back."""
        if self._live is not None:
            self._live.update(self.render())
            self._live.stop()
            self._live = None
        else:
            self._say(self.render())

    def _say(self, what: str | Table) -> None:
        """Print lines; those that nobody takes are lost, because the daemon's work goes on."""
        stream, text = self._console.file, io.StringIO()
        screen = Console(file=text, highlight=False, width=WIDTH_OF_A_PIPE)
        screen.print(what, soft_wrap=isinstance(what, str))
        for line in text.getvalue().splitlines(keepends=True):
            with contextlib.suppress(OSError, ValueError):
                if has_room(stream):
                    stream.write(line)
                    stream.flush()

    def render(self) -> Table:
        """The table as of now."""
        rows = [line_of(row, self._sizes.figures(row.network, row.tenant)) for row in self._book.top(ROWS)]
        width = self._console.width if self._console.is_terminal else WIDTH_OF_A_PIPE
        return make_table(rows, title=self._title, caption=self._status, last="last hit (UTC)", width=width)


class Line(NamedTuple):
    """One address, as a table shows it."""

    address: str
    tenant: str
    hits: int
    confidence: str
    severity: str
    size: Texts
    last: str  # when, or how long ago
    rules: Sequence[str]  # most hits first


def make_table(lines: Sequence[Line], *, title: str, caption: str, last: str, width: int) -> Table:
    """The table of offending addresses.

    Args:
        lines: addresses, in order.
        title: above it; "" for none.
        caption: below it; "" for none.
        last: heading of the column with the last hit.
        width: characters that there are; sizes are shown where they have room, once one is known.
    """
    table = Table(
        title=Text(title) if title else None,
        title_justify="left",
        caption=Text(caption) if caption else None,
        caption_justify="left",
        box=None,
        header_style="bold",
        pad_edge=False,
    )
    with_sizes = width >= WIDE and any(set(line.size) != {DASH} for line in lines)
    sizes = Texts._fields if with_sizes else ()
    for name in ("address", "hits", "confidence", "severity", *sizes, last, "rules"):
        justify: Literal["left", "right"] = "right" if name in ("hits", *sizes) else "left"
        table.add_column(
            name,
            justify=justify,
            no_wrap=name not in ("address", "rules"),  # what gives way where a terminal is narrow
            overflow="fold" if name == "address" else "ellipsis",
        )
    for line in lines:
        table.add_row(*cells(line, with_sizes=with_sizes))
    return table


def line_of(row: HostRow, size: Figures | None) -> Line:
    """A row of the book as a table shows it."""
    return Line(
        row.ip,
        row.tenant,
        row.hits,
        row.confidence.label,
        row.severity.label,
        texts_of(size),
        moment(row.last_hit),
        row.rules,
    )


def cells(line: Line, *, with_sizes: bool) -> tuple[Text, ...]:
    """One row of the table."""
    address = f"{line.address} ({line.tenant})" if line.tenant else line.address
    return (
        Text(address),
        Text(f"{line.hits}"),
        Text(line.confidence, style=COLOURS.get(line.confidence, "")),
        Text(line.severity),
        *(Text(size) for size in line.size if with_sizes),
        Text(line.last),
        Text(some(line.rules), no_wrap=True),
    )


def some(rules: Sequence[str], shown: int = RULES) -> str:
    """The rules with the most hits, and how many others there are."""
    more = f" +{len(rules) - shown}" if len(rules) > shown else ""
    return ", ".join(rules[:shown]) + more
