"""What the tests of deploy/ share: the list of alerts, the metrics that there are, programs that may be absent."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from loadscript import script

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
METRIC = re.compile(r"\bsniffer[_:][a-z0-9_:]+")
"""A metric, or what a recording rule makes, in PromQL or in a text."""

make_alerts: Any = script("scripts/make_alerts.py")


@cache
def the_list() -> Any:
    """deploy/alerts.yaml."""
    return make_alerts.load_list()


@cache
def metric_names() -> frozenset[str]:
    """Every metric of the golden page, and what recording rules make."""
    page = (ROOT / "tests" / "sinks" / "metrics.golden").read_text("utf-8")
    families = re.findall(r"^# TYPE (\S+) ", page, re.MULTILINE)
    return frozenset(families) | {record.record for record in the_list().records}


def run(program: str, *arguments: str | Path, status: int = 0) -> str:
    """What a program says; the test is skipped where it is absent, and fails if its status is another."""
    if shutil.which(program) is None:
        package = {"promtool": "prometheus", "amtool": "prometheus-alertmanager"}.get(program, program)
        pytest.skip(f"{program} is not installed here (apt-get install {package})")
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stderr if status else done.stdout
