"""Qatum: Qubic's messages without a method, whose id is their type."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from rows import H64, altered, assert_sound, call, say, told
from talk import CLIENT, SERVER, Talk

FAMILY = "qatum"
WALLET = "BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
SUBSCRIBE = (CLIENT, {"id": 1, "wallet": WALLET, "worker": "ww2"})
COMPUTOR = (SERVER, {"id": 2, "computorId": WALLET})
SEED = (SERVER, {"id": 3, "seed": H64, "isEmpty": False})
SUBMIT = (CLIENT, {"id": 4, "nonce": H64, "seed": H64, "computorId": WALLET})
HASHRATE = (CLIENT, {"id": 5, "computorId": WALLET, "hashrate": 1843})
DIFFICULTY = (SERVER, {"id": 6, "difficulty": 10})


def answer(kind: Any, result: Any, error: Any = None) -> tuple[int, dict[str, Any]]:
    """An answer."""
    return SERVER, {"id": kind, "result": result, "error": error}


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (SUBSCRIBE, {"message": "subscribe", "user": WALLET, "worker": "ww2", "wallet_kind": "qubic"}),
        ((CLIENT, {"worker": "", "wallet": WALLET, "id": 1}), {"message": "subscribe", "worker": None}),
        ((CLIENT, {"id": 1, "wallet": WALLET}), {"message": "subscribe", "worker": None}),
        (COMPUTOR, {"message": "computorId"}),
        (SUBMIT, {"message": "submit", "difficulty": None, "accepted": None}),
        (HASHRATE, {"message": "hashrate", "hashrate": 1843.0}),
        ((CLIENT, {**HASHRATE[1], "hashrate": "1843"}), {"message": "hashrate", "hashrate": 1843.0}),
        ((CLIENT, {**HASHRATE[1], "hashrate": 0}), {"message": "hashrate", "hashrate": 0.0}),
        ((CLIENT, {**HASHRATE[1], "hashrate": -1}), {"message": "hashrate", "hashrate": None}),
        ((CLIENT, {**HASHRATE[1], "hashrate": "fast"}), {"message": "hashrate", "hashrate": None}),
    ],
)  # fmt: skip
def test_one_message_alone(said: tuple[int, dict[str, Any]], wanted: dict[str, Any]) -> None:
    """What holds an identity of Qubic is mining by itself, from its direction alone."""
    row = {"family": FAMILY, "coin": "QUBIC", **wanted}
    side, document = said
    for one in (document, [document]):
        talk = say((side, one))
        assert told(talk, [row]) == [row]
        assert talk.mining[0].sender.value == ("client" if side == CLIENT else "server")


def test_any_spelling() -> None:
    """Keys in any order and escapes make no difference."""
    text = f'{{ "wor\\u006ber" : "ww2", "wallet":"{WALLET}" , "id":1.0}}\r\n'
    wanted = [{"message": "subscribe", "user": WALLET, "worker": "ww2"}]
    assert told(Talk().say(CLIENT, text), wanted) == wanted


def test_session() -> None:
    """Answers are told apart by the type that they repeat; shares carry the difficulty in force."""
    talk = say(
        SUBSCRIBE, answer(1, True), COMPUTOR, SEED, DIFFICULTY, SUBMIT,
        (SERVER, {"id": 6, "difficulty": "20"}),
        answer(4, True), SUBMIT, answer(4, False, "wrong nonce"), SUBMIT, answer(4, None), HASHRATE,
        (SERVER, {"id": 3, "seed": "", "isEmpty": True}),
    )  # fmt: skip
    wanted = [
        {"message": "subscribe"}, {"message": "subscribe.reply", "accepted": True, "user": WALLET,
         "worker": "ww2"},
        {"message": "computorId"}, {"message": "seed"},
        {"message": "difficulty", "difficulty": 10.0, "hashes_per_share": None},
        {"message": "submit", "difficulty": 10.0}, {"message": "difficulty", "difficulty": 20.0},
        {"message": "submit.reply", "difficulty": 10.0, "accepted": True},
        {"message": "submit", "difficulty": 20.0}, {"message": "submit.reply", "difficulty": 20.0,
         "accepted": False},
        {"message": "submit", "difficulty": 20.0}, {"message": "submit.reply", "difficulty": 20.0,
         "accepted": False},
        {"message": "hashrate", "hashrate": 1843.0}, {"message": "seed"},
    ]  # fmt: skip
    assert told(talk, wanted) == wanted
    assert {facts.values["mining.protocol"] for facts in talk.mining} == {FAMILY}


def test_pool_alone() -> None:
    """Where only the pool is heard, seeds and difficulties wait for an identity; answers have a type."""
    waiting = [SEED, DIFFICULTY]
    assert say(*waiting, answer(1, True)).facts == []
    talk = say(*waiting, COMPUTOR, answer(1, False, "no"), answer(4, True), answer(9, True))
    wanted = [
        {"message": "seed"}, {"message": "difficulty", "difficulty": 10.0}, {"message": "computorId"},
        {"message": "subscribe.reply", "family": FAMILY, "accepted": False},
        {"message": "submit.reply", "family": FAMILY, "accepted": True, "difficulty": 10.0},
    ]  # fmt: skip
    assert told(talk, wanted) == wanted


@pytest.mark.parametrize(
    ("side", "document"),
    [
        (CLIENT, {"id": 1, "wallet": "user@example.com", "worker": "ww2"}),
        (CLIENT, {"id": 1, "wallet": WALLET.lower(), "worker": "ww2"}),
        (CLIENT, {"id": 1, "wallet": WALLET[:-1], "worker": "ww2"}),
        (CLIENT, {"id": 1, "wallet": WALLET + "A"}),
        (CLIENT, {"id": 1, "wallet": [WALLET]}),
        (CLIENT, {"id": "1", "wallet": WALLET}),
        (CLIENT, {"id": 7, "wallet": WALLET}),
        (CLIENT, {"wallet": WALLET}),
        (SERVER, {"id": 2, "computorId": "node-4"}),
        SEED, DIFFICULTY, answer(1, True), answer(4, True),
        (SERVER, {"id": 3, "seed": "abc", "isEmpty": False}),
        (SERVER, {"id": 3, "seed": "", "isEmpty": True}),
        (SERVER, {"id": 6, "difficulty": "hard", "level": 3}),
        (CLIENT, {"id": 4, "nonce": H64, "seed": H64}),
        (CLIENT, {"id": 4, "nonce": "once", "seed": H64, "computorId": WALLET}),
        (CLIENT, {"id": 5, "hashrate": 1843}),
        (CLIENT, {"id": 5, "computorId": WALLET}),
        (CLIENT, {"id": 5, "sensor": "t1", "value": 21.5}),
        (CLIENT, {"type": 1, "wallet": WALLET}),
        (CLIENT, call("subscribe", {"wallet": WALLET})),
    ],
)  # fmt: skip
def test_no_mining(side: int, document: dict[str, Any]) -> None:
    """Wallets, seeds and numbers of other services are not told at all."""
    assert say((side, document)).messages == []


def test_numbers_of_others_in_a_session() -> None:
    """What has more in it than a difficulty is none, in a session of Qubic, too."""
    assert say(COMPUTOR, (SERVER, {"id": 6, "difficulty": 3, "level": 4})).messages == ["computorId"]
    assert say((SERVER, {"id": 3, "seed": "", "isEmpty": True}), COMPUTOR).messages == ["computorId"]


SEEDS = [SUBSCRIBE, COMPUTOR, SEED, SUBMIT, HASHRATE, DIFFICULTY, answer(1, True), answer(4, False, "x")]


@settings(max_examples=200, deadline=None)
@given(altered(SEEDS))
def test_any_value_anywhere(said: list[tuple[int, Any]]) -> None:
    """With any value in the place of any other, nothing fails, and every fact has its type and can be."""
    assert_sound(say(*said))
