"""The page that draws dashboards: which packages it is made of, and what is said when it cannot be built."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING

import page
import pytest

if TYPE_CHECKING:
    from pathlib import Path


def test_versions_are_pinned() -> None:
    """What is drawn today is drawn tomorrow: each package has one version, in both files."""
    wanted = json.loads((page.SOURCE / "package.json").read_text(encoding="utf-8"))
    locked = json.loads((page.SOURCE / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    for name, version in {**wanted["dependencies"], **wanted["devDependencies"]}.items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version), name
        assert locked[f"node_modules/{name}"]["version"] == version


def test_no_registry_is_named() -> None:
    """Packages come from the registry that npm knows, and are what their hashes say."""
    locked = json.loads((page.SOURCE / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    for name, package in locked.items():
        assert "resolved" not in package, name
        assert not name or package.get("integrity", "").startswith("sha512-"), name


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ("v18.20.4", "node is v18.20.4, older than 20.19"),
        ("v20.18.3", "older"),
        ("v20.19.0", ""),
        ("v22.1.0", ""),
    ],
)
def test_an_old_node_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, fault: str) -> None:
    """Node of an old Debian is refused before anything is installed, with the way to a newer one."""
    node = tmp_path / "node"
    node.write_text(f"#!/bin/sh\necho {said}\n", encoding="utf-8")
    node.chmod(0o755)
    monkeypatch.setattr(page, "NODE", str(node))
    monkeypatch.setattr(page, "NPM", str(node))
    assert fault in page.absent()
    assert bool(page.absent()) == bool(fault)
    assert not fault or "--group dashboards" in page.absent()


def test_a_failed_step_says_what_its_program_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of npm's output is the error; the step counts as not done, and is tried again."""
    monkeypatch.setattr(page, "BUILD", tmp_path)
    source = tmp_path / "source"
    source.write_text("1", encoding="utf-8")
    with pytest.raises(page.PageError, match="no such package"):
        page._once("built", [source], ["sh", "-c", "echo no such package; exit 1"], 10)
    page._once("built", [source], ["sh", "-c", "echo >> ran"], 10)
    page._once("built", [source], ["sh", "-c", "echo >> ran"], 10)
    assert (tmp_path / "ran").read_text() == os.linesep
    source.write_text("2", encoding="utf-8")
    page._once("built", [source], ["sh", "-c", "echo >> ran"], 10)
    assert (tmp_path / "ran").read_text() == 2 * os.linesep
