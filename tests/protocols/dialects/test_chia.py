"""Chia's pool protocol in plain HTTP: partial proofs, and farmers that sign up."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from rows import H64, X64, altered, assert_sound, call, say, say_over_http, told
from talk import CLIENT, SERVER, request, response

PARTIAL = {
    "payload": {"launcher_id": X64, "proof_of_space": {"size": 32}, "harvester_id": X64},
    "aggregate_signature": "0x00",
}
FARMER = {
    "payload": {"launcher_id": X64, "authentication_token": 7, "authentication_public_key": "0xab"},
    "signature": "0x00",
}


@pytest.mark.parametrize(
    ("verb", "target", "document", "wanted"),
    [
        ("POST", "/partial", PARTIAL, {"message": "partial", "user": X64}),
        ("POST", "/partial", {"payload": {"launcher_id": H64, "proof_of_space": None}},
         {"message": "partial", "user": H64}),
        ("POST", "/farmer", FARMER, {"message": "farmer", "user": X64}),
        ("PUT", "/farmer", {"payload": {"launcher_id": X64, "authentication_token": 7}},
         {"message": "farmer"}),
        ("PUT", "/farmer", {"payload": {"launcher_id": X64, "payout_instructions": "xch1"}},
         {"message": "farmer"}),
    ],
)  # fmt: skip
def test_one_message_alone(verb: str, target: str, document: Any, wanted: dict[str, Any]) -> None:
    """Partial proofs and farmers that sign up are read, and whose they are."""
    talk = say((CLIENT, request(json.dumps(document), target=target, verb=verb)))
    row = {"family": "chia-pool", "coin": "XCH", "wallet_kind": "chia", "accepted": None, **wanted}
    assert told(talk, [row]) == [row]
    assert talk.mining[0].sender.value == "client"


@pytest.mark.parametrize(
    "document",
    [
        {"payload": {"launcher_id": X64}},
        {"payload": {"launcher_id": "steam", "proof_of_space": {}}},
        {"payload": {"launcher_id": 7, "proof_of_space": {}}},
        {"payload": {"proof_of_space": {}}},
        {"payload": {"authentication_token": 7}},
        {"payload": X64},
        {"payload": [{"launcher_id": X64, "proof_of_space": {}}]},
        {"launcher_id": X64, "proof_of_space": {}},
        {"payload": {"payload": PARTIAL["payload"]}},
        {"farmer": "Bob", "fields": 12},
        {"id": 1, "result": {"payload": PARTIAL["payload"]}},
        call("partial", PARTIAL["payload"]),
        [PARTIAL["payload"]],
    ],
)
def test_no_mining(document: Any) -> None:
    """Game launchers, tokens and farms of another kind are not told at all."""
    assert say((CLIENT, request(json.dumps(document), target="/partial"))).messages == []
    assert say((CLIENT, json.dumps(PARTIAL) + "\n")).messages == []


def test_answers_of_the_pool() -> None:
    """What a pool answers has no shape of its own, and is not told."""
    asked = (CLIENT, request(json.dumps(PARTIAL), target="/partial"))
    talk = say(asked, (SERVER, response('{"new_difficulty": 1963211364}')))
    assert talk.messages == ["partial"]


@settings(max_examples=200, deadline=None)
@given(altered([(CLIENT, PARTIAL), (CLIENT, FARMER)]))
def test_any_value_anywhere(said: list[tuple[int, Any]]) -> None:
    """With any value in the place of any other, nothing fails, and every fact has its type and can be."""
    assert_sound(say_over_http(*said, target="/partial"))
