"""QUIC Initials: the name inside is found, however the hello is cut, and nothing else is."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import gate_frames as wire
import pytest
from gate_frames import SECOND, START, Seen
from gate_twins import Twins
from hypothesis import given, settings
from hypothesis import strategies as st
from loadscript import script

from sniffer.gate import quic, reasons

if TYPE_CHECKING:
    import random

q = script("pcaps/initials.py")
ID = bytes.fromhex("8394c8f03e515708")
HELLO = wire.client_hello(b"eu1.pool.example")[5:]
OTHER = wire.client_hello(b"www.example.com")[5:]
LONG = wire.client_hello(b"eu1.pool.example", before=b"\0\x33\x06\x00" + bytes(1_536))[5:]


def frame(payload: bytes, *, sport: int = 50_000, dport: int = 443, version: int = 4) -> bytes:
    """A datagram in its frame."""
    data = wire.udp(payload, sport, dport)
    if version == 6:
        return wire.ethernet(wire.ipv6(data, protocol=17), 0x86DD)
    return wire.ethernet(wire.ipv4(data, protocol=17), 0x0800)


def judge(*payloads: bytes) -> list[str]:
    """Reasons for datagrams from one client."""
    return Twins().judge([frame(each) for each in payloads])


@pytest.mark.parametrize("version", [q.V1, q.V2, q.DRAFT_29], ids=["1", "2", "draft 29"])
@pytest.mark.parametrize("size", [8, 9, 20])
@pytest.mark.parametrize("number_size", [1, 2, 3, 4])
def test_a_name_is_found(version: int, size: int, number_size: int) -> None:
    """In each version, with connection ids and packet numbers of all sizes."""
    identity = bytes(range(size))
    packet = q.packet(q.crypto(0, HELLO), identity, version=version, number=5, number_size=number_size)
    assert judge(packet) == ["quic_listed"]
    assert judge(q.packet(q.crypto(0, OTHER), identity, version=version)) == ["quic_unlisted"]


def test_the_keys_are_those_of_the_standards() -> None:
    """RFC 9001, appendix A.1, and RFC 9369, appendix A.1: the library that tests encrypt with derives them."""
    assert [part.hex() for part in q.keys(ID)] == [
        "1f369613dd76d5467730efcbe3b1a22d",
        "fa044b2f42a3fd3b46fb255c",
        "9f50449e04a0e810283a1e9933adedd2",
    ]
    assert q.keys(ID, q.V2)[0].hex() == "8b1a0bc121284290a29e0971b5cd045d"


@pytest.mark.parametrize("version", [4, 6])
def test_the_hello_is_handed_over(version: int) -> None:
    """The packet carries the ClientHello in the place of the datagram, and the addresses of its frame."""
    gate = Twins().gate
    (found,) = gate.inspect(wire.batch([frame(q.packet(q.crypto(0, HELLO), ID), version=version)]))
    assert (found.payload, found.missing, found.reason) == (HELLO, 0, reasons.QUIC_LISTED)
    assert found.source == wire.packed("10.0.0.7" if version == 4 else "2001:db8::7")
    assert (found.source_port, found.destination_port) == (50_000, 443)


ORDERS = list(itertools.permutations([(0, 200), (200, 900), (900, len(LONG))]))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("packets", [2, 3, 4])
def test_a_hello_in_pieces_is_put_together(order: tuple[tuple[int, int], ...], packets: int) -> None:
    """Of one packet or several, in any order, also with a repetition: one answer, when it can be given."""
    first, second, third = order
    cuts = {
        2: [[first, second], [third]],
        3: [[first], [second], [third]],
        4: [[first], [first], [second], [third]],
    }
    judged = judge(*q.initials(LONG, ID, cuts=cuts[packets]))
    assert judged == ["quic_kept"] * (packets - 1) + ["quic_listed"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, len(LONG) - 1), max_size=12, unique=True), st.randoms(use_true_random=False))
def test_any_cut_and_any_order_gives_the_name(cuts: list[int], rng: random.Random) -> None:
    """Pieces of any size in any order, spread over three packets."""
    borders = [0, *sorted(cuts), len(LONG)]
    pieces = list(itertools.pairwise(borders))
    rng.shuffle(pieces)
    plan: list[list[tuple[int, int]]] = [[], [], [], []]
    room = [1_050] * 4
    for first, last in pieces:
        for at in range(first, last, 300):
            end = min(at + 300, last)
            chosen = max(range(4), key=lambda n: room[n])
            plan[chosen].append((at, end))
            room[chosen] -= end - at + 9
    judged = judge(*q.initials(LONG, ID, cuts=[each for each in plan if each]))
    assert judged.count("quic_listed") == 1


MET = {
    "a hello": (q.packet(q.crypto(0, OTHER), ID), "quic_unlisted"),
    "half a hello": (q.packet(q.crypto(0, LONG[:900]), ID), "quic_kept"),
    "its second half": (q.packet(q.crypto(900, LONG[900:]), ID), "quic_kept"),
    "pings and padding around it": (q.packet(b"\1\0\1" + q.crypto(0, HELLO) + b"\1", ID), "quic_listed"),
    "an acknowledgement before it": (q.packet(bytes.fromhex("0200000000") + q.crypto(0, HELLO), ID), "quic_listed"),
    "an acknowledgement with ranges and marks": (q.packet(bytes.fromhex("0309000100 0000 010203") + q.crypto(0, HELLO), ID), "quic_listed"),
    "an acknowledgement of too many ranges": (q.packet(bytes.fromhex("0209004041 00") + q.crypto(0, HELLO), ID), "quic_unreadable"),
    "a token": (q.packet(q.crypto(0, HELLO), ID, token=b"t" * 90, size=1_250), "quic_listed"),
    "a source id": (q.packet(q.crypto(0, HELLO), ID, source=b"s" * 20), "quic_listed"),
    "a closed connection": (q.packet(bytes.fromhex("1c010000"), ID), "quic_kept"),
    "a stream frame": (q.packet(b"\x08" + bytes(40), ID), "quic_unreadable"),
    "a ServerHello": (q.packet(q.crypto(0, wire.server_hello()[5:]), ID), "quic_unreadable"),
    "another key": (q.packet(q.crypto(0, HELLO), ID, key_identity=b"z" * 8), "quic_unreadable"),
    "a server's Initial": (q.packet(q.crypto(0, HELLO), ID, side=b"server in"), "quic_unreadable"),
    "no name": (q.packet(q.crypto(0, wire.client_hello(None)[5:]), ID), "quic_unlisted"),
    "a name that is none": (q.packet(q.crypto(0, wire.client_hello(b"x" * 256)[5:]), ID), "quic_unlisted"),
    "version 0": (b"\xc0" + bytes(4) + q.packet(q.crypto(0, HELLO), ID)[5:], "udp_other"),
    "a short header": (b"\x40" + q.packet(q.crypto(0, HELLO), ID)[1:], "udp_other"),
    "a handshake packet": (b"\xe0" + q.packet(q.crypto(0, HELLO), ID)[1:], "udp_other"),
    "a connection id of 7": (q.packet(q.crypto(0, HELLO), bytes(7)), "udp_other"),
    "a connection id of 21": (b"\xc0\0\0\0\1\x15" + bytes(1_200), "udp_other"),
    "a small datagram": (q.packet(q.crypto(0, HELLO), ID, size=1_199), "udp_other"),
    "a token that is too long": (b"\xc0\0\0\0\1\x08" + ID + b"\0\x7f\xff" + bytes(1_200), "quic_unreadable"),
    "a token length that is cut": (b"\xc0\0\0\0\1\x08" + ID + b"\xff" + bytes(1_190), "quic_unreadable"),
    "a frame that is too long": (q.packet(bytes.fromhex("0640007fff") + HELLO, ID), "quic_unreadable"),
}  # fmt: skip


@pytest.mark.parametrize(("payload", "reason"), [case for name, case in MET.items()], ids=list(MET))
def test_an_initial_is_decided_by_what_it_holds(payload: bytes, reason: str) -> None:
    """Frames that an Initial may have are stepped over; what is none is told apart."""
    assert judge(payload) == [reason]


def test_initials_in_one_datagram_are_read_together() -> None:
    """Coalesced packets (RFC 9000, section 12.2)."""
    first = q.packet(q.crypto(0, LONG[:600]), ID, size=700)
    second = q.packet(q.crypto(600, LONG[600:1_000]), ID, size=700, number=1)
    third = q.packet(q.crypto(1_000, LONG[1_000:]), ID, number=2)
    assert judge(first + second, third) == ["quic_kept", "quic_listed"]


def test_a_servers_answer_is_left_alone() -> None:
    """From port 443 to another one."""
    assert Twins().judge([frame(q.packet(q.crypto(0, HELLO), ID), sport=443, dport=50_000)]) == ["udp_other"]


def test_every_name_passes_when_a_rule_wants_them() -> None:
    """Also a hello that has none."""
    hellos = [HELLO, OTHER, wire.client_hello(None)[5:]]
    frames = [frame(q.packet(q.crypto(0, hello), bytes([n]) * 8)) for n, hello in enumerate(hellos)]
    assert Twins(every_name=True).judge(frames) == ["quic_listed"] * 3


def test_hellos_are_counted_by_what_becomes_of_their_name() -> None:
    """Once for each connection, also where the hello comes in pieces; a hello that is no client's counts nowhere."""
    hellos = [HELLO, OTHER, wire.client_hello(None)[5:], wire.server_hello()[5:]]
    frames = [frame(q.packet(q.crypto(0, hello), bytes([n]) * 8)) for n, hello in enumerate(hellos)]
    frames += [frame(q.packet(q.crypto(at, LONG[at : at + 900]), ID)) for at in (0, 900)]
    twins = Twins()
    twins.judge(frames)
    assert twins.gate.hellos() == {"readable": 3, "hidden": 1, "split": 0}


