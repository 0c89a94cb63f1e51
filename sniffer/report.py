"""What people see on a terminal: progress, tables, findings.

In: results.  Out: text on stdout (tables) and stderr (progress).
Never: a string from the wire unescaped; colour where NO_COLOR or a pipe forbids it (rich sees to that).
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from sniffer.errors import printable
from sniffer.gate.compiled import is_warm
from sniffer.moments import moment
from sniffer.scan import ranked
from sniffer.size.figures import Texts, texts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from sniffer.blindspots import Finding
    from sniffer.scan import Result

STYLES = {"confirmed": "bold red", "probable": "yellow", "suspected": "dim"}
MARKS = {"ok": "green", "note": "cyan", "warning": "yellow", "fault": "bold red"}
COMPILING = "compiling the packet gate for this machine, once; this takes some 15 seconds"
SHOWN = 3
NO_MOMENT = "?" * 19  # as long as one
WIDTH_OF_A_PIPE = 160


def console() -> Console:
    """Standard output; wide enough for tables when it is no terminal."""
    return Console(width=None if sys.stdout.isatty() else WIDTH_OF_A_PIPE, highlight=False)


@contextlib.contextmanager
def progress(files: int, *, quiet: bool = False) -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar over files, on a terminal only."""
    screen = Console(stderr=True)
    if quiet or not screen.is_terminal:
        yield lambda _path, _done, _size: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=screen, transient=True) as bar:
        task = bar.add_task("scanning", total=files)
        begun: list[str] = []

        def advance(path: str, done: int, size: int) -> None:
            if not begun or path != begun[-1]:
                begun.append(path)
            part = done / size if size else 0.0
            name = escape(printable(Path(path).name, 40))
            bar.update(task, completed=len(begun) - 1 + min(part, 1.0), description=name)

        yield advance


@contextlib.contextmanager
def compiling(*, quiet: bool = False) -> Iterator[Callable[[int, int], None]]:
    """If kernels have to be compiled: a progress bar over them on a terminal, else one line."""
    screen = Console(stderr=True)
    if quiet or not screen.is_terminal:
        told: list[int] = []

        def tell(done: int, _all: int) -> None:
            if not told:
                screen.print(COMPILING, soft_wrap=True)
            told.append(done)

        yield tell
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed} of about {task.total}"),
    )
    with Progress(*columns, console=screen, transient=True) as bar:
        tasks: list[TaskID] = []

        def advance(done: int, kernels: int) -> None:
            if not tasks:
                tasks.append(bar.add_task(COMPILING))
            bar.update(tasks[0], completed=done, total=kernels)

        yield advance


def print_result(result: Result) -> None:
    """The table that ``scan`` ends with."""
    screen = console()
    names = ("protocols", "servers and names", "agents")
    sizes = Texts._fields if result.sizes else ()
    headings = ("address", "confidence", "hits", *sizes, *names, "first and last (UTC)")
    table = plain_table(*headings, right=("hits", *sizes), fold=True)
    for address, host, size in ranked(result):
        label = host.confidence.label
        table.add_row(
            address,
            f"[{STYLES[label]}]{label}[/]",
            str(host.hits.total()),
            *(texts_of(size) if sizes else ()),
            some(host.protocols),
            some(host.places),
            some(host.agents),
            f"{moment(host.first, NO_MOMENT)} … {moment(host.last, NO_MOMENT)[11:]}",
        )
    if result.hosts:
        screen.print(table)
        screen.print()
    totals = result.totals
    skipped = totals.packets - totals.passed
    screen.print(
        f"{len(result.hosts)} addresses, {totals.hits} hits in {totals.packets} packets of {result.files} files "
        f"({totals.passed} read, {skipped} not worth reading)"
    )
    if totals.suppressed:
        by_rule = ", ".join(f"{rule} {count}" for rule, count in sorted(totals.suppressed.items()))
        screen.print(f"{sum(totals.suppressed.values())} more hits are suppressed: {by_rule}")


def plain_table(*headings: str, right: Collection[str] = (), fold: bool = False) -> Table:
    """A table without lines.

    Args:
        headings: of its columns.
        right: the headings of columns of numbers.
        fold: whether what is too long goes on in the next line; else it is cut.
    """
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in headings:
        table.add_column(
            heading,
            justify="right" if heading in right else "left",
            overflow="fold" if fold else "ellipsis",
        )
    return table


def some(names: set[str]) -> str:
    """The first few of a set, escaped, and how many more there are."""
    shown = [escape(printable(name, 48)) for name in sorted(names)[:SHOWN]]
    more = f" +{len(names) - SHOWN}" if len(names) > SHOWN else ""
    return ", ".join(shown) + more


# ── doctor ───────────────────────────────────────────────────────────────────────────────────────────────


def print_findings(found: Iterable[Finding]) -> None:
    """A line for each finding, with its mark; below it what to do, where something is wrong."""
    screen = console()
    for one in found:
        mark = one.level.label
        where = f"{one.where}: " if one.where else ""
        line = f"[{MARKS[mark]}]{mark:<8}[/]{escape(printable(f'{where}{one.check}: {one.says}', 400))}"
        screen.print(line, soft_wrap=True)
        if one.remedy:
            screen.print(f"{'':<8}[dim]to do:[/] {escape(printable(one.remedy, 400))}", soft_wrap=True)


@contextlib.contextmanager
def countdown(seconds: float, *, quiet: bool = False) -> Iterator[Callable[[float, int], None]]:
    """A progress bar over some seconds of listening, on a terminal only."""
    screen = Console(stderr=True)
    if quiet or not screen.is_terminal:
        yield lambda _gone, _packets: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=screen, transient=True) as bar:
        task = bar.add_task("listening" if is_warm() else COMPILING, total=seconds)

        def advance(gone: float, packets: int) -> None:
            bar.update(task, completed=min(gone, seconds), description=f"listening: {packets} packets")

        yield advance
