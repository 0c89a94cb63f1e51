"""Passwords of the endpoint: who is let in, what a guess costs, what a flood of guesses does."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import statistics
import time
from typing import TYPE_CHECKING

import bcrypt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sniffer.control import passwords
from sniffer.control.passwords import REMEMBERED, WAITING, WAITING_OF_ONE, Passwords, Verdict

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

YES, NO, LATER = Verdict.YES, Verdict.NO, Verdict.LATER
LONG = "x" * 72


def hashed(password: str, cost: int = 5) -> bytes:
    """A bcrypt hash."""
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost))


def basic(name: str, password: str) -> bytes:
    """The header that a client sends."""
    return b"Basic " + base64.b64encode(f"{name}:{password}".encode())


def as_htpasswd(made: bytes) -> bytes:
    """The same hash as Apache's tool writes it."""
    return made.replace(b"$2b$", b"$2y$")


@pytest.fixture(scope="module")
def users() -> dict[str, bytes]:
    """Names with hashes."""
    return {
        "prometheus": hashed("correct horse"),
        "grafana": as_htpasswd(hashed("battery: staple")),
        "名字": hashed("密码"),
        "long": hashed(LONG),
    }


@pytest.fixture
def book(users: dict[str, bytes]) -> Iterator[Passwords]:
    """Passwords of these users."""
    one = Passwords()
    one.use(users)
    yield one
    one.close()


def ask(book: Passwords, header: bytes, peer: str = "192.0.2.1") -> Verdict:
    """One question."""
    return asyncio.run(book.check(header, peer))


@pytest.mark.parametrize(
    ("header", "verdict"),
    [
        (basic("prometheus", "correct horse"), YES),
        (basic("prometheus", "correct horse").replace(b"Basic", b"bAsIc"), YES),
        (basic("grafana", "battery: staple"), YES),
        (basic("名字", "密码"), YES),
        (basic("long", LONG), YES),
        (basic("prometheus", "Correct horse"), NO),
        (basic("prometheus", "correct horse\0"), NO),
        (basic("prometheus", "battery: staple"), NO),
        (basic("prometheus", ""), NO),
        (basic("Prometheus", "correct horse"), NO),
        (basic("", "correct horse"), NO),
        (basic("nobody", "correct horse"), NO),
        (basic("long", LONG + "x"), NO),  # bcrypt would not see the difference
        (b"", NO),
        (b"Basic", NO),
        (b"Basic \xff\xfe", NO),
        (b"Basic " + base64.b64encode(b"prometheus"), NO),
        (b"Bearer " + base64.b64encode(b"prometheus:correct horse"), NO),
    ],
)
def test_who_is_let_in(book: Passwords, header: bytes, verdict: Verdict) -> None:
    """The right password of a name that exists, and nothing else; the second time as the first."""
    assert ask(book, header) is verdict
    assert ask(book, header) is verdict


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=200))
def test_any_header_has_an_answer(header: bytes) -> None:
    """Nonsense is a no, never a fault."""
    book = Passwords()
    book.use({"a": hashed("b")})
    assert ask(book, header) is NO
    assert ask(book, b"Basic " + base64.b64encode(header)) is NO
    book.close()


