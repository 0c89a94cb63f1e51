"""Sessions: buckets, rates, energy, bounds."""

from __future__ import annotations

import pytest
from sizerun import SHARE, START, work

from sniffer.size.sessions import (
    BUCKETS,
    LEAP,
    SECOND,
    STATED_FOR,
    Finished,
    Session,
    SessionBook,
    SessionKey,
)
from sniffer.size.work import BUCKET, Work


def begun(work: Work, finished: Finished | None = None) -> Session:
    """A session that begins with work, which is not yet entered."""
    key = SessionKey(work.host, work.server, work.server_port, work.protocol, work.account, work.tenant)
    return Session(key, work, finished)


def session_of(*works: Work) -> Session:
    """A session that has done all this."""
    session = begun(works[0])
    for one in works:
        session.add(one)
    return session


def test_a_rate_is_hashes_over_time() -> None:
    """Hashes of the window over the time that it was watched for."""
    session = session_of(*(work(at, 1) for at in range(10, 600, 10)))
    rate = session.rate(START + 600 * SECOND)
    assert rate is not None
    assert rate == (59, pytest.approx(59 * SHARE / 600), pytest.approx(59 * (SHARE / 600) ** 2), 600.0)


def test_the_window_slides() -> None:
    """What is older than an hour counts no more; with the silence the rate falls, and is unknown in the end."""
    session = session_of(*(work(at, 1) for at in range(10, 7_200, 10)))
    now = START + 7_200 * SECOND
    session.advance(now)
    rate = session.rate(now)
    assert rate is not None
    assert 360 <= rate.shares <= 390
    assert rate.hashes == pytest.approx(SHARE / 10, rel=0.01)
    later = now + 1_800 * SECOND
    session.advance(later)
    half = session.rate(later)
    assert half is not None
    assert half.hashes == pytest.approx(rate.hashes / 2, rel=0.1)
    session.advance(now + (BUCKETS + 1) * BUCKET)
    assert session.rate(now + (BUCKETS + 1) * BUCKET) is None


def test_no_worth_no_rate() -> None:
    """Shares of unknown worth are counted and make no rate, no energy."""
    session = session_of(*(work(at, 0, submitted=1, unknown=1, known_since=0) for at in range(10)))
    assert session.rate(START + 600 * SECOND) is None
    assert (session.unknown, session.collect()) == (10, (0.0, 0.0, 0.0))


def test_energy_of_shares() -> None:
    """Each share adds what its hashes cost: an S9 some 98 J/TH."""
    session = session_of(work(1, 100))
    low, central, high = session.collect()
    assert low < central < high
    assert central == pytest.approx(100 * SHARE * 98e-12, rel=0.03)
    assert session.collect() == (0.0, 0.0, 0.0)


def test_energy_of_what_machines_state() -> None:
    """A stated rate is summed over the time for which it holds, in place of the shares."""
    session = session_of(work(0, 0, stated={"a": 1e13}), work(100, 50))
    session.advance(START + 10 * STATED_FOR)
    central = session.collect()[1]
    assert central == pytest.approx(1e13 * STATED_FOR / SECOND * 98e-12, rel=0.03)
    assert session.stated_rate(START + 10 * STATED_FOR) is None


def test_samples_sum_up() -> None:
    """What the buckets hold is what was done, whenever they close; silence of an active session is a sample, too."""
    finished = Finished(100)
    works = [work(at, 2) for at in range(5, 3_000, 30)]
    session = begun(works[0], finished)
    for one in works:
        session.add(one)
    session.advance(START + 6_000 * SECOND)
    now = session.sample(START + 6_000 * SECOND)
    samples = [*(sample for _, sample in finished.take()), *([now] if now else [])]
    assert sum(sample.shares for sample in samples) == 200
    assert sum(sample.hashes for sample in samples) == 200 * SHARE
    assert [sample.start for sample in samples] == sorted({sample.start for sample in samples})
    assert all(sample.seconds == 300 for sample in samples[:-1])
    joules = sum(sample.joules.central or 0.0 for sample in samples)
    assert joules == pytest.approx(session.collect()[1])


def test_samples_that_nobody_fetches() -> None:
    """They are bounded and counted."""
    finished = Finished(300)
    session = begun(work(0), finished)
    for number in range(1_000):
        session.add(work(300 * number, 1))
    assert finished.lost == 999 - 300
    assert len(list(finished.take())) == 300


def test_machines() -> None:
    """Connections at a time, names and what one connection stands for: the most of them counts."""
    assert session_of(*(work(1, 1, flow=flow) for flow in range(5))).devices(START) == 5
    assert session_of(work(1, 1, workers=["a", "b"]), work(2, 1, workers=["b", "c"])).devices(START) == 3
    assert session_of(work(1, 1, devices=40)).devices(START) == 40
    again = session_of(work(1, 1), work(4_000, 1, flow=2))
    assert (
        again.devices(START + 4_000 * SECOND) == 1
    )  # it has connected anew, an hour after it was heard last
    session = session_of(*(work(1, 1, flow=flow) for flow in range(5)))
    assert session.devices(START + 2 * 3_600 * SECOND) == 1


@pytest.mark.parametrize("leap", [10 * LEAP * BUCKET, -10 * LEAP * BUCKET])
def test_packet_time_may_leap(leap: int) -> None:
    """After a leap of ten days, forth or back, counts stay and estimates begin anew."""
    session = session_of(*(work(at, 1) for at in range(10, 600, 10)))
    seconds = leap / SECOND
    for at in range(600, 1_200, 10):
        session.add(work(at + seconds, 1))
    rate = session.rate(START + leap + 1_200 * SECOND)
    assert session.submitted == 59 + 60
    assert rate is not None
    assert rate.hashes == pytest.approx(SHARE / 10, rel=0.1)


def test_the_book_is_bounded() -> None:
    """Beyond the limit the session that is idle longest makes room; sums stay."""
    book = SessionBook(limit=100)
    for number in range(1_000):
        book.add(work(number, 1, account=str(number)))
        book.add(work(number, 1, account="steady"))
    assert len(book) == 100
    assert book.evicted == 901
    assert book.submitted == 2_000
    assert sum(one.key.account == "steady" for one in book) == 1


def test_idle_sessions_go() -> None:
    """A session goes when the clock, which does not leap, has passed by so much."""
    book = SessionBook()
    book.add(work(0, 1))
    book.clock += 100 * SECOND
    book.add(work(100, 1, account="b"))
    assert [one.key.account for one in book.expire(50 * SECOND)] == ["a"]
    assert (len(book), book.expired) == (1, 1)


def test_one_that_comes_back_is_another() -> None:
    """What was let go and begins again has a number of its own, so that nobody takes its counts for the old one's."""
    book = SessionBook()
    first, _ = book.add(work(1, 1))
    book.clock += 2 * BUCKET
    assert book.expire(BUCKET) == [first]
    again, _ = book.add(work(900, 1))
    assert again.key == first.key
    assert again.number != first.number
    assert book.add(work(901, 1))[0] is again
