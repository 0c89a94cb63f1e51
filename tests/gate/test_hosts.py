"""What hosts that mine carry in all: one frame in 64, true on average, whatever the rhythm; bounded."""

from __future__ import annotations

import random
import struct
from typing import TYPE_CHECKING

import gate_frames as wire
import numpy as np
import pytest
from gate_twins import KEYS, Twins

from sniffer.batch import FRAME, Batch
from sniffer.gate import rows
from sniffer.gate.decide import SECOND
from sniffer.gate.gate import Gate
from sniffer.gate.hosts import IDLE_SECONDS, LONGEST, MINING, ONE_IN, OTHER, SLOTS, STAYS_SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence

HOST, PEER, MINER = wire.packed("10.0.0.7"), wire.packed("203.0.113.9"), "10.0.0.7"


def ipv4(size: int, source: str = MINER, destination: str = "203.0.113.9", protocol: int = 17) -> bytes:
    """A frame of so many bytes."""
    content = wire.udp(bytes(size - 42), 40_000, 40_001) if protocol == 17 else bytes(size - 34)
    return wire.ethernet(wire.ipv4(content, source, destination, protocol=protocol), 0x0800)


def repeated(frames: Sequence[bytes], times: int) -> Batch:
    """A batch with the same frames over and over, which lie in memory once."""
    data = b"".join(frames)
    row = np.zeros(len(frames), FRAME)
    row["time"], row["link"] = wire.START, 1
    row["length"] = row["captured"] = [len(frame) for frame in frames]
    row["offset"] = np.cumsum([0, *(len(frame) for frame in frames[:-1])])
    return Batch(np.frombuffer(bytearray(data), np.uint8), np.tile(row, times))


def told(gate: Gate, batch: Batch) -> dict[bytes, tuple[int, int]]:
    """What a batch adds."""
    gate.judge(batch)
    return {address: (mining, other) for address, mining, other in gate.carried()}


def watching(*hosts: bytes) -> Gate:
    """A gate that watches hosts, with keys that are drawn."""
    gate = Gate(flows=64)
    for host in hosts:
        gate.watch_host(host)
    return gate