def test_a_right_password_is_looked_at_once(book: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scraper pays for bcrypt at its first scrape; a wrong guess pays each time."""
    calls = []
    real = bcrypt.checkpw
    monkeypatch.setattr(bcrypt, "checkpw", lambda *given: calls.append(1) or real(*given))  # type: ignore[func-returns-value]
    for _ in range(5):
        assert ask(book, basic("prometheus", "correct horse")) is YES
    assert len(calls) == 1
    for _ in range(5):
        assert ask(book, basic("prometheus", "wrong")) is NO
    assert len(calls) == 6


def test_what_is_remembered_goes_with_the_hash(book: Passwords, users: dict[str, bytes]) -> None:
    """After a change of users the old password is worth nothing, and an unchanged user is still remembered."""
    assert ask(book, basic("prometheus", "correct horse")) is YES
    assert ask(book, basic("grafana", "battery: staple")) is YES
    book.use({**users, "prometheus": hashed("another")})
    assert len(book._right) == 2
    assert ask(book, basic("prometheus", "correct horse")) is NO
    assert ask(book, basic("prometheus", "another")) is YES
    book.use({"grafana": users["grafana"]})
    assert ask(book, basic("prometheus", "another")) is NO


def test_nothing_of_a_password_is_kept(book: Passwords) -> None:
    """What is remembered is a hash with a key of this process."""
    ask(book, basic("prometheus", "correct horse"))
    assert [len(mark) for mark in book._right] == [32]
    assert b"correct" not in repr(vars(book)).encode()


def test_memory_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many users come by, no more than so many are remembered, the latest of them."""
    monkeypatch.setattr(bcrypt, "checkpw", lambda *_: True)
    book = Passwords()
    names = [f"user{number}" for number in range(REMEMBERED + 500)]
    book.use(dict.fromkeys(names, hashed("same")))

    async def everybody() -> None:
        for name in names:
            assert await book.check(basic(name, "same"), "192.0.2.1") is YES

    asyncio.run(everybody())
    assert len(book._right) == REMEMBERED
    book.close()


async def flood(book: Passwords, number: int, peers: int) -> list[Verdict]:
    """Many wrong passwords at the same moment."""
    guesses: list[Coroutine[None, None, Verdict]] = [
        book.check(basic("prometheus", f"wrong {guess}"), f"192.0.2.{guess % peers}")
        for guess in range(number)
    ]
    return await asyncio.gather(*guesses)


@pytest.mark.parametrize("peers", [1, 100])
def test_a_flood_of_guesses_is_turned_away(users: dict[str, bytes], peers: int) -> None:
    """1 000 at once: a handful is looked at, the others hear "later" at once, and who is known is let in meanwhile."""
    book = Passwords()
    book.use({**users, "prometheus": hashed("correct horse", 8)})

    async def run() -> tuple[list[Verdict], float]:
        assert await book.check(basic("prometheus", "correct horse"), "192.0.2.9") is YES
        guesses = asyncio.create_task(flood(book, 1_000, peers))
        await asyncio.sleep(0)
        started = time.monotonic()
        assert await book.check(basic("prometheus", "correct horse"), "192.0.2.0") is YES
        took = time.monotonic() - started
        return await guesses, took

    verdicts, took = asyncio.run(run())
    assert took < 0.1
    assert verdicts.count(NO) == (WAITING_OF_ONE if peers == 1 else WAITING)
    assert verdicts.count(LATER) == 1_000 - verdicts.count(NO)
    assert not book._waiting
    book.close()


def test_one_address_leaves_room_for_another(users: dict[str, bytes]) -> None:
    """While one address guesses without end, another one's first password is looked at."""
    book = Passwords()
    book.use({**users, "prometheus": hashed("correct horse", 8)})

    async def run() -> Verdict:
        guesses = asyncio.create_task(flood(book, 1_000, 1))
        await asyncio.sleep(0)
        verdict = await book.check(basic("prometheus", "correct horse"), "198.51.100.7")
        await guesses
        return verdict

    assert asyncio.run(run()) is YES
    book.close()


def test_who_leaves_leaves_the_queue(book: Passwords) -> None:
    """A client that goes away while it waits makes room; what is being looked at still counts until it is done."""

    async def run() -> None:
        for _ in range(50):
            waiting = [
                asyncio.create_task(book.check(basic("prometheus", "wrong"), f"192.0.2.{peer}"))
                for peer in range(WAITING)
            ]
            await asyncio.sleep(0)
            for one in waiting:
                one.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        deadline = time.monotonic() + 5
        while book._waiting and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    asyncio.run(run())
    assert not book._waiting
    assert ask(book, basic("prometheus", "correct horse")) is YES


def test_a_check_does_not_hold_up_the_loop(users: dict[str, bytes]) -> None:
    """While a hash of cost 12 is computed, the loop turns."""
    book = Passwords()
    book.use({**users, "prometheus": hashed("correct horse", 12)})

    async def run() -> tuple[float, float]:
        started = time.monotonic()
        check = asyncio.create_task(book.check(basic("prometheus", "wrong"), "192.0.2.1"))
        worst, last = 0.0, started
        while not check.done():
            await asyncio.sleep(0.001)
            now = time.monotonic()
            worst, last = max(worst, now - last), now
        return worst, last - started

    worst, took = asyncio.run(run())
    assert worst < max(0.05, took / 3)
    book.close()


@pytest.mark.slow
@pytest.mark.parametrize("costs", [(6,), (5, 7)])
def test_time_does_not_tell_whether_a_name_exists(costs: tuple[int, ...]) -> None:
    """1 000 tries of a known and of an unknown name in turn: their times differ by less than a millisecond."""
    book = Passwords()
    book.use({f"known{cost}": hashed("secret", cost) for cost in costs})
    took: dict[str, list[float]] = {}

    async def run() -> None:
        for number in range(1_000):
            for name in [f"known{cost}" for cost in costs] + [f"unknown{number % 7}"]:
                started = time.perf_counter()
                assert await book.check(basic(name, "wrong"), "192.0.2.1") is NO
                took.setdefault(name, []).append(time.perf_counter() - started)

    asyncio.run(run())
    medians = {name: statistics.median(times) for name, times in took.items()}
    of_known = [medians[f"known{cost}"] for cost in costs]
    for number in range(7):
        assert min(abs(medians[f"unknown{number}"] - known) for known in of_known) < 0.001
    book.close()


def test_an_unknown_name_is_the_same_each_time() -> None:
    """With hashes of several costs, an unknown name takes one of them, and always the same."""
    book = Passwords()
    book.use({"a": hashed("x", 5), "b": hashed("x", 6)})
    kinds = {name: {book._stand_in(name)[4:6] for _ in range(5)} for name in (b"%d" % n for n in range(50))}
    assert all(len(kind) == 1 for kind in kinds.values())
    assert {next(iter(kind)) for kind in kinds.values()} == {b"05", b"06"}
    assert not any(bcrypt.checkpw(b"", stand_in) for stand_in in book._nobody.values())
    book.close()


def test_the_thread_gives_way_to_packets(book: Passwords) -> None:
    """What looks at passwords has a lower priority than this process, which keeps its own."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    ask(book, basic("prometheus", "wrong"))
    (thread,) = book._pool._threads
    assert thread.native_id is not None
    assert os.getpriority(os.PRIO_PROCESS, thread.native_id) == passwords.GIVE_WAY
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


def test_closing_waits_for_nobody(users: dict[str, bytes]) -> None:
    """Who waits for an answer when the endpoint ends is let go."""
    book = Passwords()
    book.use({**users, "prometheus": hashed("correct horse", 10)})

    async def run() -> float:
        guesses = asyncio.create_task(flood(book, 100, 10))
        await asyncio.sleep(0)
        started = time.monotonic()
        book.close()
        guesses.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await guesses
        return time.monotonic() - started

    assert asyncio.run(run()) < 0.5
