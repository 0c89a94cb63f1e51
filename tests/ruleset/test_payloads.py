"""Payload conditions: what may be said, what is refused and where, what a rule set hands to the gate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import rulefolder

from sniffer.model import MAX_PATTERNS, OPENING, Pattern
from sniffer.ruleset import restore
from sniffer.ruleset.explain import explain
from sniffer.ruleset.payloads import shown

if TYPE_CHECKING:
    from pathlib import Path

HELLO = "{payload: {starts_with: 'HELLO-MINE v1'}}"
FACTS = {
    "payload.hex": b"HELLO-MINE v1 wallet=abc".hex(),
    "payload.text": "HELLO-MINE v1 wallet=abc",
    "payload.side": "client",
    "flow.transport": "tcp",
    "server.port": 7_777,
}


@pytest.mark.parametrize(
    ("match", "pattern"),
    [
        (HELLO, Pattern(0, b"HELLO-MINE v1", "any", "tcp")),
        ("{payload: {starts_with_hex: 'de ad BE ef'}}", Pattern(0, b"\xde\xad\xbe\xef", "any", "tcp")),
        ("{payload: {starts_with_hex: deadbeef, at: 60}}", Pattern(60, b"\xde\xad\xbe\xef", "any", "tcp")),
        (
            "{payload: {starts_with: 'Füße', side: server, transport: any}}",
            Pattern(0, "Füße".encode(), "server", "any"),
        ),
        ('{payload: {starts_with: "\\x01\\x02\\t"}}', Pattern(0, b"\x01\x02\t", "any", "tcp")),
    ],
)
def test_a_pattern_is_what_was_written(tmp_path: Path, match: str, pattern: Pattern) -> None:
    """Bytes, place, side and transport; the same after the way to a worker."""
    ruleset = rulefolder.load_match(tmp_path, match)
    assert ruleset.patterns == (pattern,)
    assert restore(ruleset.dump()).patterns == (pattern,)
    assert not ruleset.wants_every_name


@pytest.mark.parametrize(
    ("match", "hits"),
    [
        (HELLO, True),
        ("{payload: {starts_with: MINE, at: 6}}", True),
        ("{payload: {starts_with: MINE, at: 5}}", False),
        ("{payload: {starts_with: HELLO, side: client}}", True),
        ("{payload: {starts_with: HELLO, side: server}}", False),
        ("{payload: {starts_with: HELLO, transport: udp}}", False),
        ("{payload: {starts_with: HELLO, transport: any}}", True),
        (f"{{all: [{HELLO}, {{fact: server.port, in: [7777]}}]}}", True),
        (f"{{all: [{HELLO}, {{fact: server.port, in: [7778]}}]}}", False),
        (f"{{all: [{HELLO}, {{fact: payload.text, matches: 'wallet=[a-z]+$'}}]}}", True),
        (f"{{all: [{HELLO}, {{not: {{payload: {{starts_with: abc, at: 21}}}}}}]}}", False),
        (f"{{any: [{HELLO}, {{payload: {{starts_with: OTHER}}}}]}}", True),
    ],
)
def test_what_it_matches(tmp_path: Path, match: str, hits: bool) -> None:  # noqa: FBT001
    """Alone and beside other questions, by index and plainly; never a message without an opening."""
    ruleset = rulefolder.load_match(tmp_path, match)
    assert bool(ruleset.match(FACTS)) is bool(ruleset.match_plainly(FACTS)) is hits
    assert not ruleset.match({"stratum.method": "mining.submit", "server.port": 7_777})


def test_the_reason_says_what_the_rule_says(tmp_path: Path) -> None:
    """And nothing else of what was sent."""
    match = "{all: [{payload: {starts_with: MINE, at: 6, side: client}}, {payload: {starts_with_hex: '2076 31', at: 10}}]}"
    match = match.replace("2076 31", "20 76 31 20")
    ((_, found),) = rulefolder.load_match(tmp_path, match).match(FACTS)
    assert found.reasons == (
        'payload begins at 6 with "MINE" from the client',
        'payload begins at 10 with " v1 "',
    )
    assert shown(b"\x00\x01ab") == "00 01 61 62"


def test_it_is_explained(tmp_path: Path) -> None:
    """In words, with the transport."""
    ruleset = rulefolder.load_match(tmp_path, HELLO)
    text = explain(ruleset.rules[0], ruleset.lists)
    assert '  payload begins with "HELLO-MINE v1"   (first bytes of a side, over tcp)' in text


FAULTS = {
    "no mapping": ("{payload: HELLO}", "must be a mapping", "starts_with"),
    "nothing to begin with": ("{payload: {side: client}}", "unanchored", "starts_with"),
    "both ways": ("{payload: {starts_with: abc, starts_with_hex: deadbeef}}", "unanchored", "either"),
    "contains": ("{payload: {contains: HELLO}}", "unanchored", "payload.text"),
    "a slip": ("{payload: {start_with: HELLO}}", "no key 'start_with'", "starts_with"),
    "a number": ("{payload: {starts_with: 123}}", "must be text", "quotes"),
    "too short": ("{payload: {starts_with: ab}}", "too few", "at least 3"),
    "too short in hexadecimal": ("{payload: {starts_with_hex: dead be}}", "too few", "at least 4"),
    "half a byte": ("{payload: {starts_with_hex: deadbeefa}}", "not hexadecimal", "two digits"),
    "no digits": ("{payload: {starts_with_hex: 'xx xx xx xx'}}", "not hexadecimal", "two digits"),
    "too far": ("{payload: {starts_with: HELLO, at: 64}}", "from 0 to 63", "first"),
    "before the start": ("{payload: {starts_with: HELLO, at: -1}}", "from 0 to 63", "first"),
    "a place in words": ("{payload: {starts_with: HELLO, at: end}}", "from 0 to 63", "first"),
    "over the edge": ("{payload: {starts_with: HELLO, at: 60}}", "65 bytes in", "nearer"),
    "a long one": (f"{{payload: {{starts_with: {'x' * 65}}}}}", "65 bytes in", "fewer"),
    "an unknown side": ("{payload: {starts_with: HELLO, side: both}}", "side cannot be 'both'", "client"),
    "a list of sides": ("{payload: {starts_with: HELLO, side: [client]}}", "side cannot be", "client"),
    "an unknown transport": ("{payload: {starts_with: HELLO, transport: sctp}}", "transport cannot", "tcp"),
    "all of HTTP": ("{payload: {starts_with: 'GET /'}}", "ordinary traffic", "more bytes"),
    "all of TLS": ("{payload: {starts_with_hex: '16 03 01 02 00 01'}}", "ordinary traffic", "more bytes"),
    "a fact beside it": (
        "{payload: {starts_with: HELLO}, fact: server.port}", "'fact' stands beside 'payload'", "all"
    ),
    "only not": (f"{{not: {HELLO}}}", "unanchored", "all: with payload"),
    "not beside a port": (
        f"{{all: [{{fact: server.port, equals: 3333}}, {{not: {HELLO}}}]}}", "unanchored", "all: with payload"
    ),
    "a port instead": (f"{{any: [{HELLO}, {{fact: server.port, equals: 3333}}]}}", "unanchored", "rules of their own"),
    "text alone": ("{fact: payload.text, contains: wallet}", "unanchored", "all: with payload"),
    "a fact of something else": (
        f"{{all: [{HELLO}, {{fact: stratum.method, equals: mining.submit}}]}}",
        "an opening does not tell stratum.method",
        "payload.text",
    ),
    "twice": (f"{{all: [{HELLO}, {HELLO}]}}", 'asks twice whether the payload begins with "HELLO-MINE v1"', ""),
}  # fmt: skip


@pytest.mark.parametrize(("match", "what", "remedy"), FAULTS.values(), ids=FAULTS.keys())
def test_what_cannot_be_is_refused(tmp_path: Path, match: str, what: str, remedy: str) -> None:
    """One fault, at its line, with a sentence and a remedy."""
    (problem,) = rulefolder.match_problems(tmp_path, match)
    assert what in problem.what
    assert remedy in problem.remedy
    assert (problem.file, problem.line) == (str(tmp_path / "rules.yaml"), 6)


def test_a_fault_is_told_at_its_key(tmp_path: Path) -> None:
    """Line and column are those of the value that is wrong."""
    match = "\n    payload:\n      starts_with: HELLO\n      at: 99"
    (problem,) = rulefolder.match_problems(tmp_path, match)
    assert (problem.code, problem.line, problem.column) == ("payload", 9, 7)


def many(count: int) -> str:
    """Rules with a payload each, three of them the same."""
    one = (
        "- id: rule-{0}\n  title: rule {0}\n  severity: low\n  confidence: suspected\n"
        "  match: {{payload: {{starts_with: 'mine{1:04}'}}}}\n  examples:\n"
        "    hits: [{{client: 'mine{1:04}'}}]\n    misses: [{{client: other}}]\n"
    )
    return "".join(one.format(number, max(number, 2)) for number in range(count))


def test_no_more_patterns_than_the_gate_carries(tmp_path: Path) -> None:
    """As many as there may be are loaded, the same bytes counted once; one more is a fault of the rule that has it."""
    folder = rulefolder.write(tmp_path / "enough", {"rules.yaml": many(MAX_PATTERNS + 2)})
    assert len(rulefolder.load_rules([folder]).patterns) == MAX_PATTERNS
    (problem,) = rulefolder.problems(tmp_path / "more", {"rules.yaml": many(MAX_PATTERNS + 3)})
    assert f"rule rule-{MAX_PATTERNS + 2}: more than {MAX_PATTERNS}" in problem.what


def test_the_whole_opening_may_be_named(tmp_path: Path) -> None:
    """64 bytes, and not one more."""
    ruleset = rulefolder.load_match(tmp_path, f"{{payload: {{starts_with: {'x' * OPENING}}}}}")
    assert ruleset.match({"payload.hex": (b"x" * OPENING).hex(), "flow.transport": "tcp"})
