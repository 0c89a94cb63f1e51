"""What can be asked: totals that add up, whoever they are sorted by, and what the sensor could not see."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import get_args

import pytest
from historyrows import T0, WORTH, detection, farm_page, health, sample, session, traffic

from sniffer.errors import InputError
from sniffer.history.cases import CaseBook
from sniffer.history.query import BY, By, Coverage, Day, Reader
from sniffer.history.records import Bounds
from sniffer.history.rows import BUCKET, DAY, HOUR, SECOND, Page, Tenant
from sniffer.history.store import Store

BOUNDS = Bounds(90 * DAY, 2 * DAY, 1 << 30)
OWNERS = (
    Tenant("north", "hall 1", "harbour", "data-centre", ""),
    Tenant("south", "hall 2", "harbour", "campus", ""),
    Tenant("east", "hall 3", "hill", "campus", ""),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A history of three tenants, three pools, two algorithms."""
    path = tmp_path / "history.db"
    store = Store(path, BOUNDS)
    hosts = (
        ("192.0.2.1", "north", "antpool", "btc", "sha256d", None),
        ("192.0.2.2", "north", "f2pool", "btc", "sha256d", 5.0 * WORTH),
        ("192.0.2.3", "south", "f2pool", "kas", "kheavyhash", None),
        ("192.0.2.4", "", "", "", "", None),
    )
    store.write(
        Page(
            (T0 + HOUR) * SECOND,
            tuple(
                session(host, tenant=tenant, pool=pool, coin=coin, algorithm=algorithm, devices=3)
                for host, tenant, pool, coin, algorithm, _ in hosts
            ),
            tuple(
                sample(host, T0 + at * BUCKET, tenant=tenant, stated=stated, **({} if tenant else {"joules": None}))
                for host, tenant, *_, stated in hosts
                for at in range(4)
            ),
            (
                *(detection(host, tenant=tenant) for host, tenant, *_ in hosts),
                detection("192.0.2.9", tenant="east", rule="pool-dns"),
                detection("192.0.2.10", tenant="east", rule="web-site", confidence="suspected", severity="low"),
            ),
            OWNERS,
            (health(), health(T0 + BUCKET, dropped=5, one_sided=0.5), health(T0 + 4 * BUCKET, up=False)),
            tuple(traffic(host, tenant=tenant) for host, tenant, *_ in hosts),
        ),
        CaseBook(DAY, DAY).feed,
    )  # fmt: skip
    store.close()
    return path


@pytest.mark.parametrize("by", BY)
def test_totals_add_up_by_whatever(path: Path, by: By) -> None:
    """Each share, joule and session is in one group; hits and traffic as well where they belong to one."""
    with Reader(path) as reader:
        totals, whole = reader.totals(T0, T0 + HOUR, by), reader.total(T0, T0 + HOUR)
    for name in ("sessions", "submitted", "devices", "joules", "joules_low", "powered"):
        assert sum(getattr(one, name) or 0 for one in totals) == getattr(whole, name)
    assert sum(part.hashes for one in totals for part in one.parts) == 16 * 10 * WORTH
    assert len({one.key for one in totals}) == len(totals)
    if by not in ("pool", "coin", "algorithm"):
        for name in ("hits", "bytes", "mining_bytes", "hosts"):
            assert sum(getattr(one, name) for one in totals) == getattr(whole, name)


def test_every_way_is_named() -> None:
    """What can be asked for by is a list."""
    assert get_args(By) == BY


def test_totals_by_tenant(path: Path) -> None:
    """Most energy first; "" is whoever is unknown; who only looked at a web site is no host."""
    with Reader(path) as reader:
        totals = reader.totals(T0, T0 + HOUR, "tenant")
    assert [(one.key, one.hosts, one.sessions, one.hits) for one in totals] == [
        ("north", 2, 2, 24),
        ("south", 1, 1, 12),
        ("", 1, 1, 12),
        ("east", 1, 0, 12),
    ]
    assert totals[0].pools == ("antpool", "f2pool")
    assert totals[2].joules is None
    assert totals[0].powered == 2 * 4 * 300.0


def test_districts_and_kinds_are_those_of_today(path: Path) -> None:
    """Through the tenant."""
    with Reader(path) as reader:
        assert [(one.key, one.hosts) for one in reader.totals(T0, T0 + HOUR, "district")] == [
            ("harbour", 3), ("", 1), ("hill", 1),
        ]  # fmt: skip
        assert {one.key: one.hosts for one in reader.totals(T0, T0 + HOUR, "kind")} == {
            "data-centre": 2, "campus": 2, "": 1,
        }  # fmt: skip


def test_statements_are_kept_beside_estimates(path: Path) -> None:
    """So that all is counted once, a statement preferred."""
    with Reader(path) as reader:
        (total,) = reader.totals(T0, T0 + HOUR, "coin")[:1]
    (part,) = total.parts
    assert (part.algorithm, part.shares, part.hashes) == ("sha256d", 80, 80 * WORTH)
    assert (part.stated, part.told_shares, part.told_hashes) == (20 * WORTH, 40, 40 * WORTH)
    assert part.told_squares == 40 * WORTH**2


