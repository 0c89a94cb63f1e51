"""IP fragments: the datagram is judged when it is whole, in each reading that its fragments allow."""

from __future__ import annotations

import itertools

import gate_frames as wire
import pytest
from gate_frames import LOGIN, SECOND, START, Seen
from gate_twins import Twins
from hypothesis import given, settings
from hypothesis import strategies as st
from loadscript import script

from sniffer.gate.fragments import CHUNKS, MAX_AGE, MAX_FRAGMENTS, SLOTS
from sniffer.gate.reasons import REASONS

rewrap = script("scripts/rewrap.py")
TEXT = LOGIN + b" " * 200 + b"\n"


def pieces(
    data: bytes, cuts: list[int], *, version: int = 4, identity: int = 7, protocol: int = 6
) -> list[bytes]:
    """Frames with the fragments of a packet, cut at these offsets (multiples of 8)."""
    return [
        piece(data, first, last, version=version, identity=identity, protocol=protocol, total=len(data))
        for first, last in itertools.pairwise([0, *cuts, len(data)])
    ]


def piece(
    data: bytes,
    first: int,
    last: int,
    *,
    version: int = 4,
    identity: int = 7,
    protocol: int = 6,
    total: int = 0,
) -> bytes:
    """One frame with a fragment: bytes ``first`` to ``last`` of a packet's payload."""
    more = last < (total or len(data))
    if version == 4:
        packet = bytearray(wire.ipv4(data[first:last], protocol=protocol, fragment=first >> 3 | more << 13))
        packet[4:6] = identity.to_bytes(2, "big")
        return wire.ethernet(bytes(packet), 0x0800)
    header = b"\0" + (first | more).to_bytes(2, "big") + identity.to_bytes(4, "big")
    return wire.ethernet(wire.ipv6(data[first:last], protocol=protocol, extensions=[(44, header)]), 0x86DD)


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_segment_in_three_fragments_is_read(version: int, order: tuple[int, ...]) -> None:
    """In every order; the packet that comes out is the one that was cut."""
    segment = wire.tcp(TEXT)
    frames = pieces(segment, [24, 80], version=version)
    shuffled = [frames[i] for i in order]
    assert Twins(flows=8).judge(shuffled) == ["fragment", "fragment", "json"]
    (found,) = Twins(flows=8).gate.inspect(wire.batch(shuffled))
    assert (found.payload, found.source_port, found.destination_port) == (TEXT, 50_000, 3333)
    ends = (wire.MINER, wire.POOL) if version == 4 else ("2001:db8::7", "2001:db8:1::9")
    assert (found.source, found.destination) == tuple(wire.packed(end) for end in ends)


def test_fragments_of_several_batches_are_joined() -> None:
    """The first half waits."""
    twins = Twins(flows=8)
    first, second = pieces(wire.tcp(TEXT), [64])
    assert twins.judge([first]) == ["fragment"]
    assert twins.judge([second]) == ["json"]
    assert twins.judge([first, second]) == ["fragment", "watched"]


@pytest.mark.parametrize("name", ["gre", "vxlan", "6in6", "gtp-u", "l2tpv2", "ah"])
def test_a_tunnel_in_fragments_is_opened(name: str) -> None:
    """The outer packet was cut; and what lies inside may be cut as well."""
    frame = rewrap.WRAPPINGS[name].wrap(
        rewrap.as_version(wire.ipv4(wire.tcp(TEXT)), 6 if name == "6in6" else 4)
        if name == "6in6"
        else wire.ipv4(wire.tcp(TEXT)),
        0,
    )
    outer = [rewrap.Packet(0, frame[14:])]
    cut = [
        wire.ethernet(each.data, 0x86DD if name == "6in6" else 0x0800) for each in rewrap.fragment(outer, 64)
    ]
    judged = Twins(flows=8).judge(cut)
    assert judged == ["fragment"] * (len(cut) - 1) + ["json"]
    layers = [found.layers for found in Twins(flows=8).gate.inspect(wire.batch(cut))]
    assert layers == [rewrap.WRAPPINGS[name].layers]


