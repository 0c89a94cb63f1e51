"""The window: what was asked for is there, in order, wherever pieces of the stream end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sniffer.capture.window import Window


class Drip:
    """A stream that gives pieces of the sizes it is told."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        self.data, self.sizes, self.calls = data, sizes, 0

    def readinto(self, memory: memoryview) -> int:
        """Fill some of ``memory``."""
        size = min(self.sizes[self.calls % len(self.sizes)], len(memory), len(self.data))
        self.calls += 1
        memory[:size] = self.data[:size]
        self.data = self.data[size:]
        return size


@given(
    data=st.binary(max_size=2_000),
    sizes=st.lists(st.integers(1, 300), min_size=1, max_size=5),
    steps=st.lists(st.tuples(st.booleans(), st.integers(1, 400)), max_size=40),
)
def test_bytes_come_in_order(data: bytes, sizes: list[int], steps: list[tuple[bool, int]]) -> None:
    """Needing and skipping walk through the stream byte by byte, and end where it ends."""
    window, at = Window(Drip(data, sizes), 64), 0
    for skip, size in steps:
        enough = at + size <= len(data)
        if skip:
            assert window.skip(size) is enough
            at = min(at + size, len(data))
        else:
            assert window.need(size) is enough
            if enough:
                assert window.head(size) == data[at : at + size]
                window.at += size
                at += size
        assert window.position == at


def test_memory_stays_what_it_was_for_small_needs() -> None:
    """A stream of any length passes through the same memory; only a larger need at once makes it larger."""
    window = Window(Drip(bytes(1_000_000), [1 << 20]), 4_096)
    first = window.data
    for _ in range(200):
        assert window.need(4_000)
        window.at += 4_000
    assert window.data is first
    assert window.skip(100_000)
    assert window.data is first
    assert window.need(50_000)
    assert len(window.data) == 50_000
