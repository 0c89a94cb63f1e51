"""The tally of one flow, message by message."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import frames as build
import pytest
from sizerun import SizeRun

from sniffer.prepared import prepare
from sniffer.size.work import BUCKET, MAX_ROWS, Tallies, Tally, Work

if TYPE_CHECKING:
    from sniffer.prepared import Prepared
    from sniffer.ruleset import RuleSet
    from sniffer.size.sessions import Session

SUBSCRIBE = {"id": 1, "method": "mining.subscribe", "params": ["cgminer/4.11.1"]}
AUTHORIZE = {"id": 2, "method": "mining.authorize", "params": ["acct.rig1", "x"]}
DIFFICULTY = {"id": None, "method": "mining.set_difficulty", "params": [1024]}


@pytest.fixture(scope="module")
def prepared(ruleset: RuleSet) -> Prepared:
    """Rules, ready."""
    return prepare(ruleset)


def submit(number: int, nonce: int = 1) -> dict[str, Any]:
    """A share."""
    params = ["acct.rig1", "bf", "00000001", "504e86ed", f"{nonce:08x}"]
    return {"id": number, "method": "mining.submit", "params": params}


def verdict(number: int, *, taken: bool = True) -> dict[str, Any]:
    """The answer to one."""
    return {
        "id": number,
        "result": taken or None,
        "error": None if taken else [23, "Low difficulty share", None],
    }


def told(prepared: Prepared, *messages: tuple[int, dict[str, Any]], **settings: object) -> Session:
    """The one session of a flow in which these messages were said."""
    talk = build.Conversation().open()
    for side, message in messages:
        talk.send(side, json.dumps(message) + "\n")
    (session,) = SizeRun(prepared, **settings).feed([talk.batch()]).sessions
    return session


def counts(session: Session) -> tuple[int, int, int]:
    """Shares handed in, accepted, rejected."""
    return session.submitted, session.accepted, session.rejected


GREETING = ((0, SUBSCRIBE), (0, AUTHORIZE), (1, verdict(2)), (1, DIFFICULTY))


def test_shares_verdicts_and_worth(prepared: Prepared) -> None:
    """Shares, verdicts and hashes add up; the account goes without its worker; authorisation is no share."""
    session = told(
        prepared, *GREETING, (0, submit(4)), (1, verdict(4)), (0, submit(5, 2)), (1, verdict(5, taken=False))
    )
    assert counts(session) == (2, 1, 1)
    assert session.key.account == "acct"
    rate = session.rate(session.last + 1)
    assert rate is not None
    assert rate.shares == 1
    assert rate.hashes * rate.seconds == pytest.approx(1024 * 2**32)


def test_a_number_that_is_used_again(prepared: Prepared) -> None:
    """Miners that give every share the same number have each counted, with its own verdict."""
    shares = [
        (side, message) for nonce in range(5) for side, message in ((0, submit(4, nonce)), (1, verdict(4)))
    ]
    assert counts(told(prepared, *GREETING, *shares)) == (5, 5, 0)


def test_a_share_that_is_sent_again(prepared: Prepared) -> None:
    """The same share, handed in once more while it waits, is one share, and the second answer to it no verdict."""
    session = told(
        prepared, *GREETING, (0, submit(4)), (0, submit(4)), (1, verdict(4)), (1, verdict(4, taken=False))
    )
    assert counts(session) == (1, 1, 0)


def test_retransmissions_count_once(prepared: Prepared) -> None:
    """A segment that comes twice is one share."""
    talk = build.Conversation().open()
    for side, message in (*GREETING, (0, submit(4)), (1, verdict(4))):
        talk.send(side, json.dumps(message) + "\n")
    frames = [frame for one in talk.frames for frame in (one, (one[0] + 200 * build.MILLISECOND, one[1]))]
    (session,) = SizeRun(prepared).feed([build.batch(sorted(frames, key=lambda one: one[0]))]).sessions
    assert counts(session) == (1, 1, 0)


def test_verdicts_that_never_come(prepared: Prepared) -> None:
    """Where the pool speaks and gives no verdict, shares count after a while, those that waited included."""
    shares = [(0, submit(10 + nonce, nonce)) for nonce in range(12)]
    session = told(prepared, *GREETING, *shares)
    rate = session.rate(session.last + 1)
    assert counts(session) == (12, 0, 0)
    assert rate is not None
    assert rate.shares == 12


def test_a_verdict_after_shares_that_counted(prepared: Prepared) -> None:
    """A share that counted because no verdict was to be expected does not count again when one comes."""
    shares = [(0, submit(10 + nonce, nonce)) for nonce in range(12)]
    session = told(prepared, *GREETING, *shares, (1, verdict(21)), (0, submit(30, 99)), (1, verdict(30)))
    rate = session.rate(session.last + 1)
    assert counts(session) == (13, 2, 0)
    assert rate is not None
    assert rate.shares == 13


def test_bytes_of_both_directions(prepared: Prepared) -> None:
    """What went over the wire since the flow was known to mine, by direction."""
    session = told(prepared, *GREETING, (0, submit(4)), (1, verdict(4)))
    assert 0 < session.bytes_up < 2_000
    assert 0 < session.bytes_down < 2_000


def test_accounts_are_hidden(prepared: Prepared) -> None:
    """Neither account nor worker leaves the worker process in clear text."""
    talk = build.Conversation().open()
    for side, message in (*GREETING, (0, submit(4)), (1, verdict(4))):
        talk.send(side, json.dumps(message) + "\n")
    (session,) = SizeRun(prepared, hide=lambda text: f"h:{len(text)}").feed([talk.batch()]).sessions
    assert session.key.account == "h:4"
    assert session.worker == "h:4"


def test_rolled_versions_are_bitcoin(prepared: Prepared) -> None:
    """A miner that rolls the version field does double SHA-256."""
    mask = {"id": None, "method": "mining.set_version_mask", "params": ["1fffe000"]}
    assert told(prepared, *GREETING, (1, mask), (0, submit(4)), (1, verdict(4))).known.algorithm == "sha256d"
    assert told(prepared, *GREETING, (0, submit(4)), (1, verdict(4))).known.algorithm == ""


def test_rates_that_machines_state(prepared: Prepared) -> None:
    """Each machine's own statement is kept, and the sum told."""
    login = {"id": 1, "method": "eth_submitLogin", "params": ["0x" + "9c" * 20 + ".rig1"]}
    rates = [
        {"id": 6, "worker": worker, "method": "eth_submitHashrate", "params": [hex(rate), "0x" + "1" * 64]}
        for worker, rate in (("a", 50_000_000), ("b", 30_000_000), ("a", 40_000_000))
    ]
    session = told(prepared, (0, login), *((0, rate) for rate in rates))
    assert session.stated_rate(session.last) == 70_000_000


