"""Keys of tenants: what is written is what is compared, and nothing else is taken for one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sniffer.owners import keys
from sniffer.owners.keys import ANY, L2tp, Labels, Pppoe, Prefix, Vlan

if TYPE_CHECKING:
    from collections.abc import Callable

VLANS = st.builds(Vlan, st.integers(0, 4095), st.one_of(st.just(ANY), st.integers(0, 4095)))
PPPOE = st.one_of(
    st.builds(Pppoe, st.integers(0, 65535), st.one_of(st.none(), VLANS), st.just(b"")),
    st.builds(Pppoe, st.integers(0, 65535), st.none(), st.binary(min_size=6, max_size=6)),
)
L2TP = st.one_of(
    st.builds(L2tp, st.integers(0, 65535), st.integers(0, 65535)),
    st.builds(L2tp, st.just(ANY), st.integers(0, 0xFFFFFFFF)),
)
PREFIXES = st.one_of(
    st.integers(0, 32).map(lambda length: Prefix(bytes(4), length)),
    st.integers(0, 128).map(lambda length: Prefix(bytes(16), length)),
    st.binary(min_size=4, max_size=4).map(lambda packed: Prefix(packed, 32)),
    st.binary(min_size=16, max_size=16).map(lambda packed: Prefix(packed, 128)),
)


@given(PREFIXES, VLANS, PPPOE, L2TP, st.integers(0, (1 << 20) - 1))
def test_what_is_written_is_read(prefix: Prefix, vlan: Vlan, pppoe: Pppoe, l2tp: L2tp, mpls: int) -> None:
    """The text of every key gives the same key."""
    assert keys.read_prefix(str(prefix)) == prefix
    assert keys.read_vlan(str(vlan)) == vlan
    assert keys.read_pppoe(str(pppoe)) == pppoe
    assert keys.read_l2tp(str(l2tp)) == l2tp
    assert keys.read_mpls(mpls) == keys.read_mpls(str(mpls)) == mpls


@pytest.mark.parametrize(
    ("read", "values"),
    [
        (keys.read_prefix, ["10.0.0.1/8", "10.0.0.0/33", "x", "", 7.5, None, True, []]),
        (keys.read_vlan, ["4096", "1.4096", "1.", ".1", "1.2.3", "-1", "01", "a", 100.2010, None, True]),
        (keys.read_pppoe, ["65536", "1@", "1@x", "1@1.9999", "@1", "1@02:00:00:00:00", 1.5]),
        (keys.read_l2tp, ["1.65536", "4294967296", "1.2.3", "", "x.1", 17.4711]),
        (keys.read_mpls, ["1048576", "-1", "1.5", "x", 1.5, None]),
    ],
)
def test_refuses_everything_else(read: Callable[[Any], object], values: list[Any]) -> None:
    """Numbers with a point, for YAML has lost their zeros; values beyond their range; half a key."""
    for value in values:
        with pytest.raises(ValueError, match="expected"):
            read(value)


def test_labels_of_both_sides_are_joined() -> None:
    """What the two directions of a flow have makes one set, the first side's first."""
    one = Labels(((7, (b"a",)),), (), (16, 17))
    other = Labels(((7, (b"b",)),), ((1, 2),), (17, 18))
    assert one.merged(other) == Labels(((7, (b"a",)), (7, (b"b",))), ((1, 2),), (16, 17, 18))
    assert Labels().merged(one) == one.merged(Labels()) == one.merged(one) == one
