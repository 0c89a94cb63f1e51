"""The report as one page: readable without anything else, on a screen and on paper.

In: a :class:`~sniffer.campaign.model.Report`, languages.  Out: HTML.
Never: a script; anything loaded from elsewhere; text that is not escaped (:mod:`~sniffer.campaign.markup` sees to that).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sniffer.campaign.charts import Step, bars, line, share_bar
from sniffer.campaign.markup import Markup, element, joined
from sniffer.campaign.model import Address, Band
from sniffer.campaign.style import POLICY, STYLE
from sniffer.campaign.units import (
    NOTHING,
    THIN,
    count,
    day,
    hours,
    percent,
    rate,
    rate_band,
    rounded,
    shown,
    size,
    span,
    step_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sniffer.campaign.model import Blind, Case, Energy, Group, Rate, Report, Totals
    from sniffer.campaign.words import Words

CHARTS: Final = 4
"""Most algorithms that have a chart."""
SHOWN_RATES: Final = 2
"""Most algorithms in a row."""
SHOWN_NAMES: Final = 3

Cell = tuple[str, Markup | str]
"""Class of a cell, and what stands in it."""


def as_html(report: Report, languages: Sequence[Words], top: int) -> bytes:
    """The page.

    Args:
        report: what it tells.
        languages: one article for each, one after the other.
        top: most rows of a table.
    """
    return "".join(_page(report, languages, top)).encode()


def _page(report: Report, languages: Sequence[Words], top: int) -> Iterator[str]:
    first = languages[0]
    yield "<!doctype html>\n"
    yield f'<html lang="{first.code}">'
    yield element(
        "head",
        element("meta", charset="utf-8"),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'),
        element("meta", name="viewport", content="width=device-width,initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", f"{first.title} {day(report.period.start)} {NOTHING} {day(report.period.end)}"),
        Markup(f"<style>{STYLE}</style>"),
    )
    yield "<body>\n"
    if len(languages) > 1:
        links = [element("a", words.name, href=f"#{words.code}", lang=words.code) for words in languages]
        yield element("nav", *_between(links, " · "))
    for words in languages:
        yield _Article(report, words, top).markup()
    yield "</body></html>\n"


def _between(parts: Sequence[Markup], what: str) -> list[Markup | str]:
    out: list[Markup | str] = []
    for part in parts:
        out += [what, part] if out else [part]
    return out


class _Article:
    """The report in one language."""

    def __init__(self, report: Report, words: Words, top: int) -> None:
        self.report, self.words, self.top = report, words, top

    def markup(self) -> Markup:
        """All of it."""
        parts = [
            self._header(),
            self._summary(),
            self._rates(),
            self._days(),
            self._ranking(),
            self._addresses(),
            self._cases(),
            self._blind(),
            self._unknown(),
            self._words(),
            element("footer", self.words.foot.format(program=self.report.program)),
        ]
        return joined(
            element("article", *_lines(parts), lang=self.words.code, id=self.words.code), Markup("\n")
        )

    # ── the head ─────────────────────────────────────────────────────────────────────────────────────────

    def _header(self) -> Markup:
        words, period = self.words, self.report.period
        watched = words.head["watched_unknown"]
        if period.watched_seconds is not None:
            watched = words.head["watched_of"].format(
                watched=hours(period.watched_seconds),
                whole=hours(period.seconds),
                share=percent(period.watched_seconds / period.seconds),
            )
        wide = [("period", f"{shown(period.start)} {NOTHING} {shown(period.end)}"), ("watched", watched)]
        narrow = [
            ("sensor", self.report.sensor or NOTHING),
            ("zone", f"UTC{period.zone}"),
            ("made", shown(self.report.made)),
            ("program", f"sniffer {self.report.program}"),
            ("rules", self.report.rules or NOTHING),
        ]
        rows = [(name, text, "wide") for name, text in wide] + [(name, text, None) for name, text in narrow]
        return element(
            "header",
            element("h1", words.title),
            element(
                "dl",
                *(
                    joined(element("dt", words.head[name]), element("dd", text, class_=kind))
                    for name, text, kind in rows
                ),
            ),
        )

    def _section(self, name: str, *parts: Markup | str | None, heading: str | None = None) -> Markup:
        title = heading or self.words.sections[name]
        lead = self.words.leads.get(name)
        return element(
            "section",
            element("h2", title),
            element("p", lead, class_="lead") if lead and name != "cases" else None,
            *parts,
        )

    # ── summary ──────────────────────────────────────────────────────────────────────────────────────────

    def _summary(self) -> Markup:
        words, totals, period = self.words, self.report.totals, self.report.period
        told = words.summary
        sentences = [
            told["seen"].format(
                addresses=count(totals.addresses),
                tenants=count(totals.tenants),
                sessions=count(totals.sessions),
            )
            if totals.addresses
            else told["none"]
        ]
        if totals.energy:
            daily, total = totals.energy.kwh_per_day, totals.energy.kwh
            sentences.append(
                told["energy"].format(
                    day=rounded(daily.value),
                    low_day=rounded(daily.low),
                    high_day=rounded(daily.high),
                    total=rounded(total.value),
                )
            )
        elif totals.addresses:
            sentences.append(told["no_energy"])
        if totals.rates:
            best = totals.rates[0]
            sentences.append(
                told["rate"].format(
                    algorithm=self._algorithm(best),
                    rate=rate(best.algorithm, best.average),
                    band=rate_band(best.algorithm, best.average),
                )
            )
        if period.watched_seconds is not None and period.watched_seconds < period.seconds:
            share = percent(period.watched_seconds / period.seconds)
            sentences.append(told["least"].format(share=share))
        gap = "" if words.code == "zh" else " "
        return self._section("summary", element("p", gap.join(sentences)), self._tiles())

    def _tiles(self) -> Markup:
        names, totals = self.words.tiles, self.report.totals
        tiles: list[tuple[str, str, str]] = [
            (names["addresses"], count(totals.addresses), ""),
            (names["tenants"], count(totals.tenants), ""),
            (names["machines"], count(totals.machines), ""),
            (names["shares"], count(totals.shares), ""),
        ]
        for one in totals.rates[:1]:
            name = names["rate"].format(algorithm=self._algorithm(one))
            tiles.append((name, rate(one.algorithm, one.average), self._range(one.average, *_scale(one))))
        if totals.energy:
            for name, band in (("day", totals.energy.kwh_per_day), ("total", totals.energy.kwh)):
                tiles.append((names[name], f"{rounded(band.value)}{THIN}kWh", self._range(band, 1.0, "kWh")))
        tiles.append((names["traffic"], size(totals.mining_bytes), self._of_traffic(totals)))
        return element(
            "dl",
            *(
                element(
                    "div",
                    element("dt", name),
                    element("dd", value),
                    element("dd", between, class_="between") if between else None,
                )
                for name, value, between in tiles
            ),
            class_="tiles",
        )

    def _range(self, band: Band, scale: float, unit: str) -> str:
        told = self.words.between.format(low=rounded(band.low / scale), high=rounded(band.high / scale))
        return f"{told}{THIN}{unit}"

    def _algorithm(self, one: Rate) -> str:
        return one.algorithm or self.words.unknown_algorithm

    # ── tables ───────────────────────────────────────────────────────────────────────────────────────────

    def _table(self, columns: Sequence[str], rows: Iterable[Sequence[Cell]], more: int = 0) -> Markup:
        """A table; classes of headings are those of the first row's cells."""
        listed = [list(row) for row in rows]
        if not listed:
            return element("p", self.words.none, class_="dim")
        heads = [
            element("th", name, class_="n" if kind == "n" else None, scope="col")
            for name, (kind, _) in zip(columns, listed[0], strict=True)
        ]
        body = [
            element("tr", *(element("td", what, class_=kind or None) for kind, what in row)) for row in listed
        ]
        table = element("table", element("thead", element("tr", *heads)), element("tbody", *_lines(body)))
        note = element("p", self.words.more.format(count=count(more)), class_="dim") if more > 0 else None
        return joined(element("div", table, class_="scroll"), note)

    def _names(self, *names: str) -> list[str]:
        return [self.words.columns[name] for name in names]

    def _rates(self) -> Markup:
        rows: list[list[Cell]] = []
        for one in self.report.totals.rates:
            peak = NOTHING
            if one.peak:
                peak = joined(
                    rate(one.algorithm, one.peak),
                    element("small", rate_band(one.algorithm, one.peak)),
                    element("small", shown(one.peak_hour)),
                )
            rows.append(
                [
                    ("k", self._algorithm(one)),
                    ("n", _rate(one)),
                    ("n", peak),
                    ("n", count(one.shares)),
                    ("n", percent(one.stated_share) if one.stated_share else NOTHING),
                    ("n", _energy(one.energy)),
                ]
            )
        names = self._names("algorithm", "average", "peak", "shares", "stated", "energy")
        return self._section("rates", self._table(names, rows))

    def _days(self) -> Markup:
        days, words = self.report.days, self.words
        labels = [day(one.start)[5:] for one in days]
        seen = [one.watched_seconds is None or one.watched_seconds > 0 for one in days]
        charts = []
        energies = [
            Step(label, _daily(one.energy_kwh, one.watched_seconds), watched)
            for label, one, watched in zip(labels, days, seen, strict=True)
        ]
        if any(step.value for step in energies):
            highest = max(step.value.high for step in energies if step.value)
            scale, unit = (1_000.0, "MWh") if highest >= 10_000 else (1.0, "kWh")
            title = words.charts["energy"]
            chart = bars(energies, scale, unit, title)
            charts.append(element("figure", element("figcaption", title), chart, class_="whole"))
        for one in self.report.totals.rates[:CHARTS]:
            steps = [
                Step(label, each.rates.get(one.algorithm) or (ZERO if watched else None), watched)
                for label, each, watched in zip(labels, days, seen, strict=True)
            ]
            title = words.charts["rate"].format(algorithm=self._algorithm(one))
            highest = max((step.value.high for step in steps if step.value), default=0.0)
            scale, unit = step_of(one.algorithm, highest)
            charts.append(element("figure", element("figcaption", title), line(steps, scale, unit, title)))
        none = element("p", words.none, class_="dim") if not charts else None
        return self._section("days", element("div", *charts, class_="charts"), none)

    def _ranking(self) -> Markup:
        report, words = self.report, self.words
        highest = max((one.energy.kwh_per_day.high for one in report.ranking if one.energy), default=0.0)
        whole = report.totals.energy.kwh.value if report.totals.energy else 0.0
        with_traffic = report.by in {"tenant", "site", "district", "kind"}
        rows = [
            self._group(one, highest, whole, with_traffic=with_traffic) for one in report.ranking[: self.top]
        ]
        names = ["rank", "name", "addresses", "machines", "shares", "rate", "energy", "part"]
        columns = self._names(*names, *(["traffic"] if with_traffic else []))
        more = len(report.ranking) - self.top + report.ranking_more
        heading = words.sections["ranking"].format(by=words.by[report.by])
        return self._section("ranking", self._table(columns, rows, more), heading=heading)

    def _group(self, one: Group, highest: float, whole: float, *, with_traffic: bool) -> list[Cell]:
        words = self.words
        name = one.name or words.nobody[self.report.by]
        if self.report.by == "kind":
            name = words.kinds.get(one.name, name)
        kind = words.kinds.get(one.kind, one.kind)
        place = words.listed.join(text for text in (kind, one.site, one.district) if text)
        part = one.energy.kwh.value / whole if one.energy and whole > 0 else None
        bar = share_bar(one.energy.kwh_per_day, highest) if one.energy else None
        cells: list[Cell] = [
            ("n", str(one.rank)),
            ("t", joined(name, _below(place))),
            ("n", count(one.addresses)),
            ("n", count(one.machines)),
            ("n", count(one.shares)),
            ("n", _rates(one.rates, words)),
            ("n", joined(_energy(one.energy), bar)),
            ("n", NOTHING if part is None else percent(part)),
        ]
        if with_traffic:
            cells.append(("n", joined(size(one.mining_bytes), _below(self._of_traffic(one), wraps=True))))
        return cells

    def _of_traffic(self, one: Totals | Group | Address) -> str:
        """Which part of all traffic is mining; "" where that was not measured.  An estimate may be below what is counted."""
        if not one.all_bytes:
            return ""
        text = self.words.of_traffic if isinstance(one, Address) else self.words.of_their_traffic
        return text.format(share=percent(min(one.mining_bytes / one.all_bytes, 1.0)))

    def _addresses(self) -> Markup:
        report = self.report
        rows = [self._address(one) for one in report.addresses[: self.top]]
        names = self._names("rank", "host", "tenant", "pool", "machines", "shares", "rate", "energy", "last")
        more = len(report.addresses) - self.top + report.addresses_more
        return self._section("addresses", self._table(names, rows, more))

    def _address(self, one: Address) -> list[Cell]:
        pools, coins = (_some(names, self.words.listed) for names in (one.pools, one.coins))
        return [
            ("n", str(one.rank)),
            ("k", joined(one.host, _below(self._of_traffic(one), wraps=True))),
            ("t", one.tenant or NOTHING),
            ("t", joined(pools or NOTHING, _below(coins))),
            ("n", count(one.machines)),
            ("n", count(one.shares)),
            ("n", _rates(one.rates, self.words)),
            ("n", _energy(one.energy)),
            ("k", joined(day(one.first), element("small", day(one.last)))),
        ]

    # ── cases ────────────────────────────────────────────────────────────────────────────────────────────

    def _cases(self) -> Markup:
        report, words = self.report, self.words
        counts = report.case_counts
        boxes = [
            element("div", element("b", count(getattr(counts, change))), element("span", name))
            for change, name in words.changes.items()
        ]
        tables = []
        for change, name in words.changes.items():
            rows = [one for one in report.cases if one.change == change]
            if not rows:
                continue
            tables += [
                element("h3", f"{name} ({count(getattr(counts, change))})"),
                element("p", words.change_leads[change], class_="lead"),
                self._table(
                    self._names(*(self._case_columns(change))),
                    [self._case(one) for one in rows[: self.top]],
                    getattr(counts, change) - min(len(rows), self.top),
                ),
            ]
        lead = words.leads["cases"].format(open=count(counts.open_at_end))
        return self._section(
            "cases", element("p", lead, class_="lead"), element("div", *boxes, class_="counts"), *tables
        )

    @staticmethod
    def _case_columns(change: str) -> list[str]:
        common = ["at", "host", "tenant", "pool"]
        if change == "moved":
            return [*common, "from", "reasons"]
        return [*common] if change == "new" else [*common, "opened"]

    def _case(self, one: Case) -> list[Cell]:
        words = self.words
        cells: list[Cell] = [
            ("k", shown(one.at)),
            ("k", one.host),
            ("t", one.tenant or NOTHING),
            ("t", _some(one.pools, words.listed) or NOTHING),
        ]
        if one.change == "moved":
            certainty = f"{one.score}{THIN}%" if one.score else None
            told = words.listed.join(_reason(reason, words) for reason in one.reasons)
            cells += [
                ("t", joined(one.other_host or NOTHING, _below(one.other_tenant))),
                ("t", joined(told or NOTHING, _below(certainty))),
            ]
        elif one.change != "new":
            cells.append(("k", shown(one.opened)))
        return cells

    # ── what is not known ────────────────────────────────────────────────────────────────────────────────

    def _blind(self) -> Markup:
        told, words = self.report.blind, self.words
        if told is None:
            return self._section("blind", element("p", words.blind["not_recorded"]))
        offered = told.packets + told.dropped
        facts = [
            (hours(told.down_seconds), words.blind["down"]),
            (hours(told.silent_seconds), words.blind["silent"]),
            (percent(told.dropped / offered) if offered else NOTHING, words.blind["dropped"]),
            (percent(told.one_sided), words.blind["one_sided"]),
            (count(told.hidden_tls), words.blind["hidden"]),
        ]
        return self._section("blind", _facts(facts), self._holes(told))

    def _holes(self, told: Blind) -> Markup:
        words = self.words
        if not told.holes:
            return element("p", words.blind["no_holes"], class_="dim")
        rows = [
            [("k", shown(one.start)), ("k", shown(one.end)), ("t", words.holes[one.reason])]
            for one in told.holes[: self.top]
        ]
        table = self._table(
            self._names("begin", "end", "reason"), rows, len(told.holes) - min(len(told.holes), self.top)
        )
        return joined(element("h3", words.blind["holes"]), table)

    def _unknown(self) -> Markup:
        told, words = self.report.unknown, self.words
        facts = [
            (percent(value) if isinstance(value, float) else count(value), text)
            for name, text in words.unknown.items()
            for value in (getattr(told, name),)
        ]
        return self._section("unknown", _facts(facts))

    def _words(self) -> Markup:
        words = self.words
        return joined(
            self._section("method", _terms(words.method)),
            self._section(
                "limits", element("ul", *(element("li", text) for text in words.limits), class_="limits")
            ),
            self._section("glossary", _terms(words.glossary)),
        )


