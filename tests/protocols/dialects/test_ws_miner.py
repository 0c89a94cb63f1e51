"""Miners in browsers: the dialect of Coinhive, and the many who also authenticate, submit and accept."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from rows import BLOB, H64, MONERO, about, altered, assert_sound, say_in_frames, told
from talk import CLIENT, KEY, SERVER, Talk, frame

FAMILY = "ws-miner"
SITE = "6ssKqlhgNNPLzX5xAhrEb9rQ8kPqPDBx"


def message(kind: str, **params: Any) -> dict[str, Any]:
    """A message."""
    return {"type": kind, "params": params}


AUTH = (CLIENT, message("auth", site_key=SITE, type="anonymous", user=None, goal=0))
AUTHED = (SERVER, message("authed", token="", hashes=0))
JOB = (SERVER, message("job", job_id="164698158344253", blob=BLOB, target="ffffff00"))
SUBMIT = (CLIENT, message("submit", job_id="164698158344253", nonce="f4c80e00", result=H64))
ACCEPTED = (SERVER, message("hash_accepted", hashes=256))
WORTH = {"difficulty": about(256), "hashes_per_share": about(256)}


@pytest.mark.parametrize(
    ("side", "document", "wanted"),
    [
        (*AUTH, {"user": SITE, "wallet_kind": None}),
        (CLIENT, message("auth", site_key=MONERO), {"user": MONERO, "wallet_kind": "monero"}),
        (*AUTHED, {"user": None}),
        (*JOB, WORTH),
        (SERVER, message("job", job_id=7, blob=BLOB, target="b88d0600", algo="cn/0"),
         {"difficulty": about(10_000), "algorithm": "cn/0"}),
        (*SUBMIT, {"difficulty": None}),
        (CLIENT, message("submit", job_id="1", nonce="00" * 8, result=H64, version=7), {}),
        (*ACCEPTED, {"accepted": True, "difficulty": None}),
    ],
)  # fmt: skip
def test_one_message_alone(side: int, document: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Each message with the members of a miner is mining by itself, from its direction alone."""
    row = {"message": document["type"], "family": FAMILY, "coin": None, **wanted}
    talk = say_in_frames((side, document))
    assert told(talk, [row]) == [row]
    assert talk.mining[0].sender.value == ("client" if side == CLIENT else "server")


def test_any_spelling() -> None:
    """Fragments, each with a mask of its own, escapes and the order of keys make no difference."""
    text = '{ "params":{"goal":0,"site\\u005fkey":"6ss"}, "type" :"a\\u0075th" }'
    talk = (
        Talk()
        .say(CLIENT, frame(text[:9], key=KEY, first=0x01))
        .say(CLIENT, frame(text[9:], key=KEY[::-1], first=0x80))
    )
    wanted = [{"message": "auth", "user": "6ss"}]
    assert told(talk, wanted) == wanted


def test_session() -> None:
    """Each share is worth what its job was, each acceptance what the last job was; trouble counts, too."""
    harder = (SERVER, message("job", job_id="2", blob=BLOB, target="b88d0600"))
    late = (CLIENT, message("submit", job_id="3", nonce="f4c80e00", result=H64))
    talk = say_in_frames(
        AUTH, AUTHED, JOB, SUBMIT, ACCEPTED, harder, SUBMIT, late, ACCEPTED,
        (SERVER, message("error", error="invalid_share")), (SERVER, {"type": "banned"}),
    )  # fmt: skip
    wanted = [
        {"message": "auth"}, {"message": "authed"}, {"message": "job", **WORTH},
        {"message": "submit", **WORTH},
        {"message": "hash_accepted", "accepted": True, **WORTH},
        {"message": "job", "difficulty": about(10_000)},
        {"message": "submit", **WORTH}, {"message": "submit", "difficulty": None},
        {"message": "hash_accepted", "accepted": True, "difficulty": about(10_000)},
        {"message": "error", "accepted": None}, {"message": "banned"},
    ]  # fmt: skip
    assert told(talk, wanted) == wanted


@pytest.mark.parametrize(
    ("side", "document"),
    [
        (CLIENT, {"type": "auth", "access_token": "ABCDEFGH"}),
        (CLIENT, message("auth", access_token="ABCDEFGH")),
        (CLIENT, message("auth", site_key=7)),
        (CLIENT, {"type": "auth", "site_key": SITE}),
        (CLIENT, {"type": "auth", "params": [SITE]}),
        (CLIENT, {"event": "auth", "params": {"site_key": SITE}}),
        (SERVER, message("authed", user="alice")),
        (SERVER, message("authed", token="x", hashes="none")),
        (SERVER, message("job", job_id="7712", image="debian:12", target="release")),
        (SERVER, message("job", job_id="1", blob="https://example.com/blob", target="ffffff00")),
        (SERVER, message("job", blob=BLOB, target="ffffff00")),
        (CLIENT, message("submit", form="contact", nonce="f4c80e00", result="ok")),
        (CLIENT, message("submit", job_id="1", nonce="f4c80e00", result="ok")),
        (CLIENT, message("submit", job_id="1", nonce="once", result=H64)),
        (CLIENT, message("submit", nonce="f4c80e00", result=H64)),
        (SERVER, message("hash_accepted", hash=H64)),
        (SERVER, message("hash_accepted", hashes=[H64])),
        (SERVER, message("error", error="invalid_site_key")),
        (SERVER, message("banned", banned=600)),
        (SERVER, {"type": "error"}),
        (SERVER, message("mining", player="Steve", block="diamond_ore", difficulty=3)),
        (CLIENT, {"type": "connection_init", "payload": {"token": "abc"}}),
        (CLIENT, {"type": "subscribe", "id": "1", "payload": {"query": "subscription { job { blob } }"}}),
        (CLIENT, {"op": "subscribe", "args": [{"channel": "tickers", "instId": "BTC-USDT"}]}),
        (SERVER, {"type": "auth_required", "ha_version": "2024.5.1"}),
        (SERVER, {"type": "result", "id": 7, "success": True, "result": None}),
    ],
)  # fmt: skip
def test_no_mining(side: int, document: dict[str, Any]) -> None:
    """Home automation, build farms, forms, games and exchanges are not told at all."""
    assert say_in_frames((side, document)).messages == []


SEEDS = [
    AUTH,
    AUTHED,
    JOB,
    SUBMIT,
    ACCEPTED,
    (SERVER, message("error", error="x")),
    (SERVER, message("banned", banned=9)),
]


@settings(max_examples=200, deadline=None)
@given(altered(SEEDS))
def test_any_value_anywhere(said: list[tuple[int, Any]]) -> None:
    """With any value in the place of any other, nothing fails, and every fact has its type and can be."""
    assert_sound(say_in_frames(*said))
