"""Captures of bundles, read by others and by our own reader."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import dpkt

from sniffer.capture.savefile import Savefile
from sniffer.evidence.exhibit import Frame
from sniffer.evidence.pcapng import encode

if TYPE_CHECKING:
    from pathlib import Path

TIME = 1_795_420_800_123_456_789
FRAMES = [
    Frame(TIME, 1, 0, 60, bytes(range(60))),
    Frame(TIME + 1, 1, 1, 1_500, b"cut short"),
    Frame(TIME + 2, 101, 0, 21, b"E" * 21),
]


def test_dpkt_reads_them() -> None:
    """Another program finds the same frames, and their times to what a float can tell."""
    read = list(dpkt.pcapng.Reader(io.BytesIO(encode(FRAMES, ["mirror0", "mirror1"]))))
    assert [data for _, data in read] == [frame.data for frame in FRAMES]
    assert all(abs(time - frame.time / 1e9) < 1e-5 for (time, _), frame in zip(read, FRAMES, strict=True))


def test_our_reader_reads_them(tmp_path: Path) -> None:
    """Nanoseconds, link types, lengths on the wire and interface names come out again."""
    file = tmp_path / "packets.pcapng"
    file.write_bytes(encode(FRAMES, ["mirror0", "mirror1"]))
    source = Savefile(str(file))
    found = []
    for batch in source.batches():
        for row in batch.frames:
            data = batch.data[row["offset"] : row["offset"] + row["captured"]].tobytes()
            found.append(
                (
                    int(row["time"]),
                    int(row["link"]),
                    source.interfaces[row["interface"]],
                    int(row["length"]),
                    data,
                )
            )
    names = ["mirror0", "mirror1", "mirror0"]
    assert found == [
        (frame.time, frame.link, name, frame.length, frame.data)
        for frame, name in zip(FRAMES, names, strict=True)
    ]


def test_odd_names_and_times_do_no_harm(tmp_path: Path) -> None:
    """A name that is no ASCII is escaped, a time before 1970 is 1970."""
    file = tmp_path / "packets.pcapng"
    file.write_bytes(encode([Frame(-5, 1, 0, 1, b"x")], ["eth\x1b0\u2028"]))
    source = Savefile(str(file))
    assert [int(batch.frames["time"][0]) for batch in source.batches()] == [0]
    assert source.interfaces == ["eth\\x1b0\\u2028"]