ZERO: Final = Band(low=0.0, value=0.0, high=0.0)


def _lines(parts: Iterable[Markup]) -> Iterator[Markup]:
    for part in parts:
        yield part
        yield Markup("\n")


def _scale(one: Rate) -> tuple[float, str]:
    return step_of(one.algorithm, one.average.value)


def _rate(one: Rate) -> Markup:
    return joined(rate(one.algorithm, one.average), element("small", rate_band(one.algorithm, one.average)))


def _rates(rates: Sequence[Rate], words: Words) -> Markup | str:
    """Hashrates of a row, those with most energy first."""
    if not rates:
        return NOTHING
    parts = [
        joined(
            element(
                "div",
                rate(one.algorithm, one.average),
                " ",
                element("i", one.algorithm or words.unknown_algorithm),
            ),
            element("small", rate_band(one.algorithm, one.average)),
        )
        for one in rates[:SHOWN_RATES]
    ]
    more = f"+{len(rates) - SHOWN_RATES}" if len(rates) > SHOWN_RATES else None
    return joined(*parts, _below(more))


def _reason(told: str, words: Words) -> str:
    """What two cases have in common, in words; what we do not know as it is."""
    name, _, value = told.partition(" ")
    sentence = words.reasons.get(name, told)
    if name in {"gap", "overlap"} and value.isdigit():
        value = hours(int(value))
    return sentence.replace("{value}", value)


