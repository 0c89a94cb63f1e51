"""``sniffer report``: periods as people type them, forms, where it goes."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from keeping import history_of
from simulator import ALGORITHMS, Campaign, Plan
from told import HOUR, Miner, Told

from sniffer.campaign import command
from sniffer.campaign.command import Options, ask, check, make
from sniffer.campaign.figures import build
from sniffer.errors import OutputError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

BEGIN = 1_793_491_200  # 2026-11-01T00:00:00Z
NOW = BEGIN + 400 * 86_400


def kept(days: float) -> Told:
    """A history of so many days."""
    return Told([Miner("10.0.0.1", begin=BEGIN + HOUR, end=BEGIN + HOUR + int(days * 24) * HOUR)])


def test_without_a_period_the_last_thirty_days() -> None:
    """From a midnight to the newest row; of a young history everything."""
    question = ask(kept(100), Options(), now=NOW)
    newest = BEGIN + HOUR + 100 * 86_400
    assert question.until == newest
    assert question.since == BEGIN + 70 * 86_400
    assert ask(kept(2), Options(), now=NOW).since == BEGIN


def test_days_are_those_of_the_offset() -> None:
    """A period that is told in Beijing's time has Beijing's days; a beginning that is left out, too."""
    question = ask(kept(9), Options(since="2026-11-02T00:00+08:00", until="2026-11-05"), now=NOW)
    assert question.zone.utcoffset(None) == timedelta(hours=8)
    assert question.since == BEGIN + 16 * HOUR
    question = ask(kept(9), Options(until="2026-11-05T00:00+08:00"), now=NOW)
    assert (question.since + 8 * HOUR) % 86_400 == 0


def test_a_period_that_goes_on_ends_now() -> None:
    """The rest of the month has not been watched, and is not reported as a hole."""
    question = ask(kept(2), Options(since="2026-11-01", until="2026-12-01"), now=BEGIN + 3 * 86_400)
    assert question.until == BEGIN + 3 * 86_400


def test_a_replay_may_lie_in_the_future() -> None:
    """Packet time is what counts: rows younger than the clock of this machine are reported."""
    assert (
        ask(kept(9), Options(since="2026-11-01", until="2026-11-09"), now=1_000).until == BEGIN + 8 * 86_400
    )


@pytest.mark.parametrize(
    ("since", "until", "says"),
    [
        ("2026-11-05", "2026-11-05", "ends before it begins"),
        ("2026-11-05", "2026-11-01", "ends before it begins"),
        ("1980-01-01", "2026-11-01", "longer than"),
        ("soon", "", "--from: 'soon' is no time"),
        ("", "later", "--to: 'later' is no time"),
    ],
)
def test_what_is_no_period(since: str, until: str, says: str) -> None:
    """Each with what to do about it."""
    with pytest.raises(UsageError, match=says) as told:
        ask(kept(9), Options(since=since, until=until), now=NOW)
    assert told.value.remedy


def test_rows_by_day_are_known(tmp_path: Path) -> None:
    """From when on there are hours is asked of the history: a row of a day would be an hour that never was."""
    campaign = Campaign(Plan(days=38, tenants=2, miners=60, down=(), silent=()))
    with history_of(campaign, tmp_path) as history:
        question = ask(history, Options(since="2026-11-01", until="2026-12-09"), now=NOW)
        report = build(history, question)
    assert campaign.begin < question.hours_since < campaign.begin + 4 * 86_400
    most = {
        one.name: sum(each.rate for each in campaign.miners if each.algorithm is one) for one in ALGORITHMS
    }
    for rate in report.totals.rates:
        assert rate.peak is not None
        assert rate.peak.value < 3 * most[rate.algorithm]  # a day would be up to 24 times as much


def test_tables_need_a_folder_and_a_page_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Said before anything is asked."""
    with pytest.raises(UsageError, match="--output FOLDER"):
        check(Options(format="csv"))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    with pytest.raises(UsageError, match=r"--output report\.html"):
        check(Options())
    check(Options(format="json"))


def test_forms(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """A page, an object, a folder of tables; standard output where no file is named, and nothing else on it."""
    make(kept(2), Options(format="json"), sensor="north")
    told = json.loads(capfdbinary.readouterr().out)
    assert (told["sensor"], told["totals"]["addresses"]) == ("north", 1)
    make(kept(2), Options(language="both", output=tmp_path / "r.html"))
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert 'lang="en"' in page
    assert 'lang="zh"' in page
    make(kept(2), Options(format="csv", output=tmp_path / "tables" / "new"))
    names = sorted(file.name for file in (tmp_path / "tables" / "new").iterdir())
    assert names == [
        f"{name}.csv"
        for name in ("addresses", "cases", "days", "hashrate", "holes", "ranking", "report", "work")
    ]
    assert capfdbinary.readouterr().out == b""


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    """A file is in its place: one line, status 74."""
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="no folder for tables"):
        make(kept(2), Options(format="csv", output=tmp_path / "file" / "tables"))


def test_nothing_in_the_period_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The report is made all the same; what the history does hold is on standard error."""
    output = tmp_path / "r.json"
    make(kept(2), Options(since="2025-01-01", until="2025-02-01", format="json", output=output))
    assert "the history has nothing of this period: it holds 2026-11-01" in capsys.readouterr().err
    assert json.loads(output.read_bytes())["totals"]["addresses"] == 0
    make(Told([]), Options(format="json", output=output))
    assert "it is empty" in capsys.readouterr().err


def test_no_progress_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    """A pipe gets no bar."""
    with command.progress() as advance:
        advance(1, 2)
    assert capsys.readouterr().err == ""


def test_from_the_command_line(tmp_path: Path) -> None:
    """A written history, a page; what is wrong is one line with what to do."""
    with history_of(Campaign(Plan(days=1, tenants=3, miners=9, down=(), silent=())), tmp_path):
        pass
    history = str(tmp_path / "history.sqlite")
    done = shell("report", "--history", history, "--output", str(tmp_path / "r.html"), "--by", "district")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Ranking by district" in (tmp_path / "r.html").read_text(encoding="utf-8")
    done = shell("report")
    assert done.returncode == 2
    assert done.stderr.startswith("error: no history to report of; name one with --history FILE")
    done = shell("report", "--history", str(tmp_path / "none"))
    assert done.returncode == 66
    assert done.stderr.count("\n") == 1
    assert json.loads(shell("schema", "report").stdout)["title"] == "sniffer report"


def shell(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the program."""
    command = [sys.executable, "-c", "from sniffer.cli import main; main()", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
