"""Whole conversations: what is said, and what must be read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sniffer.model import Alternative, Data, Facts, Gap
from sniffer.oddities import Oddities
from sniffer.protocols.conversation import Conversation, Verdict
from sniffer.strictyaml import load_file

STORIES = load_file(Path(__file__).parent / "conversations.yaml").data
SIDES = {"client": 0, "server": 1}
SUBSCRIBE = b'{"id":1,"method":"mining.subscribe","params":["cgminer/4.11.1"]}\n'


def say(conversation: Conversation, step: dict[str, Any]) -> list[Facts]:
    """One step of a story."""
    times = step.pop("repeat", 1)
    ((kind, what),) = step.items()
    if kind == "gap":
        return conversation.read(Gap(SIDES[what], 0, 0))
    if kind == "midway":
        conversation.join_midway(SIDES[what])
        return []
    if kind in SIDES:
        side, data = SIDES[kind], what.encode() + b"\n"
    else:
        ((name, text),) = what.items()
        side, data = SIDES[name], bytes.fromhex(text) if kind == "raw_hex" else text.encode()
    return [facts for _ in range(times) for facts in conversation.read(Data(side, data, 0, len(data)))]


@pytest.mark.parametrize("story", [pytest.param(story, id=story["name"]) for story in STORIES])
def test_story(story: dict[str, Any]) -> None:
    """A conversation gives exactly these messages, and the session knows what they told."""
    conversation = Conversation(Oddities())
    facts = [one for step in story["say"] for one in say(conversation, dict(step))]
    assert [one.message for one in facts] == story["read"]
    assert conversation.session.told.items() >= story.get("told", {}).items()
    if "protocol" in story:
        assert conversation.session.protocol == story["protocol"]
    if "verdict" in story or any(one.mining for one in facts):
        assert conversation.verdict is Verdict(story.get("verdict", "yes"))


def test_long_line_is_read_by_its_ends() -> None:
    """A notify of 100 kB is recognised, with the method first or last, in segments, and nothing is kept of it."""
    params = b'"params":["1","' + b"ab" * 50_000 + b'"]'
    for line in (
        b'{"id":null,"method":"mining.notify",' + params + b"}\n",
        b"{" + params + b',"method":"mining.notify"}\n',
    ):
        oddities = Oddities()
        conversation = Conversation(oddities)
        found = []
        for at in range(0, len(line), 1_400):
            found += conversation.read(Data(1, line[at : at + 1_400], 0, at))
        assert [one.message for one in found] == ["mining.notify"]
        assert oddities.counts["line_too_long"] == 1
        assert conversation.held == 0


def test_nested_method_of_a_long_line_is_not_the_message() -> None:
    """In a long line, too, only the top level counts."""
    line = (
        b'{"log":{"method":"mining.notify"},"text":"'
        + b"x" * 40_000
        + b'","more":{"method":"mining.notify"}}\n'
    )
    assert Conversation(Oddities()).read(Data(1, line, 0, 0)) == []


def test_end_of_message() -> None:
    """Each message knows the sequence number just behind it, so that an acknowledgement can be held against it."""
    conversation = Conversation(Oddities())
    facts = conversation.read(Data(0, SUBSCRIBE + SUBSCRIBE, 0, 0x10))
    assert [one.end for one in facts] == [(0x10 - len(SUBSCRIBE)) & 0xFFFFFFFF, 0x10]


def test_other_reading_counts_only_what_differs() -> None:
    """Lines that both readings of a conflict share are not read twice."""
    conversation = Conversation(Oddities())
    conversation.read(Data(0, SUBSCRIBE, 0, 0))
    submit = b'{"id":4,"method":"mining.submit","params":["u.1","j","00","5a","b2"]}\n'
    found = conversation.read(Alternative(0, SUBSCRIBE + submit, 0, 0))
    assert [one.message for one in found] == ["mining.submit"]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 1),
            st.binary(max_size=200)
            | st.sampled_from([SUBSCRIBE, b"{", b"\n", b"[[", b"\x05\x01\x00", b"\x16\x03\x01"]),
        ),
        max_size=30,
    )
)
def test_nothing_on_the_wire_raises(pieces: list[tuple[int, bytes]]) -> None:
    """Arbitrary bytes in arbitrary pieces are read without an exception and within the bounds."""
    conversation = Conversation(Oddities())
    for side, data in pieces:
        conversation.read(Data(side, data, 0, 0))
        assert conversation.held <= 2 * 64_000


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "id",
                        "method",
                        "params",
                        "result",
                        "error",
                        "job",
                        "blob",
                        "target",
                        "login",
                        "pass",
                        "body",
                    ]
                )
                | st.text(max_size=4),
                inner,
                max_size=5,
            )
        ),
        max_leaves=12,
    ),
    st.sampled_from(
        [
            "mining.submit",
            "mining.notify",
            "mining.subscribe",
            "login",
            "job",
            "submit",
            "eth_submitWork",
            "mining.set_target",
            "mining.hello",
            "client.reconnect",
            "mining.set",
        ]
    ),
)
def test_any_shape_of_message_is_read(value: Any, method: str) -> None:
    """Whatever stands in the place of parameters and results, no dialect trips over it."""
    for document in (
        {"id": 1, "method": method, "params": value},
        {"id": 1, "result": value, "error": value},
        value,
    ):
        conversation = Conversation(Oddities())
        conversation.read(Data(0, SUBSCRIBE, 0, 0))
        for side in (0, 1):
            conversation.read(Data(side, json.dumps(document).encode() + b"\n", 0, 0))
