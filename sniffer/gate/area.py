"""Memory of the gate's own, for what does not lie in one piece in the batch.

In: bytes that kernels put together: datagrams out of fragments, hellos out of QUIC packets.
Out: a row that points here instead of into the batch, addresses included.
Never: anything that outlives the batch; more than :data:`AREA` bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sniffer.gate.compiled import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

ADDRESSES: Final = 32  # bytes in front of the content: source and destination
SIZE: Final = 32 << 20  # all that the fragment store can hold, and as much again


def make_area(size: int = SIZE) -> NDArray[Any]:
    """Lay out the memory; the system gives it page by page as it is used."""
    return np.zeros(size, dtype=np.uint8)


@kernel
def settle(area, state, data, row, size):  # type: ignore[no-untyped-def]
    """Make room for ``size`` bytes behind a copy of the row's addresses, and point the row there.

    ``state.fill`` counts the bytes of the area in use.  Returns the offset of the content, or -1 when the area is full.
    """
    base = state.fill
    if base + ADDRESSES + size > len(area):
        return np.int64(-1)
    width = 4 if row.family == 4 else 16
    source, destination = np.int64(row.source), np.int64(row.destination)
    for i in range(width):
        area[base + i] = data[source + i]
        area[base + 16 + i] = data[destination + i]
    row.source = base
    row.destination = base + 16
    row.memory = 1
    state.fill = base + ADDRESSES + size
    return base + ADDRESSES
