"""Who owns an address: the most specific claim wins, and a mapping of the time before all."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

import msgspec
import pytest

from sniffer.owners.files import Sources, read_sources
from sniffer.owners.keys import BEHIND_NAT, Labels
from sniffer.owners.table import NOBODY, Owned, Owner, Owners, Ownership, Seen
from sniffer.owners.timeline import OPEN, Change, Timeline

if TYPE_CHECKING:
    from pathlib import Path

SECOND = 10**9
MAC, OTHER = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
TENANTS = """
tenants:
- {tenant: wide, kind: telecom, prefix: [10.0.0.0/8, "2001:db8::/32"]}
- {tenant: narrow, prefix: 10.1.0.0/16, site: north, district: east, contact: noc@narrow.example}
- {tenant: s-tag, vlan: 100}
- {tenant: pair, vlan: "100.2001"}
- {tenant: session, pppoe: "4711"}
- {tenant: session-of-vlan, pppoe: "4711@100.2001"}
- {tenant: session-of-mac, pppoe: "4711@02:00:00:00:00:01"}
- {tenant: l2tp, l2tp: ["17.4711", "99999"]}
- {tenant: label, mpls: [16001]}
- {tenant: static, prefix: 203.0.113.7/32}
"""


def packed(text: str) -> bytes:
    """An address."""
    return ipaddress.ip_address(text).packed


@pytest.fixture(scope="module")
def owners(tmp_path_factory: pytest.TempPathFactory) -> Owners:
    """Tenants known by everything."""
    file: Path = tmp_path_factory.mktemp("owners") / "tenants.yaml"
    file.write_text(TENANTS)
    return read_sources(Sources(files=(str(file),), nat=("203.0.113.0/24",))).owners


PPPOE = Labels(pppoe=((4711, (OTHER, MAC)),))


@pytest.mark.parametrize(
    ("address", "vlans", "labels", "tenant", "why"),
    [
        ("10.1.2.3", (), Labels(), "narrow", "prefix 10.1.0.0/16"),
        ("10.2.2.3", (), Labels(), "wide", "prefix 10.0.0.0/8"),
        ("2001:db8::1", (), Labels(), "wide", "prefix 2001:db8::/32"),
        ("192.0.2.1", (), Labels(), "", ""),
        ("10.1.2.3", (7,), Labels(), "narrow", "prefix 10.1.0.0/16"),
        ("10.1.2.3", (100,), Labels(), "s-tag", "vlan 100"),
        ("192.0.2.1", (100, 9), Labels(), "s-tag", "vlan 100"),
        ("10.1.2.3", (9, 100), Labels(), "narrow", "prefix 10.1.0.0/16"),  # a C-VLAN is nobody's alone
        ("10.1.2.3", (100, 2001), Labels(), "pair", "vlan 100.2001"),
        ("10.1.2.3", (999, 100, 2001), Labels(), "pair", "vlan 100.2001"),  # a mirror's tag around it
        ("10.1.2.3", (), Labels(mpls=(3, 16001)), "label", "mpls 16001"),
        ("10.1.2.3", (100,), Labels(mpls=(16001,)), "s-tag", "vlan 100"),
        ("10.1.2.3", (100, 2001), Labels(l2tp=((17, 4711),)), "l2tp", "l2tp 17.4711"),
        ("10.1.2.3", (), Labels(l2tp=((-1, 99999),)), "l2tp", "l2tp 99999"),
        ("10.1.2.3", (), Labels(pppoe=((4711, ()),)), "session", "pppoe 4711"),
        ("10.1.2.3", (7, 8), Labels(pppoe=((4711, (OTHER,)),)), "session", "pppoe 4711"),
        ("10.1.2.3", (100, 2001), Labels(pppoe=((4711, ()),)), "session-of-vlan", "pppoe 4711@100.2001"),
        ("10.1.2.3", (100, 2001), Labels(pppoe=((1, ()),)), "pair", "vlan 100.2001"),
        ("10.1.2.3", (), PPPOE, "session-of-mac", "pppoe 4711@02:00:00:00:00:01"),
        ("203.0.113.8", (), Labels(), BEHIND_NAT, "nat 203.0.113.0/24"),
        ("203.0.113.7", (), Labels(), "static", "prefix 203.0.113.7/32"),
        ("203.0.113.8", (100, 2001), Labels(), "pair", "vlan 100.2001"),
    ],
)
def test_the_most_specific_claim_wins(
    owners: Owners, address: str, vlans: tuple[int, ...], labels: Labels, tenant: str, why: str
) -> None:
    """Session before VLAN pair before VLAN before label before prefix, the longest of these first."""
    found = Ownership(owners).of(Seen(packed(address), 0, 0, vlans, labels))
    assert (found.tenant, found.why) == (tenant, why)


def test_labels_say_nothing_of_outside_addresses(owners: Owners) -> None:
    """The pool in whose answer a label was seen is not the tenant's."""
    inside = read_sources(Sources(inside=("10.0.0.0/8",))).owners.inside
    ownership = Ownership(msgspec.structs.replace(owners, inside=inside))
    assert ownership.of(Seen(packed("198.51.100.1"), 0, 0, (100, 2001), PPPOE)) == NOBODY
    assert ownership.of(Seen(packed("10.9.9.9"), 0, 0, (100, 2001))).tenant == "pair"


