"""What the package and the bundle have in common: which version, of when, and archives of the same bytes for the same content.

In: this checkout.  Out: a version, a time, an archive.
Never: the time of the build, its user or its folder inside of what is built.
"""

from __future__ import annotations

import gzip
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).parent.parent
PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
MACHINE = platform.machine()
SCRATCH = "sniffer-build-"  # folders in which things are put together; nothing that is built may know of them


def stop(what: str) -> NoReturn:
    """End with one line that says what is wrong and what to do."""
    sys.exit(f"error: {what}")


def version() -> str:
    """The version of the program in this checkout."""
    text = (ROOT / "sniffer" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    return found[1] if found else stop("sniffer/__init__.py: there is no __version__")


def epoch() -> int:
    """Seconds that stand for the time of all that is built: SOURCE_DATE_EPOCH, else the last commit's, else 1 January 2026."""
    told = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not told:
        command = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
        try:
            told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        except (OSError, subprocess.CalledProcessError):
            told = "1767225600"
    return int(told) if told.isdigit() else stop(f"SOURCE_DATE_EPOCH is {told!r}, not a number of seconds")


def run(*command: str | Path) -> None:
    """Run a command in silence; when it fails, show what it said and end."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "SOURCE_DATE_EPOCH": str(epoch())},
        check=False,
    )
    if done.returncode:
        sys.stderr.write(done.stdout.decode(errors="replace"))
        stop(f"{' '.join(words[:4])} … ended with status {done.returncode}")


def clean_copy(target: Path) -> None:
    """Copy what a wheel is made of into a new folder: what an earlier build left in the checkout must not get into it."""
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target / name)
    for name in ("sniffer", "rules"):
        shutil.copytree(
            ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
        )


def level(folder: Path, seconds: int) -> None:
    """Give everything in a folder the permissions and the time that do not depend on who built it."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if not path.is_symlink():
            runs = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if runs else 0o644)
        os.utime(path, (seconds, seconds), follow_symlinks=False)
    folder.chmod(0o755)
    os.utime(folder, (seconds, seconds))


def archive(folder: Path, target: Path, seconds: int) -> None:
    """Pack a folder, in order of names, as root's and of one time."""

    def anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = "root"
        entry.mtime = seconds
        return entry

    level(folder, seconds)
    with (
        target.open("wb") as raw,
        gzip.GzipFile("", "wb", 1, raw, seconds) as packed,  # at the lowest level: wheels are packed already
        tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar,
    ):
        for path in [folder, *sorted(folder.rglob("*"))]:
            tar.add(path, str(path.relative_to(folder.parent)), recursive=False, filter=anonymous)
