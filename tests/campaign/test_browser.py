"""The page in headless Chromium: both languages, no error, no request to anywhere, paper.

With SNIFFER_PICTURES=write in the environment it also writes the pictures of the documentation (pngquant makes them small).
"""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
import sys
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "dashboards"))

import browser
from browser import Browser
from keeping import history_of
from simulator import HOUR, Campaign, Plan

from sniffer.campaign.figures import Question, build
from sniffer.campaign.page import as_html
from sniffer.campaign.words import LANGUAGES

if TYPE_CHECKING:
    from sniffer.campaign.model import Report

pytestmark = [pytest.mark.live, pytest.mark.skipif(browser.PROGRAM is None, reason=browser.ABSENT)]

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs" / "pictures"
WIDTH = 1_100
PICTURE_HEIGHT = 2_600
PLAN = Plan(tenants=60, miners=400)
ASK = """
({
  styled: getComputedStyle(document.querySelector("h1")).fontSize,
  charts: [...document.querySelectorAll("svg.chart")].map(one => one.getBoundingClientRect().height),
  wide: document.documentElement.scrollWidth > document.documentElement.clientWidth,
  cut: [...document.querySelectorAll(".scroll, dd, dt, h1, h2, figcaption")]
    .filter(one => one.scrollWidth > one.clientWidth + 1).map(one => one.textContent.slice(0, 80)),
})
"""


class Strict(Browser):
    """A browser that tells each request, and whatever the browser itself complains of."""

    def __init__(self, folder: Path, width: int) -> None:
        super().__init__(folder, width)
        self.requests: list[str] = []

    def listen(self) -> None:
        """From here on."""
        self._call("Network.enable")
        self._call("Log.enable")

    def _notice(self, event: dict[str, Any]) -> None:
        super()._notice(event)
        if event.get("method") == "Network.requestWillBeSent":
            self.requests.append(event["params"]["request"]["url"])
        elif event.get("method") == "Log.entryAdded":
            self.faults.append(event["params"]["entry"]["text"])

    def printed(self) -> bytes:
        """The page on A4."""
        answer = self._call("Page.printToPDF", printBackground=True, preferCSSPageSize=True)
        return base64.b64decode(answer["data"])


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Thirty days of 60 tenants."""
    campaign = Campaign(PLAN)
    question = Question(
        campaign.begin, campaign.end, UTC, "tenant", "park-east-1", "2026.11", campaign.end + HOUR
    )
    with history_of(campaign, tmp_path_factory.mktemp("history")) as history:
        return build(history, question)


@pytest.mark.parametrize("code", list(LANGUAGES))
def test_renders(report: Report, tmp_path: Path, code: str) -> None:
    """Style and charts are there, nothing is cut or sticks out, nobody is asked for anything, nothing is complained of."""
    page = tmp_path / "report.html"
    page.write_bytes(as_html(report, [LANGUAGES[code]], 15))
    with Strict(tmp_path / "browser", WIDTH) as opened:
        opened.listen()
        opened.open(page.as_uri())
        opened.until("document.readyState === 'complete' && document.querySelector('footer') !== null")
        told = opened.value(ASK)
        picture = opened.picture(PICTURE_HEIGHT)
        assert opened.requests == [page.as_uri()]
        assert opened.faults == []
    assert told["styled"] == "28px"
    assert len(told["charts"]) == 5
    assert all(height > 100 for height in told["charts"])
    assert not told["wide"]
    assert told["cut"] == []
    assert len(picture) > 100_000
    if os.environ.get("SNIFFER_PICTURES") == "write":
        keep(picture, PICTURES / f"report-{code}.png")


def test_the_policy_holds(report: Report, tmp_path: Path) -> None:
    """Whatever gets into the page all the same, neither script nor picture nor style of it does anything."""
    text = as_html(report, [LANGUAGES["en"]], 5).decode()
    foreign = (
        "<p id='x' style='font-size:77px'>x</p><script>document.title = 'run'</script>"
        "<img src='http://127.0.0.1:9/x.png'><style>p{font-size:66px}</style>"
    )
    page = tmp_path / "report.html"
    page.write_text(text.replace("<footer>", f"{foreign}<footer>"), encoding="utf-8")
    with Strict(tmp_path / "browser", WIDTH) as opened:
        opened.open(page.as_uri())
        assert (
            opened.until(
                "document.readyState === 'complete' && getComputedStyle(document.querySelector('#x')).fontSize"
            )
            == "15px"
        )
        assert opened.value("document.title") != "run"
        assert opened.value("document.querySelector('img').naturalWidth") == 0


def test_prints(report: Report, tmp_path: Path) -> None:
    """Both languages on A4: pages of that size, more than one, and not one for each row."""
    page = tmp_path / "report.html"
    page.write_bytes(as_html(report, list(LANGUAGES.values()), 15))
    with Strict(tmp_path / "browser", WIDTH) as opened:
        opened.open(page.as_uri())
        opened.until("document.readyState === 'complete' && document.querySelector('footer') !== null")
        paper = opened.printed()
    assert paper.startswith(b"%PDF-")
    sizes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", paper)
    assert {(round(float(width)), round(float(height))) for width, height in sizes} == {(595, 842)}
    assert 8 <= len(sizes) <= 40


def keep(picture: bytes, out: Path) -> None:
    """Write a picture of the documentation, with 256 colours."""
    program = shutil.which("pngquant")
    assert program is not None, "pngquant is not installed here (apt-get install pngquant)"
    done = subprocess.run(
        [program, "--strip", "--speed", "1", "-"], input=picture, capture_output=True, check=True
    )
    out.write_bytes(done.stdout)