def test_a_snap_length_does_not_hide_a_name() -> None:
    """Counter mode needs no end."""
    whole = frame(q.packet(q.crypto(0, HELLO), ID))
    assert Twins().judge([Seen(whole[:400], length=len(whole))]) == ["quic_listed"]
    for size in range(60, 400, 7):
        Twins().judge([Seen(whole[:size], length=len(whole))])


def test_a_hello_that_does_not_end_in_time_is_forgotten() -> None:
    """The second half after six seconds begins anew."""
    first, second = q.initials(LONG, ID, cuts=[[(0, 1_000)], [(1_000, len(LONG))]])
    seen = [
        Seen(frame(first)),
        Seen(frame(second), START + 6 * SECOND),
        Seen(frame(first), START + 7 * SECOND),
    ]
    assert Twins().judge(seen) == ["quic_kept", "quic_kept", "quic_listed"]


def test_a_connection_is_judged_once() -> None:
    """Further packets of a connection whose name was read are not opened, for a while; another one's are."""
    first, second = q.initials(LONG, ID, cuts=[[(0, 1_000)], [(1_000, len(LONG))]])
    whole, other = q.packet(q.crypto(0, HELLO), ID), q.packet(q.crypto(0, OTHER), bytes(8))
    assert judge(whole, whole, first, other, other) == [
        "quic_listed",
        "quic_judged",
        "quic_judged",
        "quic_unlisted",
        "quic_judged",
    ]
    assert judge(first, second, second) == ["quic_kept", "quic_listed", "quic_judged"]
    late = [Seen(frame(whole)), Seen(frame(whole), START + 6 * SECOND)]
    assert Twins().judge(late) == ["quic_listed", "quic_listed"]