def test_a_period_has_a_beginning_and_an_end(path: Path) -> None:
    """Rows that begin in it; a session without any counts if it was alive."""
    with Reader(path) as reader:
        assert reader.total(T0 + BUCKET, T0 + 3 * BUCKET).parts[0].shares == 40
        assert reader.total(T0 - DAY, T0).sessions == 0
        assert reader.period() == (T0, T0 + 5 * BUCKET)


def test_devices_are_counted_once(tmp_path: Path) -> None:
    """The same machines behind another server of the pool, or after a restart, are no more machines."""
    store = Store(tmp_path / "history.db", BOUNDS)
    store.write(
        Page(
            T0 * SECOND,
            (
                session(devices=5),
                session(devices=7, server="198.51.100.10"),
                session(devices=6, begun=T0 * SECOND + 1),
                session(devices=2, account="h:another"),
            ),
        )
    )
    store.close()
    with Reader(tmp_path / "history.db") as reader:
        assert reader.total(T0, T0 + HOUR).devices == 9


def test_series_add_up(path: Path) -> None:
    """Steps hold what the totals hold, by key and algorithm."""
    with Reader(path) as reader:
        for by in (None, *BY):
            points = reader.series(T0, T0 + HOUR, 2 * BUCKET, by)
            assert sum(point.shares for point in points) == 160
            assert sum(point.stated or 0 for point in points) == 20 * WORTH
            assert {point.start for point in points} == {T0, T0 + 2 * BUCKET}
        points = reader.series(T0, T0 + HOUR, HOUR, "district")
        assert [(one.key, one.algorithm, one.hosts, one.joules) for one in points] == [
            ("", "", 1, None),
            ("harbour", "kheavyhash", 1, 400_000.0),
            ("harbour", "sha256d", 2, 800_000.0),
        ]


def test_coverage_names_the_gaps(path: Path) -> None:
    """Time that no row tells of, and time in which the sensor was down."""
    with Reader(path) as reader:
        assert reader.coverage(T0, T0 + HOUR) == Coverage(
            expected=3_600.0, seconds=600.0, packets=3_000, dropped=5, one_sided=0.25, hidden_tls=0,
            gaps=((T0 + 2 * BUCKET, T0 + HOUR),),
        )  # fmt: skip
        assert reader.coverage(T0 - DAY, T0).gaps == ((T0 - DAY, T0),)


def test_detections_by_day(path: Path) -> None:
    """Days count from the beginning of the period, so that they may be local ones."""
    with Reader(path) as reader:
        assert reader.detections(T0 - 8 * HOUR, T0 + DAY) == [
            Day(T0 - 8 * HOUR, "pool-dns", "high", "confirmed", 1, 12),
            Day(T0 - 8 * HOUR, "stratum-v1-submit", "high", "confirmed", 4, 48),
            Day(T0 - 8 * HOUR, "web-site", "low", "suspected", 1, 12),
        ]


def test_cases_of_a_period(tmp_path: Path) -> None:
    """Those that mined at some time of it; with all their events."""
    store = Store(tmp_path / "history.db", BOUNDS)
    book = CaseBook(DAY, 14 * DAY)
    for hours in range(130):
        page = Page((T0 + hours * HOUR) * SECOND)
        if hours in {0, 1, 30, 100, 101}:
            page = farm_page(
                2 if hours < 30 else 1, T0 + hours * HOUR, begun=T0 + hours, since=T0 + hours * HOUR
            )
        store.write(page, book.feed)
    store.close()
    with Reader(tmp_path / "history.db") as reader:
        first, second = reader.cases(T0, T0 + 10 * DAY)
        assert (first.state, first.relapses) == ("stopped", 2)
        assert [event.what for event in first.events] == [
            "opened",
            "stopped",
            "relapsed",
            "stopped",
            "relapsed",
            "stopped",
        ]
        assert (second.state, [event.what for event in second.events]) == ("stopped", ["opened", "stopped"])
        assert first.pools == ("antpool",)
        assert second.accounts == ("h:0000000000000000",)
        assert [case.id for case in reader.cases(T0 + 20 * HOUR, T0 + 40 * HOUR)] == [1]
        assert reader.cases(T0 + 50 * HOUR, T0 + 60 * HOUR) == []
        assert reader.cases(T0 - DAY, T0) == []


def test_a_copy_can_be_read(path: Path, tmp_path: Path) -> None:
    """Also one whose name has signs that mean something in an address."""
    copy = tmp_path / "copy of 50% ?mode=rw#.db"
    shutil.copy(path, copy)
    with Reader(copy) as reader:
        assert reader.total(T0, T0 + HOUR).sessions == 4


@pytest.mark.parametrize("content", [None, b"", b"no history at all\n" * 100])
def test_what_is_no_history_is_told(tmp_path: Path, content: bytes | None) -> None:
    """In words, with the path; nor does it stay open."""
    file = tmp_path / "history.db"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError) as told:
        Reader(file)
    assert str(file) in str(told.value)
    assert str(file) not in {os.path.realpath(one) for one in Path("/proc/self/fd").iterdir()}


def test_the_file_is_not_changed(path: Path) -> None:
    """A reader cannot write."""
    before = path.read_bytes()
    with Reader(path) as reader:
        reader.totals(T0, T0 + DAY, "host")
        with pytest.raises(InputError):
            reader._all("DELETE FROM sessions")
    assert path.read_bytes() == before
