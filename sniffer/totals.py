"""The books of one engine: what came in, and what became of it.

In: nothing.  Out: :class:`Totals`, counters since start, sent from a worker to the parent and printed by ``scan``.
Never: anything but sums.

``packets == passed + sum(skipped.values())`` in every snapshot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence


class InterfaceTotals(msgspec.Struct):
    """What one interface, or one capture file, delivered."""

    packets: int = 0  # read by the gate
    bytes: int = 0  # on the wire
    drops: int = 0  # lost by the kernel before they could be read
    last_packet: int = 0  # time of the last one, nanoseconds since 1970

    @property
    def offered(self) -> int:
        """Packets that the interface had for us: what was read and what was lost.  A loss is a share of these."""
        return self.packets + self.drops


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
    flows: int = 0  # now, in the gate's table
    flows_with_data: int = 0  # now, of these
    flows_read: int = 0  # now, being reassembled
    flows_evicted: dict[str, int] = {}  # by kind
    one_sided_ratio: float = 0.0  # of the gate's flows that carry data
    facts: dict[str, int] = {}  # messages by fact, every declared fact present
    oddities: dict[str, int] = {}  # by kind, every declared kind present
    hits: int = 0
    interfaces: dict[str, InterfaceTotals] = {}


LEVELS: Final = ("flows", "flows_with_data", "flows_read", "one_sided_ratio")


def continued(past: Totals, now: Totals) -> Totals:
    """The books of something that has ended and of what came after it: counters added, levels of ``now``."""
    out: dict[str, Any] = {}
    for name in Totals.__struct_fields__:
        before, after = getattr(past, name), getattr(now, name)
        if name in LEVELS:
            out[name] = after
        elif name == "interfaces":
            out[name] = {key: _interface(before.get(key), after.get(key)) for key in {**before, **after}}
        elif isinstance(after, dict):
            out[name] = {key: before.get(key, 0) + after.get(key, 0) for key in {**before, **after}}
        else:
            out[name] = before + after
    return Totals(**out)


def together(parts: Sequence[Totals]) -> Totals:
    """The books of several engines that work side by side: everything added, the ratio weighted by the flows it is a share of."""
    out = parts[0] if parts else Totals()
    for part in parts[1:]:
        with_data = out.flows_with_data + part.flows_with_data
        one_sided = (
            out.one_sided_ratio * out.flows_with_data + part.one_sided_ratio * part.flows_with_data
        ) / max(with_data, 1)
        flows, read = out.flows + part.flows, out.flows_read + part.flows_read
        out = continued(out, part)
        out.flows, out.flows_with_data, out.flows_read = flows, with_data, read
        out.one_sided_ratio = one_sided
    return out


def _interface(past: InterfaceTotals | None, now: InterfaceTotals | None) -> InterfaceTotals:
    past, now = past or InterfaceTotals(), now or InterfaceTotals()
    return InterfaceTotals(
        packets=past.packets + now.packets,
        bytes=past.bytes + now.bytes,
        drops=past.drops + now.drops,
        last_packet=max(now.last_packet, past.last_packet),
    )
