"""Whose address it is."""

from __future__ import annotations

import ipaddress

import pytest

from sniffer.errors import UsageError
from sniffer.sinks.networks import HostNames


def packed(text: str) -> bytes:
    """An address as on the wire."""
    return ipaddress.ip_address(text).packed


@pytest.mark.parametrize(
    ("host", "inside"),
    [
        ("10.1.2.3", True),
        ("11.0.0.1", False),
        ("2001:db8:1::9", True),
        ("2001:db8:2::9", False),
        ("0.0.0.0", False),  # noqa: S104
        ("::ffff:10.1.2.3", False),
    ],
)
def test_inside_is_what_is_monitored(host: str, inside: bool) -> None:  # noqa: FBT001
    """Only addresses of the networks that were named are inside."""
    assert HostNames(inside=["10.0.0.0/8", "2001:db8:1::/48"]).is_inside(packed(host)) is inside


@pytest.mark.parametrize(
    ("host", "possible"),
    [
        ("198.51.100.7", True),
        ("127.0.0.1", True),
        ("2001:db8::1", True),
        ("::1", True),
        ("0.0.0.0", False),  # noqa: S104
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("240.1.1.1", False),
        ("::", False),
        ("ff02::1", False),
    ],
)
def test_without_networks_every_host_is_inside(host: str, possible: bool) -> None:  # noqa: FBT001
    """Nothing named: every address that a host can have; multicast, class E and the unspecified cannot mine."""
    assert HostNames().is_inside(packed(host)) is possible


@pytest.mark.parametrize(
    ("prefix", "host", "label"),
    [
        (64, "2001:db8::1:2:3:4", "2001:db8::/64"),
        (56, "2001:db8:0:1ff::1", "2001:db8:0:100::/56"),
        (128, "2001:db8::5", "2001:db8::5"),
        (64, "192.0.2.7", "192.0.2.7"),
    ],
)
def test_labels(prefix: int, host: str, label: str) -> None:
    """IPv4 is written whole, IPv6 as the network that it counts in."""
    names = HostNames(ipv6_prefix=prefix)
    assert names.label(names.network(packed(host))) == label


@pytest.mark.parametrize("arguments", [{"ipv6_prefix": 0}, {"ipv6_prefix": 129}, {"inside": ["10.0.0.0/40"]}])
def test_refuses_what_cannot_be(arguments: dict[str, object]) -> None:
    """A fault of the settings is one readable line with a remedy."""
    with pytest.raises(UsageError) as caught:
        HostNames(**arguments)  # type: ignore[arg-type]
    assert caught.value.remedy


def test_an_odd_address_is_nobodys() -> None:
    """Bytes that are no address are outside."""
    assert not HostNames(inside=["0.0.0.0/0", "::/0"]).is_inside(b"abc")
