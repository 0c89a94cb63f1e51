"""Joules a hash."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sniffer.size.power import efficiency, hardware_algorithm, rounded, rows

ROOT = Path(__file__).parent.parent.parent
REFERENCE = ROOT / ".." / "shared" / "reference"


def test_unverified_rows_make_no_central_figure() -> None:
    """Processors have bounds, and no figure in their midst: nobody checked what they draw."""
    found = efficiency("randomx", agent="XMRig/6.21.0")
    assert found is not None
    assert found.central is None
    assert 5e-3 < found.low < found.high < 3e-2
    assert any(not row.verified for row in rows())


def test_a_model_is_better_than_an_algorithm() -> None:
    """A machine that is known by name has its own figures, whatever firmware it runs."""
    general, model = efficiency("sha256d"), efficiency("sha256d", hardware="Antminer S9 (Braiins OS+)")
    assert general is not None
    assert model is not None
    assert general.low < model.low < model.high < general.high
    assert model.central == pytest.approx(1e-10, rel=0.1)
    assert hardware_algorithm("Antminer L7") == "scrypt"
    assert hardware_algorithm("Antminer") == hardware_algorithm("") == ""


def test_a_rate_narrows_the_bounds() -> None:
    """A machine of 110 TH/s is none of 14 TH/s; a rate that no model has changes nothing."""
    general, fast = efficiency("sha256d"), efficiency("sha256d", rate=rounded(110e12))
    assert general is not None
    assert fast is not None
    assert fast.high < general.high / 1.5
    assert efficiency("sha256d", rate=10**18) == general


def test_unknown_stays_unknown() -> None:
    """No row, no figure."""
    assert efficiency("") is efficiency("nosuch") is None


def test_worked_examples() -> None:
    """As protocols.md, section 14, has them: an S9 some 98 J/TH, an L7 some 0.36 J/MH."""
    s9, l7 = efficiency("sha256d", hardware="Antminer S9"), efficiency("scrypt", hardware="Antminer L7")
    assert s9 is not None
    assert l7 is not None
    assert s9.central is not None
    assert s9.central * 1e12 == pytest.approx(98, rel=0.03)
    assert l7.high * 1e6 == pytest.approx(0.36, rel=0.1)


@pytest.mark.skipif(not REFERENCE.exists(), reason="the reference tables are not beside this project")
def test_the_table_is_up_to_date() -> None:
    """It is what its script writes."""
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "make_efficiency.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
