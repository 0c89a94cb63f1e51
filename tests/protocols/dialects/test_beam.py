"""Beam: messages whose parts stand at the top level, and difficulty in four bytes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from rows import H64, about, altered, assert_sound, say, told
from talk import CLIENT, SERVER, Talk

FAMILY = "beam"


def message(method: str, number: Any = "212", **parts: Any) -> dict[str, Any]:
    """A message."""
    return {"id": number, "jsonrpc": "2.0", "method": method, **parts}


LOGIN = (CLIENT, message("login", "login", api_key="key.rig1"))
JOB = (SERVER, message("job", difficulty=126_680_446, input=H64, height=7, nonceprefix="ab4e3a"))
SOLUTION = (CLIENT, message("solution", nonce="ab4e3a0000000001", output="5d" * 104))
WORTH = {"difficulty": about(198.5), "hashes_per_share": about(198.5)}


def result(code: int, number: str = "212", **parts: Any) -> tuple[int, dict[str, Any]]:
    """An answer."""
    return SERVER, message("result", number, code=code, description="said", **parts)


@pytest.mark.parametrize(
    ("side", "document", "wanted"),
    [
        (*LOGIN, {"user": "key.rig1", "worker": "rig1"}),
        (CLIENT, message("login", "login", api_key="skjdb7343636gucgjdjgd"),
         {"user": "skjdb7343636gucgjdjgd", "worker": None}),
        (CLIENT, message("login", "login", api_key=""), {"user": None, "worker": None}),
        (*JOB, WORTH),
        (SERVER, message("job", difficulty=0, input=H64), {"difficulty": about(1.0)}),
        (SERVER, message("job", difficulty=3_441_671_469, input=H64),
         {"difficulty": None, "hashes_per_share": None}),
        (SERVER, message("job", difficulty="126680446", input=H64), {"difficulty": None}),
        (SERVER, message("job", difficulty=-1, input=H64), {"difficulty": None}),
        (SERVER, message("job", difficulty=2**32, input=H64), {"difficulty": None}),
        (*SOLUTION, {"user": None, "difficulty": None}),
        (*result(0, "login", nonceprefix="ab", forkheight=3), {"message": "login.reply", "accepted": True}),
        (*result(-32_003, "login", forkheight=3), {"message": "login.reply", "accepted": False}),
    ],
)  # fmt: skip
def test_one_message_alone(side: int, document: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Logins, work, solutions and greetings are mining by themselves, from their direction alone."""
    row = {"message": document["method"], "family": FAMILY, "coin": "BEAM", "algorithm": "beamhash", **wanted}
    for one in (document, [document]):
        talk = say((side, one))
        assert told(talk, [row]) == [row]
        assert talk.mining[0].sender.value == ("client" if side == CLIENT else "server")


def test_any_spelling() -> None:
    """A space in front of the line end, keys in any order, and the method in any case make no difference."""
    text = '{"id": "login","jsonrpc":"2.0", "api_key":"k\\u002erig", "method" : "Login"} \n'
    wanted = [{"message": "login", "user": "k.rig", "worker": "rig"}]
    assert told(Talk().say(CLIENT, text), wanted) == wanted


def test_session() -> None:
    """Each verdict is worth what its job was, and says yes with another number than the answer to a login."""
    old, new = {"difficulty": about(198.5)}, {"difficulty": about(397.0)}
    harder = message("job", "213", difficulty=126_680_446 + (1 << 24), input=H64)
    talk = say(
        LOGIN, result(0, "login", nonceprefix="ab"), JOB, SOLUTION, result(1), (SERVER, harder), SOLUTION,
        result(2),
        (CLIENT, {**SOLUTION[1], "id": "213"}), result(1, "213"), result(0, "213"),
        (SERVER, message("cancel")),
    )  # fmt: skip
    wanted = [
        {"message": "login", "user": "key.rig1"}, {"message": "login.reply", "accepted": True},
        {"message": "job", **old},
        {"message": "solution", **old}, {"message": "solution.reply", "accepted": True, **old},
        {"message": "job", **new},
        {"message": "solution", **old}, {"message": "solution.reply", "accepted": False, **old},
        {"message": "solution", **new}, {"message": "solution.reply", "accepted": True, **new},
        {"message": "solution.reply", "accepted": False, **new}, {"message": "cancel", "accepted": None},
    ]  # fmt: skip
    assert told(talk, wanted) == wanted
    assert "".join(facts.sender.value[0] for facts in talk.mining) == "csscsscscsss"


def test_pool_alone() -> None:
    """Answers and cancellations wait for work, and count then."""
    waiting = [result(1), (SERVER, message("cancel")), result(-32_003, "login")]
    assert say(*waiting).facts == []
    talk = say(*waiting, JOB, result(1))
    wanted = [
        {"message": "solution.reply", "accepted": True, "difficulty": None}, {"message": "cancel"},
        {"message": "login.reply", "accepted": False}, {"message": "job"},
        {"message": "solution.reply", "accepted": True, "difficulty": about(198.5)},
    ]  # fmt: skip
    assert told(talk, wanted) == wanted


@pytest.mark.parametrize(
    ("side", "document"),
    [
        (CLIENT, message("login", user="alice", password="secret")),
        (CLIENT, message("login", api_key=None)),
        (CLIENT, message("login", params={"api_key": "k"})),
        (CLIENT, message("auth", api_key="k")),
        (SERVER, message("job", input="in.csv", output="out.csv", difficulty=3)),
        (SERVER, message("job", input=H64)),
        (SERVER, message("job", input=H64[:-2], difficulty=126_680_446)),
        (SERVER, message("job", params={"input": H64, "difficulty": 126_680_446})),
        (CLIENT, message("solution", answer="42")),
        (CLIENT, message("solution", output="the answer is 42")),
        (CLIENT, message("solution", output="5d5d")),
        (CLIENT, message("solution", params={"output": "5d" * 104})),
        (SERVER, message("result", code="1", description="ok")),
        (SERVER, message("result", code=1)),
        (SERVER, message("result", code=0, description="ok")),
        (SERVER, message("cancel", 7)),
        (SERVER, message("cancel", 7, reason="timeout")),
        (SERVER, {"input": H64, "difficulty": 126_680_446}),
        (CLIENT, {"api_key": "k", "query": "weather"}),
    ],
)  # fmt: skip
def test_no_mining(side: int, document: dict[str, Any]) -> None:
    """Keys of other services, job queues and quizzes are not told at all."""
    assert say((side, document)).messages == []


def test_what_only_resembles_an_answer() -> None:
    """What says more than a cancellation, or has no code of an answer, is none in any session."""
    assert say(JOB, (SERVER, message("result", code="1", description="ok"))).messages == ["job"]
    assert say(JOB, (SERVER, message("cancel", 7, reason="timeout"))).messages == ["job"]


SEEDS = [LOGIN, JOB, SOLUTION, result(1), result(0, "login", nonceprefix="ab"), (SERVER, message("cancel"))]


@settings(max_examples=200, deadline=None)
@given(altered(SEEDS))
def test_any_value_anywhere(said: list[tuple[int, Any]]) -> None:
    """With any value in the place of any other, nothing fails, and every fact has its type and can be."""
    assert_sound(say(*said))
