"""The script that writes the dashboards from the lists of panels."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = "scripts/make_dashboards.py"


def run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The script, in a checkout."""
    command = [sys.executable, str(root / SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with what the script needs, to be changed."""
    (tmp_path / "scripts").mkdir()
    for script in (SCRIPT, "scripts/writing.py"):
        shutil.copy(ROOT / script, tmp_path / "scripts")
    shutil.copytree(ROOT / "deploy" / "grafana", tmp_path / "deploy" / "grafana")
    return tmp_path


def test_what_is_written_is_up_to_date() -> None:
    """The dashboards are those that the script writes: nobody has to remember them."""
    done = run(ROOT, "--check")
    assert (done.returncode, done.stdout) == (0, "6 files, 0 stale\n"), f"run {SCRIPT}"


def test_a_changed_list_makes_them_stale_and_writing_mends_that(checkout: Path) -> None:
    """A title that changes in a list changes one file of its language, and only that."""
    panels = checkout / "deploy" / "grafana" / "panels" / "sensor.yaml"
    text = panels.read_text(encoding="utf-8")
    panels.write_text(text.replace("en: Silence", "en: Quiet"), encoding="utf-8")
    stale = run(checkout, "--check")
    assert stale.returncode == 1
    assert stale.stdout == "deploy/grafana/dashboards/sensor.json: not up to date\n6 files, 1 stale\n"
    assert run(checkout).returncode == 0
    made = json.loads((checkout / "deploy/grafana/dashboards/sensor.json").read_text(encoding="utf-8"))
    assert "Quiet" in [panel["title"] for panel in made["panels"]]
    assert run(checkout, "--check").returncode == 0


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("    unit: pps\n", "", "key 'unit' is missing"),
        ("type: timeseries", "type: graph", "panels."),
        ("    sort: instance\n", "    sorted: instance\n", "unknown key 'sorted'"),
        (", zh: 无包时长}\n    says", "}\n    says", "key 'zh' is missing"),
        ("    link: sensor\n", "    link: sensors\n", "no dashboard is called 'sensors'"),
        ("%sensor%", "%sensors%", "no word is called 'sensors'"),
        ("values: up", "values: upp", "no set of values is called 'upp'"),
    ],
)
def test_a_fault_of_a_list_is_told_with_its_place(checkout: Path, before: str, after: str, says: str) -> None:
    """What a list may not say is told with file, line and column, and status 78; nothing is written."""
    panels = checkout / "deploy" / "grafana" / "panels" / "sensor.yaml"
    text = panels.read_text(encoding="utf-8")
    if before not in text:
        panels = panels.with_name("overview.yaml")
        text = panels.read_text(encoding="utf-8")
    written = {path: path.read_bytes() for path in checkout.glob("deploy/grafana/dashboards/*")}
    panels.write_text(text.replace(before, after, 1), encoding="utf-8")
    done = run(checkout)
    assert done.returncode == 78
    assert done.stderr.startswith(f"error: {panels}:")
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert written == {path: path.read_bytes() for path in checkout.glob("deploy/grafana/dashboards/*")}
