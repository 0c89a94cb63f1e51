"""Ring sizes: enough for the speed, never more than the machine can spare, shared among workers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sniffer.capture import plan
from sniffer.capture.packet_socket import RingSettings
from sniffer.capture.plan import plan_ring

GIB = 1 << 30
BASE = RingSettings(block_kib=256, snaplen=200, drop=True)


@pytest.mark.parametrize(
    ("speed", "memory", "workers", "interfaces", "mib"),
    [
        pytest.param(0, 64 * GIB, 1, 1, 64, id="unknown speed counts as a gigabit"),
        pytest.param(100, 64 * GIB, 1, 1, 64, id="slow"),
        pytest.param(1_000, 64 * GIB, 1, 1, 64, id="gigabit"),
        pytest.param(10_000, 64 * GIB, 1, 1, 64, id="10 gigabits"),
        pytest.param(25_000, 64 * GIB, 1, 1, 256, id="25 gigabits"),
        pytest.param(100_000, 64 * GIB, 1, 1, 512, id="100 gigabits: the most"),
        pytest.param(10_000, 64 * GIB, 4, 1, 16, id="four workers share"),
        pytest.param(10_000, 64 * GIB, 64, 1, 16, id="each worker has its least"),
        pytest.param(10_000, 64 * GIB, 1, 2, 64, id="two interfaces, each its own"),
        pytest.param(25_000, 2 * GIB, 4, 2, 32, id="an eighth of the memory, eight rings"),
        pytest.param(100_000, 1 * GIB, 1, 1, 128, id="an eighth of the memory"),
        pytest.param(1_000, 256 << 20, 1, 1, 32, id="a small machine"),
        pytest.param(1_000, 1 << 20, 64, 16, 1, id="hardly anything: one MiB"),
        pytest.param(10_000, 0, 1, 1, 64, id="unknown memory"),
    ],
)
def test_sizes(speed: int, memory: int, workers: int, interfaces: int, mib: int) -> None:
    """What is chosen for machines of all kinds."""
    assert plan_ring(speed, memory, workers, interfaces, BASE).ring_mib == mib


@given(st.integers(0, 1_000_000), st.integers(1 << 28, 1 << 42), st.integers(1, 64), st.integers(1, 16))
def test_bounds(speed: int, memory: int, workers: int, interfaces: int) -> None:
    """All rings together take an eighth of the memory at most, one MiB each aside; each is a valid one."""
    chosen = plan_ring(speed, memory, workers, interfaces, BASE)
    assert 1 <= chosen.ring_mib <= plan.MOST
    rings = workers * interfaces
    assert chosen.ring_mib * rings << 20 <= max(memory / 8, rings << 20)
    assert chosen.blocks >= 2


@pytest.mark.parametrize(
    ("workers", "wish", "block"), [(1, 1_024, 1_024), (4, 1_024, 256), (16, 1_024, 256), (16, 64, 64)]
)
def test_blocks_last_for_seconds(workers: int, wish: int, block: int) -> None:
    """A small ring has small blocks, so that a trickle of packets does not use them up; a smaller wish is kept."""
    chosen = plan_ring(10_000, 64 * GIB, workers, 1, RingSettings(block_kib=wish))
    assert chosen.block_kib == block
    assert chosen.blocks >= plan.LEAST_BLOCKS


def test_the_rest_stays() -> None:
    """Block, snap length and filter are the caller's; a chosen size may shrink, a given one does not."""
    chosen = plan_ring(1_000, 8 * GIB, 1, 1, BASE)
    assert (chosen.block_kib, chosen.snaplen, chosen.drop, chosen.shrinks) == (256, 200, True, True)
    assert not BASE.shrinks


def test_memory_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Free memory is told, with less precision also where /proc/meminfo may not be read."""
    assert plan.free_memory() > 16 << 20

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr("builtins.open", refuse)
    assert plan.free_memory() > 1 << 20