def test_fragments_inside_fragments_end() -> None:
    """GRE in pieces that carries pieces: found two deep, refused when it goes on."""
    for depth, expected in ((1, "json"), (2, "json"), (3, "fragment_refused")):
        packets = [rewrap.Packet(0, wire.ipv4(wire.tcp(TEXT)))]
        for level in range(depth):
            packets = [
                rewrap.Packet(0, wire.ipv4(b"\0\0\x08\0" + each.data, f"192.0.2.{level}", protocol=47))
                for each in rewrap.fragment(packets, 128)
            ]
        packets = rewrap.fragment(packets, 96)
        packets.reverse()  # the last to come is in pieces on every level
        judged = Twins(flows=8).judge([wire.ethernet(each.data, 0x0800) for each in packets])
        assert judged[-1] == expected, depth


def test_overlaps_are_read_both_ways() -> None:
    """Whichever of two texts an end host keeps, mining in it is found; the contradiction is counted."""
    good, bad = wire.tcp(LOGIN + b"\n" * 11), wire.tcp(b"x" * len(LOGIN) + b"\n" * 11)
    for first, second in ((good, bad), (bad, good)):
        twins = Twins(flows=8)
        frames = [piece(first, 16, 72), piece(second, 16, 72), piece(good, 72, len(good)), piece(good, 0, 16)]
        assert twins.judge(frames) == ["fragment"] * 3 + ["json"]
        assert twins.gate.oddities()["fragment_conflict"] == 1
        packets = list(Twins(flows=8).gate.inspect(wire.batch(frames)))
        assert LOGIN in {each.payload[: len(LOGIN)] for each in packets}


def test_repetitions_change_nothing() -> None:
    """The same fragment twice, and one that covers two others."""
    segment = wire.tcp(TEXT)
    a, b, c = pieces(segment, [64, 128])
    twins = Twins(flows=8)
    assert twins.judge([a, a, b, piece(segment, 0, 128), b, c]) == ["fragment"] * 5 + ["json"]
    assert not any(twins.gate.oddities().values())


def test_ids_and_protocols_are_kept_apart() -> None:
    """The same identification for TCP and UDP, and for two packets at once, mixes nothing."""
    segment, datagram = wire.tcp(TEXT), wire.udp(wire.dns("pool.example"), 40_000, 53)
    ours, theirs = pieces(segment, [64]), pieces(datagram, [16], protocol=17)
    others = pieces(wire.tcp(TEXT, sport=50_001), [64], identity=8)
    frames = [ours[0], theirs[0], others[0], others[1], theirs[1], ours[1]]
    assert Twins(flows=8).judge(frames) == ["fragment"] * 3 + ["json", "dns_listed", "json"]


REFUSED = {
    "beyond 64 KiB": (piece(bytes(70_000), 65_528, 65_528 + 1_480), "fragment_refused"),
    "empty": (wire.ethernet(wire.ipv4(b"", fragment=0x2000), 0x0800), "fragment_refused"),
    "empty at the end": (wire.ethernet(wire.ipv4(b"", fragment=8), 0x0800), "fragment_refused"),
    "of odd length in the middle": (
        wire.ethernet(wire.ipv4(bytes(9), fragment=0x2000), 0x0800),
        "fragment_refused",
    ),
    "cut by the snap length": (Seen(piece(bytes(80), 0, 64)[:60], length=98), "fragment_refused"),
}


