"""The report's languages: none lacks a word, and what is filled in is the same in both."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any

from sniffer.campaign.figures import BY, CHANGES
from sniffer.campaign.model import Unknown
from sniffer.campaign.words import CHINESE, ENGLISH, LANGUAGES, Words
from sniffer.owners.keys import KINDS


def texts(value: Any, place: str = "") -> dict[str, str]:
    """Every text of a language by its place."""
    if isinstance(value, str):
        return {place: value}
    if isinstance(value, dict):
        return {
            where: text
            for key, each in value.items()
            for where, text in texts(each, f"{place}.{key}").items()
        }
    if isinstance(value, tuple):
        return {
            where: text
            for number, each in enumerate(value)
            for where, text in texts(each, f"{place}.{number}").items()
        }
    assert isinstance(value, Words)
    return {
        where: text
        for field in fields(value)
        for where, text in texts(getattr(value, field.name), field.name).items()
    }


def test_no_language_lacks_a_word() -> None:
    """Every sentence is there twice, with the same figures in it."""
    english, chinese = texts(ENGLISH), texts(CHINESE)
    assert set(english) == set(chinese)
    for place, text in english.items():
        assert text, place
        assert set(re.findall(r"{\w+}", text)) == set(re.findall(r"{\w+}", chinese[place])), place


def test_chinese_is_chinese() -> None:
    """No sentence was forgotten in English."""
    for place, text in texts(CHINESE).items():
        if place not in {"code", "listed"}:
            assert re.search(r"[\u4e00-\u9fff]", text), place


def test_words_for_everything_that_is_shown() -> None:
    """Orders, kinds of owners, changes and unknowns of the model have a name in each language."""
    for words in LANGUAGES.values():
        assert set(words.by) == set(words.nobody) == set(BY)
        assert set(words.kinds) == set(KINDS)
        assert set(words.changes) == set(words.change_leads) == set(CHANGES.values())
        assert set(words.unknown) == set(Unknown.__struct_fields__)
