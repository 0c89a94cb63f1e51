"""The dashboards as a browser shows them, drawn with Grafana's own components."""

# ruff: noqa: RUF001
# Chinese titles have Chinese brackets.

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import browser
import model
import page
import prometheus
import pytest
from ask import answers, as_json, choices
from render import Drawer, RenderError, drawing
from stage import MINER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ask import Window
    from prometheus import Prometheus

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(prometheus.PROGRAM is None, reason=prometheus.ABSENT),
    pytest.mark.skipif(browser.PROGRAM is None, reason=browser.ABSENT),
    pytest.mark.skipif(bool(page.absent()), reason=page.absent()),
]

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def drawer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drawer]:
    """A browser with the page."""
    with drawing(tmp_path_factory.mktemp("render")) as ready:
        yield ready


def told(scraped: tuple[Prometheus, Window], name: str, language: str = "en") -> dict[str, Any]:
    """What the page reads of a dashboard."""
    server, window = scraped
    dashboard = model.load(name, language)
    values = choices(server, dashboard, {"ip": MINER} if "ip" in dashboard.variables else {})
    return as_json(dashboard, window, values, answers(server, dashboard, window, values))


def shown(panels: list[dict[str, Any]], title: str) -> dict[str, Any]:
    """One panel by its title."""
    (found,) = [panel for panel in panels if panel["title"] == title]
    return found


@pytest.mark.parametrize("language", model.LANGUAGES)
@pytest.mark.parametrize("name", model.NAMES)
def test_every_panel_is_drawn(
    scraped: tuple[Prometheus, Window], drawer: Drawer, name: str, language: str
) -> None:
    """Each panel has its whole title, and something on it; tables have the headings of their list."""
    drawn = drawer.draw(f"{name}-{language}", told(scraped, name, language))
    assert drawn.picture.startswith(PNG)
    assert drawn.faults() == []
    panels = model.load(name, language).panels
    assert len(drawn.panels) == len(panels)
    for panel, seen in zip(panels, drawn.panels, strict=True):
        if panel["type"] == "table":
            assert seen["headings"] == list(panel["transformations"][-1]["options"]["renameByName"].values())
        assert seen["hasData"], panel["title"]


def test_values_look_as_people_read_them(scraped: tuple[Prometheus, Window], drawer: Drawer) -> None:
    """Words for states, shares in percent, dates as dates, the most hits first, no tenant as a word."""
    panels = drawer.draw("overview", told(scraped, "overview")).panels
    assert shown(panels, "Sensor")["text"].split() == ["Sensor", "up"]
    assert shown(panels, "Loss")["text"].split() == ["Loss", "0%"]
    assert shown(panels, "Active mining addresses")["text"].split()[3:] == [
        "confirmed", "6", "probable", "5", "suspected", "1",
    ]  # fmt: skip
    rows = shown(panels, "Addresses with the most hits")["text"]
    cells = rows.split("Last hit\n")[1].split("\n")
    assert cells[:5] == [MINER, "hosting-hall-1", "high", "10", "116"]
    assert cells[5].startswith("20")
    assert "10.20.9.40\nnone\nmedium" in rows


def test_chinese_words_are_shown(scraped: tuple[Prometheus, Window], drawer: Drawer) -> None:
    """States, series and severities are Chinese as well, not only titles."""
    panels = drawer.draw("overview-zh", told(scraped, "overview", "zh")).panels
    assert shown(panels, "传感器")["text"].split() == ["传感器", "正常"]
    assert "已确认\n6" in shown(panels, "活跃挖矿地址")["text"]
    assert shown(panels, "每分钟命中（按级别）")["text"].split()[1:] == ["低", "中", "高", "严重"]


def test_without_data_a_panel_says_so(scraped: tuple[Prometheus, Window], drawer: Drawer) -> None:
    """Where Prometheus has nothing, no panel shows a zero or an empty chart."""
    empty = told(scraped, "sensor")
    for panel in empty["answers"].values():
        for answer in panel.values():
            answer["result"] = []
    drawn = drawer.draw("empty", empty)
    assert not any(panel["hasData"] for panel in drawn.panels)
    assert all(panel["text"].endswith("No data") for panel in drawn.panels)
    assert drawn.faults() == []


def title_too_long(panel: dict[str, Any], _answers: dict[str, Any]) -> None:
    """What a translation may do."""
    panel["title"] = " ".join(["a title too long for its panel"] * 7)


def no_numbers(_panel: dict[str, Any], answers: dict[str, Any]) -> None:
    """What a division by nothing gives."""
    for series in answers["A"]["result"]:
        series["values"] = [[moment, "NaN"] for moment, _ in series["values"]]


@pytest.mark.parametrize(
    ("change", "fault"), [(title_too_long, "the title is cut"), (no_numbers, "nothing is drawn")]
)
def test_what_is_poor_is_found(
    scraped: tuple[Prometheus, Window], drawer: Drawer, change: Any, fault: str
) -> None:
    """A cut title and a chart on which nothing is drawn are told by their panel."""
    poor = told(scraped, "sensor")
    panel = next(one for one in poor["dashboard"]["panels"] if one["title"] == "Packets by interface")
    change(panel, poor["answers"][str(panel["id"])])
    drawn = drawer.draw(change.__name__, poor)
    assert drawn.faults() == [f"{panel['title']}: {fault}"], shown(drawn.panels, panel["title"])


def test_an_error_of_the_page_is_told(scraped: tuple[Prometheus, Window], drawer: Drawer) -> None:
    """A panel of a type that the page does not draw is no blank picture, but a failure with its reason."""
    broken = told(scraped, "address")
    broken["dashboard"]["panels"][0]["type"] = "piechart"
    with pytest.raises(RenderError, match="broken: "):
        drawer.draw("broken", broken)
