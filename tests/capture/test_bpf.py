"""The kernel filter: whatever the gate lets pass, and all of TCP, passes it; what it is there for is dropped."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING

import frames as build
import numpy as np
import pytest
from capture import cbpf
from enginerun import Run
from hypothesis import given, settings
from hypothesis import strategies as st
from loadscript import script

from sniffer.capture import bpf
from sniffer.capture.packet_socket import WHOLE
from sniffer.capture.savefile import Savefile
from sniffer.gate import kinds, openings, quic, reasons, tunnels
from sniffer.gate.decide import DNS_PORT
from sniffer.gate.gate import Gate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sniffer.ruleset import RuleSet

ROOT = Path(__file__).parents[2]
rewrap = script("scripts/rewrap.py")
STORIES = sorted((ROOT / "pcaps").glob("*/traffic.pcap"))
PROGRAMS = {link: bpf.build(link, WHOLE, drop=True) for link in bpf.FILTERED}
CLIENT, SERVER = ("10.0.0.7", 50_000), ("203.0.113.9", 443)
SIX, SERVER_SIX = ("2001:db8::7", 50_000), ("2001:db8::9", 443)
DROPPABLE = (
    reasons.UDP_OTHER, reasons.ETHERTYPE, reasons.LINK_TRUNCATED, reasons.IPV4_TRUNCATED, reasons.IPV4_HEADER,
    reasons.IPV6_TRUNCATED, reasons.IPV6_HEADER, reasons.UDP_HEADER,
)  # fmt: skip
"""For these reasons the gate skips a frame whatever came before it: nothing in it, or a header that ends too early."""
INITIAL = b"\xc3\0\0\0\x01\x08" + bytes(1_194)  # of the smallest size; nothing in it can be decrypted


@pytest.fixture(scope="module")
def judges(ruleset: RuleSet) -> tuple[Gate, Gate]:
    """A gate with the names that the shipped rules list, and one that lets every name pass."""
    return Run(ruleset).engine.gate, Gate(every_name=True, flows=1 << 12)


def kept(frame: bytes, link: int = 1) -> bool:
    """Whether the filter lets a frame pass."""
    return cbpf.run(PROGRAMS[link], frame) > 0


def wanted(gates: Sequence[Gate], packets: Sequence[tuple[int, bytes]], link: int) -> list[bool]:
    """Whether each frame must not be dropped: some gate found more in it than the filter may judge."""
    out = np.zeros(len(packets), dtype=bool)
    for gate in gates:
        gate.judge(build.batch(list(packets), link=link))
        out |= ~np.isin(gate.verdicts[: len(packets)], DROPPABLE)
    return out.tolist()


# ── what is dropped, and what is not ─────────────────────────────────────────────────────────────────────


def test_numbers_are_those_of_the_gate() -> None:
    """Ports, EtherTypes and sizes that the filter knows are the gate's own."""
    assert [port for port in range(65_536) if tunnels.is_tunnel_port(port)] == sorted(bpf.TUNNEL_PORTS)
    assert bpf.MANAGEMENT_PORTS == openings.MANAGEMENT_PORTS
    assert bpf.DNS_PORT == DNS_PORT
    assert bpf.QUIC_SMALLEST == quic.SMALLEST + 8
    assert bpf.QUIC_LONG == quic.LONG_HEADER
    assert bpf.MAX_LLC == kinds.MAX_LLC
    assert bpf.TAGS == (kinds.VLAN, kinds.QINQ, kinds.QINQ_OLD)


