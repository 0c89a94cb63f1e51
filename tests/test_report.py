"""What people see on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sniffer.report import COMPILING, compiling

if TYPE_CHECKING:
    import pytest


def test_compiling_is_one_line_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Said at the first kernel, not again, and on standard error; nothing when no kernel is compiled."""
    with compiling():
        pass
    assert capsys.readouterr() == ("", "")
    with compiling() as tell:
        tell(0, 180)
        assert capsys.readouterr() == ("", f"{COMPILING}\n")
        tell(1, 180)
    assert capsys.readouterr() == ("", "")


def test_compiling_is_a_bar_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """How many kernels are done, of about how many."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "160")
    with compiling() as tell:
        tell(0, 180)
        tell(30, 180)
    out, shown = capsys.readouterr()
    assert not out
    assert COMPILING in shown
    assert "30 of about 180" in shown
