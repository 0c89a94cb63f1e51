"""TCP segments that came twice within a moment, among those of one flow in sixteen: the sign of double mirroring.

In: a row with a segment that has a payload, the bytes it was read from.  Out: two counts.
Never: a verdict; a second copy is judged as the first was, and the stream drops bytes that it has.

A segment is the same if everything is that one machine may change when it sends anew: sequence, acknowledgement,
length, flags, the identification of IPv4, and the eight bytes in front of the payload.  These are window, checksum and
urgent pointer of a header without options, and the end of the options (as a rule the time stamps) of one with options.
What routers change on the way (time to live, checksum of IPv4, tags) is not looked at.  A sender repeats itself after
200 ms (RFC 6298 says a second), after a loss within a round trip, and then as a rule under another identification.

The table holds 2 048 segments and writes over old ones.  It is enough for some six million segments a second: that many
of the sampled flows come within :data:`WITHIN`.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from sniffer.gate.compiled import inlined, kernel
from sniffer.gate.hashing import MULTIPLIER
from sniffer.gate.integers import u16, u64

ONE_IN_BITS: Final = 4
ONE_IN: Final = 1 << ONE_IN_BITS
"""Flows of which one is sampled."""
SLOTS: Final = 1 << 11
WITHIN: Final = 5_000_000  # nanoseconds

METER: Final = np.dtype(
    [
        ("seen", [("print", "<u8"), ("time", "<i8")], (SLOTS,)),  # 0: free; on the gate's clock, nanoseconds
        ("sampled", "<i8"),  # segments looked at
        ("again", "<i8"),  # of these, segments that had just been there
    ],
    align=True,
)
"""What was there a moment ago.  Zeros are an empty table."""


@inlined
def is_sampled(row):  # type: ignore[no-untyped-def]
    """Whether a segment is of a flow that is looked at.  What was put together in the gate's own area is not."""
    return row.hash >> np.uint64(64 - ONE_IN_BITS) == np.uint64(0) and row.memory == 0


@inlined
def stir(h, word):  # type: ignore[no-untyped-def]
    """Take one word into a print.  The flow's hash is keyed; who collides on purpose miscounts his own flow."""
    h = (h ^ word) * np.uint64(MULTIPLIER)
    return h ^ (h >> np.uint64(32))


@kernel
def note_segment(data, row, meter):  # type: ignore[no-untyped-def]
    """Count a segment with payload, and whether the same was there within the last :data:`WITHIN` nanoseconds."""
    identification = u16(data, np.int64(row.source) - 8) if row.family == 4 else np.int64(0)
    length = np.uint64(row.payload_length) + np.uint64(row.missing)
    h = stir(row.hash, (np.uint64(row.sequence) << np.uint64(32)) | np.uint64(row.acknowledgement))
    h = stir(h, u64(data, np.int64(row.payload) - 8))
    h = stir(h, (length << np.uint64(9)) | (np.uint64(row.tcp_flags) << np.uint64(1)) | np.uint64(row.side))
    h = stir(h, np.uint64(identification)) | np.uint64(1)
    slot = np.int64(h >> np.uint64(32)) & (SLOTS - 1)
    meter.sampled += 1
    seen = meter.seen[slot]
    if seen.print == h and row.clock - seen.time <= WITHIN:
        meter.again += 1
    seen.print = h
    seen.time = row.clock