def _below(text: str | None, *, wraps: bool = False) -> Markup | None:
    """A second line of a cell, if there is anything to say; ``wraps``: rather two lines than a wide column."""
    return element("small", text, class_="wraps" if wraps else None) if text else None


def _energy(energy: Energy | None) -> Markup | str:
    if energy is None:
        return NOTHING
    told = energy.kwh_per_day
    return joined(rounded(told.value), element("small", span(told.low, told.high)))


def _daily(energy: Band | None, watched: float | None) -> Band | None:
    """Energy of a day, as if all of it had been watched."""
    if energy is None or watched is None or watched <= 0:
        return energy
    factor = 86_400 / watched
    return Band(low=energy.low * factor, value=energy.value * factor, high=energy.high * factor)


def _some(names: Sequence[str], listed: str) -> str:
    more = f" +{len(names) - SHOWN_NAMES}" if len(names) > SHOWN_NAMES else ""
    return listed.join(names[:SHOWN_NAMES]) + more


def _facts(facts: Iterable[tuple[str, str]]) -> Markup:
    pairs = [joined(element("dt", figure), element("dd", text)) for figure, text in facts]
    return element("dl", *pairs, class_="facts")


def _terms(terms: Iterable[tuple[str, str]]) -> Markup:
    pairs = [joined(element("dt", name), element("dd", text)) for name, text in terms]
    return element("dl", *pairs, class_="terms")
