"""The text of rules: it says what the rules say, and makes the same rules again."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import pytest

from sniffer.errors import ConfigError
from sniffer.evidence.rulestext import RulesText, excerpt, restored
from sniffer.ruleset.load import unpack

if TYPE_CHECKING:
    from sniffer.ruleset import RuleSet


def test_every_shipped_rule_survives(ruleset: RuleSet) -> None:
    """Written as YAML and read again, each rule says the same, and asks and counts the same."""
    again = restored(excerpt(ruleset.dump(), {rule.id for rule in ruleset.rules}))
    said = {
        rule["id"]: rule
        for document in unpack(again.dump())
        if isinstance(document.data, list)
        for rule in document.data
    }
    written = {
        rule["id"]: rule
        for document in unpack(ruleset.dump())
        if isinstance(document.data, list)
        for rule in document.data
    }
    assert said == written
    for one, other in zip(
        sorted(ruleset.rules, key=lambda rule: rule.id),
        sorted(again.rules, key=lambda rule: rule.id),
        strict=True,
    ):
        assert (one.id, one.rev, one.severity, one.signature_id) == (
            other.id,
            other.rev,
            other.severity,
            other.signature_id,
        )
        assert one.condition.asked() == other.condition.asked()


def test_each_rule_stands_alone(ruleset: RuleSet) -> None:
    """The text of any one rule has everything that it refers to, and no other rule."""
    for rule in ruleset.rules:
        again = restored(excerpt(ruleset.dump(), {rule.id}))
        assert [one.id for one in again.rules] == [rule.id]


def test_lists_come_only_where_they_are_asked_for(ruleset: RuleSet) -> None:
    """A rule without lists has none; one with a class of pools has the pools, not the resolvers."""
    assert excerpt(ruleset.dump(), {"stratum-v1-submit"}).lists == b""
    lists = json.loads(gzip.decompress(excerpt(ruleset.dump(), {"pool-dns"}).lists))
    assert any("pools" in one["data"] for one in lists)
    assert not any(one["data"].get("name") == "doh-resolvers" for one in lists)


def test_the_same_rules_give_the_same_bytes(ruleset: RuleSet) -> None:
    """Nothing in the text depends on when it was made."""
    assert excerpt(ruleset.dump(), {"pool-dns"}) == excerpt(ruleset.dump(), {"pool-dns"})


def test_a_rule_that_is_not_there(ruleset: RuleSet) -> None:
    """It is named."""
    with pytest.raises(KeyError, match="no-such-rule"):
        excerpt(ruleset.dump(), {"no-such-rule"})


@pytest.mark.parametrize(
    "text",
    [
        RulesText(b"\xff", b""),
        RulesText(b"- id: [", b""),
        RulesText(b"- {id: x-rule}", b"no gzip"),
        RulesText(b"- {id: x-rule}", gzip.compress(b"[1]")),
        RulesText(b"- {id: x-rule}", gzip.compress(bytes(65 << 20))),
    ],
)
def test_nonsense_is_told(text: RulesText) -> None:
    """What is no text of rules is an error of the bundle, never a traceback, never more memory than the bound."""
    with pytest.raises(ConfigError):
        restored(text)
