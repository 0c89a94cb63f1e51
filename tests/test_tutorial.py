"""The tutorial does what it says: its files are written, its commands run, their output is what the page shows."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "tutorial-first-rule.md"
BLOCK = re.compile(r"^```(\w+) ?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PORT = "9478"
PATIENCE = 60.0  # seconds in which a command must have shown what the page says


class Block(NamedTuple):
    """A fenced block: a file with its name, or commands with what they show."""

    language: str
    name: str
    text: str


def blocks() -> list[Block]:
    """Everything on the page that is fenced."""
    return [Block(*found) for found in BLOCK.findall(PAGE.read_text("utf-8"))]


def commands(text: str) -> Iterator[tuple[str, str]]:
    """Commands of a block, each with its output."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


def shows(pattern: str, output: str) -> bool:
    """Whether an output is what the page shows; … stands for anything."""
    parts = (re.escape(part) for part in pattern.strip().split("…"))
    return re.fullmatch(".*".join(parts), output.strip(), re.DOTALL) is not None


class Shell:
    """A bash that is told one command after another, as somebody at a terminal would."""

    def __init__(self, folder: Path) -> None:
        programs = folder / "bin"
        programs.mkdir()
        for name, options in {"sniffer": "-c 'from sniffer.cli import main; main()'", "python3": ""}.items():
            (programs / name).write_text(f'#!/bin/sh\nexec {sys.executable} {options} "$@"\n')
            (programs / name).chmod(0o755)
        path = f"{programs}:{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "200"}
        self.process = subprocess.Popen(
            ["bash", "--norc"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, command: str) -> str:
        """What a command writes."""
        mark = uuid.uuid4().hex
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{command}\necho {mark}\n")
        self.process.stdin.flush()
        lines = []
        while (line := self.process.stdout.readline()).strip() != mark:
            assert line, f"the shell has ended in: {command}"
            lines.append(line)
        return "".join(lines)

    def close(self) -> None:
        """End what is left, then the shell."""
        self.run("kill $(jobs -p) 2>/dev/null; wait")
        self.process.communicate(timeout=20)


def free_port() -> str:
    """A port nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def test_the_page_is_true(tmp_path: Path) -> None:
    """From a capture to the hit on the metrics page, in the words of the tutorial, with a free port in place of its own."""
    port = free_port()
    shell = Shell(tmp_path)
    try:
        for block in blocks():
            text = block.text.replace(f":{PORT}", f":{port}")
            if block.language != "console":
                file = tmp_path / block.name
                file.parent.mkdir(parents=True, exist_ok=True)
                if block.name == "sniffer.yaml":
                    text += f'http: {{listen: "127.0.0.1:{port}"}}\n'
                file.write_text(text, encoding="utf-8")
                continue
            for command, wanted in commands(text):
                output = shell.run(command)
                deadline = time.monotonic() + PATIENCE
                while not shows(wanted, output):
                    assert command.startswith(("curl", "grep", "tail")), f"{command}\n{output}"
                    assert time.monotonic() < deadline, f"{command}\n{output}"
                    time.sleep(0.5)
                    output = shell.run(command)
    finally:
        shell.close()
    log = (tmp_path / "daemon.log").read_text("utf-8")
    assert "Traceback" not in log


def test_the_page_has_what_it_needs() -> None:
    """Each block is a file with a name or a list of commands; the rule has one file and two examples."""
    found = blocks()
    assert [block.name for block in found if block.language != "console"] == [
        "traffic.py",
        "sniffer.yaml",
        "rules/own/hello-mine.yaml",
        "wrong/wrong.yaml",
    ]
    assert PAGE.read_text("utf-8").count("```") == 2 * len(found)
    said = "".join(block.text for block in found if block.language == "console")
    for step in ("rules check", "rules test", "run --config", "kill -HUP", "/metrics", "events.json"):
        assert step in said


@pytest.mark.parametrize(
    ("pattern", "output", "same"),
    [
        ("0", "0\n", True),
        ("0", "10\n", False),
        ("a…c\n…", "a b c\nd\n", True),
        ("…\nx 1.0", "y\nx 1.0\n", True),
        ("…\nx 1.0", "y\nx 0.0\n", False),
        ("", "", True),
        ("", "error\n", False),
    ],
)
def test_outputs_are_compared(pattern: str, output: str, same: bool) -> None:  # noqa: FBT001
    """The comparison itself can fail."""
    assert shows(pattern, output) is same