def test_a_flood_has_a_budget_and_a_bound() -> None:
    """Beyond so many a second they are counted and not opened; half hellos displace one another, counted."""
    twins = Twins()
    half = q.packet(q.crypto(0, LONG[:900]), ID)
    many = [frame(half[:6] + n.to_bytes(8, "big") + half[14:]) for n in range(quic.BUDGET + 500)]
    gate = twins.gate
    assert gate.judge(wire.batch(many)) == 0
    assert gate.skipped()["quic_limit"] == 500
    assert gate.judge(wire.batch([Seen(frame(q.packet(q.crypto(0, HELLO), ID)), START + SECOND)])) == 1
    real = [frame(q.packet(q.crypto(0, LONG[:900]), n.to_bytes(8, "big"))) for n in range(3_000)]
    gate.judge(wire.batch([Seen(each, START + 2 * SECOND) for each in real]))
    assert gate.oddities()["quic_evicted"] > 500


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_both_gates_agree_on_bent_initials(data: st.DataObject) -> None:
    """A byte changed anywhere, bytes left out, frames in disorder: the compiled gate decides as the plain one."""
    pieces = data.draw(st.lists(st.sampled_from([b"\0", b"\1", bytes.fromhex("0200000000"), q.crypto(0, HELLO), q.crypto(50, HELLO[50:]), q.crypto(0, HELLO[:60]), b"\x06\x40\x00\x7f\xff", b"\x1c", b"\x08", b"\xff"]), max_size=5))  # fmt: skip
    payload = bytearray(q.packet(b"".join(pieces), ID))
    for _ in range(data.draw(st.integers(0, 2))):
        payload[data.draw(st.integers(0, 60))] = data.draw(st.integers(0, 255))
    size = data.draw(st.integers(1_200, len(payload)) | st.integers(30, len(payload)))
    whole = frame(bytes(payload))
    Twins().judge([Seen(whole[: len(whole) - len(payload) + size], length=len(whole)), whole])
