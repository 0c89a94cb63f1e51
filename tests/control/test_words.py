"""The page's languages: none lacks a word, and each reader gets the one that was asked for."""

from __future__ import annotations

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sniffer.blindspots import Level, findings, measure
from sniffer.control.words import CHINESE, ENGLISH, LANGUAGES, Words, choose, worth_telling
from sniffer.totals import InterfaceTotals, Totals


def texts(words: Words) -> dict[str, str]:
    """Every text of a language by its place."""
    out: dict[str, str] = {}
    for field in fields(words):
        value = getattr(words, field.name)
        if isinstance(value, dict):
            out |= {f"{field.name}.{key}": text for key, text in value.items()}
        elif isinstance(value, tuple):
            out |= {f"{field.name}.{number}": str(text) for number, text in enumerate(value)}
        elif isinstance(value, str):
            out[field.name] = value
    return out


def blind() -> Totals:
    """Books in which everything is wrong."""
    return Totals(
        packets=1_000,
        cut=900,
        undecoded={"esp": 900},
        one_sided_ratio=0.9,
        flows_with_data=1_000,
        flows_evicted={"mining": 5},
        tls_hellos={"readable": 10, "hidden": 90},
        facts={"doh.resolver": 50},
        oddities={"duplicate_packet": 90, "clock_jump": 3},
        datagrams_read=100,
        interfaces={
            "eth1": InterfaceTotals(1_000, 1_000, 900, 1, merged=5, unsummed=5),
            "eth2": InterfaceTotals(),
        },
    )


def test_no_language_lacks_a_word() -> None:
    """Both have the same places, and none is empty."""
    assert set(texts(ENGLISH)) == set(texts(CHINESE))
    assert all(texts(words)[place] for words in LANGUAGES.values() for place in texts(words))


def test_each_is_in_its_language() -> None:
    """No Chinese in the English texts, and some in every Chinese one."""
    same = {"code", "name", "other"}
    for place, text in texts(ENGLISH).items():
        assert text.isascii() or place in same
    for place, text in texts(CHINESE).items():
        assert any("\u4e00" <= character <= "\u9fff" for character in text) or place in same


def test_every_blind_spot_has_words() -> None:
    """Whatever is wrong is said in both languages, with the same figures, and with a remedy."""
    spots = measure(blind(), 1_000.0)
    found = worth_telling(findings(spots))
    assert {one.check for one in found} == {
        "traffic", "drops", "merged frames", "checksums", "directions", "cut", "undecoded", "evictions", "names", "doh",
        "duplicates", "packet clock",
    }  # fmt: skip
    assert found[0].level is Level.FAULT
    for one in found:
        assert ENGLISH.finding(one, spots) == (one.check, one.says, one.remedy)
        name, says, remedy = CHINESE.finding(one, spots)
        for text in (name, says, remedy):
            assert any("\u4e00" <= character <= "\u9fff" for character in text)
        for figure in (word for word in one.says.replace("(", " ").split() if word.isdigit()):
            assert figure in says, one.check


@pytest.mark.parametrize(
    ("query", "accept", "code"),
    [
        ("", "", "en"),
        ("", "zh", "zh"),
        ("", "zh-Hans-CN", "zh"),
        ("", "ZH-TW;q=0.5", "zh"),
        ("", "en;q=0.5, zh;q=0.7", "zh"),
        ("", "en-US,en;q=0.9,zh-CN;q=0.8", "en"),
        ("", "fr, zh;q=0.1", "zh"),
        ("", "zh;q=0", "en"),
        ("", "zh;q=x", "en"),
        ("", "*", "en"),
        ("", "zhx", "en"),
        ("lang=zh", "en", "zh"),
        ("a=b&lang=en", "zh", "en"),
        ("lang=fr", "zh", "zh"),
        ("lang=en&lang=zh", "", "zh"),
    ],
)
def test_who_gets_which(query: str, accept: str, code: str) -> None:
    """The query, else the highest weight, else English."""
    assert choose(query, accept).code == code


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_wish_has_an_answer(query: str, accept: str) -> None:
    """Nonsense gets a page, too."""
    assert choose(query, accept).code in LANGUAGES
    assert choose(f"lang={query}", f"zh;q={accept}").code in LANGUAGES
