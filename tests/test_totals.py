"""Sums of books."""

from __future__ import annotations

from sniffer.capture.packet_socket import Statistics
from sniffer.totals import InterfaceTotals, Totals, continued, take_statistics, together


def test_counters_add_and_levels_do_not() -> None:
    """Counters of both lives are added, levels are those of the later one, names of either are kept."""
    past = Totals(
        packets=10,
        hits=1,
        flows=7,
        one_sided_ratio=0.5,
        skipped={"judged": 3},
        interfaces={"a": InterfaceTotals(5, 50, 1, 99)},
    )
    now = Totals(
        packets=4,
        hits=2,
        flows=2,
        skipped={"judged": 1, "fragment": 2},
        interfaces={"b": InterfaceTotals(4, 40, 0, 100)},
    )
    both = continued(past, now)
    assert (both.packets, both.hits, both.flows, both.one_sided_ratio) == (14, 3, 2, 0.0)
    assert both.skipped == {"judged": 4, "fragment": 2}
    assert both.interfaces == {"a": InterfaceTotals(5, 50, 1, 99), "b": InterfaceTotals(4, 40, 0, 100)}
    assert continued(both, Totals()).packets == 14


def test_workers_side_by_side() -> None:
    """Counters and levels of all are added; the share of one-sided flows is that of all flows with data together."""
    one = Totals(
        packets=10,
        cut=1,
        tls_hellos={"readable": 2},
        flows=60,
        flows_with_data=30,
        flows_read=2,
        one_sided_ratio=0.5,
        interfaces={"a": InterfaceTotals(10, 99, 1, 7)},
    )
    two = Totals(
        packets=5,
        cut=2,
        tls_hellos={"readable": 1, "hidden": 1},
        flows=10,
        flows_with_data=10,
        flows_read=1,
        one_sided_ratio=0.1,
        interfaces={"a": InterfaceTotals(5, 1, 0, 9)},
    )
    all_of_them = together([one, two, Totals()])
    assert (all_of_them.packets, all_of_them.flows, all_of_them.flows_read) == (15, 70, 3)
    assert (all_of_them.cut, all_of_them.flows_with_data) == (3, 40)
    assert all_of_them.tls_hellos == {"readable": 3, "hidden": 1}
    assert abs(all_of_them.one_sided_ratio - (30 * 0.5 + 10 * 0.1) / 40) < 1e-9
    assert all_of_them.interfaces == {"a": InterfaceTotals(15, 100, 1, 9)}
    assert together([]) == Totals()


def test_the_first_packet_of_all() -> None:
    """The earliest one, of workers that have seen any."""
    parts = [
        Totals(interfaces={"a": InterfaceTotals(first_packet=first, last_packet=9)}) for first in (7, 0, 5)
    ]
    assert together(parts).interfaces["a"] == InterfaceTotals(first_packet=5, last_packet=9)


def test_what_an_interface_received_is_received_once() -> None:
    """Workers side by side have the same interface: the least of what they told counts, lives one after another add."""
    one = Totals(
        interfaces={"a": InterfaceTotals(accepted=40, received=100, merged=1, unsummed=2, stamped=3)}
    )
    two = Totals(interfaces={"a": InterfaceTotals(accepted=30, received=90, merged=1, unsummed=2, stamped=3)})
    side = together([one, two]).interfaces["a"]
    assert (side.accepted, side.received, side.merged, side.unsummed, side.stamped) == (70, 90, 2, 4, 6)
    assert continued(one, two).interfaces["a"].received == 190
    assert together([one, Totals()]).interfaces["a"].received == 0, "the other has not told yet"


def test_statistics_of_a_capture_are_entered() -> None:
    """What the kernel and the walk counted stands in the books of its interface, beside what the gate read."""
    totals = Totals(interfaces={"a": InterfaceTotals(packets=5, bytes=50)})
    kernel = Statistics(packets=9, drops=1, received=20, stamped=2, unsummed=3, merged=4, lost=5)
    take_statistics(totals, {"a": kernel, "b": Statistics()})
    assert totals.interfaces["a"] == InterfaceTotals(5, 50, 1, 0, 9, 20, 0, 4, 3, 2, 5, 0)
    assert totals.interfaces["b"] == InterfaceTotals()


def test_offered_is_what_was_read_and_what_was_lost() -> None:
    """The one definition behind every share of drops."""
    assert InterfaceTotals(packets=90, drops=10, lost=3).offered == 103
