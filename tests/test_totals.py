"""Sums of books."""

from __future__ import annotations

from sniffer.totals import InterfaceTotals, Totals, continued


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
