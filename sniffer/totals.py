"""The books of one engine: what came in, and what became of it.

In: nothing.  Out: :class:`Totals`, counters since start, sent from a worker to the parent and printed by ``scan``.
Never: work.

``packets == passed + sum(skipped.values())`` in every snapshot.
"""

from __future__ import annotations

import msgspec


class InterfaceTotals(msgspec.Struct):
    """What one interface, or one capture file, delivered."""

    packets: int = 0  # read by the gate
    bytes: int = 0  # on the wire
    drops: int = 0  # lost by the kernel before they could be read
    last_packet: int = 0  # time of the last one, nanoseconds since 1970


class Totals(msgspec.Struct):
    """Counters since start, and a few levels of now."""

    packets: int = 0
    bytes: int = 0  # on the wire
    passed: int = 0
    skipped: dict[str, int] = {}  # msgspec copies it; by reason, every reason present  # noqa: RUF012
    undecoded: dict[str, int] = {}  # by layer  # noqa: RUF012
    flows: int = 0  # now, in the gate's table
    flows_read: int = 0  # now, being reassembled
    flows_evicted: dict[str, int] = {}  # by kind  # noqa: RUF012
    one_sided_ratio: float = 0.0  # of the gate's flows that carry data
    facts: dict[str, int] = {}  # messages by fact, every declared fact present  # noqa: RUF012
    oddities: dict[str, int] = {}  # by kind, every declared kind present  # noqa: RUF012
    hits: int = 0
    interfaces: dict[str, InterfaceTotals] = {}  # noqa: RUF012
