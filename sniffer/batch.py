"""Batches of frames: what ``capture/`` makes and ``gate/`` reads.

In: nothing.  Out: the row of a frame, and an area of memory with its rows.
Never: I/O, decisions; an import by whoever reads no packets, such as the parent: it does without numpy, and its 11 MiB.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FRAME = np.dtype(
    [
        ("time", "<i8"),  # nanoseconds since 1970, UTC
        ("offset", "<u4"),  # of the first byte of the frame in Batch.data
        ("captured", "<u4"),  # bytes present in Batch.data
        ("length", "<u4"),  # bytes the frame had on the wire
        ("link", "<u2"),  # LINKTYPE_ number of the first header (tcpdump.org/linktypes.html)
        ("interface", "<u2"),  # index into Source.interfaces
        (
            "vlan",
            "<u2",
        ),  # tag that the kernel took out of the frame (its TCI); valid when vlan_protocol is not 0
        ("vlan_protocol", "<u2"),  # 0x8100 or 0x88a8 when the kernel took a tag out, else 0
    ]
)
"""One row a frame.  32-byte rows keep two frames in a cache line."""


@dataclass(slots=True)
class Batch:
    """One memory area with many frames: a kernel ring block or a window of a capture file.

    ``data`` is valid only until the source is asked for the next batch.
    """

    data: NDArray[np.uint8]
    frames: NDArray[Any]  # dtype FRAME, exactly the frames of this batch