def hold(address: str, start: int, end: int = OPEN, **more: object) -> Change:
    """Somebody holds an address."""
    return Change("hold", packed(address), 32, start * SECOND, end, **more)  # type: ignore[arg-type]


@pytest.fixture
def timed(owners: Owners) -> Ownership:
    """The same with mappings."""
    timeline = Timeline(100)
    timeline.apply(
        [
            hold("10.1.2.3", 10, 20 * SECOND, subscriber="h:1", tenant="label"),
            hold("10.1.2.3", 20, subscriber="h:2"),
            hold("10.1.2.4", 10, tenant="who-is-this", subscriber="h:3"),
            hold("203.0.113.8", 10, inside=packed("10.1.2.3"), low=1024, high=2047),
            hold("203.0.113.8", 10, inside=packed("192.0.2.9"), low=2048, high=3071, subscriber="h:4"),
            hold("203.0.113.9", 10, subscriber="h:5"),
        ]
    )
    return Ownership(owners, timeline)


@pytest.mark.parametrize(
    ("address", "port", "second", "tenant", "subscriber", "inside"),
    [
        ("10.1.2.3", 0, 9, "narrow", "", ""),
        ("10.1.2.3", 0, 10, "label", "h:1", ""),
        ("10.1.2.3", 0, 19, "label", "h:1", ""),
        ("10.1.2.3", 0, 20, "narrow", "h:2", ""),
        ("10.1.2.4", 0, 15, "narrow", "h:3", ""),  # a tenant that nobody has heard of is none
        ("203.0.113.8", 1500, 15, "label", "h:1", "10.1.2.3"),  # who held the inside address then
        ("203.0.113.8", 1500, 25, "narrow", "h:2", "10.1.2.3"),
        ("203.0.113.8", 2500, 15, "", "h:4", "192.0.2.9"),
        ("203.0.113.8", 5000, 15, BEHIND_NAT, "", ""),
        ("203.0.113.8", 0, 15, BEHIND_NAT, "", ""),
        ("203.0.113.8", 1500, 5, BEHIND_NAT, "", ""),
        ("203.0.113.9", 5000, 15, "", "h:5", ""),  # explained, though nobody's
    ],
)
def test_who_held_it_at_the_time(
    timed: Ownership, address: str, port: int, second: int, tenant: str, subscriber: str, inside: str
) -> None:
    """A mapping of the time decides; one that names no tenant leaves that to prefixes and labels, and names the subscriber."""
    found = timed.of(Seen(packed(address), port, second * SECOND))
    assert (found.tenant, found.subscriber, found.as_event()["inside_ip"]) == (tenant, subscriber, inside)


def test_a_mapping_comes_before_a_session(timed: Ownership) -> None:
    """Where both name a tenant."""
    assert timed.of(Seen(packed("10.1.2.3"), 0, 15 * SECOND, (100, 2001), PPPOE)).tenant == "label"
    found = timed.of(Seen(packed("10.1.2.3"), 0, 25 * SECOND, (100, 2001), PPPOE))
    assert (found.tenant, found.why) == ("session-of-mac", "mapping, pppoe 4711@02:00:00:00:00:01")


def test_what_an_event_says(owners: Owners) -> None:
    """Everything that the files tell, nothing where they do not."""
    found = Ownership(owners).of(Seen(packed("10.1.2.3"), 0, 0)).as_event()
    assert {name: text for name, text in found.items() if text} == {
        "name": "narrow",
        "site": "north",
        "district": "east",
        "contact": "noc@narrow.example",
    }
    assert not any(NOBODY.as_event().values())


def test_labels_are_asked_for_only_if_a_tenant_is_known_by_one(owners: Owners) -> None:
    """Else no frame need be looked at again."""
    assert Ownership(owners).wants_labels
    assert not Ownership(Owners((Owner("a"),), ())).wants_labels


def test_odd_addresses_are_nobodys(timed: Ownership) -> None:
    """Whatever comes from the wire, there is an answer."""
    for address in (b"", b"abc", bytes(5), bytes(16), bytes(17)):
        assert timed.of(Seen(address, 70_000, -1, (1, 2, 3, 4), PPPOE)) in (
            NOBODY,
            Owned(timed.of(Seen(address, 0, 0, (), PPPOE)).owner, "pppoe 4711@02:00:00:00:00:01"),
        )
