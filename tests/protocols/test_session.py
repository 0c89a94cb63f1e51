"""What a flow has told so far: requests, replies, weak messages that wait, accounts, difficulty in force."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sniffer.model import Role
from sniffer.oddities import Oddities
from sniffer.protocols.messages import Answer, Call, Dialect, Head, Origin, Reading
from sniffer.protocols.session import (
    MAX_ACCOUNTS,
    MAX_BATCH,
    MAX_HELD,
    MAX_IDS,
    MAX_JOBS,
    MAX_SESSIONS,
    Difficulty,
    Session,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sniffer.model import Facts, Value

CLIENT, SERVER = 0, 1
GENERAL, KASPA, CRYPTONOTE = "stratum-v1", "stratum-kaspa", "cryptonote"


class Toy(Dialect):
    """Calls are messages by their method: ``say`` is strong, ``hum`` is weak, ``sign`` a hint; and so on."""

    def call(self, call: Call, session: Session) -> Reading | None:  # noqa: ARG002
        """Read a call; its parameters are the values."""
        values: dict[str, Value] = {"mining.user": call.params} if isinstance(call.params, str) else {}
        match call.method:
            case "say":
                return Reading(GENERAL, "say", Role.CLIENT, values)
            case "share":
                return Reading(GENERAL, "share", Role.CLIENT, values, share=True)
            case "hum":
                return Reading(GENERAL, "hum", None, values, strong=False)
            case "sign":
                return Reading(GENERAL, "sign", Role.CLIENT, values, hint=True)
            case _:
                return None

    def answer(self, answer: Answer, session: Session) -> Reading | None:  # noqa: ARG002
        """Read a reply to something that was asked, or one that nobody asked for."""
        if answer.asked in ("say", "share"):
            return Reading(GENERAL, f"{answer.asked}.reply", None, {}, share=answer.asked == "share")
        return Reading(GENERAL, "loose", None, {}, strong=False) if answer.asked is None else None

    def other(self, message: dict[str, Any], session: Session) -> Reading | None:  # noqa: ARG002
        """Read an object that asks in its own way."""
        return Reading(GENERAL, "Ask", Role.CLIENT, {}) if "ask" in message else None

    def head(self, head: Head, session: Session) -> Reading | None:  # noqa: ARG002
        """Read a head with a path."""
        return Reading(GENERAL, "head", Role.CLIENT, {}) if head.path == "/mine" else None


class Flow:
    """A session, and what it told."""

    def __init__(self) -> None:
        self.oddities = Oddities()
        self.session = Session(self.oddities)
        self.facts: list[Facts] = []

    def say(self, side: int, document: Any, *names: str) -> Flow:
        """A document of one side; its method is known from it."""
        method = document.get("method") if isinstance(document, dict) else None
        given = names or ((method,) if isinstance(method, str) else ())
        self.facts += self.session.read(document, given, Origin(side, 5, 9), (Toy(),))
        return self

    def take(self, side: int, reading: Reading) -> Facts:
        """A reading of one side, whose facts are told at once."""
        found = self.session.take(reading, Origin(side, 0, 0))
        self.facts += found
        return found[-1]

    @property
    def messages(self) -> list[str]:
        """Messages so far."""
        return [one.message for one in self.facts]


def reading(message: str = "x", values: Mapping[str, Value] | None = None, **more: Any) -> Reading:
    """A reading of the general family, of the client unless told otherwise."""
    return Reading(
        more.pop("family", GENERAL), message, more.pop("sender", Role.CLIENT), dict(values or {}), **more
    )


def difficulty(value: float, **more: Any) -> Reading:
    """The pool sets a difficulty."""
    return reading("set", {"mining.difficulty": value}, sender=Role.SERVER, **more)


# ── what counts ──────────────────────────────────────────────────────────────────────────────────────────


def test_strong_message() -> None:
    """A strong message is told at once, identifies the flow and says which side mines."""
    flow = Flow().say(CLIENT, {"id": 1, "method": "SAY", "params": "u"}, "SAY")
    (found,) = flow.facts
    assert (found.message, found.sender, found.side, found.time, found.end) == (
        "say",
        Role.CLIENT,
        CLIENT,
        5,
        9,
    )
    assert found.values == {"mining.protocol": GENERAL, "mining.message": "say", "mining.user": "u"}
    session = flow.session
    assert (session.identified, session.protocol, session.client) == (True, GENERAL, CLIENT)
    assert (session.heard, session.spoke) == ([True, False], [True, False])
    assert session.told == {"mining.user": "u"}


def test_weak_messages_wait() -> None:
    """Weak messages are told in their order once a strong one comes, eight at most, and only then."""
    flow = Flow()
    for number in range(MAX_HELD + 3):
        flow.say(CLIENT, {"id": number, "method": "hum"})
    assert (flow.facts, flow.session.signs, flow.session.identified) == ([], MAX_HELD + 3, False)
    flow.say(CLIENT, {"method": "say"}).say(CLIENT, {"method": "hum"})
    assert flow.messages == ["hum"] * MAX_HELD + ["say", "hum"]
    assert {one.sender for one in flow.facts} == {Role.CLIENT}


def test_weak_messages_of_another_kind() -> None:
    """What waited is not told if the flow turns out to speak another protocol."""
    flow = Flow().say(CLIENT, {"id": 1, "method": "hum"})
    flow.take(CLIENT, reading("login", family=CRYPTONOTE))
    assert flow.messages == ["login"]


def test_hint() -> None:
    """A hint is told at once, is no mining, and identifies nothing."""
    flow = Flow().say(CLIENT, {"method": "sign"})
    (found,) = flow.facts
    assert (found.mining, found.values["mining.message"]) == (False, "sign")
    assert (flow.session.identified, flow.session.signs, flow.session.told) == (False, 1, {})


def test_families() -> None:
    """The most specific family stays; general messages of its kind are called by it."""
    flow = Flow()
    flow.take(CLIENT, reading())
    assert flow.take(CLIENT, reading(family=KASPA)).values["mining.coin"] == "KAS"
    assert (flow.take(CLIENT, reading()).protocol, flow.session.protocol) == (KASPA, KASPA)
    flow.take(CLIENT, reading(family=CRYPTONOTE))
    assert flow.take(CLIENT, reading()).protocol == GENERAL


@pytest.mark.parametrize(
    "document", [None, 7, "say", [], [1], ["say", {"method": "say"}], [[{"method": "say"}]], {}]
)
def test_documents_that_are_no_messages(document: Any) -> None:
    """Scalars, empty arrays and arrays with anything but objects say nothing."""
    flow = Flow().say(CLIENT, document)
    assert (flow.facts, flow.session.heard) == ([], [True, False])


def test_batch() -> None:
    """Of an array 64 messages are read, and more are counted."""
    flow = Flow().say(CLIENT, [{"method": "say"}] * MAX_BATCH)
    assert (len(flow.facts), flow.oddities.counts["json_batch_limit"]) == (MAX_BATCH, 0)
    flow = Flow().say(CLIENT, [{"method": "say"}] * 1_000)
    assert (len(flow.facts), flow.oddities.counts["json_batch_limit"]) == (MAX_BATCH, 1)


@pytest.mark.parametrize("names", [("say", "other"), ("other", "say"), ("other", "other", "say")])
def test_method_given_twice(names: tuple[str, ...]) -> None:
    """A message whose method was given twice is read by whichever is known."""
    assert Flow().say(CLIENT, {"id": 1}, *names).messages == ["say"]


def test_body_in_the_place_of_parameters() -> None:
    """Some dialects say body where others say params, but not beside them."""
    assert Flow().say(CLIENT, {"method": "say", "body": "b"}).facts[0].values["mining.user"] == "b"
    assert (
        Flow().say(CLIENT, {"method": "say", "body": "b", "params": "p"}).facts[0].values["mining.user"]
        == "p"
    )


def test_head() -> None:
    """A message of HTTP may be read by its head alone."""
    session = Session(Oddities())
    for head, count in ((Head("GET", "/mine?x"), 1), (Head("GET", "/"), 0), (None, 0)):
        assert len(session.read_head(Origin(CLIENT, 0, 0, head), (Toy(),))) == count


# ── requests and replies ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("number", [1, 0, "auth", 2.5, "x" * 90])
def test_reply(number: Any) -> None:
    """A reply finds its request by a number of any type, and knows its account; then the number is free."""
    flow = Flow().say(CLIENT, {"id": number, "method": "say", "params": "u"})
    flow.say(SERVER, {"id": number, "result": True}).say(SERVER, {"id": number, "result": True})
    assert flow.messages == ["say", "say.reply", "loose"]
    assert flow.facts[1].values["mining.user"] == "u"
    assert [one.sender for one in flow.facts] == [Role.CLIENT, Role.SERVER, Role.SERVER]


def test_numbers_used_again() -> None:
    """Requests with one number are answered in their order, and each side has numbers of its own."""
    flow = Flow()
    for user in ("a", "b"):
        flow.say(CLIENT, {"id": 4, "method": "say", "params": user})
    flow.say(CLIENT, {"id": 4, "result": 1}).say(SERVER, {"id": 4, "result": 1}).say(
        SERVER, {"id": 4, "result": 1}
    )
    assert [(one.message, one.values.get("mining.user")) for one in flow.facts[2:]] == [
        ("loose", None), ("say.reply", "a"), ("say.reply", "b"),
    ]  # fmt: skip


@pytest.mark.parametrize("number", [None, [1], {"a": 1}])
def test_numbers_that_are_none(number: Any) -> None:
    """What is no number or text does not connect a reply with a request."""
    flow = Flow().say(CLIENT, {"id": number, "method": "say"}).say(SERVER, {"id": number, "result": True})
    assert flow.messages == ["say", "loose"]


def test_request_that_no_dialect_knows() -> None:
    """A reply to an unknown request is not taken for one that nobody asked for."""
    flow = Flow().say(CLIENT, {"method": "say"}).say(CLIENT, {"id": 1, "method": "server.version"})
    assert flow.say(SERVER, {"id": 1, "result": True}).messages == ["say"]


def test_request_without_a_method() -> None:
    """An object that asks in its own way is answered like any other."""
    assert Flow().say(CLIENT, {"id": 3, "ask": 1}).messages == ["Ask"]
    assert Flow().say(CLIENT, {"method": "say"}).say(SERVER, {"id": 3, "nothing": 1}).messages == ["say"]


def test_many_requests() -> None:
    """No more than 256 unanswered requests of a side are remembered, however numbered; others are counted."""
    for numbers in (range(1_000), [4] * 1_000, [*range(300), *[7] * 700]):
        flow = Flow()
        for number in numbers:
            flow.say(CLIENT, {"id": number, "method": "say", "params": str(number)})
        kept = sum(map(len, flow.session._asked[CLIENT].values()))
        assert (kept, flow.oddities.counts["id_table_limit"]) == (MAX_IDS, 1_000 - MAX_IDS)
        flow.say(SERVER, {"id": numbers[-1], "result": True})
        assert flow.messages[-1] == "say.reply"


def test_answered_requests_are_forgotten() -> None:
    """Requests that are answered leave room for others."""
    flow = Flow()
    for number in range(1_000):
        flow.say(CLIENT, {"id": number, "method": "say"}).say(SERVER, {"id": number, "result": True})
    assert (len(flow.facts), flow.oddities.counts["id_table_limit"]) == (2_000, 0)
    assert not flow.session._asked[CLIENT]


# ── accounts ─────────────────────────────────────────────────────────────────────────────────────────────


def account(user: str, worker: str | None = None, **more: Any) -> Reading:
    """A message that names an account."""
    return reading("login", {"mining.user": user, **({"mining.worker": worker} if worker else {})}, **more)


@pytest.mark.parametrize(
    ("users", "accounts", "workers"),
    [
        ([("a.1", "1"), ("a.1", "1")], None, None),
        ([("a.1", "1"), ("a.2", "2"), ("a.3", "3")], None, 3),
        ([("a.1", "1"), ("b.1", "1")], 2, 2),
        ([("a", None), ("b", None), ("a", None)], 2, 2),
    ],
    ids=["one", "three machines", "two accounts", "without workers"],
)
def test_accounts_and_machines(
    users: list[tuple[str, str | None]], accounts: int | None, workers: int | None
) -> None:
    """Accounts and machines are counted where there is more than one: then the flow stands for several."""
    flow = Flow()
    for user, worker in users:
        flow.take(CLIENT, account(user, worker))
    values = flow.facts[-1].values
    assert (values.get("mining.accounts"), values.get("mining.workers")) == (accounts, workers)
    assert values.get("mining.proxy") == (True if workers else None)


def test_sessions_of_a_proxy() -> None:
    """Messages that name a session carry the account behind that name."""
    flow = Flow()
    flow.take(CLIENT, account("a.1", "1", names="s1"))
    flow.take(CLIENT, account("b.2", "2", names="s2"))
    for name, user in (("s1", "a.1"), ("s2", "b.2"), ("s3", None)):
        assert flow.take(CLIENT, reading(session=name)).values.get("mining.user") == user


def test_tables_are_bounded() -> None:
    """Sessions, targets, jobs and accounts are bounded, the latest stay, and lost sessions are counted."""
    flow = Flow()
    for number in range(MAX_SESSIONS + 7):
        flow.take(CLIENT, account(f"user{number}", names=f"s{number}"))
        flow.take(SERVER, difficulty(number + 1.0, session=f"s{number}"))
        flow.take(SERVER, difficulty(number + 1.0, job=f"j{number}"))
    session = flow.session
    assert len(session.sessions) == len(session.targets) == MAX_SESSIONS
    assert (len(session.jobs), len(session._accounts), len(session._workers)) == (
        MAX_JOBS,
        MAX_ACCOUNTS,
        MAX_ACCOUNTS,
    )
    assert flow.oddities.counts["session_table_limit"] == 7
    assert (
        flow.take(CLIENT, reading(session=f"s{MAX_SESSIONS}")).values["mining.user"] == f"user{MAX_SESSIONS}"
    )
    assert flow.facts[-1].values["mining.workers"] == MAX_SESSIONS


def test_session_that_is_set_again_stays() -> None:
    """A session or target that is in use is not the first to be forgotten."""
    flow = Flow()
    for number in range(MAX_SESSIONS):
        flow.take(CLIENT, account(f"user{number}", names=f"s{number}"))
        flow.session.target_session(f"s{number}", Difficulty(1.0, None))
    flow.take(CLIENT, account("again", names="s0"))
    flow.session.target_session("s0", Difficulty(2.0, None))
    flow.take(CLIENT, account("new", names="new"))
    flow.session.target_session("new", Difficulty(3.0, None))
    assert flow.take(CLIENT, reading(session="s0", share=True)).values["mining.user"] == "again"
    assert flow.facts[-1].values["mining.difficulty"] == 2.0


# ── difficulty ───────────────────────────────────────────────────────────────────────────────────────────


def share_of(flow: Flow, **more: Any) -> tuple[Any, Any]:
    """Difficulty and hashes of a share."""
    values = flow.take(CLIENT, reading("share", share=True, **more)).values
    return values.get("mining.difficulty"), values.get("mining.hashes_per_share")


def test_difficulty_in_force() -> None:
    """A share carries what the pool set last; what the miner asks for is a wish and changes nothing."""
    flow = Flow()
    assert share_of(flow) == (None, None)
    assert flow.take(SERVER, difficulty(8.0)).values["mining.hashes_per_share"] == 8.0 * 2**32
    flow.take(CLIENT, reading("suggest", {"mining.difficulty": 512.0}))
    assert flow.session.told["mining.difficulty"] == 8.0
    assert share_of(flow) == (8.0, 8.0 * 2**32)


def test_verdict_has_the_difficulty_of_its_share() -> None:
    """The verdict on a share carries what was in force when the share was sent."""
    flow = Flow()
    flow.take(SERVER, difficulty(8.0))
    flow.say(CLIENT, {"id": 1, "method": "share"})
    flow.take(SERVER, difficulty(16.0))
    flow.say(SERVER, {"id": 1, "result": True}).say(CLIENT, {"id": 2, "method": "share"})
    assert [one.values["mining.difficulty"] for one in flow.facts if "share" in one.message] == [
        8.0,
        8.0,
        16.0,
    ]


def test_family_that_becomes_known() -> None:
    """What a difficulty is worth follows from the family, also where that is shown later."""
    flow = Flow()
    flow.take(SERVER, difficulty(4.0))
    flow.take(CLIENT, reading(family="stratum-alephium"))
    assert share_of(flow) == (4.0, 4.0 * 2**34)
    flow.take(CLIENT, reading(family="stratum-conflux"))
    assert share_of(flow) == (4.0, None)


def test_difficulty_of_sessions_and_jobs() -> None:
    """A session's own difficulty, or a job's, goes before that of the flow."""
    flow = Flow()
    flow.take(SERVER, difficulty(2.0))
    flow.take(SERVER, difficulty(4.0, session="s"))
    assert [share_of(flow, session=name)[0] for name in ("s", "other", "")] == [4.0, 2.0, 2.0]
    flow.take(SERVER, difficulty(8.0, job="j"))
    assert share_of(flow, session="s", job="j")[0] == 8.0
    assert share_of(flow, job="a job that was not seen") == (None, None)


def test_hashes_without_a_difficulty() -> None:
    """A target in hashes is kept as such."""
    flow = Flow()
    flow.take(SERVER, reading("set", {"mining.hashes_per_share": 1e9}, sender=Role.SERVER))
    assert share_of(flow) == (None, 1e9)


# ── fuzz entry ───────────────────────────────────────────────────────────────────────────────────────────

VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=4)
    | st.lists(st.integers(), max_size=2)
)
DOCUMENTS = st.dictionaries(
    st.sampled_from(["id", "method", "params", "body", "result", "error", "ask"]),
    VALUES | st.sampled_from(["say", "hum", "share", "sign"]),
    max_size=5,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 1), DOCUMENTS | st.lists(DOCUMENTS, max_size=3) | VALUES), max_size=20)
)
def test_any_documents(said: list[tuple[int, Any]]) -> None:
    """Fuzz entry: whatever is said, nothing raises, facts have a family, mining needs a strong message."""
    flow = Flow()
    for side, document in said:
        flow.say(side, document)
    assert all(one.values["mining.protocol"] == GENERAL for one in flow.facts)
    assert flow.session.identified or not [one for one in flow.facts if one.mining]