def test_machines_behind_a_nonce(prepared: Prepared) -> None:
    """A proxy that gives each machine a byte of the nonce shows how many there are."""
    params = {"login": "acct", "pass": "x", "agent": "xmrig-proxy/6.21.0", "algo": ["rx/0"]}
    job = {"blob": "0e" * 76, "job_id": "j1", "target": "b88d0600", "algo": "rx/0"}
    messages: list[tuple[int, dict[str, Any]]] = [
        (0, {"id": 1, "jsonrpc": "2.0", "method": "login", "params": params}),
        (1, {"id": 1, "jsonrpc": "2.0", "error": None, "result": {"id": "5a1f", "job": job, "status": "OK"}}),
    ]
    for number in range(30):
        share = {
            "id": "5a1f",
            "job_id": "j1",
            "nonce": f"0000{number:02x}{number % 7:02x}",
            "result": "ab" * 32,
        }
        messages += [
            (0, {"id": number + 2, "jsonrpc": "2.0", "method": "submit", "params": share}),
            (1, {"id": number + 2, "jsonrpc": "2.0", "error": None, "result": {"status": "OK"}}),
        ]
    session = told(prepared, *messages)
    assert session.devices(session.last) == 7


def test_rows_are_bounded(prepared: Prepared) -> None:
    """While nobody fetches, accounts without end make no rows without end, and no share is lost."""
    due: list[Tally] = []
    run = SizeRun(prepared)
    run.engine._tallies = Tallies(due.append, str)
    talk = build.Conversation().open()
    for side, message in GREETING:
        talk.send(side, json.dumps(message) + "\n")
    for number in range(3 * MAX_ROWS):
        share = submit(number + 4, number)
        share["params"][0] = f"acct{number}"
        talk.send(0, json.dumps(share) + "\n", answered=False)
    run.engine.process(talk.batch())
    (tally,) = due
    rows = tally.take()
    assert len(rows) == MAX_ROWS
    assert sum(row.submitted for row in rows) == 3 * MAX_ROWS
    assert tally.take() == []


def test_a_row_is_about_one_bucket(prepared: Prepared) -> None:
    """Shares of different five minutes go into different rows, however late they are fetched."""
    due: list[Tally] = []
    run = SizeRun(prepared)
    run.engine._tallies = Tallies(due.append, str)
    talk = build.Conversation(step=BUCKET // 2).open()
    for side, message in (*GREETING, *((0, submit(4 + number, number)) for number in range(6))):
        talk.send(side, json.dumps(message) + "\n", answered=False)
    run.engine.process(talk.batch())
    rows: list[Work] = due[0].take()
    assert len({row.last // BUCKET for row in rows}) == len(rows) > 2