def test_every_ethertype(judges: tuple[Gate, Gate]) -> None:
    """A frame passes the filter if and only if the gate knows what to do with its EtherType."""
    snap = b"\xaa\xaa\x03\0\0\0\x08\0" + bytes(40)
    for_tags = b"\0\x05\x88\x47" * 12
    ip_point = b"\x06\x06\x03\x45" + bytes(60)
    for body in (snap, ip_point, bytes(48), b"\x45" + bytes(47), b"\x11" * 48, for_tags):
        packets = [(0, bytes(12) + struct.pack("!H", kind) + body) for kind in range(65_536)]
        gate = judges[0]
        gate.judge(build.batch(packets))
        opened = gate.verdicts[:65_536] != reasons.ETHERTYPE
        passing = np.array([kept(frame) for _, frame in packets])
        passing[[bpf.IPV4, bpf.IPV6]] = True  # these are judged by what follows
        assert not (opened & ~passing).any()
    known = {bpf.IPV4, bpf.IPV6, *bpf.TAGS, *bpf.OPENED}
    assert set(np.flatnonzero(passing).tolist()) == known


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(bytes(12) + b"\x08\x06" + bytes(46), id="ARP"),
        pytest.param(bytes(12) + b"\x88\xcc" + bytes(46), id="LLDP"),
        pytest.param(bytes(12) + b"\0\x26\x42\x42\x03" + bytes(40), id="spanning tree"),
        pytest.param(build.udp(CLIENT, SERVER, b"\x43" + bytes(1_250)), id="QUIC data"),
        pytest.param(build.udp(SIX, SERVER_SIX, b"\x43" + bytes(1_250)), id="QUIC data in IPv6"),
        pytest.param(build.udp(CLIENT, SERVER, b"\xe3" + bytes(600)), id="QUIC handshake"),
        pytest.param(build.udp(CLIENT, ("203.0.113.9", 3074), b"\x80" + bytes(172)), id="voice"),
        pytest.param(build.udp(CLIENT, SERVER, b""), id="empty datagram"),
        pytest.param(
            build.ethernet(build.udp(CLIENT, SERVER, b"\x43" * 60)[14:], vlans=(1, 2)), id="behind two tags"
        ),
    ],
)
def test_what_no_rule_can_want_is_dropped(frame: bytes, judges: tuple[Gate, Gate]) -> None:
    """The traffic that the filter is there for does not reach the ring, and the gate would not miss it."""
    assert not kept(frame)
    assert wanted(judges, [(0, frame)], 1) == [False]


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(build.udp(CLIENT, ("203.0.113.9", 53), b"x"), id="DNS"),
        pytest.param(build.udp(("203.0.113.9", 53), CLIENT, b"x"), id="DNS answer"),
        pytest.param(build.udp(CLIENT, SERVER, INITIAL), id="QUIC Initial"),
        pytest.param(build.udp(SIX, SERVER_SIX, INITIAL), id="QUIC Initial in IPv6"),
        pytest.param(build.udp(CLIENT, ("10.0.0.8", 4028), b"x"), id="management"),
        pytest.param(build.udp(("10.0.0.8", 4789), CLIENT, b"x"), id="VXLAN by its source port"),
        pytest.param(build.ethernet(build.ip("10.0.0.7", "10.0.0.8", 50, b"x")), id="ESP"),
        pytest.param(build.ethernet(build.ip("10.0.0.7", "10.0.0.8", 1, b"x")), id="ICMP"),
        pytest.param(build.ethernet(b"\x17" * 60, vlans=(1, 2, 3, 4, 5)), id="five tags"),
    ],
)
def test_what_may_matter_passes(frame: bytes) -> None:
    """Tunnels, names, management and everything that the filter cannot judge pass."""
    assert kept(frame)


def test_fragments_and_options_pass() -> None:
    """A datagram in pieces passes whole; options move the ports, and the filter finds them."""
    frame = bytearray(build.udp(CLIENT, SERVER, bytes(64)))
    assert not kept(bytes(frame))
    for place in (b"\x20\x00", b"\x00\x08", b"\x20\x08"):
        frame[20:22] = place
        assert kept(bytes(frame))
    frame[20:22] = b"\x40\x00"  # only "don't fragment"
    assert not kept(bytes(frame))
    dns = build.udp(("203.0.113.9", 53), CLIENT, bytes(64))
    assert kept(dns[:14] + b"\x47" + dns[15:34] + bytes(8) + dns[34:])


def test_offload_leaves_no_length() -> None:
    """A datagram whose header has no length, as segmentation offload leaves it, is judged by its first byte."""
    frame = bytearray(build.udp(CLIENT, SERVER, INITIAL))
    frame[38:40] = b"\0\0"
    assert kept(bytes(frame))
    frame[42] = 0x43
    assert not kept(bytes(frame))


def test_without_a_filter_everything_passes() -> None:
    """Other link types and a filter that is switched off only cut to the snap length."""
    for program in (bpf.build(127, 128, drop=True), bpf.build(1, 128, drop=False)):
        assert [tuple(each) for each in program] == [(bpf.RETURN, 0, 0, 128)]
    assert bpf.pack(program) == struct.pack("=HBBI", 6, 0, 0, 128)


def test_the_snap_length_is_in_the_same_program() -> None:
    """What passes is cut; every way out of the program is either a drop or the snap length."""
    for link in bpf.FILTERED:
        ends = {each.k for each in bpf.build(link, 200, drop=True) if each.code == bpf.RETURN}
        assert ends == {0, 200}


def test_a_jump_that_cannot_be() -> None:
    """A jump beyond what an instruction can hold is refused, not cut."""
    out = bpf.Assembler()
    out.when(bpf.IF_EQUAL, 1, "far")
    for _ in range(bpf.MAX_JUMP + 1):
        out.do(bpf.LOAD_BYTE, 0)
    out.name("far")
    with pytest.raises(ValueError, match="no jump over 256"):
        out.instructions()


# ── the promise ──────────────────────────────────────────────────────────────────────────────────────────


def assert_nothing_is_missed(
    gates: Sequence[Gate], packets: Sequence[tuple[int, bytes]], link: int, what: str
) -> int:
    """No frame is dropped that must not be; returns how many are."""
    dropped = 0
    for (_, frame), is_wanted in zip(packets, wanted(gates, packets, link), strict=True):
        passes = kept(frame, link)
        assert passes or not is_wanted, f"{what}: {frame.hex()}"
        dropped += not passes
    return dropped


