"""The flow table: what it keeps, what it lets go, and that it never grows."""

from __future__ import annotations

import random
import time

import gate_frames as wire
import numpy as np
import pytest
from gate_frames import LOGIN, Connection, Seen
from gate_twins import Twins

from sniffer.batch import FRAME, Batch
from sniffer.gate import rows
from sniffer.gate.decide import SECOND
from sniffer.gate.flowtable import CACHE_LINE, EVICTIONS, IDLE_SECONDS, FlowTable
from sniffer.gate.gate import Gate

BINARY = b"\x80" * 30


@pytest.mark.parametrize("slots", [0, 1, 7, 12, 100])
def test_the_size_is_a_power_of_two(slots: int) -> None:
    """Anything else is a mistake of the caller."""
    with pytest.raises(ValueError, match="power of two"):
        FlowTable(slots)


@pytest.mark.parametrize("slots", [8, 1 << 14])
def test_buckets_begin_on_cache_lines(slots: int) -> None:
    """A lookup costs the lines it needs and no more."""
    table = FlowTable(slots)
    assert table.hashes.ctypes.data % CACHE_LINE == 0
    assert table.flows.ctypes.data % CACHE_LINE == 0
    assert CACHE_LINE % rows.FLOW.itemsize == 0
    assert (len(table.hashes), len(table.flows)) == (slots, slots)


def table_with_one_of_each() -> tuple[Twins, dict[str, Connection]]:
    """A bucket of eight: one flow of each kind, mining ones in the places left, all equally old but the idle one."""
    twins = Twins(flows=8)
    flows = {kind: Connection(sport=100 + i) for i, kind in enumerate((*EVICTIONS, "spare1", "spare2"))}
    late = wire.START + (IDLE_SECONDS - 1) * SECOND
    twins.judge([Seen(flows["idle"].up(LOGIN), wire.START)])
    twins.judge([Seen(flows["embryonic"].syn(), late), Seen(flows["undecided"].up(BINARY), late)])
    twins.judge([Seen(frame, late) for frame in [*flows["judged"].handshake(), flows["judged"].up(BINARY)]])
    twins.judge([Seen(flows[kind].up(LOGIN), late) for kind in ("watched", "mining", "spare1", "spare2")])
    for each in twins.passed[1:]:
        twins.set_stage(each, rows.MINING)
    return twins, flows


def test_the_least_valuable_flow_goes_first() -> None:
    """Idle, without payload, undecided, judged, watched, and a known miner last of all."""
    twins, _ = table_with_one_of_each()
    gone = []
    now = wire.START + (IDLE_SECONDS + 1) * SECOND
    for i in range(6):
        before = twins.gate.evicted()
        newcomer = Connection(sport=5_000 + i)
        twins.judge([Seen(newcomer.up(LOGIN), now)])
        twins.set_stage(twins.passed[-1], rows.SETTLED)
        gone += [kind for kind, count in twins.gate.evicted().items() if count > before[kind]]
        twins.compare_tables()
    assert tuple(gone) == EVICTIONS


def test_among_equals_the_one_idle_longest_goes() -> None:
    """Eight undecided flows of different ages."""
    twins = Twins(flows=8)
    ages = random.Random(4).sample(range(8), 8)
    frames = [Seen(Connection(sport=100 + i).up(BINARY), wire.START + i * SECOND) for i in range(8)]
    twins.judge(frames)
    again = [
        Seen(Connection(sport=100 + i).up(BINARY), wire.START + (10 + n) * SECOND) for n, i in enumerate(ages)
    ]
    twins.judge(again)
    for oldest in ages[:4]:
        twins.judge([Seen(Connection(sport=9_000 + oldest).up(LOGIN), wire.START + 30 * SECOND)])
        twins.set_stage(twins.passed[-1], rows.MINING)
        left = {flow.last_seen for flow in twins.plain.slots.values() if flow.stage == rows.FRESH}
        assert 10 + ages.index(oldest) not in left
        twins.compare_tables()


def test_both_directions_are_one_flow() -> None:
    """Whichever end speaks first, for IPv4, IPv6, equal addresses and equal ports."""
    for client, server, sport, dport in (
        ("10.0.0.7", "203.0.113.9", 50_000, 3333),
        ("203.0.113.9", "10.0.0.7", 50_000, 3333),
        ("2001:db8::1", "2001:db8::2", 50_000, 3333),
        ("2001:db8:2::1", "2001:db8:1::2", 50_000, 3333),
        ("10.0.0.7", "10.0.0.7", 1, 2),
        ("10.0.0.7", "10.0.0.7", 2, 2),
    ):
        one = Connection(client, server, sport, dport)
        twins = Twins(flows=8)
        assert twins.judge([one.up(LOGIN), one.down(BINARY)]) == ["json", "watched"]
        up, down = twins.passed
        assert (up.slot, up.hash) == (down.slot, down.hash)
        assert (up.side != down.side) is ((client, sport) != (server, dport))


