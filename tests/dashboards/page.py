"""Builds the page that draws dashboards: React, @grafana/ui and @grafana/data, put together by Vite.

    python tests/dashboards/page.py [--check]

In: tests/dashboards/render/, npm's registry.  Out: build/render/dist/, made only where a source has changed.
Never: a build in the source tree; a script of a package run at its installation.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "tests" / "dashboards" / "render"
BUILD = ROOT / "build" / "render"
FILES = ("package.json", "package-lock.json", "vite.config.js", "index.html")
OLDEST_NODE = (20, 19)  # that Vite 7 runs on
# Beside this Python first: there pip puts Node where the system's is too old.
SEARCH = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
NODE = shutil.which("node", path=SEARCH)
NPM = shutil.which("npm", path=SEARCH)
REMEDY = "python -m pip install --group dashboards"
INSTALL_SECONDS = 600.0
BUILD_SECONDS = 300.0


class PageError(AssertionError):
    """The page cannot be built."""


def absent() -> str:
    """What is missing to build it, with the remedy; "" if nothing is."""
    if NODE is None or NPM is None:
        return f"node and npm are not installed here ({REMEDY})"
    said = subprocess.run([NODE, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if tuple(int(part) for part in said.lstrip("v").split(".")[:2]) < OLDEST_NODE:
        return f"node is {said}, older than {'.'.join(map(str, OLDEST_NODE))} ({REMEDY})"
    return ""


def require() -> None:
    """Be sure that it can be built.

    Raises:
        PageError: something is missing.
    """
    if lacks := absent():
        raise PageError(lacks)


def build() -> Path:
    """The built page; made only where a source has changed since.

    Raises:
        PageError: npm or Vite has failed; with the end of what it said.
    """
    require()
    BUILD.mkdir(parents=True, exist_ok=True)
    with (BUILD / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one at a time; others find it built
        for name in FILES:
            _copy(SOURCE / name, BUILD / name)
        shutil.rmtree(BUILD / "src", ignore_errors=True)
        shutil.copytree(SOURCE / "src", BUILD / "src")
        # Nothing that we use has a step of its own at installation.
        install = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        packages = [BUILD / "package-lock.json"]
        _once("installed", packages, install, INSTALL_SECONDS)
        sources = [*(BUILD / name for name in FILES), *sorted((BUILD / "src").iterdir())]
        _once("built", sources, ["npm", "run", "--silent", "build"], BUILD_SECONDS)
    return BUILD / "dist"


def _once(step: str, sources: list[Path], command: list[str], seconds: float) -> None:
    """Run a step, unless it has been done with the same sources."""
    done, digest = BUILD / f".{step}", _digest(sources)
    if not done.exists() or done.read_text(encoding="utf-8") != digest:
        done.unlink(missing_ok=True)
        _run(command, seconds)
        done.write_text(digest, encoding="utf-8")


def _copy(source: Path, target: Path) -> None:
    if not target.exists() or target.read_bytes() != source.read_bytes():
        shutil.copyfile(source, target)


def _digest(paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _run(command: list[str], seconds: float) -> None:
    done = subprocess.run(
        command, cwd=BUILD, capture_output=True, text=True, check=False, timeout=seconds,
        env={**os.environ, "RENDER_OUT": str(BUILD / "dist"), "NO_COLOR": "1", "PATH": SEARCH,
             "npm_config_update_notifier": "false"},
    )  # fmt: skip
    if done.returncode:
        raise PageError(f"{' '.join(command)} has failed:\n{(done.stdout + done.stderr)[-3000:]}")


def main() -> int:
    """Build the page, or say whether it can be built."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="only say what is missing")
    arguments = parser.parse_args()
    try:
        require() if arguments.check else build()
    except (PageError, subprocess.TimeoutExpired) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
