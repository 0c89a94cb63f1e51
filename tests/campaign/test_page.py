"""The page: everything is on it, nothing is from elsewhere, nothing of the wire is markup."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_markup import Reader
from told import Told

from sniffer.campaign.figures import build
from sniffer.campaign.model import Report
from sniffer.campaign.page import as_html
from sniffer.campaign.style import POLICY, STYLE
from sniffer.campaign.words import CHINESE, ENGLISH, LANGUAGES, Words

if TYPE_CHECKING:
    from sniffer.campaign.figures import Question

NASTY = """</td><script>alert("1")</script>&'"""


def show(report: Report, *languages: Words, top: int = 50) -> Reader:
    """The page as a browser would see it."""
    return Reader(as_html(report, languages or (ENGLISH,), top).decode())


def test_says_what_it_is_about(report: Report) -> None:
    """Sensor, period, offset, rule set, how long was watched, and the figures of the yardstick in the first sentence."""
    text = show(report).text.replace("\u202f", " ")
    for told in (
        "park-east-1", "2026-11-01 00:00", "2026-11-04 00:00", "UTC+00:00", "2026.11", "65.0 h of 72.0 h", "at 4 addresses of 2 known",
        "25.4 kWh per day (9.93 to 39.5)", "0.0205 PH/s",
    ):  # fmt: skip
        assert told in text, told


@pytest.mark.parametrize("words", LANGUAGES.values(), ids=list(LANGUAGES))
def test_every_section_is_there(report: Report, words: Words) -> None:
    """In each language, with method, limits and terms in words."""
    seen = show(report, words)
    for name, title in words.sections.items():
        assert title.format(by=words.by["tenant"]) in seen.text, name
    for text in (*words.limits, *(text for _, text in words.method), *(text for _, text in words.glossary)):
        assert text in seen.text
    assert ("article", {"lang": words.code, "id": words.code}) in seen.tags


@pytest.mark.parametrize(
    ("every", "said"),
    [(4, "about 25 %"), (0, ""), (0.5, "about 100 %")],
    ids=["measured", "not measured", "an estimate below what was counted"],
)
def test_which_part_of_the_traffic(report: Report, every: float, said: str) -> None:
    """At each address, each tenant and in all; nothing where it was not measured, and never more than everything."""

    def with_all(one: Any) -> Any:
        return msgspec.structs.replace(one, all_bytes=int(one.mining_bytes * every))

    page = show(
        msgspec.structs.replace(
            report,
            totals=with_all(report.totals),
            ranking=tuple(map(with_all, report.ranking)),
            addresses=tuple(map(with_all, report.addresses)),
        )
    )
    text = page.text.replace("\u202f", " ")
    for among, of in (
        ((report.totals, *report.ranking), "of the traffic of these addresses"),
        (report.addresses, "of its traffic"),
    ):
        mining = [one for one in among if one.mining_bytes]
        assert text.count(f"{said} {of}" if said else of) == (len(mining) if said else 0)


def test_chinese_has_no_english_sentence(report: Report) -> None:
    """What is not a name or a unit is in the language of the page."""
    text = show(report, CHINESE).text.replace(STYLE, "")
    assert "数据中心" in text
    assert "账户仅其使用" in text
    assert not re.findall(r"\b(?:the|and|of|with|was|is)\b", text)


def test_both_languages_on_one_page(report: Report) -> None:
    """One behind the other, with a link to each."""
    seen = show(report, ENGLISH, CHINESE)
    assert [attributes["lang"] for tag, attributes in seen.tags if tag == "article"] == ["en", "zh"]
    assert [attributes["href"] for tag, attributes in seen.tags if tag == "a"] == ["#en", "#zh"]


def test_nothing_is_from_elsewhere(report: Report) -> None:
    """No script, no handler, no style of an element, no address but those of the page itself; the policy lets nothing else in."""
    seen = show(report, ENGLISH, CHINESE)
    assert "script" not in {tag for tag, _ in seen.tags}
    for _, attributes in seen.tags:
        assert not {"src", "style", "onclick", "onload", "action", "srcset", "xlink:href"} & set(attributes)
        assert (attributes.get("href") or "#").startswith("#")
    assert not re.search(r"url\(|@import|https?:", as_html(report, [ENGLISH], 50).decode())


def test_the_policy_names_our_style(report: Report) -> None:
    """By its hash, and before the style itself; the rest is nothing."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    assert POLICY.endswith(f"style-src 'sha256-{digest}'")
    assert POLICY.startswith("default-src 'none'; ")
    page = as_html(report, [ENGLISH], 50).decode()
    assert page.index(POLICY) < page.index("<style>")


def poisoned(report: Report, text: str) -> Report:
    """The report with a text in the place of every text."""

    def of(value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            return {key: of(each, key) for key, each in value.items()}
        if isinstance(value, list):
            return [of(each, name) for each in value]
        keep = {"change", "by", "start", "end", "zone", "reason", "unit"}
        return text if isinstance(value, str) and name not in keep else value

    return msgspec.convert(of(msgspec.to_builtins(report)), Report)


def test_no_text_becomes_markup(report: Report) -> None:
    """Agents, accounts, tenants, pools: whatever they hold, the elements of the page are the same."""
    clean, nasty = show(poisoned(report, "x" * 20), ENGLISH), show(poisoned(report, NASTY), ENGLISH)
    assert [tag for tag, _ in clean.tags] == [tag for tag, _ in nasty.tags]
    assert NASTY in nasty.text


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(min_size=19, max_size=256))
def test_nor_any_other(report: Report, text: str) -> None:
    """The same of every text there is; and the page is valid UTF-8."""
    elements = [tag for tag, _ in show(poisoned(report, "x" * 20), CHINESE).tags]
    assert [tag for tag, _ in show(poisoned(report, text), CHINESE).tags] == elements


def test_long_tables_are_cut_and_say_so(report: Report) -> None:
    """With how many more there are, and where."""
    text = show(report, top=1).text
    assert "… and 3 more" in text
    assert "10.0.1.9" not in text


def test_an_empty_report_is_a_page(question: Question) -> None:
    """Nothing seen is a result, and says so."""
    text = show(build(Told([], watched=False), question), ENGLISH).text
    assert "no mining session was read" in text
    assert "The history holds nothing about what the sensor saw." in text
    assert "cannot be estimated" not in text


@pytest.mark.parametrize("by", ["tenant", "site", "district", "kind", "pool", "coin"])
def test_every_ranking_has_its_heading(told: Told, question: Question, by: str) -> None:
    """And the row of those that belong to nobody known has words."""
    report = build(told, dataclasses.replace(question, by=by))
    text = show(report).text
    assert f"Ranking by {ENGLISH.by[by]}" in text
    assert ENGLISH.nobody[by] in text


def test_prints() -> None:
    """A4, the head of a table on every sheet, no row across two, a new sheet for the second language."""
    for rule in (
        "@page{size:A4",
        "display:table-header-group",
        "break-inside:avoid",
        "article+article{break-before:page}",
    ):
        assert rule in STYLE