def test_flows_of_ipv4_and_ipv6_with_the_same_bytes_are_two() -> None:
    """The version is part of the key."""
    four = wire.ethernet(wire.ipv4(wire.tcp(LOGIN), "32.1.13.184", "0.0.0.1"), 0x0800)
    six = wire.ethernet(wire.ipv6(wire.tcp(LOGIN), "2001:db8::1", "::"), 0x86DD)
    mapped = wire.ethernet(wire.ipv6(wire.tcp(LOGIN), "::ffff:32.1.13.184", "::ffff:0.0.0.1"), 0x86DD)
    twins = Twins()
    twins.judge([four, six, mapped])
    assert len({each.hash for each in twins.passed}) == 3


def test_the_key_is_drawn_afresh_for_each_gate() -> None:
    """Nobody outside can know where a flow lies."""
    frame = wire.batch([Connection().up(LOGIN)])
    assert len({next(Gate(flows=8).inspect(frame)).flow_hash for _ in range(20)}) == 20


def test_a_sweep_empties_idle_slots_and_counts_the_rest() -> None:
    """How many flows there are, how many carry payload, and how many of those were heard from one side only."""
    twins = Twins(flows=1024)
    one, two, three = (Connection(sport=port) for port in (1, 2, 3))
    twins.judge([one.up(LOGIN), one.down(LOGIN), two.up(LOGIN), three.syn()])
    assert twins.gate.sweep() == (3, 2, 0.5)
    twins.judge([Seen(three.up(LOGIN), wire.START + (IDLE_SECONDS + 1) * SECOND)])
    assert twins.gate.sweep() == (1, 1, 1.0)
    assert np.count_nonzero(twins.gate.flows.hashes) == 1


def test_a_side_that_only_acknowledges_is_heard() -> None:
    """A download is no one-sided flow; one whose acknowledgements do not come is."""
    twins = Twins()
    one, two = (Connection(sport=port) for port in (1, 2))
    twins.judge([one.down(LOGIN), one.up(b""), two.down(LOGIN), two.down(b"")])
    twins.compare_tables()
    assert twins.gate.sweep() == (2, 2, 0.5)


def test_an_empty_table_has_no_one_sided_share() -> None:
    """Nothing divided by nothing is nothing."""
    assert Gate(flows=8).sweep() == (0, 0, 0.0)


# ── floods ───────────────────────────────────────────────────────────────────────────────────────────────


def flood(frame: bytes, count: int, first: int) -> Batch:
    """``count`` copies of a frame, each with a source address of its own; memory is made without a loop."""
    data = np.tile(np.frombuffer(frame, dtype=np.uint8), (count, 1))
    numbers = np.arange(first, first + count, dtype=np.uint32)
    data[:, 26:30] = (numbers + 0x0B000000).astype(">u4").view(np.uint8).reshape(count, 4)
    frames = np.zeros(count, dtype=FRAME)
    frames["time"] = wire.START
    frames["offset"] = np.arange(count) * len(frame)
    frames["captured"] = frames["length"] = len(frame)
    frames["link"] = 1
    return Batch(data.reshape(-1), frames)


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (Connection().syn(), "embryonic"),
        (Connection().up(BINARY), "undecided"),
        (Connection().up(LOGIN), "watched"),
    ],
    ids=["SYN", "binary", "JSON"],
)
def test_a_million_flows_do_not_cost_one_known_miner(frame: bytes, kind: str) -> None:
    """A hundred miners known before a flood through 2^14 slots are known after it; what had to go was counted."""
    gate = Gate(flows=1 << 14)
    miners = [Connection(client=f"10.9.0.{i}") for i in range(100)]
    for packet in list(gate.inspect(wire.batch([one.up(LOGIN) for one in miners]))):
        gate.set_stage(packet.slot, packet.flow_hash, rows.MINING)
    step = 50_000
    for first in range(0, 1_000_000, step):
        gate.judge(flood(frame, step, first))
    assert len(gate.flows.hashes) == 1 << 14
    evicted = gate.evicted()
    assert evicted.pop(kind) >= 1_000_000 - (1 << 14)
    assert not any(evicted.values())
    before = gate.passed
    gate.judge(wire.batch([one.down(BINARY) for one in miners]))
    assert gate.passed - before == 100


def test_a_million_flows_have_room() -> None:
    """As many flows as a large access network has at a time all stay: not one in a hundred must make room."""
    gate = Gate()
    step = 50_000
    for first in range(0, 1_000_000, step):
        gate.judge(flood(Connection().syn(), step, first))
    live, _, _ = gate.sweep()
    assert live >= 990_000
    assert live + sum(gate.evicted().values()) == 1_000_000


def test_a_full_bucket_costs_no_more_than_a_random_one() -> None:
    """Flows that all fall into one bucket are judged in the time of flows spread over the table, and a fifth more."""
    best = {}
    for slots in (8, 1 << 14):
        one = flood(Connection().syn(), 50_000, 0)
        gate = Gate(flows=slots)
        times = []
        for _ in range(7):
            begin = time.perf_counter()
            gate.judge(one)
            times.append(time.perf_counter() - begin)
        best[slots] = min(times)
    assert best[8] <= 1.2 * best[1 << 14]
