"""What sessions come to by host and tenant, and how it is told."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest
from sizerun import SHARE, START, work

from sniffer.sinks.networks import HostNames
from sniffer.size import hosts
from sniffer.size.hosts import MAX_OF_HOST, SizeBook
from sniffer.size.sessions import SECOND

if TYPE_CHECKING:
    from sniffer.size.work import Work

NOW = START + 3_600 * SECOND


def host(number: int) -> bytes:
    """An address of 10/8."""
    return (0x0A000000 + number).to_bytes(4, "big")


def book_of(*works: Work, inside: tuple[str, ...] = ("10.0.0.0/8",), **settings: object) -> SizeBook:
    """A book that has all this, an hour after the start."""
    book = SizeBook(HostNames(inside=inside), **settings)  # type: ignore[arg-type]
    book.turn(START)
    for one in works:
        book.add(one)
    book.turn(NOW, everything=True)
    return book


def values(book: SizeBook, family: str) -> dict[str, float]:
    """Values of a family by their labels."""
    found = re.findall(rf"^sniffer_{family}(?:{{(.*)}})? (\S+)$", book.render().decode(), re.MULTILINE)
    return {labels: float(value) for labels, value in found}


def hour(number: int = 1, **more: object) -> list[Work]:
    """A share every ten seconds for an hour."""
    return [work(at, 1, host=host(number), **more) for at in range(5, 3_600, 10)]


def test_one_host() -> None:
    """Shares, hashrate, power and machines of one address."""
    book = book_of(*hour(), overhead=1.1)
    labels = 'ip="10.0.0.1",tenant=""'
    assert values(book, "host_shares_total")[f'{labels},verdict="accepted"'] == 360
    rate = values(book, "host_hashrate_hashes_per_second")[f'{labels},algorithm="sha256d"']
    assert rate == pytest.approx(SHARE / 10, rel=0.01)
    power = values(book, "host_power_watts")
    low, central, high = (power[f'{labels},bound="{bound}"'] for bound in ("low", "central", "high"))
    assert low < central < high
    assert central == pytest.approx(1.1 * rate * 98e-12, rel=0.03)
    assert values(book, "host_devices") == {labels: 1}
    assert values(book, "shares_total")['verdict="submitted"'] == 360


def test_sessions_of_one_host_add_up() -> None:
    """Two accounts of one address, by algorithm."""
    book = book_of(
        *hour(account="a"), *hour(account="b"), *hour(account="c", algorithm="scrypt", hardware="")
    )
    rates = values(book, "host_hashrate_hashes_per_second")
    assert rates['ip="10.0.0.1",tenant="",algorithm="sha256d"'] == pytest.approx(SHARE / 5, rel=0.01)
    assert rates['ip="10.0.0.1",tenant="",algorithm="scrypt"'] == pytest.approx(SHARE / 10, rel=0.01)
    assert values(book, "host_devices") == {'ip="10.0.0.1",tenant=""': 3}


def test_unknown_stays_unknown() -> None:
    """A session whose cost nobody knows leaves the lower bound and takes the others."""
    book = book_of(*hour(account="a"), *hour(account="b", algorithm="", hardware=""))
    assert list(values(book, "host_power_watts")) == ['ip="10.0.0.1",tenant="",bound="low"']
    assert 'ip="10.0.0.1",tenant="",algorithm="unknown"' in values(book, "host_hashrate_hashes_per_second")


def test_a_statement_is_preferred_unless_shares_speak_against_it() -> None:
    """Within twice the band of its shares a machine is believed, far beyond it is not."""
    true = SHARE / 10
    for stated, told in ((true * 1.2, true * 1.2), (true * 50, true), (true / 50, true)):
        book = book_of(*hour(stated={"a": stated}))
        (rate,) = values(book, "host_hashrate_hashes_per_second").values()
        assert rate == pytest.approx(told, rel=0.01)


def test_tenants_have_power_and_energy() -> None:
    """Sums of a tenant's hosts; energy is power over time; an idle tenant has zeros."""
    book = book_of(*hour(1, tenant="t"), *hour(2, tenant="t"))
    book.declare_tenants(["t", "idle"])
    power = values(book, "tenant_power_watts")
    energy = values(book, "tenant_energy_joules_total")
    assert power['tenant="idle",bound="high"'] == energy['tenant="idle",bound="high"'] == 0
    central = power['tenant="t",bound="central"']
    assert central == pytest.approx(2 * SHARE / 10 * 98e-12, rel=0.03)
    assert energy['tenant="t",bound="central"'] == pytest.approx(central * 3_600, rel=0.03)


def test_energy_never_falls() -> None:
    """What sessions that went have drawn stays in their tenant's sum; their power does not."""
    book = book_of(*hour(1, tenant="t"), expire_after=3_600.0)
    before = values(book, "tenant_energy_joules_total")
    for hours in range(1, 6):
        book.turn(NOW + hours * 3_600 * SECOND, everything=True)
    assert len(book.sessions) == 0
    book.turn(NOW + 7 * 3_600 * SECOND, everything=True)
    assert values(book, "tenant_energy_joules_total") == pytest.approx(before, rel=1e-6)
    assert set(values(book, "tenant_power_watts").values()) == {0.0}


def test_only_inside_addresses_are_labels() -> None:
    """Whoever is outside is counted together."""
    book = book_of(*hour(), *(work(at, 1, host=bytes([8, 8, 8, at % 200])) for at in range(100)))
    found = values(book, "host_shares_total")
    assert found['ip="_outside",tenant="",verdict="accepted"'] == 100
    assert not any("8.8.8" in labels for labels in found)


