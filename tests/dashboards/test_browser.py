"""The headless browser: it tells errors of pages, reaches nobody but us, and does not outlive its test."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import browser
import pytest
from browser import Browser, BrowserError
from render import served

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.live, pytest.mark.skipif(browser.PROGRAM is None, reason=browser.ABSENT)]


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[str]:
    """A folder that is served."""
    folder = tmp_path / "pages"
    folder.mkdir()
    (folder / "good.html").write_text("<body style='margin:0;background:#f00'><script>done = 40 + 2</script>")
    (folder / "bad.html").write_text("<script>nothing.at.all</script>")
    (folder / "elsewhere.html").write_text(
        "<script>fetch('http://sniffer.example/').then(() => { got = 'an answer' }, () => { got = 'nothing' })</script>"
    )
    with served(folder) as url:
        yield url


def test_values_and_pictures(pages: str, tmp_path: Path) -> None:
    """An expression of the page comes back; a picture is as wide and high as asked for."""
    with Browser(tmp_path / "browser", 320) as opened:
        opened.open(f"{pages}/good.html")
        assert opened.until("window.done") == 42
        picture = opened.picture(240)
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    assert (int.from_bytes(picture[16:20]), int.from_bytes(picture[20:24])) == (320, 240)


def test_an_error_of_a_page_ends_the_wait(pages: str, tmp_path: Path) -> None:
    """Nobody waits a minute for a page that has failed at once; its own words are told."""
    with Browser(tmp_path / "browser", 320) as opened:
        opened.open(f"{pages}/bad.html")
        with pytest.raises(BrowserError, match="nothing is not defined"):
            opened.until("window.done", seconds=20)


def test_nobody_else_is_asked(pages: str, tmp_path: Path) -> None:
    """A page that asks another machine gets nothing, even where the network would answer."""
    with Browser(tmp_path / "browser", 320) as opened:
        opened.open(f"{pages}/elsewhere.html")
        assert opened.until("window.got") == "nothing"


def test_a_browser_that_dies_is_told(tmp_path: Path) -> None:
    """The next question says that it has ended; no process is left."""
    with Browser(tmp_path / "browser", 320) as opened:
        assert opened._process is not None
        number = opened._process.pid
        os.kill(number, signal.SIGKILL)
        opened._process.wait()
        with pytest.raises(BrowserError, match="has ended"):
            opened.value("1")
    assert not Path(f"/proc/{number}").exists()
