"""Charts: figures are where the axis says, and holes are holes."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sniffer.campaign import charts
from sniffer.campaign.charts import Frame, Step, bars, line, share_bar, top_of
from sniffer.campaign.model import Band


def of(value: float, spread: float = 0.1) -> Band:
    """A figure and a tenth on both sides."""
    return Band(low=value * (1 - spread), value=value, high=value * (1 + spread))


@pytest.mark.parametrize(
    ("highest", "axis"), [(0, (1, 0.5)), (3.9, (4, 1)), (4.1, (6, 2)), (97, (100, 50)), (1e15, (1e15, 5e14))]
)
def test_axes_end_at_round_figures(highest: float, axis: tuple[float, float]) -> None:
    """1, 2 or 5 times a power of ten between lines; the highest figure is below the top."""
    assert top_of(highest) == pytest.approx(axis)


@given(st.floats(min_value=1e-9, max_value=1e30))
def test_every_figure_is_within(highest: float) -> None:
    """Whatever the figures, the chart holds them, with no more than a few lines."""
    top, apart = top_of(highest)
    assert top >= highest * (1 - 1e-6)
    assert 1 <= top / apart <= 6


def test_heights() -> None:
    """Zero is the axis, the top the top; half is half-way."""
    frame = Frame([Step("a", of(100, 0))], 1.0, "kWh", "", 300.0)
    bottom, top = charts.HEIGHT - charts.BOTTOM, charts.TOP
    assert [frame.y(value) for value in (0, 50, 100)] == pytest.approx([bottom, (bottom + top) / 2, top])


def test_a_line_breaks_where_nothing_is_known() -> None:
    """Two stretches are two lines with a band each; a day alone has a whisker; days without sight are grey."""
    steps = [Step("1", of(5)), Step("2", of(6)), Step("3", None, watched=False), Step("4", of(7))]
    drawn = line(steps, 1.0, "PH/s", "rate")
    assert drawn.count('class="line"') == drawn.count('class="band"') == 2
    assert drawn.count('class="dark"') == drawn.count('class="whisker"') == 1
    assert "<title>rate</title>" in drawn


def test_bars_have_whiskers() -> None:
    """Each known day is a bar and its range; an unknown one is nothing."""
    drawn = bars([Step("1", of(5)), Step("2", None)], 1.0, "kWh", "energy")
    assert drawn.count('class="bar"') == drawn.count('class="whisker"') == 1


def test_dates_do_not_overlap() -> None:
    """Of a year of days only some have a label."""
    drawn = line([Step(f"{number}", of(1)) for number in range(365)], 1.0, "", "")
    places = [float(x) for x in re.findall(r'<text x="([\d.]+)"[^>]*text-anchor="middle"', drawn)]
    assert len(places) > 3
    assert min(b - a for a, b in itertools.pairwise(places)) >= charts.LABEL - 1e-6


def test_the_longest_bar_of_a_ranking_ends_at_the_edge() -> None:
    """The others are shorter in proportion; without a figure there is none."""
    assert 'width="50"' in share_bar(of(50, 0), 100.0)
    assert "rect" not in share_bar(None, 100.0)
    assert "rect" not in share_bar(of(1), 0.0)