@pytest.mark.parametrize(("frame", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_fragments_that_lead_nowhere_are_refused(frame: Seen | bytes, reason: str) -> None:
    """Counted, and nothing is kept of them."""
    assert Twins(flows=8).judge([frame]) == [reason]


def test_a_datagram_is_never_whole_with_a_hole() -> None:
    """Neither by two ends, nor by bytes behind the end, nor by a last fragment that comes twice."""
    segment = wire.tcp(TEXT)
    end = piece(segment, 200, len(segment))
    assert Twins(flows=8).judge([end, piece(segment, 0, 192), end]) == ["fragment"] * 3
    short = piece(segment, 64, 96, total=96)
    assert Twins(flows=8).judge([end, short, piece(segment, 0, 64)]) == ["fragment"] * 3
    beyond = piece(segment, 0, 248, total=10_000)
    assert Twins(flows=8).judge([piece(segment, 0, 64), piece(segment, 64, 96, total=96)])[-1] == "json"
    assert Twins(flows=8).judge([piece(segment, 64, 96, total=96), beyond]) == ["fragment"] * 2


def test_fragments_are_forgotten_after_their_time() -> None:
    """What comes later begins anew."""
    first, second = pieces(wire.tcp(TEXT), [64])
    for wait, expected in ((MAX_AGE, "json"), (MAX_AGE + 1, "fragment")):
        twins = Twins(flows=8)
        assert twins.judge([Seen(first), Seen(second, START + wait * SECOND)])[-1] == expected


def test_many_small_fragments_are_given_up() -> None:
    """Sixty-four are taken, more are none (robustness.md, B05)."""
    segment = wire.tcp(b"y" * 2_000)
    frames = pieces(segment, list(range(8, len(segment), 8)))
    judged = Twins(flows=8).judge(frames)
    assert judged[MAX_FRAGMENTS - 1 : MAX_FRAGMENTS + 1] == ["fragment", "fragment_refused"]
    exactly = wire.tcp(b"y" * (8 * MAX_FRAGMENTS - 20))
    judged = Twins(flows=8).judge(pieces(exactly, list(range(8, len(exactly), 8))))
    assert judged == ["fragment"] * (MAX_FRAGMENTS - 1) + ["unpromising"]


def test_a_flood_of_first_fragments_is_bounded() -> None:
    """A million that never end: the oldest go, counted; one that ends in between is read; memory stays."""
    gate = Twins(flows=8).gate
    ours = pieces(wire.tcp(TEXT), [64], identity=3)
    template = bytearray(piece(bytes(1_480), 0, 1_480, total=9_999))
    found = 0
    for block in range(50):
        frames = []
        for n in range(2_000):
            number = block * 2_000 + n
            template[26:30] = (0x0B000000 + number).to_bytes(4, "big")
            frames.append(bytes(template))
        found += gate.judge(wire.batch([ours[0], ours[1], *frames]))
    assert found == 50
    store = gate._state[0]["fragments"]
    assert (
        gate.oddities()["fragment_evicted"] == gate.skipped()["fragment"] - 50 - (store["hashes"] != 0).sum()
    )
    assert store["used"] <= min(CHUNKS, SLOTS + 8)


def test_a_full_pool_makes_room() -> None:
    """Datagrams of many chunks: others go, and a datagram alone may have what it needs."""
    gate = Twins(flows=8).gate
    for number in range(600):
        big = bytes(65_000)
        gate.judge(
            wire.batch(
                [piece(big, n, n + 8_000, identity=number, total=99_999) for n in range(0, 64_000, 8_000)]
            )
        )
    assert gate.oddities()["fragment_evicted"] > 300
    assert gate._state[0]["fragments"]["used"] == CHUNKS
    segment = wire.tcp(LOGIN.ljust(60_000, b"\n"))
    judged = Twins(flows=8).gate
    frames = pieces(segment, list(range(8_000, 60_000, 8_000)))
    assert judged.judge(wire.batch(frames)) == 1
    assert gate.judge(wire.batch(frames)) == 1


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 12), st.integers(1, 6), st.booleans(), st.integers(0, 2), st.booleans()),
        max_size=12,
    )
)
def test_both_gates_agree_on_any_fragments(parts: list[tuple[int, int, bool, int, bool]]) -> None:
    """Overlaps, holes, contradictions and two packets at once: the compiled gate decides as the plain one."""
    texts = [wire.tcp(LOGIN), wire.tcp(b"x" * 60), wire.udp(wire.dns("pool.example"), 40_000, 53)]
    frames = [
        piece(
            texts[text],
            8 * at,
            min(8 * (at + size), len(texts[text])),
            identity=9 + other,
            total=0 if last else 9_999,
        )
        for at, size, last, text, other in parts
    ]
    Twins(flows=8).judge(frames)


def test_reasons_for_fragments_are_told_apart() -> None:
    """Kept is not lost."""
    by_name = {reason.name: reason for reason in REASONS}
    assert (by_name["fragment"].layer, by_name["fragment_refused"].layer) == ("", "fragment")
