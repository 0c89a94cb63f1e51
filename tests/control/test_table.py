"""The table of offending addresses."""

from __future__ import annotations

import io

import pytest

from sniffer.control.table import HostTable, some
from sniffer.model import Confidence, Severity
from sniffer.sinks.hosts import HostBook


def book(*hosts: int) -> HostBook:
    """A book with two hits of each host."""
    out = HostBook()
    for host in hosts:
        add(out, host)
    return out


def add(out: HostBook, host: int, tenant: str = "") -> None:
    """Two hits of a host."""
    out.hit(
        bytes([10, 0, 0, host]),
        "stratum-v1-submit",
        Severity.HIGH,
        Confidence.CONFIRMED,
        2,
        1_700_000_000 * 10**9,
        1.0,
        tenant,
    )


def test_elsewhere_than_on_a_terminal() -> None:
    """A line for each new address, once; the table at the end."""
    stream = io.StringIO()
    hosts = book(7)
    table = HostTable(hosts, title="Offending addresses", stream=stream)
    table.start()
    table.refresh("watching")
    add(hosts, 8)
    table.refresh("watching")
    table.refresh("ended: 9 packets")
    table.stop()
    text = stream.getvalue()
    assert text.count("new: 10.0.0.7  confirmed  stratum-v1-submit\n") == 1
    assert text.count("new: 10.0.0.8") == 1
    assert "2023-11-14" in text
    assert "ended: 9 packets" in text
    assert text.index("new: 10.0.0.8") < text.index("confidence")


def test_no_text_is_taken_for_markup() -> None:
    """Brackets in a tenant's name are shown, not interpreted."""
    stream = io.StringIO()
    hosts = HostBook()
    add(hosts, 7, tenant="[red]a[/red]")
    table = HostTable(hosts, title="t", stream=stream)
    table.stop()
    assert "[red]a[/red]" in "".join(stream.getvalue().split())


@pytest.mark.parametrize(
    ("rules", "text"),
    [((), ""), (("a",), "a"), (("a", "b", "c"), "a, b, c"), (("a", "b", "c", "d", "e"), "a, b, c +2")],
)
def test_long_lists_of_rules_are_cut(rules: tuple[str, ...], text: str) -> None:
    """Three rules are named, the others counted."""
    assert some(rules) == text
