"""The script that writes rules/pools and rules/lists from the reference tables."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "make_pools.py"
TABLES = ROOT / ".." / "shared" / "reference"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the script."""
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.skipif(not TABLES.is_dir(), reason="the reference tables are not beside this tree")
def test_what_ships_is_what_the_tables_say() -> None:
    """The files under rules/ are those that the script writes from the tables."""
    done = run("--check")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "11 files, 0 stale")


def test_missing_tables_are_told(tmp_path: Path) -> None:
    """Without tables the script says so in one line and changes nothing."""
    done = run(str(tmp_path))
    assert (done.returncode, done.stdout) == (66, "")
    assert done.stderr.startswith(f"error: {tmp_path}: no pools.csv")
    assert len(done.stderr.splitlines()) == 1


HEADER = "domain,match,pool,category,coins,ports_plain,ports_tls,country,status,false_positive_risk,confidence,source,note\n"


def test_rows_become_endpoints(tmp_path: Path) -> None:
    """Pools are gathered by name, empty cells left out, benign names never written."""
    (tmp_path / "pools.csv").write_text(
        HEADER
        + "b.example,suffix,B,solo_pool,BTC;LTC,3333;25,443,NO,active,low,strong,somewhere-2026,note\n"
        + "A.example.,exact,B,solo_pool,,,,NO,,low,weak,,\n"
        + "good.example,exact,B,solo_pool,,,,NO,,low,weak,,\n"
    )
    files = runpy.run_path(str(SCRIPT))["pool_files"](tmp_path, {"good.example"})
    assert files == {
        "pools/solo-pool.yaml": {
            "category": "solo_pool",
            "pools": [
                {
                    "name": "B",
                    "country": "NO",
                    "endpoints": [
                        {"host": "a.example", "strength": "weak", "status": "unknown"},
                        {
                            "suffix": "b.example",
                            "strength": "strong",
                            "status": "active",
                            "ports_plain": [25, 3333],
                            "ports_tls": [443],
                            "coins": ["BTC", "LTC"],
                            "seen_on": "somewhere-2026",
                        },
                    ],
                }
            ],
        }
    }
