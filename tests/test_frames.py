"""Frames of made-up conversations, against dpkt."""

from __future__ import annotations

import io
import socket

import dpkt

from sniffer.frames import SEGMENT, batch, capture, conversation, datagrams

ENDS = ((socket.inet_aton("192.0.2.1"), 40_000), (socket.inet_aton("198.51.100.1"), 3_333))
TALK = [(0, b"hello"), (1, b"x" * (SEGMENT + 1)), (0, b"bye")]


def test_conversation_is_tcp_in_order() -> None:
    """Dpkt reads a handshake, then every byte at its sequence number, acknowledged as far as it was said."""
    frames = [(side, dpkt.ethernet.Ethernet(frame).data) for side, frame in conversation(ENDS, TALK)]
    assert [ip.data.flags for _, ip in frames[:3]] == [0x02, 0x12, 0x10]
    said, expected = [b"", b""], [1_001, 5_001]
    for side, ip in frames[3:]:
        assert (ip.src, ip.data.sport) == ENDS[side]
        assert (ip.dst, ip.data.dport) == ENDS[1 - side]
        assert (ip.data.seq, ip.data.ack) == (expected[side], expected[1 - side])
        said[side] += ip.data.data
        expected[side] += len(ip.data.data)
    assert said == [b"hellobye", b"x" * (SEGMENT + 1)]
    assert len(conversation(ENDS, TALK, opened=False)) == len(frames) - 3


def test_datagrams_are_udp() -> None:
    """One datagram for each thing said."""
    found = [dpkt.ethernet.Ethernet(frame).data for _, frame in datagrams(ENDS, [(0, b"a"), (1, b"")])]
    assert [(ip.src, ip.data.sport, ip.data.data) for ip in found] == [(*ENDS[0], b"a"), (*ENDS[1], b"")]
    assert all(ip.data.ulen == 8 + len(ip.data.data) for ip in found)


def test_batch_and_capture_hold_the_same() -> None:
    """A batch and a capture of the same frames give them back, a millisecond apart."""
    frames = [frame for _, frame in conversation(ENDS, TALK)]
    made = batch(frames)
    data = made.data.tobytes()
    assert [data[row["offset"] : row["offset"] + row["captured"]] for row in made.frames] == frames
    read = dpkt.pcap.Reader(io.BytesIO(capture(frames, 1_000)))
    assert read.datalink() == 1
    assert [frame for _, frame in read] == frames
    assert list(dpkt.pcap.Reader(io.BytesIO(capture(frames, 1_000))))[2][0] == dpkt.pcap.Decimal("1000.002")
