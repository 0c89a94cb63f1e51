"""Nimiq over WebSocket: objects with a message, of which only a few speak for themselves."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from rows import BLOB, about, altered, assert_sound, say_in_frames, told
from talk import CLIENT, KEY, SERVER, Talk, frame

FAMILY = "nimiq-ws"
ADDRESS = "NQ07 0000 0000 0000 0000 0000 0000 0000 0000"
GENESIS = "Jkqvik+YKKdsVQY12geOtGYwahifzANxC+6fZJyGnRI="
BLOCK = "AAH6/T8cyAAwnLkxCBJXtOftsPnqQAGHxVD9kUFEfqCG" * 3 + "wA=="
REGISTER = {
    "message": "register",
    "mode": "nano",
    "address": ADDRESS,
    "deviceId": 3_512_442_571,
    "genesisHash": GENESIS,
}
SETTINGS = {"message": "settings", "address": ADDRESS, "extraData": "AAAA", "nonce": 123_456}
COMPACT = {**SETTINGS, "target": "0000ffff" + "0" * 56, "targetCompact": 520_159_231}
NANO = {"message": "share", "block": BLOCK}
SMART = {"message": "share", "blockHeader": BLOCK, "minerAddrProof": "AQDA", "extraDataProof": "AYBo"}


@pytest.mark.parametrize(
    ("side", "document", "wanted"),
    [
        (CLIENT, REGISTER, {"user": ADDRESS, "worker": "3512442571", "wallet_kind": "nimiq"}),
        (CLIENT, {**REGISTER, "address": ADDRESS.replace(" ", ""), "deviceData": {"x": 1}},
         {"user": ADDRESS.replace(" ", ""), "wallet_kind": "nimiq"}),
        (CLIENT, {**REGISTER, "deviceId": "rig7", "address": None}, {"user": None, "worker": "rig7"}),
        (CLIENT, {**REGISTER, "deviceId": True}, {"worker": None}),
        (SERVER, COMPACT, {"hashes_per_share": about(65_537.0), "difficulty": None}),
        (SERVER, {**COMPACT, "targetCompact": 0x1D00FFFF}, {"hashes_per_share": about(2**32)}),
        (SERVER, {**COMPACT, "targetCompact": 0x01100000}, {"hashes_per_share": about(2.0**252)}),
        (SERVER, {**COMPACT, "targetCompact": 0x04000100}, {"hashes_per_share": about(2.0**240)}),
        (SERVER, {**COMPACT, "targetCompact": 0x1D000000}, {"hashes_per_share": None}),
        (SERVER, {**COMPACT, "targetCompact": 0xFF00FFFF}, {"hashes_per_share": None}),
        (SERVER, {**COMPACT, "targetCompact": -1}, {"hashes_per_share": None}),
        (SERVER, {**COMPACT, "targetCompact": "1f00ffff"}, {"hashes_per_share": None}),
        (SERVER, {**SETTINGS, "target": 1.7668470647783843e72}, {"hashes_per_share": about(65_536.0)}),
        (SERVER, {**SETTINGS, "target": 0}, {"hashes_per_share": None}),
        (CLIENT, NANO, {"hashes_per_share": None, "accepted": None}),
        (CLIENT, {**NANO, "block": "AAH6", "nonce": 4}, {}),
        (CLIENT, SMART, {}),
        (CLIENT, {**SMART, "block": BLOCK}, {}),
    ],
)  # fmt: skip
def test_one_message_alone(side: int, document: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Registrations, settings and shares are mining by themselves, from their direction alone."""
    row = {"message": document["message"], "family": FAMILY, "coin": "NIM", "algorithm": "argon2d", **wanted}
    talk = say_in_frames((side, document))
    assert told(talk, [row]) == [row]
    assert talk.mining[0].sender.value == ("client" if side == CLIENT else "server")


def test_any_spelling() -> None:
    """White space, escapes and the order of keys make no difference, nor does a frame for each part."""
    text = '{ "genesisHash":"x", "deviceId" : 7,"address":"NQ07", "mess\\u0061ge": "regis\\u0074er" }'
    talk = (
        Talk()
        .say(CLIENT, frame(text[:30], key=KEY, first=0x01))
        .say(CLIENT, frame(text[30:], key=KEY, first=0x80))
    )
    wanted = [{"message": "register", "user": "NQ07", "worker": "7"}]
    assert told(talk, wanted) == wanted


