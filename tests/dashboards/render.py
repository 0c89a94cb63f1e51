"""Draws dashboards with Grafana's own components in a browser.

In: what ``ask.as_json`` tells of a dashboard.  Out: a picture, and what the page says of its panels.
Never: a Grafana server (decision 0032); anything fetched by the page from elsewhere; a build in the source tree.

``tests/dashboards/render/`` is the page: React, @grafana/ui, @grafana/data, built by Vite into ``build/render/``.
"""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import os
import shutil
import subprocess
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from browser import Browser, BrowserError
from model import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NODE = shutil.which("node")
NPM = shutil.which("npm")
ABSENT = "node and npm are not installed here (apt-get install nodejs npm; Node 20.19 or later)"
SOURCE = ROOT / "tests" / "dashboards" / "render"
BUILD = ROOT / "build" / "render"
WIDTH = 1600  # pixels of a picture
INSTALL_SECONDS = 600.0
BUILD_SECONDS = 300.0


class Drawn(NamedTuple):
    """One dashboard on the screen."""

    picture: bytes
    panels: list[dict[str, Any]]  # title, type, hasData, text, titleIsCut, canvases, width, height


class RenderError(AssertionError):
    """The page cannot be built, or does not draw."""


# ── building ─────────────────────────────────────────────────────────────────────────────────────────────


def build() -> Path:
    """The built page; made only where a source has changed since.

    Raises:
        RenderError: npm or Vite has failed; with the end of what it said.
    """
    if NODE is None or NPM is None:
        raise RenderError(ABSENT)
    BUILD.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", "vite.config.js", "index.html"):
        _copy(SOURCE / name, BUILD / name)
    shutil.rmtree(BUILD / "src", ignore_errors=True)
    shutil.copytree(SOURCE / "src", BUILD / "src")
    lock = _digest([BUILD / "package-lock.json"])
    installed = BUILD / ".installed"
    if not installed.exists() or installed.read_text() != lock:
        # Nothing that we use has a step of its own at installation.
        _run([NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], INSTALL_SECONDS)
        installed.write_text(lock)
    sources = _digest([BUILD / "package-lock.json", BUILD / "vite.config.js", BUILD / "index.html",
                       *sorted((BUILD / "src").iterdir())])  # fmt: skip
    built = BUILD / ".built"
    if not built.exists() or built.read_text() != sources:
        _run([NPM, "run", "--silent", "build"], BUILD_SECONDS)
        built.write_text(sources)
    return BUILD / "dist"


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
        env={**os.environ, "RENDER_OUT": str(BUILD / "dist"), "NO_COLOR": "1"},
    )  # fmt: skip
    if done.returncode:
        raise RenderError(f"{' '.join(command)} has failed:\n{(done.stdout + done.stderr)[-3000:]}")


# ── drawing ──────────────────────────────────────────────────────────────────────────────────────────────


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing of requests."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A folder on a port of loopback; its address."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def drawing(folder: Path) -> Iterator[Drawer]:
    """A browser and the built page, ready to draw.

    Args:
        folder: for the page's data and the browser's profile.
    """
    page = folder / "page"
    shutil.rmtree(page, ignore_errors=True)
    shutil.copytree(build(), page)
    (page / "answers").mkdir()
    with served(page) as url, Browser(folder / "browser", WIDTH) as browser:
        yield Drawer(browser, url, page / "answers")


class Drawer:
    """Draws one dashboard after the other."""

    def __init__(self, browser: Browser, url: str, answers: Path) -> None:
        self._browser, self._url, self._answers = browser, url, answers

    def draw(self, name: str, told: dict[str, Any]) -> Drawn:
        """Draw what ``ask.as_json`` tells, under a name for its file.

        Raises:
            RenderError: the page has thrown an error, or asked for something that is not there.
        """
        browser = self._browser
        browser.faults.clear()
        (self._answers / f"{name}.json").write_text(json.dumps(told), encoding="utf-8")
        browser.open(f"{self._url}/index.html?name={name}")
        try:
            drawn = browser.until("window.drawn")
        except BrowserError as error:
            raise RenderError(f"{name}: {error}") from error
        if "error" in drawn or browser.faults:
            raise RenderError(f"{name}: {drawn.get('error', '')} {browser.faults}")
        return Drawn(browser.picture(round(drawn["height"])), drawn["panels"])
