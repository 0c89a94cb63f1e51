"""Labels in frames: those that are there, whatever is around them; and no error, whatever the bytes are."""

from __future__ import annotations

import random
import struct

import pytest
from gate import gate_frames as wire
from hypothesis import given
from hypothesis import strategies as st
from loadscript import script

from sniffer.owners.keys import Labels
from sniffer.owners.labels import read_labels
from sniffer.owners.table import ACCESS_LAYERS

rewrap = script("scripts/rewrap.py")
INNER = wire.ipv4(wire.tcp(wire.LOGIN))
DESTINATION, SOURCE = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
MACS = (DESTINATION, SOURCE)


def pppoe(session: int, inner: bytes) -> bytes:
    """A PPPoE session frame's payload (RFC 2516)."""
    return struct.pack(">BBHHH", 0x11, 0, session, len(inner) + 2, 0x0021) + inner


def mpls(*labels: int) -> bytes:
    """A stack of labels (RFC 3032)."""
    last = len(labels) - 1
    return b"".join(struct.pack(">I", label << 12 | (n == last) << 8 | 64) for n, label in enumerate(labels))


def l2tp(tunnel: int, session: int, inner: bytes, *, length: bool = False) -> bytes:
    """L2TPv2 over UDP (RFC 2661)."""
    payload = b"\xff\x03\x00\x21" + inner
    head = (
        struct.pack(">HHHH", 0x4002, 8 + len(payload), tunnel, session)
        if length
        else struct.pack(">HHH", 0x0002, tunnel, session)
    )
    return wire.ipv4(wire.udp(head + payload, 1701, 1701), "192.0.2.1", "192.0.2.2", protocol=17)


@pytest.mark.parametrize(
    ("frame", "labels"),
    [
        (wire.ethernet(INNER, 0x0800), Labels()),
        (wire.ethernet(pppoe(4711, INNER), 0x8864), Labels(pppoe=((4711, MACS),))),
        (
            wire.ethernet(pppoe(1, INNER), 0x8864, [(0x88A8, 100), (0x8100, 2001)]),
            Labels(pppoe=((1, MACS),)),
        ),
        (wire.ethernet(mpls(3, 16001) + INNER, 0x8847), Labels(mpls=(3, 16001))),
        (
            wire.ethernet(mpls(7) + bytes(4) + wire.ethernet(pppoe(9, INNER), 0x8864), 0x8847),
            Labels(((9, MACS),), (), (7,)),
        ),
        (wire.ethernet(l2tp(17, 4711, INNER), 0x0800), Labels(l2tp=((17, 4711),))),
        (wire.ethernet(l2tp(17, 4711, INNER, length=True), 0x0800), Labels(l2tp=((17, 4711),))),
        (
            wire.ethernet(wire.ipv4(struct.pack(">I", 99_999) + INNER, protocol=115), 0x0800),
            Labels(l2tp=((-1, 99_999),)),
        ),
        (
            wire.ethernet(
                wire.ipv4(wire.udp(struct.pack(">HHI", 3, 0, 99_999) + INNER, 1701, 1701), protocol=17),
                0x0800,
            ),
            Labels(l2tp=((-1, 99_999),)),
        ),
    ],
)
def test_labels(frame: bytes, labels: Labels) -> None:
    """PPPoE with the addresses around it, L2TP of both versions, MPLS down to its bottom, and one inside the other."""
    assert read_labels(frame, 1) == labels


def test_cooked_frames_tell_their_sender() -> None:
    """Linux's cooked header has one address, the sender's."""
    head = struct.pack(">HHH", 0, 1, 6) + SOURCE + bytes(2) + struct.pack(">H", 0x8864)
    assert read_labels(head + pppoe(5, INNER), 113) == Labels(pppoe=((5, (SOURCE,)),))


@pytest.mark.parametrize("name", sorted(rewrap.WRAPPINGS))
def test_every_wrapping_that_the_gate_knows(name: str) -> None:
    """Where the gate notes an access session around a packet, its label is found; elsewhere none is."""
    wrapping = rewrap.WRAPPINGS[name]
    packets = [rewrap.Packet(n, INNER) for n in range(4)]
    for _, frame in rewrap.wrapped(packets, name):
        labels = read_labels(frame, wrapping.link)
        found = {kind for kind in ACCESS_LAYERS if getattr(labels, kind)}
        assert found == ACCESS_LAYERS.intersection(wrapping.layers)


@given(
    st.binary(max_size=200),
    st.sampled_from([0, 1, 9, 10, 12, 50, 51, 101, 105, 113, 127, 166, 239, 276, 9999]),
)
def test_any_bytes(frame: bytes, link: int) -> None:
    """Nothing on the wire is an error."""
    read_labels(frame, link)


def test_frames_that_are_cut_or_damaged() -> None:
    """Every length, and every bit of a frame with everything in it."""
    frame = wire.ethernet(
        mpls(7, 8) + bytes(4) + wire.ethernet(pppoe(9, l2tp(1, 2, INNER)), 0x8864, [(0x8100, 5)]), 0x8847
    )
    whole = read_labels(frame, 1)
    assert whole == Labels(((9, MACS),), ((1, 2),), (7, 8))
    for size in range(len(frame)):
        labels = read_labels(frame[:size], 1)
        assert set(labels.mpls) <= {7, 8}
        assert set(labels.l2tp) <= {(1, 2)}
    chance = random.Random(3)
    for bit in range(len(frame) * 8):
        damaged = bytearray(frame)
        damaged[bit // 8] ^= 1 << bit % 8
        read_labels(bytes(damaged), chance.choice([1, 113]))


def test_a_capture_that_keeps_the_beginning_of_each_frame() -> None:
    """The label of a frame that goes on behind what was captured is found: the gate reads such a frame, too."""
    frame = wire.ethernet(l2tp(17, 4711, INNER), 0x0800)
    assert read_labels(frame[:-1], 1) == Labels(l2tp=((17, 4711),))


def test_a_pile_of_labels_is_bounded() -> None:
    """As deep as the gate goes, and no deeper."""
    assert len(read_labels(wire.ethernet(mpls(*range(300)) + INNER, 0x8847), 1).mpls) <= 8
    nested = INNER
    for n in range(300):
        nested = mpls(n) + bytes(4) + wire.ethernet(nested, 0x0800)
    assert len(read_labels(wire.ethernet(nested, 0x8847), 1).mpls) <= 8
