"""The gate as the rest of the program uses it."""

from __future__ import annotations

import gate_frames as wire
import pytest
from gate_frames import LOGIN, START, Connection, Seen
from gate_twins import LISTED

from sniffer.gate import reasons
from sniffer.gate.gate import Gate
from sniffer.gate.names import NameTable
from sniffer.model import Packet


def test_a_packet_says_everything_about_its_frame() -> None:
    """Every field, from a frame with a tag, a cut and an interface."""
    one = Connection()
    gate = Gate(flows=8)
    segment = wire.tcp(LOGIN, seq=1001, ack=77, flags=0x18)
    frame = wire.ethernet(wire.ipv4(segment), 0x0800, [(0x8100, 0x6000 | 42)])
    seen = Seen(frame[:-5], START + 9, length=len(frame), interface=3)
    packets = list(gate.inspect(wire.batch([one.syn(), seen])))
    assert packets == [
        Packet(
            time=START + 9,
            source=wire.packed(wire.MINER),
            source_port=50_000,
            destination=wire.packed(wire.POOL),
            destination_port=3333,
            protocol=6,
            tcp_flags=0x18,
            sequence=1001,
            acknowledgement=77,
            payload=LOGIN[:-5],
            missing=5,
            start=1001,
            slot=packets[0].slot,
            flow_hash=int(gate.flows.hashes[packets[0].slot]),
            layers=("vlan",),
            vlans=(42,),
            interface=3,
            frame_length=len(frame),
            reason=reasons.JSON,
            now=9,
            opener=0,
            frame=frame[:-5],
            link=1,
        )
    ]


def test_a_tag_beside_the_frame_goes_back_into_it() -> None:
    """What the kernel took out of an Ethernet frame stands in the packet's frame as it stood on the wire."""
    one = Connection()
    batch = wire.batch([*one.handshake(), one.up(b'{"id":1,"method":"mining.submit"}')])
    batch.frames["vlan"], batch.frames["vlan_protocol"] = 0x2042, 0x88A8
    (packet,) = Gate(flows=8).inspect(batch)
    row = batch.frames[-1]
    frame = batch.data[row["offset"] : row["offset"] + row["captured"]].tobytes()
    assert packet.frame == frame[:12] + bytes.fromhex("88a82042") + frame[12:]
    assert packet.vlans == (0x42,)


def test_an_answer_of_dns_ends_a_pass() -> None:
    """What is learned from an answer holds for the next frame of the same batch already."""
    gate = Gate(LISTED, flows=8)
    one = Connection()
    query = wire.dns("pool.example")
    answer = wire.datagram(query, 53, 5_000)
    reasons_met = []
    for packet in gate.inspect(wire.batch([*one.handshake(), answer, one.up(bytes(40))])):
        reasons_met.append(reasons.REASONS[packet.reason].name)
        gate.know_server(wire.packed(wire.POOL))
    assert reasons_met == ["dns_listed", "server"]
    assert gate.frames == gate.passed + sum(gate.skipped().values()) == 5


def test_a_datagram_has_no_slot() -> None:
    """DNS is judged message by message."""
    frame = wire.ethernet(wire.ipv6(wire.udp(wire.dns("pool.example")), protocol=17), 0x86DD)
    (packet,) = Gate(LISTED, flows=8).inspect(wire.batch([frame]))
    assert (packet.slot, packet.flow_hash, packet.start, packet.tcp_flags) == (-1, 0, -1, 0)
    assert (packet.protocol, len(packet.source), packet.payload) == (17, 16, wire.dns("pool.example"))


def test_a_stage_for_no_slot_changes_nothing() -> None:
    """Verdicts about datagrams go nowhere."""
    gate = Gate(flows=8)
    gate.set_stage(-1, 0, 4)
    assert not gate.flows.flows["stage"].any()


def test_packets_come_in_the_order_of_frames_and_keep_their_bytes() -> None:
    """Also when the batch's memory is used again afterwards."""
    one = Connection()
    batch = wire.batch([one.up(LOGIN[i : i + 7], at=i) for i in range(0, len(LOGIN), 7)])
    packets = list(Gate(flows=8).inspect(batch))
    batch.data[:] = 0
    assert b"".join(packet.payload for packet in packets) == LOGIN


