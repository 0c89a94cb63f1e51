"""The two tables the kernels write: what was found in a frame, and what is known of a flow.

In: nothing.  Out: numpy record types, and the codes inside them.
Never: work.
"""

from __future__ import annotations

from typing import Final

import numpy as np

ROW = np.dtype(
    [
        ("hash", "<u8"),  # keyed hash of the flow, the same for both directions
        ("layers", "<u8"),  # wrappings, one byte each (LAYER_NAMES), outermost in the highest byte used
        ("vlans", "<u8"),  # VLAN identifiers, 16 bits each, outermost in the highest 16 bits used
        ("clock", "<i8"),  # nanoseconds on the gate's own clock
        ("start", "<i8"),  # sequence number of this direction's first byte if its SYN was seen, else -1
        ("frame", "<u4"),  # index into Batch.frames
        ("source", "<u4"),  # offset of the source address in the memory that is named below
        ("destination", "<u4"),
        ("sequence", "<u4"),
        ("acknowledgement", "<u4"),
        ("payload", "<u4"),  # offset of the payload there
        ("payload_length", "<u4"),  # bytes captured
        ("missing", "<u4"),  # bytes on the wire but not captured
        ("identity", "<u4"),  # of a fragment's datagram
        ("place", "<u4"),  # of a fragment in its datagram: offset in bytes, lowest bit: more follow
        ("slot", "<i4"),  # in the flow table, -1 where there is none
        ("source_port", "<u2"),
        ("destination_port", "<u2"),
        ("family", "u1"),  # 4 or 6
        ("protocol", "u1"),  # 6 TCP, 17 UDP
        ("tcp_flags", "u1"),
        ("reason", "u1"),  # index into reasons.REASONS
        ("depth", "u1"),  # how many wrappings
        ("side", "u1"),  # of the flow: 0 where the sender has the lower address, on a tie the lower port
        ("memory", "u1"),  # 0: Batch.data, 1: the gate's own area
        ("opener", "u1"),  # of a passing frame's connection: 1 + the side that opened it, 0: not known
    ],
    align=True,
)
"""What the gate found in one frame.  Rows of passing frames are what Python sees."""

FLOW = np.dtype(
    [
        ("last_seen", "<u4"),  # seconds on the gate's own clock
        ("start0", "<u4"),  # first sequence number of side 0 (valid with SYN0) and of side 1
        ("start1", "<u4"),
        ("stage", "u1"),
        ("seen", "u1"),  # SEEN_ bits
        ("probes", "u1"),  # payloads looked at while the stage is FRESH
        ("mines", "u1"),  # 1: whoever reads it has found that it mines, and counts its bytes
    ]
)
"""What is known of one flow: 16 bytes, so that a bucket of eight is two cache lines."""

# Stages of a flow.  Python's verdict moves a flow between them; so do SYN and a promising payload.
FRESH: Final = 0  # nothing promising yet
REQUESTS: Final = 1  # HTTP: each request is looked at, nothing else
JUDGED: Final = 2  # found not to be mining
WATCHED: Final = 3  # every packet passes
MINING: Final = 4  # as WATCHED, and never evicted for a flow of a lower stage
SETTLED: Final = 5  # as MINING, and the peer is known to answer: bare acknowledgements need not pass any more
STAGES: Final = 6

SEEN_SYN: Final = 1  # shifted left by the side: 1 for side 0, 2 for side 1
SEEN_PAYLOAD: Final = 4  # 4 for side 0, 8 for side 1
SEEN_ANY: Final = 16  # 16 for side 0, 32 for side 1: any packet, since the flow is known
SEEN_CALL: Final = 64  # 64 for side 0, 128 for side 1: it opened the connection, as a SYN or its answer tells
