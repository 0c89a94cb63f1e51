"""The offline bundle: what it holds, and that it is enough."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import yaml
from deploy.conftest import CLEAN, ROOT, script

from sniffer import __version__
from sniffer.paths import rule_folders
from sniffer.ruleset import load_rules

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.live, pytest.mark.package]

STORY = ROOT / "pcaps" / "farm-bitcoin-stratum"


def unpack(bundle: Path, folder: Path) -> Path:
    """The folder inside a bundle."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["tar", "-xzf", bundle, "-C", folder], check=True)
    (inside,) = folder.iterdir()
    return inside


def expected_hosts() -> set[str]:
    """Addresses that mine in the story."""
    told = yaml.safe_load((STORY / "expect.yml").read_text(encoding="utf-8"))
    return {host["ip"] for host in told["hosts"]}


def found_hosts(lines: str) -> set[str]:
    """Addresses in event lines."""
    events = [json.loads(line) for line in lines.splitlines()]
    return {event["mining"]["host_ip"] for event in events if event["event_type"] == "alert"}


def without_network() -> list[str]:
    """The words before a command that take the network away from it; none where that is not allowed."""
    words = ["unshare", "--net"]
    tried = shutil.which("unshare") and subprocess.run([*words, "true"], check=False, capture_output=True)
    return words if tried and tried.returncode == 0 else []


def test_every_wheel_has_its_hash(bundle: Path, tmp_path: Path) -> None:
    """requirements.txt has one line for each wheel, with its SHA-256, and none for anything else."""
    inside = unpack(bundle, tmp_path)
    lines = (inside / "requirements.txt").read_text(encoding="ascii").splitlines()
    hashes = {line.partition(" --hash=sha256:")[2] for line in lines}
    wheels = {hashlib.sha256(file.read_bytes()).hexdigest() for file in (inside / "wheels").iterdir()}
    assert hashes == wheels
    assert len(lines) == len(wheels) > 10
    assert f"sniffer=={__version__}" in {line.partition(" ")[0] for line in lines}


def test_it_installs_without_a_network(bundle: Path, tmp_path: Path) -> None:
    """With the commands of INSTALL, a fresh environment outside of the checkout finds its rules, its schema and a miner."""
    inside, home = unpack(bundle, tmp_path / "media"), tmp_path / "env"
    commands = [
        line.strip().replace("/opt/sniffer", str(home))
        for line in (inside / "INSTALL").read_text(encoding="ascii").splitlines()
        if line.startswith("    ")
    ]
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    environment = {**CLEAN, "HOME": str(tmp_path), "PIP_CONFIG_FILE": os.devnull}

    def run(*words: str) -> str:
        done = subprocess.run(
            [*without_network(), *words],
            cwd=inside,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    last = ""
    for command in commands:
        last = run(*command.replace(f"{python} -m venv", f"{sys.executable} -m venv").split())
    assert last.startswith(f"sniffer {__version__}, rules ")
    rules = json.loads(run(f"{home}/bin/sniffer", "rules", "list", "--json"))
    assert [rule["id"] for rule in rules] == [rule.id for rule in load_rules(rule_folders(None)).rules]
    assert (home / "share" / "sniffer" / "rules" / "schema.json").is_file()
    (typed,) = home.glob("lib/*/site-packages/sniffer/py.typed")
    assert typed.is_file()
    told = run(f"{home}/bin/sniffer", "scan", "--json", str(STORY / "traffic.pcap"))
    assert found_hosts(told) == expected_hosts() != set()


def test_a_file_that_was_changed_is_refused(bundle: Path, tmp_path: Path) -> None:
    """Pip installs nothing when a wheel is not the one that the bundle was made with."""
    inside = unpack(bundle, tmp_path / "media")
    (wheel,) = (inside / "wheels").glob("sniffer-*.whl")
    wheel.write_bytes(wheel.read_bytes() + b"\0")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--no-index", "--find-links", "wheels"),
            *("--require-hashes", "-r", "requirements.txt", "--target", tmp_path / "target"),
        ],
        cwd=inside,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr
    assert not (tmp_path / "target").exists()


def test_the_same_sources_are_the_same_bundle(bundle: Path, tmp_path: Path) -> None:
    """A second bundle from the same sources and packages has the same bytes."""
    again = script("make_bundle.py", "--out", tmp_path)
    assert again.name == bundle.name
    assert hashlib.sha256(again.read_bytes()).digest() == hashlib.sha256(bundle.read_bytes()).digest()
