"""``sniffer report``: which history, which period, which form, where to.

In: options as they were typed.  Out: a file, a folder of tables, or standard output.
Never: half a file; a page on a terminal.
"""

from __future__ import annotations

import contextlib
import sys
import time
from dataclasses import dataclass
from datetime import UTC, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from sniffer.campaign.figures import DAY, By, History, Question, build
from sniffer.campaign.page import as_html
from sniffer.campaign.tables import as_csv, as_json
from sniffer.campaign.units import iso, read_moment
from sniffer.campaign.words import LANGUAGES
from sniffer.errors import OutputError, UsageError
from sniffer.replace import replace_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sniffer.campaign.model import Report
    from sniffer.config import Config

Format: TypeAlias = Literal["html", "csv", "json"]
Language: TypeAlias = Literal["en", "zh", "both"]

USUAL_DAYS: Final = 30  # up to the newest row, where no period is named
MOST_DAYS: Final = 3_660


class Kept(History, Protocol):
    """A history that also says of which time it is."""

    def period(self) -> tuple[int, int] | None:
        """Seconds of the first and behind the last row."""

    def hours_since(self) -> int:
        """Second from which on no row of work is longer than an hour."""


@dataclass(frozen=True, slots=True)
class Options:
    """What was typed."""

    since: str = ""
    until: str = ""
    by: By = "tenant"
    format: Format = "html"
    language: Language = "en"
    output: Path | None = None
    top: int = 50


def history_file(settings: Config) -> Path:
    """Where the configuration keeps its history.

    Raises:
        UsageError: it keeps none.
    """
    if settings.history.file is None:
        raise UsageError(
            "no history to report of",
            remedy="name one with --history FILE, or a configuration that has history.file with --config",
        )
    return Path(settings.history.file)


def make(history: Kept, options: Options, *, sensor: str = "", rules: str = "") -> None:
    """Ask a history, and write the report.

    Raises:
        UsageError: the period is none, or the form needs an output.
        OutputError: it cannot be written.
    """
    check(options)
    question = ask(history, options, now=int(time.time()), sensor=sensor, rules=rules)
    kept = history.period()
    if kept is None or kept[0] >= question.until or kept[1] <= question.since:
        held = (
            f"it holds {iso(kept[0], question.zone)} to {iso(kept[1], question.zone)}"
            if kept
            else "it is empty"
        )
        print(f"warning: the history has nothing of this period: {held}", file=sys.stderr)  # noqa: T201
    with progress() as advance:
        report = build(history, question, advance)
    write(report, options)


def check(options: Options) -> None:
    """Everything that can be known to be wrong before a question is asked.

    Raises:
        UsageError: the form needs an output.
    """
    if options.format == "csv" and options.output is None:
        raise UsageError(
            "--format csv is a table in a file each", remedy="name a folder for them: --output FOLDER"
        )
    if options.format == "html" and options.output is None and sys.stdout.isatty():
        raise UsageError("a page is not for a terminal", remedy="name a file: --output report.html")


def ask(history: Kept, options: Options, *, now: int, sensor: str = "", rules: str = "") -> Question:
    """The question that options stand for.

    Without a period: the last 30 days that the history has.  Days are those of the offset that ``--from`` is told in.

    Args:
        history: for the period that it has.
        options: as typed.
        now: s.
        sensor: its name.
        rules: version of the rule set.

    Raises:
        UsageError: an end that is no time, or not behind the beginning.
    """
    kept = history.period()
    newest = kept[1] if kept else now
    zone: timezone = UTC
    told_since = read_moment(options.since, "--from") if options.since else None
    told_until = read_moment(options.until, "--to") if options.until else None
    for told in (told_until, told_since):
        zone = told[1] if told else zone
    until = told_until[0] if told_until else newest
    if not told_until and told_since:
        until = max(until, told_since[0] + 1)
    since = told_since[0] if told_since else _usual(kept, until, zone)
    if since >= until:
        raise UsageError(
            f"the period ends before it begins: {iso(since, zone)} to {iso(until, zone)}",
            remedy="--to is the first moment that does not belong to the period",
        )
    if until - since > MOST_DAYS * DAY:
        raise UsageError(f"the period is longer than {MOST_DAYS} days", remedy="ask for a part of it")
    return Question(
        since=since,
        until=min(until, max(now, newest, since + 1)),
        zone=zone,
        by=options.by,
        sensor=sensor,
        rules=rules,
        made=now,
        hours_since=history.hours_since(),
    )


def _usual(kept: tuple[int, int] | None, until: int, zone: timezone) -> int:
    """The midnight some days ago, or that of the first day there is."""
    offset = int((zone.utcoffset(None)).total_seconds())
    since = until - USUAL_DAYS * DAY
    if kept and kept[0] < until:
        since = max(since, kept[0])
    return since - (since + offset) % DAY


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────────


def write(report: Report, options: Options) -> None:
    """Write it in the form that was asked for.

    Raises:
        OutputError: a file or folder cannot be written.
    """
    if options.format == "csv" and options.output is not None:
        folder = options.output
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as fault:
            raise OutputError(
                f"no folder for tables can be made here: {fault.strerror}",
                where=str(folder),
                remedy="name another one with --output",
            ) from None
        for name, table in as_csv(report).items():
            replace_file(folder / f"{name}.csv", table)
        return
    if options.format == "json":
        text = as_json(report)
    else:
        codes = tuple(LANGUAGES) if options.language == "both" else (options.language,)
        text = as_html(report, [LANGUAGES[code] for code in codes], options.top)
    if options.output is None:
        sys.stdout.buffer.write(text)
        sys.stdout.buffer.flush()
    else:
        replace_file(options.output, text)


@contextlib.contextmanager
def progress() -> Iterator[Callable[[int, int], None]]:
    """A bar over the steps, on a terminal only."""
    screen = Console(stderr=True)
    if not screen.is_terminal:
        yield lambda _done, _all: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, console=screen, transient=True) as bar:
        task = bar.add_task("asking the history")
        yield lambda done, steps: bar.update(task, completed=done, total=steps)
