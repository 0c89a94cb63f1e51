"""The access log: nothing is read that it does not tell of."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from sniffer.errors import AccessError
from sniffer.evidence.access import NAME, SHOWN, note, user, who
from sniffer.evidence.store import Limits, Store

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One of evidence, with a bundle."""
    Store(tmp_path / "e", Limits(free_share=0.0)).write({"verdict.json": b"{}"})
    return tmp_path / "e"


def test_who_when_what(folder: Path) -> None:
    """A line tells the user, the time, the command, the bundles and the reason; the file is 0600."""
    note(folder, "purge", ["00000001-x"], "a court's order")
    note(folder, "list")
    first, second = map(json.loads, (folder / NAME).read_text().splitlines())
    assert (first["uid"], first["who"], first["command"]) == (os.getuid(), who(), "purge")
    assert (first["bundles"], first["count"], first["reason"]) == (["00000001-x"], 1, "a court's order")
    assert "bundles" not in second
    assert (folder / NAME).stat().st_mode & 0o777 == 0o600


def test_lines_are_short_and_printable(folder: Path) -> None:
    """Thousands of bundles are a number, and what an operator types is escaped."""
    note(folder, "purge", [f"{number}" for number in range(5_000)], "a\nb\x1b[31m")
    (line,) = (folder / NAME).read_bytes().splitlines()
    assert set(line) <= set(range(32, 127))
    told = json.loads(line)
    assert (len(told["bundles"]), told["count"]) == (SHOWN, 5_000)


def test_what_cannot_be_noted_is_not_read(folder: Path) -> None:
    """Where the log cannot be written, the answer is a refusal with what to do."""
    (folder / NAME).mkdir()
    with pytest.raises(AccessError, match="nothing is read"):
        note(folder, "list")


def test_a_copy_elsewhere_is_not_noted(tmp_path: Path) -> None:
    """Around a bundle that was carried away there is no log."""
    note(tmp_path, "replay")
    assert list(tmp_path.iterdir()) == []


def test_users_without_a_name() -> None:
    """A number is enough."""
    assert user(0).startswith("0")
    assert user(3_999_999_999) == "3999999999"
