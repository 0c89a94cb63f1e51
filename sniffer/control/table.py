"""The table of offending addresses on a terminal, as it fills.

In: the host book.  Out: a live table on a terminal; elsewhere a line for each new address, and the table at the end.
Never: text of the wire (rows hold addresses, our own rule names and numbers only).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from typing import TextIO

    from sniffer.sinks.hosts import HostBook, HostRow

ROWS: Final = 40
RULES: Final = 3
COLOURS: Final = {"confirmed": "bold red", "probable": "yellow", "suspected": "cyan"}
PER_SECOND: Final = 4
WIDTH_OF_A_PIPE: Final = 140


class HostTable:
    """Shows the host book."""

    def __init__(self, book: HostBook, *, title: str, stream: TextIO | None = None) -> None:
        """Show a book on ``stream`` (stdout unless told)."""
        self._book, self._title = book, title
        self._console = Console(file=stream, highlight=False)
        if not self._console.is_terminal:
            self._console.width = WIDTH_OF_A_PIPE
        self._live: Live | None = None
        self._known: set[str] = set()
        self._status = ""

    def start(self) -> None:
        """Take a part of the terminal."""
        if self._console.is_terminal:
            self._live = Live(self.render(), console=self._console, refresh_per_second=PER_SECOND)
            self._live.start()
        else:
            self._console.print(self._title)

    def refresh(self, status: str) -> None:
        """Show the book as of now, and a line about the sensor below it."""
        self._status = status
        if self._live is not None:
            self._live.update(self.render())
            return
        for row in self._book.top(ROWS):
            if row.ip not in self._known and len(self._known) < ROWS:
                self._known.add(row.ip)
                self._console.print(
                    f"new: {row.ip}  {row.confidence.label}  {some(row.rules)}", soft_wrap=True
                )

    def stop(self) -> None:
        """Leave the table as it is and give the terminal back."""
        if self._live is not None:
            self._live.update(self.render())
            self._live.stop()
            self._live = None
        else:
            self._console.print(self.render())

    def render(self) -> Table:
        """The table as of now."""
        table = Table(
            title=self._title,
            title_justify="left",
            caption=self._status,
            caption_justify="left",
            box=None,
            header_style="bold",
            pad_edge=False,
        )
        for name in ("address", "hits", "confidence", "severity", "last hit (UTC)", "rules"):
            justify: Literal["left", "right"] = "right" if name == "hits" else "left"
            table.add_column(
                name,
                justify=justify,
                no_wrap=name != "address",
                overflow="fold" if name == "address" else "ellipsis",
            )
        for row in self._book.top(ROWS):
            table.add_row(*cells(row))
        return table


def cells(row: HostRow) -> tuple[Text, ...]:
    """One row of the table."""
    address = f"{row.ip} ({row.tenant})" if row.tenant else row.ip
    confidence = row.confidence.label
    return (
        Text(address),
        Text(f"{row.hits}"),
        Text(confidence, style=COLOURS[confidence]),
        Text(row.severity.label),
        Text(moment(row.last_hit)),
        Text(some(row.rules)),
    )


def some(rules: tuple[str, ...], shown: int = RULES) -> str:
    """The rules with the most hits, and how many others there are."""
    more = f" +{len(rules) - shown}" if len(rules) > shown else ""
    return ", ".join(rules[:shown]) + more


def moment(nanoseconds: int) -> str:
    """A packet time for people; a dash when a capture says something that cannot be."""
    try:
        return datetime.fromtimestamp(nanoseconds // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return "-"