SESSION = [
    (SERVER, {"message": "registered"}),
    (SERVER, {"message": "balance", "balance": 123, "confirmedBalance": 122, "payoutRequestActive": False}),
    (SERVER, {"message": "new-block", "bodyHash": "rCBG", "accountsHash": "9GgR", "previousBlock": "AAHL"}),
    (SERVER, {"message": "error", "reason": "Invalid PoW"}),
    (CLIENT, {"message": "payout", "proof": "J4VE"}),
    (CLIENT, {"message": "share", "block": "AAHL"}),
]


def test_session() -> None:
    """In a session all of its messages count, and shares are worth what the settings say."""
    talk = say_in_frames((CLIENT, REGISTER), (SERVER, COMPACT), *SESSION)
    assert talk.messages == ["register", "settings", *[document["message"] for _, document in SESSION]]
    assert [facts.sender.value for facts in talk.mining[2:]] == [
        "client" if side == CLIENT else "server" for side, _ in SESSION
    ]
    assert talk.mining[-1].values["mining.hashes_per_share"] == about(65_537.0)


@pytest.mark.parametrize(("side", "document"), SESSION)
def test_names_that_others_use(side: int, document: dict[str, Any]) -> None:
    """A message with a name that others use waits for one that speaks for itself, and is dropped without."""
    assert say_in_frames((side, document)).facts == []
    talk = say_in_frames((side, document), (CLIENT, REGISTER))
    assert talk.messages == [document["message"], "register"]
    monero = {"method": "job", "params": {"blob": BLOB, "job_id": "7", "target": "b88d0600"}}
    assert say_in_frames((side, document), (SERVER, monero)).messages == ["job"]


@pytest.mark.parametrize(
    ("side", "document"),
    [
        (CLIENT, {"message": "register", "deviceId": 3_512_442_571, "deviceData": {"fw": "1.2"}}),
        (CLIENT, {"message": "register", "genesisHash": GENESIS}),
        (CLIENT, {"message": "register", "email": "alice@example.com"}),
        (SERVER, {"message": "settings", "theme": "dark"}),
        (SERVER, {"message": "settings", "nonce": 1, "target": "all"}),
        (SERVER, {"message": "settings", "targetCompact": 520_159_231}),
        (SERVER, {"message": "settings", "extraData": "", "target": 1}),
        (CLIENT, {"message": "share", "url": "https://example.com"}),
        (CLIENT, {"message": "share", "block": {"kind": "text"}}),
        (CLIENT, {"message": "share", "block": BLOCK[:40]}),
        (CLIENT, {"message": "share", "blockHeader": BLOCK}),
        (CLIENT, {"message": ["register"], "genesisHash": GENESIS, "deviceId": 1}),
        (CLIENT, {"type": "register", "genesisHash": GENESIS, "deviceId": 1}),
        (SERVER, {"message": "Endpoint request timed out", "connectionId": "x"}),
        (CLIENT, {"message": '{"message":"register"}'}),
        (SERVER, {"type": "auth_required", "ha_version": "2024.5.1"}),
        (CLIENT, {"type": "ping"}),
        (SERVER, {"event": "message", "data": {"message": "share", "block": BLOCK}}),
    ],
)  # fmt: skip
def test_no_mining(side: int, document: dict[str, Any]) -> None:
    """Chats, editors, devices and other services with these names are not told at all."""
    assert say_in_frames((side, document)).messages == []


SEEDS = [
    (CLIENT, REGISTER),
    (SERVER, COMPACT),
    (SERVER, {**SETTINGS, "target": 1.5e72}),
    (CLIENT, NANO),
    (CLIENT, SMART),
    *SESSION,
]


@settings(max_examples=200, deadline=None)
@given(altered(SEEDS))
def test_any_value_anywhere(said: list[tuple[int, Any]]) -> None:
    """With any value in the place of any other, nothing fails, and every fact has its type and can be."""
    assert_sound(say_in_frames(*said))
