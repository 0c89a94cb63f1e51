"""Which folders of rules are read."""

from __future__ import annotations

from pathlib import Path

from sniffer.paths import rule_folders, shipped_rules

A, B = Path("/nowhere/a"), Path("/nowhere/b")


def test_the_command_line_goes_first() -> None:
    """Folders of the command line, else of the configuration, else the shipped ones."""
    assert rule_folders([A], [B]) == (A,)
    assert rule_folders(None, [B]) == (B,)
    assert rule_folders(None, ()) == rule_folders(None) == (shipped_rules(),)