@pytest.mark.parametrize("period", [1, 2, 3, 63, 64, 65, 128])
def test_no_rhythm_bends_the_estimate(period: int) -> None:
    """One large frame in each so many small ones: a counter to 64 would see all of them, or none."""
    frames = [ipv4(1_400), *[ipv4(60, "10.0.0.8")] * (period - 1)]
    batch = repeated(frames, 200_000 // period)
    truth = 200_000 // period * 1_400
    samples = 200_000 / period / ONE_IN
    sums = [told(watching(HOST), batch)[HOST][1] for _ in range(8)]
    assert sum(sums) / len(sums) == pytest.approx(truth, rel=5 / (8 * samples) ** 0.5)


def test_each_64_frames_have_one_that_is_taken() -> None:
    """Frames that are all alike are counted to within one sample, whatever is drawn."""
    batch = repeated([ipv4(100)], 64_000)
    for _ in range(5):
        assert told(watching(HOST), batch)[HOST] == (0, pytest.approx(6_400_000, abs=2 * 6_400))


def test_which_frame_is_taken_cannot_be_known() -> None:
    """Other keys take others; each place of the 64 has its turn."""
    frames = [ipv4(60, f"10.0.{i}.1") for i in range(ONE_IN)]
    batch = repeated(frames, 3_000)
    seen = []
    for _ in range(2):
        gate = watching(*(wire.packed(f"10.0.{i}.1") for i in range(ONE_IN)))
        seen.append(told(gate, batch))
        counts = [other // 60 // ONE_IN for _, other in seen[-1].values()]
        assert len(counts) == ONE_IN
        assert min(counts) > 20
        assert max(counts) < 90
    assert seen[0] != seen[1]


def test_every_frame_with_addresses_counts() -> None:
    """TCP and UDP, passed or not, other protocols, fragments, inside tunnels: for whichever end is watched, both ways."""
    tcp = wire.ethernet(wire.ipv4(wire.tcp(wire.LOGIN, 40_000, 3_333)), 0x0800)
    back = ipv4(300, "203.0.113.9", MINER)
    icmp = ipv4(84, protocol=1)
    piece = wire.ethernet(wire.ipv4(bytes(600), fragment=0x2000 | 3, protocol=17), 0x0800)
    inner = wire.ipv4(wire.udp(b"x" * 90, 1, 2), MINER, "203.0.113.9", protocol=17)
    tunnel = wire.ethernet(wire.ipv4(inner, "192.0.2.1", "192.0.2.2", protocol=4), 0x0800)
    for frame in (tcp, back, icmp, piece, tunnel):
        both = told(watching(HOST, PEER), repeated([frame], 6_400))
        assert {host: other for host, (_, other) in both.items()} == {
            HOST: pytest.approx(6_400 * len(frame), rel=0.03),
            PEER: pytest.approx(6_400 * len(frame), rel=0.03),
        }
        assert set(told(watching(PEER), repeated([frame], 640))) == {PEER}


def test_ipv6_and_what_has_no_address() -> None:
    """Both families, apart; what cannot be read counts for nobody, least of all for the host before it."""
    six = wire.packed("2001:db8::7")
    frame = wire.ethernet(
        wire.ipv6(wire.udp(b"x" * 50, 1, 2), "2001:db8::7", "2001:db8::9", protocol=17), 0x86DD
    )
    arp = wire.ethernet(b"\0\1\x08\0\6\4\0\1" + bytes(20), 0x0806)
    gate = watching(six, HOST)
    found = told(gate, repeated([frame, ipv4(100), arp, arp, arp], 6_400))
    assert set(found) == {six, HOST}
    assert found[six][1] == pytest.approx(6_400 * len(frame), rel=0.3)
    assert found[HOST][1] == pytest.approx(640_000, rel=0.3)


def test_frames_that_mine_are_kept_apart() -> None:
    """Those that pass are for their reader to count; acknowledgements that do not are told as mining; a new call ends it."""
    one = wire.Connection()
    twins = Twins(flows=64)
    twins.judge([*one.handshake(), one.up(wire.LOGIN), one.down(wire.LOGIN)])
    each = twins.passed[-1]
    twins.watch_host(HOST)
    twins.note_mining(each)
    twins.set_stage(each, rows.SETTLED)
    gate = twins.gate
    assert told(gate, repeated([one.up(wire.LOGIN)], 640)) == {}
    bare = one.up(b"")
    assert told(gate, repeated([bare], 6_400))[HOST] == (pytest.approx(6_400 * len(bare), rel=0.03), 0)
    gate.set_stage(each.slot, each.hash, rows.JUDGED)
    assert told(gate, repeated([bare], 640))[HOST][1] == 0
    again = wire.ethernet(wire.ipv4(wire.tcp(b"", one.sport, one.dport, seq=77, flags=wire.SYN)), 0x0800)
    gate.judge(repeated([again], 1))
    assert told(gate, repeated([bare], 640))[HOST][0] == 0


def test_a_mark_on_a_flow_that_has_gone_changes_nothing() -> None:
    """Its slot may be another's by now."""
    gate = watching(HOST)
    gate.note_mining(-1, 5)
    gate.note_mining(3, 5)
    assert not gate.flows.flows["mines"].any()


def test_a_forged_length_bends_little() -> None:
    """A capture file may say that a frame had four gigabytes."""
    batch = repeated([ipv4(100)], 640)
    batch.frames["length"] = 2**32 - 1
    assert told(watching(HOST), batch)[HOST][1] <= 12 * ONE_IN * LONGEST


def test_what_was_told_is_gone() -> None:
    """The next sums begin at nothing; hosts that carried nothing are not told."""
    gate = watching(HOST, PEER)
    batch = repeated([ipv4(100, destination="198.51.100.1")], 640)
    assert set(told(gate, batch)) == {HOST}
    assert gate.carried() == []


def later(gate: Gate, seconds: int) -> None:
    """Let packet time pass."""
    gate.judge(repeated([ipv4(100)], 0 if gate.last_packet else 1))
    while seconds > 0:
        step = min(seconds, 80_000)
        frame = np.zeros(1, FRAME)
        frame["time"] = gate.last_packet + step * SECOND
        gate.judge(Batch(np.zeros(1, np.uint8), frame))
        seconds -= step


def test_a_day_after_it_mined_a_host_is_left_alone() -> None:
    """Whoever goes on mining goes on being watched."""
    gate = watching(HOST, PEER)
    batch = repeated([ipv4(100)], 640)
    later(gate, 50_000)
    gate.watch_host(HOST)
    later(gate, IDLE_SECONDS - 49_999)
    batch.frames["time"] = gate.last_packet
    gate.carried()
    assert set(told(gate, batch)) == {HOST}
    assert gate.oddities()["watched_limit"] == 0


def test_a_flood_of_hosts_drives_out_no_one_who_goes_on() -> None:
    """Twice as many as there is room for, again and again: a real one stays, what finds no room is counted, nothing grows."""
    gate = Gate(flows=64, keys=KEYS)
    gate.watch_host(HOST)
    rng = random.Random(3)
    for _ in range(3):
        for number in range(2 * SLOTS):
            gate.watch_host(struct.pack("!QQ", rng.getrandbits(64), number))
        later(gate, STAYS_SECONDS // 2 + 1)
        gate.watch_host(HOST)
    assert gate.oddities()["watched_limit"] > 4 * SLOTS
    table = gate._state[0]["hosts"]
    assert (table["hashes"] != 0).sum() > SLOTS * 0.95
    batch = repeated([ipv4(100)], 640)
    batch.frames["time"] = gate.last_packet
    assert set(told(gate, batch)) == {HOST}


def test_one_that_went_idle_makes_room() -> None:
    """After twenty minutes of silence, the longest first; the newcomer begins at nothing."""
    gate = Gate(flows=64, keys=KEYS)
    hosts = [struct.pack("!I", 0x0A000000 + number) for number in range(2 * SLOTS)]
    for host in hosts:
        gate.watch_host(host)
    table = gate._state[0]["hosts"]
    table["sums"][:, OTHER] = table["sums"][:, MINING] = 1
    refused = gate.oddities()["watched_limit"]
    held = {address for address, *_ in gate.carried()} - {b""}
    assert len(held) + refused == 2 * SLOTS
    table["sums"][:] = 1
    later(gate, STAYS_SECONDS + 1)
    newcomer = next(host for host in hosts if host not in held)
    gate.watch_host(newcomer)
    assert gate.oddities()["watched_limit"] == refused + 1
    assert newcomer not in {address for address, *_ in gate.carried()}
    table["sums"][:] = 1
    assert newcomer in {address for address, *_ in gate.carried()}
