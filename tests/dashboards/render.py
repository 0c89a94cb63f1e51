"""Draws dashboards with Grafana's own components in a browser.

In: what ``ask.as_json`` tells of a dashboard.  Out: a picture, and what the page says of its panels.
Never: a Grafana server (decision 0032); anything fetched by the page from elsewhere.
"""

from __future__ import annotations

import functools
import http.server
import json
import shutil
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from browser import Browser, BrowserError
from page import build

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WIDTH = 1600  # pixels of a picture
LEAST_PIXELS = 50  # with a colour, of a chart on which something is drawn


class Drawn(NamedTuple):
    """One dashboard on the screen."""

    picture: bytes
    panels: list[dict[str, Any]]  # title, type, hasData, text, titleIsCut, headings, colouredPixels

    def faults(self) -> list[str]:
        """What is poor on the screen."""
        out = []
        for panel in self.panels:
            if panel["titleIsCut"]:
                out.append(f"{panel['title']}: the title is cut")
            if not panel["text"].startswith(panel["title"]):
                out.append(f"{panel['title']}: the panel shows {panel['text'][:60]!r}")
            if panel["hasData"] and panel["type"] == "timeseries" and panel["colouredPixels"] < LEAST_PIXELS:
                out.append(f"{panel['title']}: nothing is drawn")
            if panel["hasData"] and panel["text"] == panel["title"]:
                out.append(f"{panel['title']}: nothing is written")
        return out


class RenderError(AssertionError):
    """The page does not draw."""


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
        # The picture's size lays the page out once more, so the panels are asked afterwards.
        picture = browser.picture(round(drawn["height"]))
        return Drawn(picture, browser.value("window.report()"))
