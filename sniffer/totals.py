"""The books of one engine: what came in, and what became of it.

In: nothing.  Out: :class:`Totals`, counters since start, sent from a worker to the parent and printed by ``scan``.
Never: anything but sums.

``packets == passed + sum(skipped.values())`` in every snapshot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sniffer.capture.packet_socket import Statistics


class InterfaceTotals(msgspec.Struct):
    """What one interface, or one capture file, delivered."""

    packets: int = 0  # read by the gate
    bytes: int = 0  # on the wire
    drops: int = 0  # lost by the kernel before they could be read
    last_packet: int = 0  # time of the last one, nanoseconds since 1970
    accepted: int = 0  # by the kernel's count: what its filter let pass, drops included
    received: int = 0  # by the interface's own counter, while the kernel filters; 0 where it does not
    filtered: int = (
        0  # left out by the kernel filter, at least; only the parent can tell, who knows all workers
    )
    merged: int = 0  # frames that the card or the kernel put together (GRO, LRO)
    unsummed: int = 0  # frames whose checksum was left to a card: they never were on a wire
    stamped: int = 0  # frames with a time of the card
    lost: int = 0  # in the hand of a worker that died
    first_packet: int = 0  # time of the first one, nanoseconds since 1970

    @property
    def offered(self) -> int:
        """Packets that the interface had for us: what was read and what was lost.  A loss is a share of these."""
        return self.packets + self.missed

    @property
    def missed(self) -> int:
        """Packets that could not be read: dropped by the kernel, or lost with a worker."""
        return self.drops + self.lost


class Totals(msgspec.Struct):
    """Counters since start, and a few levels of now."""

    packets: int = 0
    bytes: int = 0  # on the wire
    passed: int = 0
    skipped: dict[str, int] = {}  # by reason, every reason present
    undecoded: dict[str, int] = {}  # by layer
    cut: int = 0  # by the snap length: captured in part
    wrapped: dict[str, int] = {}  # decoded packets by the kinds of tags and tunnels around them
    tls_hellos: dict[str, int] = {}  # of clients, in TCP and QUIC, by what became of the server name
    datagrams_read: int = 0  # passed by the gate
    segments_sampled: int = 0  # of TCP, looked at for repeats
    flows: int = 0  # now, in the gate's table
    flows_with_data: int = 0  # now, of these
    flows_read: int = 0  # now, being reassembled
    flows_evicted: dict[str, int] = {}  # by kind
    one_sided_ratio: float = 0.0  # of the gate's flows that carry data
    facts: dict[str, int] = {}  # messages by fact, every declared fact present
    oddities: dict[str, int] = {}  # by kind, every declared kind present
    sightings: int = 0  # messages that rules with a count asked for: hits, suppressed, or below the count
    hits: int = 0  # told; with those that were suppressed, or are below the count of their rule, they make all matches
    suppressed: dict[str, int] = {}  # messages by rule
    suppressed_by: dict[str, int] = {}  # the same by entry (Suppression.key)
    interfaces: dict[str, InterfaceTotals] = {}


LEVELS: Final = ("flows", "flows_with_data", "flows_read", "one_sided_ratio")


def take_statistics(totals: Totals, told: Mapping[str, Statistics]) -> None:
    """Enter what a live capture counted of each interface into the books."""
    for name, kernel in told.items():
        books = totals.interfaces.setdefault(name, InterfaceTotals())
        books.drops, books.accepted, books.received = kernel.drops, kernel.packets, kernel.received
        books.merged, books.unsummed, books.stamped = kernel.merged, kernel.unsummed, kernel.stamped
        books.lost = kernel.lost


def continued(past: Totals, now: Totals) -> Totals:
    """The books of something that has ended and of what came after it: counters added, levels of ``now``."""
    out: dict[str, Any] = {}
    for name in Totals.__struct_fields__:
        before, after = getattr(past, name), getattr(now, name)
        if name in LEVELS:
            out[name] = after
        elif name == "interfaces":
            out[name] = {key: _interface(_of(past, key), _of(now, key)) for key in {**before, **after}}
        elif isinstance(after, dict):
            out[name] = {key: before.get(key, 0) + after.get(key, 0) for key in {**before, **after}}
        else:
            out[name] = before + after
    return Totals(**out)


def together(parts: Sequence[Totals]) -> Totals:
    """The books of several engines that work side by side: everything added, the ratio weighted by the flows it is a share of.

    What an interface received is the same for all of them.  The least that one told is taken: they tell at different
    times, and no packet shall seem filtered because one of them has yet to tell that it has it.
    """
    out = parts[0] if parts else Totals()
    for part in parts[1:]:
        with_data = out.flows_with_data + part.flows_with_data
        one_sided = (
            out.one_sided_ratio * out.flows_with_data + part.one_sided_ratio * part.flows_with_data
        ) / max(with_data, 1)
        flows, read = out.flows + part.flows, out.flows_read + part.flows_read
        received = {
            name: min(_of(out, name).received, _of(part, name).received)
            for name in {**out.interfaces, **part.interfaces}
        }
        out = continued(out, part)
        for name, least in received.items():
            out.interfaces[name].received = least
        out.flows, out.flows_with_data, out.flows_read = flows, with_data, read
        out.one_sided_ratio = one_sided
    return out


def _of(totals: Totals, name: str) -> InterfaceTotals:
    return totals.interfaces.get(name) or InterfaceTotals()


def _interface(past: InterfaceTotals, now: InterfaceTotals) -> InterfaceTotals:
    out = InterfaceTotals(
        *(getattr(past, name) + getattr(now, name) for name in InterfaceTotals.__struct_fields__)
    )
    out.last_packet = max(past.last_packet, now.last_packet)
    out.first_packet = min(past.first_packet or now.first_packet, now.first_packet or past.first_packet)
    return out