@pytest.mark.parametrize("story", STORIES, ids=[path.parent.name for path in STORIES])
def test_stories_in_every_wrapping(story: Path, judges: tuple[Gate, Gate]) -> None:
    """Of no story, in no wrapping of an Ethernet or raw link, a frame that the gate looks into is dropped; nor is TCP."""
    packets = rewrap.read(story)
    for name, wrapping in rewrap.WRAPPINGS.items():
        if wrapping.link not in bpf.FILTERED:
            continue
        mine = packets
        if wrapping.inner == 4:
            mine = [packet for packet in packets if packet.data[0] >> 4 == 4]
        frames = list(rewrap.wrapped(mine, name))
        assert_nothing_is_missed(judges, frames, wrapping.link, name)
        for packet, (_, frame) in zip(mine, frames, strict=True):
            if rewrap._tcp(packet.data) is not None:
                assert kept(frame, wrapping.link), name


def test_the_filter_is_worth_it(judges: tuple[Gate, Gate]) -> None:
    """Of a story with video and games, a good part is dropped, as it was recorded."""
    story = ROOT / "pcaps" / "busy-benign" / "traffic.pcap"
    packets = [
        (int(row["time"]), batch.data[row["offset"] : row["offset"] + row["captured"]].tobytes())
        for batch in Savefile(str(story)).batches()
        for row in batch.frames
    ]
    assert assert_nothing_is_missed(judges, packets, 1, "busy-benign") > 0


PORTS = st.sampled_from(
    [53, 443, 50_000, *bpf.TUNNEL_PORTS, *bpf.MANAGEMENT_PORTS, 0x3535, 0x35]
) | st.integers(0, 65_535)
TEXT = st.sampled_from(
    [
        b"",
        b'{"command":"summary"}',
        INITIAL,
        b"\xc0" + INITIAL[1:],
        INITIAL + b"\0",
        INITIAL[:-1],
        b"\x40" * 1_300,
    ]
)
HEADS = st.sampled_from(
    [
        b"",
        b"\x81\0\0\x05",
        b"\x88\xa8\0\x05\x81\0\0\x06",
        b"\x91\0\0\x05" * 3,
        b"\x81\0\0\x05" * 4,
        b"\x88\x47\0\0\x11\x40",
        b"\0\x50\xaa\xaa\x03\0\0\0",
    ]
)


@st.composite
def datagrams(draw: st.DrawFn) -> bytes:
    """UDP between any ports, in any mood: options, lengths of 0, tags, cut off anywhere."""
    four = draw(st.booleans())
    ends = (("10.0.0.7", draw(PORTS)), ("203.0.113.9", draw(PORTS)))
    if not four:
        ends = ((SIX[0], ends[0][1]), (SERVER_SIX[0], ends[1][1]))
    payload = draw(TEXT | st.binary(max_size=64))
    packet = bytearray(build.udp(*ends, payload)[14:])
    if draw(st.booleans()):
        at = (20 if four else 40) + 4
        packet[at : at + 2] = draw(st.sampled_from([b"\0\0", b"\0\x07", b"\x04\xb7", b"\x04\xb8"]))
    if four and draw(st.booleans()):
        packet[0:1], packet[20:20] = b"\x46", b"\x01" * 4
        packet[2:4] = struct.pack("!H", draw(st.sampled_from([0, len(packet)])))
    if draw(st.integers(0, 9)) == 0:
        at = draw(st.integers(0, 40))
        packet[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
    head = draw(HEADS)
    kind = b"\x08\0" if four else b"\x86\xdd"
    frame = bytes(12) + (head if head[:2] == b"\x88\x47" else head + kind) + bytes(packet)
    return frame[: draw(st.integers(0, len(frame)) | st.just(len(frame)))]


@settings(max_examples=600, deadline=None)
@given(st.lists(datagrams(), min_size=1, max_size=12))
def test_no_datagram_that_the_gate_wants_is_dropped(
    judges: tuple[Gate, Gate], datagrams: list[bytes]
) -> None:
    """However datagrams are built, cut or damaged, the filter drops none that the gate lets pass."""
    assert_nothing_is_missed(judges, [(0, frame) for frame in datagrams], 1, "datagram")
    bare = [(0, frame[14:]) for frame in datagrams if frame[12:14] in (b"\x08\0", b"\x86\xdd")]
    if bare:
        assert_nothing_is_missed(judges, bare, bpf.RAW_IP, "datagram without a link header")


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=120), min_size=1, max_size=20), st.sampled_from(bpf.FILTERED))
def test_no_frame_stops_the_program(judges: tuple[Gate, Gate], frames: list[bytes], link: int) -> None:
    """Arbitrary bytes come to an end in every program, and none that the gate wants is dropped."""
    assert_nothing_is_missed(judges, [(0, frame) for frame in frames], link, "noise")
