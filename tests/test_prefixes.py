"""The value of the network that holds an address."""

from __future__ import annotations

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from sniffer.prefixes import PrefixTable

NETWORKS = st.one_of(
    st.builds(
        lambda number, length: ipaddress.ip_network((number, length), strict=False),
        st.integers(0, 2**32 - 1),
        st.integers(0, 32),
    ),
    st.builds(
        lambda number, length: ipaddress.ip_network((number.to_bytes(16, "big"), length), strict=False),
        st.integers(0, 2**128 - 1),
        st.integers(0, 128),
    ),
)


@given(
    st.lists(NETWORKS, max_size=20),
    st.one_of(st.binary(min_size=4, max_size=4), st.binary(min_size=16, max_size=16)),
)
def test_finds_the_longest_prefix(networks: list[ipaddress.IPv4Network], host: bytes) -> None:
    """The table answers like a search through all networks for the longest that holds the address."""
    address = ipaddress.ip_address(host)
    holding = [network for network in networks if address in network]
    expected = max(holding, key=lambda network: network.prefixlen, default=None)
    assert PrefixTable((network, network) for network in networks).get(host) == expected
