"""Joins the traffic stories into one capture, in order of time: what ``make demo`` replays.

    python pcaps/merge.py OUT.pcap

In: every ``traffic.pcap`` beside this file.  Out: one pcap with nanosecond stamps.
Never: a story left out.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import dpkt

HERE = Path(__file__).parent


def frames(path: Path) -> list[tuple[int, bytes]]:
    """Frames of an Ethernet capture with their times in nanoseconds."""
    with path.open("rb") as file:
        reader = dpkt.pcap.Reader(file)
        if reader.datalink() != dpkt.pcap.DLT_EN10MB:
            raise SystemExit(f"error: {path}: not an Ethernet capture")
        return [(round(time * 10**9), frame) for time, frame in reader]


def main() -> int:
    """Write the joined capture."""
    if len(sys.argv) != 2:
        raise SystemExit("usage: merge.py OUT.pcap")
    stories = sorted(HERE.glob("*/traffic.pcap"))
    if not stories:
        raise SystemExit(f"error: {HERE}: no story has a traffic.pcap; run the make.py of each")
    joined = sorted((one for story in stories for one in frames(story)), key=lambda one: one[0])
    out = Path(sys.argv[1])
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262_144, 1))
        for time, frame in joined:
            file.write(struct.pack("<IIII", time // 10**9, time % 10**9, len(frame), len(frame)) + frame)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
