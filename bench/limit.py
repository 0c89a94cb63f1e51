"""The limit that a sensor in this language can come near to: each frame's headers are touched once, and nothing is done.

    python bench/limit.py CAPTURE

In: a capture.  Out: packets, and a sum that nobody needs.
Never: a decision.  The file is read as ``sniffer scan`` reads it, by :class:`sniffer.capture.savefile.Savefile`, ahead.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numba

from sniffer.capture.ahead import ahead
from sniffer.capture.savefile import Savefile

if TYPE_CHECKING:
    from numpy.typing import NDArray


@numba.njit(cache=True, nogil=True)
def touch(data: NDArray[Any], frames: NDArray[Any]) -> int:
    """Add up a byte of each frame's Ethernet, IP and transport header."""
    total = 0
    for i in range(len(frames)):
        at, size = frames[i].offset, frames[i].captured
        if size >= 48:
            total += data[at + 12] + data[at + 23] + data[at + 47]
    return total


def main() -> int:
    """Walk a capture."""
    packets = total = 0
    for batch in ahead(Savefile(sys.argv[1]).batches()):
        packets += len(batch.frames)
        total += touch(batch.data, batch.frames)
    print(packets, total)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
