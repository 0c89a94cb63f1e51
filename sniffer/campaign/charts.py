"""Charts as SVG: a line with its band over days, bars with whiskers over days.

In: figures by day.  Out: :class:`~sniffer.campaign.markup.Markup`, styled by the page's classes.
Never: a script; a colour that paper or a colour-blind reader cannot tell; an axis that does not begin at zero.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from sniffer.campaign.markup import Markup, element, joined
from sniffer.campaign.units import THIN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sniffer.campaign.model import Band

WIDE: Final = 760.0
NARROW: Final = 375.0
HEIGHT: Final = 190.0
LEFT: Final = 58.0
RIGHT: Final = 8.0
TOP: Final = 24.0
BOTTOM: Final = 24.0
LABEL: Final = 46.0  # what a date takes


class Step(NamedTuple):
    """One day of a chart."""

    label: str
    value: Band | None  # None: nothing is known of it
    watched: bool = True  # False: the sensor did not see anything


def top_of(highest: float) -> tuple[float, float]:
    """Where an axis ends, and how far apart its lines are: 1, 2 or 5 times a power of ten."""
    if not highest > 0:
        return 1.0, 0.5
    raw = highest / 4
    power = 10.0 ** math.floor(math.log10(raw))
    apart = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw)
    return math.ceil(highest / apart - 1e-9) * apart, apart


def tick(value: float, apart: float) -> str:
    """A figure at a line of the axis: all with as many digits as their distance needs."""
    places = max(0, -math.floor(math.log10(apart) + 1e-9))
    return f"{value:,.{places}f}".replace(",", THIN)


class Frame:
    """Axes, and where things are between them.

    Args:
        steps: of the chart.
        scale: what figures are divided by.
        unit: what they are then in.
        title: for those who do not see the chart.
        width: in its own units; the letters are larger in a narrower one.
    """

    def __init__(self, steps: Sequence[Step], scale: float, unit: str, title: str, width: float) -> None:
        self.width = width
        self.steps, self.scale, self.unit, self.title = steps, scale, unit, title
        highest = max((one.value.high / scale for one in steps if one.value), default=0.0)
        self.top, self.apart = top_of(highest)
        self.pitch = (width - LEFT - RIGHT) / max(len(steps), 1)

    def x(self, number: int) -> float:
        """The middle of a day."""
        return LEFT + (number + 0.5) * self.pitch

    def y(self, value: float) -> float:
        """The height of a figure."""
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * min(value / self.scale / self.top, 1.0)

    def drawn(self, *parts: Markup) -> Markup:
        """The chart with its axes."""
        return element(
            "svg", element("title", self.title), self._unwatched(), self._lines(), *parts, self._dates(),
            viewBox=f"0 0 {self.width:.0f} {HEIGHT:.0f}", role="img", class_="chart",
        )  # fmt: skip

    def _lines(self) -> Markup:
        out = [element("text", self.unit, x=LEFT - 6, y=12.0, class_="unit", text_anchor="end")]
        for number in range(round(self.top / self.apart) + 1):
            value = number * self.apart
            height = self.y(value * self.scale)
            out += [
                element("line", x1=LEFT, x2=self.width - RIGHT, y1=height, y2=height, class_="axis" if not number else "grid"),
                element("text", tick(value, self.apart), x=LEFT - 6, y=height + 3.5, class_="tick", text_anchor="end"),
            ]  # fmt: skip
        return joined(*out)

    def _dates(self) -> Markup:
        every = max(math.ceil(len(self.steps) * LABEL / (self.width - LEFT - RIGHT)), 1)
        return joined(
            *(
                element("text", step.label, x=self.x(number), y=HEIGHT - 7, class_="tick", text_anchor="middle")
                for number, step in enumerate(self.steps)
                if number % every == 0
            )
        )  # fmt: skip

    def _unwatched(self) -> Markup:
        return joined(
            *(
                element("rect", x=LEFT + number * self.pitch, y=TOP, width=self.pitch, height=HEIGHT - TOP - BOTTOM, class_="dark")
                for number, step in enumerate(self.steps)
                if not step.watched
            )
        )  # fmt: skip


def line(steps: Sequence[Step], scale: float, unit: str, title: str) -> Markup:
    """A line through the days with its band; it breaks where nothing is known."""
    frame = Frame(steps, scale, unit, title, NARROW)
    runs: list[list[int]] = [[]]
    for number, step in enumerate(steps):
        if step.value is None:
            runs.append([])
        else:
            runs[-1].append(number)
    parts = [_run(frame, run) for run in runs if run]
    return frame.drawn(*parts)


def _run(frame: Frame, run: list[int]) -> Markup:
    bands = [(number, band) for number in run if (band := frame.steps[number].value) is not None]
    upper = " ".join(f"{frame.x(number):.1f},{frame.y(band.high):.1f}" for number, band in bands)
    lower = " ".join(f"{frame.x(number):.1f},{frame.y(band.low):.1f}" for number, band in reversed(bands))
    middle = " ".join(f"{frame.x(number):.1f},{frame.y(band.value):.1f}" for number, band in bands)
    dots = [
        element("circle", cx=frame.x(number), cy=frame.y(band.value), r=2.0, class_="dot")
        for number, band in bands
    ]
    whisker = None
    if len(bands) == 1:  # a day alone has no area
        number, band = bands[0]
        x = frame.x(number)
        whisker = element("line", x1=x, x2=x, y1=frame.y(band.low), y2=frame.y(band.high), class_="whisker")
    return joined(
        element("polygon", points=f"{upper} {lower}", class_="band"),
        element("polyline", points=middle, class_="line"),
        whisker,
        *dots,
    )


def bars(steps: Sequence[Step], scale: float, unit: str, title: str) -> Markup:
    """A bar for each day, with a whisker from low to high."""
    frame = Frame(steps, scale, unit, title, WIDE)
    parts = []
    for number, step in enumerate(steps):
        if step.value is None:
            continue
        x, width = frame.x(number), frame.pitch * 0.62
        top = frame.y(step.value.value)
        parts += [
            element("rect", x=x - width / 2, y=top, width=width, height=HEIGHT - BOTTOM - top, class_="bar"),
            element("line", x1=x, x2=x, y1=frame.y(step.value.low), y2=frame.y(step.value.high), class_="whisker"),
        ]  # fmt: skip
    return frame.drawn(*parts)


def share_bar(band: Band | None, highest: float) -> Markup:
    """The bar of a row in a ranking, with a whisker; ``highest`` is the end of the longest."""
    width, height = 100.0, 12.0
    if band is None or not highest > 0:
        return element("svg", viewBox=f"0 0 {width:.0f} {height:.0f}", class_="rank", aria_hidden="true")

    def x(value: float) -> float:
        return min(value / highest, 1.0) * width

    return element(
        "svg",
        element("rect", x=0.0, y=2.0, width=max(x(band.value), 0.5), height=height - 4, class_="bar"),
        element("line", x1=x(band.low), x2=x(band.high), y1=height / 2, y2=height / 2, class_="whisker"),
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        preserveAspectRatio="none",
        class_="rank",
        aria_hidden="true",
    )