def test_families_are_bounded() -> None:
    """No family has more host series than the limit: those that worked last have them."""
    book = book_of(*(work(number, 1, host=host(number)) for number in range(1_000)), limit=300)
    found = values(book, "host_shares_total")
    assert len(found) == 300
    assert 'ip="10.0.3.231",tenant="",verdict="accepted"' in found
    assert values(book, "shares_total")['verdict="accepted"'] == 1_000


def test_a_flood_of_sessions_is_bounded() -> None:
    """Sessions beyond the limit make room, hosts without sessions go, sums stay."""
    book = book_of(
        *(work(number % 3_000, 1, host=host(number), account="a") for number in range(3_000)), sessions=500
    )
    assert len(book.sessions) == len(book._hosts) == 500
    assert values(book, "sessions_evicted_total") == {"": 2_500}
    assert values(book, "shares_total")['verdict="submitted"'] == 3_000


def test_one_address_has_so_many_sessions_at_most() -> None:
    """Whoever invents accounts makes no turn long: beyond the limit the oldest of the same address goes."""
    book = SizeBook(HostNames())
    for number in range(MAX_OF_HOST + 100):
        book.add(work(1, 1, account=str(number)))
    assert len(book.sessions) == MAX_OF_HOST
    assert values(book, "sessions_evicted_total") == {"": 100}


def test_who_mined_last() -> None:
    """The tenant of the last work at an address, also when it had worked there before, and after its sessions went."""
    book = SizeBook(HostNames(inside=("10.0.0.0/8", "2001:db8::/32")), expire_after=60)
    assert book.tenant_of(host(1)) is None
    for number, tenant in enumerate("abba"):
        book.add(work(number, 1, host=host(1), tenant=tenant))
        assert book.tenant_of(host(1)) == tenant
    for at in (1, 1_000):  # the first time passes from is not known
        book.turn(START + at * SECOND)
    assert not len(book.sessions)
    assert book.tenant_of(host(1)) == "a"
    book.add(work(5, 1, host=ip_address("2001:db8::7").packed, tenant="c"))
    assert book.tenant_of(ip_address("2001:db8::8").packed) == "c"  # they count together
    book.add(work(5, 1, host=b"\x08\x08\x08\x08"))
    assert book.tenant_of(b"\x09\x09\x09\x09") == ""  # all that are outside, too


def test_who_mined_last_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever had to go for others is known again with the next work."""
    monkeypatch.setattr(hosts, "MAX_LAST", 3)
    book = book_of(*(work(1, 1, host=host(number)) for number in (0, 1, 2, 3, 0)))
    assert [book.tenant_of(host(number)) for number in range(4)] == ["", None, "", ""]


def test_figures_of_an_address() -> None:
    """Shares, machines, a rate with its band, watts; None for an address that does not mine, or is another tenant's."""
    book = book_of(*hour(2, account="x", rejected=1), *hour(2, account="y"))
    found = book.figures(host(2), "")
    assert found is not None
    assert (found.submitted, found.accepted, found.rejected, found.devices) == (720, 720, 360, 2)
    rate, watts = found.hashrate["sha256d"], found.watts
    assert rate.low < rate.central < rate.high  # type: ignore[operator]
    assert watts.low < watts.central < watts.high  # type: ignore[operator]
    assert book.figures(host(1), "") is None
    assert book.figures(host(2), "t") is None


def test_settled_as_of_the_last_message() -> None:
    """Of a capture that goes on for hours after a miner has stopped, its last hour is told, not the silence."""
    book = SizeBook(HostNames(inside=("10.0.0.0/8",)))
    for one in (*hour(1), *hour(2, tenant="t"), work(3_600, 5, host=bytes((8, 8, 8, 8)))):
        book.add(one)
    found = dict(book.settle(NOW + 9 * 3_600 * SECOND))
    assert set(found) == {host(1), host(2)}
    for figures in found.values():
        assert figures.hashrate["sha256d"].central == pytest.approx(SHARE / 10, rel=0.01)
        assert figures.devices == 1


def test_settled_no_later_than_the_capture_ends() -> None:
    """A capture of a minute is a minute, not five."""
    book = SizeBook(HostNames())
    for at in range(5, 60, 10):
        book.add(work(at, 1, host=host(1)))
    (figures,) = dict(book.settle(START + 60 * SECOND)).values()
    assert figures.hashrate["sha256d"].central == pytest.approx(SHARE / 10, rel=0.01)


def test_names_of_the_wire_are_no_labels() -> None:
    """Whatever algorithm a message names: one that we do not know is "other", so that nobody makes series."""
    flood = [work(at, 1, host=host(1), account=str(at), algorithm=f"algo-{at}") for at in range(1, 500)]
    book = book_of(*flood, *hour(2, algorithm="randomx", hardware=""))
    labels = set(values(book, "host_hashrate_hashes_per_second"))
    assert labels == {
        'ip="10.0.0.1",tenant="",algorithm="other"',
        'ip="10.0.0.2",tenant="",algorithm="randomx"',
    }


def test_a_turn_renews_a_part() -> None:
    """However many hosts there are, a turn takes some, and a round of turns takes all."""
    book = SizeBook(HostNames())
    book.turn(START)
    for number in range(6_000):
        book.add(work(1, 1, host=host(number)))
    book.turn(START + 10 * SECOND)
    assert len(values(book, "host_devices")) == 200
    for second in range(11, 260):
        book.turn(START + second * SECOND)
    assert len(values(book, "host_devices")) == 3_333
