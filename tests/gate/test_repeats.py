"""Segments that came twice: exact copies within a moment, of a sample of flows; a retransmission is none."""

from __future__ import annotations

import struct

import frames as build
import pytest
from gate_twins import Twins

from sniffer.gate import repeats

MILLISECOND = build.MILLISECOND
START = 1_700_000_000 * 10**9
POOL = ("203.0.113.9", 443)
FLOWS = 400  # some 25 of them are sampled
AT_IP, AT_TCP = 14, 34


def told(
    *copies: tuple[int, dict[int, bytes]], source: str = "10.0.0.7", payload: bytes = b"x" * 40
) -> tuple[int, int]:
    """Segments sampled and repeated, of many flows with one segment that comes again: after so long, with such bytes.

    Both twins have to agree.
    """
    twins = Twins(flows=1 << 12)
    server = POOL if "." in source else ("2001:db8::9", 443)
    for port in range(40_000, 40_000 + FLOWS):
        first = build.tcp((source, port), server, build.ACK | build.PSH, 1_000, 2_000, payload)
        start = START + port * 10**9
        seen = [(start, first)]
        for after, changes in copies:
            copy = bytearray(first)
            for at, new in changes.items():
                copy[at : at + len(new)] = new
            seen.append((start + after, bytes(copy)))
        twins.judge_batch(build.batch(seen))
    return twins.gate.segments_sampled, twins.gate.segments_repeated


def test_a_sample_of_flows() -> None:
    """About one flow in sixteen is looked at, each with all of its segments."""
    sampled, repeated = told((MILLISECOND, {}))
    assert FLOWS / 32 < sampled / 2 < FLOWS / 8
    assert sampled % 2 == 0
    assert repeated == sampled // 2


@pytest.mark.parametrize(
    ("after", "changes", "is_copy"),
    [
        (0, {}, True),
        (repeats.WITHIN, {}, True),
        (repeats.WITHIN + 1, {}, False),
        (200 * MILLISECOND, {}, False),
        (MILLISECOND, {AT_IP + 8: b"\x3f"}, True),  # time to live: behind a router
        (MILLISECOND, {AT_IP + 10: b"\x12\x34"}, True),  # checksum of IPv4, for the same reason
        (MILLISECOND, {AT_IP + 4: b"\0\2"}, False),  # identification: the sender sent it anew
        (MILLISECOND, {AT_TCP + 4: struct.pack("!I", 1_001)}, False),  # sequence
        (MILLISECOND, {AT_TCP + 8: struct.pack("!I", 2_001)}, False),  # acknowledgement
        (MILLISECOND, {AT_TCP + 13: bytes([build.ACK])}, False),  # flags
        (MILLISECOND, {AT_TCP + 14: b"\1\1"}, False),  # window
        (MILLISECOND, {AT_TCP + 16: b"\1\1"}, False),  # checksum: other bytes
    ],
    ids=[
        "at once", "at the limit", "behind it", "a retransmission", "time to live", "checksum of IPv4", "identification",
        "sequence", "acknowledgement", "flags", "window", "checksum of TCP",
    ],
)  # fmt: skip
def test_what_is_the_same(after: int, changes: dict[int, bytes], is_copy: bool) -> None:  # noqa: FBT001  # a case
    """A copy is what a second mirror shows; what only the sender can have sent anew is none."""
    sampled, repeated = told((after, changes))
    assert sampled > FLOWS / 16
    assert repeated == (sampled // 2 if is_copy else 0)


def test_a_length_is_part_of_it() -> None:
    """Two segments from the same byte on, of other lengths, are two."""
    assert told((MILLISECOND, {AT_IP + 2: struct.pack("!H", 79)}))[1] == 0


def test_ipv6_and_a_third_copy() -> None:
    """IPv6 has no identification; a third copy counts as one more."""
    sampled, repeated = told((MILLISECOND, {}), (2 * MILLISECOND, {}), source="2001:db8::7")
    assert (sampled % 3, repeated) == (0, sampled // 3 * 2)
    assert sampled


def test_segments_without_payload_are_not_looked_at() -> None:
    """Acknowledgements are repeated for good reasons."""
    assert told((MILLISECOND, {}), payload=b"") == (0, 0)


def test_a_fragment_is_not_looked_at() -> None:
    """What was put together in the gate's own memory has no header there; both twins leave it out."""
    twins = Twins(flows=1 << 12)
    for port in range(40_000, 40_000 + FLOWS):
        whole = build.tcp(("10.0.0.7", port), POOL, build.ACK, 1, 1, b"x" * 40)
        head, body = bytearray(whole[:34]), whole[34:]
        pieces = []
        for offset, more, data in ((0, 0x2000, body[:32]), (4, 0, body[32:])):
            head[16:22] = struct.pack("!HHH", 20 + len(data), port, more | offset)
            pieces.append((START, bytes(head) + data))
        twins.judge_batch(build.batch(pieces * 2))
    assert (twins.gate.segments_sampled, twins.gate.segments_repeated) == (0, 0)


def test_a_flood_writes_over_old_ones() -> None:
    """The table has its size, whatever comes: after a flood of other segments a copy within the time is not known again."""
    twins = Twins(flows=1 << 12)
    first = [
        build.tcp(("10.0.0.7", port), POOL, build.ACK, 1, 1, b"x") for port in range(40_000, 40_000 + FLOWS)
    ]
    flood = [
        build.tcp(("10.0.0.7", port), POOL, build.ACK, sequence, 1, b"y")
        for port in range(40_000, 40_000 + FLOWS)
        for sequence in range(2, 800)
    ]
    twins.gate.judge(build.batch([(START, frame) for frame in (*first, *flood)]))
    before = twins.gate.segments_sampled
    assert before > 3 * repeats.SLOTS
    twins.gate.judge(build.batch([(START, frame) for frame in first]))
    assert twins.gate.segments_sampled - before == before // 799
    assert twins.gate.segments_repeated < (before // 799) / 4