def test_an_empty_batch_is_no_trouble() -> None:
    """No frames, no packets, no counts."""
    gate = Gate(flows=8)
    assert list(gate.inspect(wire.batch([]))) == []
    assert (gate.frames, gate.bytes, gate.passed, gate.now, gate.last_packet) == (0, 0, 0, 0, 0)


def test_batches_of_any_size_follow_one_another() -> None:
    """Scratch memory follows the largest, results do not linger from one batch to the next."""
    gate = Gate(flows=8)
    for count in (3, 100, 1, 0, 200, 2):
        packets = list(gate.inspect(wire.batch([Connection().up(LOGIN)] * count)))
        assert len(packets) == count
    assert gate.passed == gate.frames == 306


def test_frames_and_bytes_are_counted_as_on_the_wire() -> None:
    """A cut frame counts with its full length."""
    gate = Gate(flows=8)
    gate.judge(wire.batch([Seen(b"x" * 20, length=1500), b"y" * 60]))
    assert (gate.frames, gate.bytes) == (2, 1560)


def test_a_cut_frame_is_counted_once() -> None:
    """Also where an answer of DNS ends a pass, and the frames behind it are looked at again."""
    gate = Gate(LISTED, flows=8)
    answer = wire.datagram(wire.dns("pool.example"), 53, 5_000)
    gate.judge(wire.batch([answer, Seen(b"x" * 20, length=1500), answer, b"y" * 60, Seen(b"z", length=2)]))
    assert gate.cut == 2


def test_wrappings_are_counted_by_kind() -> None:
    """A packet counts once at each kind around it, read further or not; one without wrappings counts nowhere."""
    inside = wire.ipv4(wire.tcp(LOGIN))
    twice = wire.ethernet(inside, 0x0800, [(0x8100, 7), (0x8100, 8)])
    tunnel = wire.ethernet(wire.ipv4(inside, protocol=4), 0x0800, [(0x8100, 7)])
    gate = Gate(flows=8)
    gate.judge(wire.batch([twice, tunnel, wire.ethernet(inside, 0x0800)]))
    assert {kind: count for kind, count in gate.wrapped().items() if count} == {"vlan": 2, "4in4": 1}


def test_what_could_not_be_decoded_is_counted_by_layer() -> None:
    """Every layer is there from the start, with 0."""
    gate = Gate(flows=8)
    assert set(gate.undecoded().values()) == {0}
    gate.judge(wire.batch([b"", b"x" * 13, wire.ethernet(b"", 0x0800), wire.ethernet(b"", 0x86DD)]))
    assert gate.undecoded() == dict.fromkeys(reasons.LAYERS, 0) | {"link": 2, "ipv4": 1, "ipv6": 1}
    assert set(gate.skipped()) == set(reasons.SKIP_NAMES)


def test_names_can_be_replaced_between_batches() -> None:
    """New rules, same flows."""
    query = wire.batch([wire.datagram(wire.dns("new.example"))])
    gate = Gate(LISTED, flows=8)
    assert gate.judge(query) == 0
    seed = gate.names.seed
    gate.list_names(NameTable([("new.example", False)], seed=seed))
    assert gate.judge(query) == 1
    gate.list_names(NameTable([], seed=seed, everything=True))
    assert gate.judge(query) == 1
    gate.list_names(NameTable([], seed=seed))
    assert gate.judge(query) == 0
    with pytest.raises(ValueError, match="another seed"):
        gate.list_names(NameTable([("new.example", False)], seed=seed ^ 1))


def test_the_clock_starts_at_zero_and_follows_packets() -> None:
    """Its own time is time since the first packet; the last packet's own time is kept beside it."""
    gate = Gate(flows=8)
    frames = [Seen(b"", START), Seen(b"", START + 5), Seen(b"", START + 3)]
    gate.judge(wire.batch(frames))
    assert (gate.now, gate.last_packet, gate.clock_jumps) == (5, START + 3, 0)


@pytest.mark.parametrize("reason", reasons.REASONS, ids=lambda reason: reason.name)
def test_a_reason_is_fit_to_be_a_label(reason: reasons.Reason) -> None:
    """Names as metrics want them, a sentence for people, codes in the order of the list."""
    assert reason.name.isidentifier()
    assert reason.name.islower()
    assert getattr(reasons, reason.name.upper()) == reasons.REASONS.index(reason)
    assert len(reason.says) > 5
