"""Bytes that rules name: the table, and the flows and datagrams that pass for it."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import gate_frames as wire
import numpy as np
import pytest
from gate_frames import ACK, FIN, SYN, Connection
from gate_twins import Twins
from hypothesis import given, settings
from hypothesis import strategies as st

from sniffer.gate import patterns, rows
from sniffer.gate.patterns import TABLE, lay_out
from sniffer.gate.plain_patterns import PlainPatterns
from sniffer.model import MAX_PATTERNS, OPENING, Pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

HELLO = Pattern(0, b"HELLO-MINE v1", "any", "tcp")
LATER = Pattern(4, b"\xde\xad\xbe\xef", "any", "tcp")
PING = Pattern(0, b"PING-MINE", "any", "udp")
OPEN = b"HELLO-MINE v1 wallet=abc\n"
BINARY = b"\x80\x01\x02\x03" * 10


def table_of(wanted: Iterable[tuple[int, bytes]]) -> Any:
    """A table that holds patterns."""
    table = np.zeros(1, dtype=TABLE)
    lay_out(table[0], wanted)
    return table[0]


def ask(table: Any, payload: bytes, *, is_whole: bool) -> bool:
    """What the kernel says of a payload."""
    data = np.frombuffer(b"<" + payload + b">", dtype=np.uint8).copy()
    return bool(patterns.opens(data, 1, 1 + len(payload), is_whole, table))


# ── the table ────────────────────────────────────────────────────────────────────────────────────────────


def test_every_pattern_of_a_full_table_is_found_and_no_other() -> None:
    """As many as there may be, at offsets of all kinds: each by its own bytes; one byte changed and it is none."""
    rng = random.Random(3)
    wanted = [(at % 40, rng.randbytes(rng.choice([3, 4, 16, 24]))) for at in range(MAX_PATTERNS)]
    table = table_of(wanted)
    for at, data in wanted:
        payload = bytes(at) + data + b"tail"
        assert ask(table, payload, is_whole=True)
        wrong = bytearray(payload)
        wrong[at] ^= 0x55
        assert ask(table, bytes(wrong), is_whole=True) == any(
            bytes(wrong).startswith(other, place) for place, other in wanted
        )


def test_patterns_that_begin_alike_are_told_apart() -> None:
    """Chains of the longest kind: all patterns share their first bytes."""
    wanted = [(0, b"MINE" + number.to_bytes(2, "big")) for number in range(MAX_PATTERNS)]
    table = table_of(wanted)
    assert all(ask(table, data, is_whole=True) for _, data in wanted)
    assert not ask(table, b"MINE\xff\xff", is_whole=True)
    assert ask(table, b"MINE", is_whole=False)


def test_a_table_is_replaced_whole() -> None:
    """Nothing of what was listed before is found; an empty table finds nothing."""
    table = table_of([(0, b"before"), (9, b"before")])
    lay_out(table, [(0, b"after")])
    assert [ask(table, data, is_whole=True) for data in (b"before", b"after")] == [False, True]
    lay_out(table, [])
    assert not any(ask(table, data, is_whole=whole) for data in (b"", b"after") for whole in (True, False))


@pytest.mark.parametrize(
    "wanted",
    [
        [(0, b"ab")],
        [(-1, b"abc")],
        [(OPENING - 2, b"abc")],
        [(0, bytes(OPENING + 1))],
        [(0, number.to_bytes(3, "big")) for number in range(MAX_PATTERNS + 1)],
    ],
    ids=["too short", "before the start", "too far", "too long", "too many"],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(wanted: Sequence[tuple[int, bytes]]) -> None:
    """A table stays as it was."""
    table = table_of([(0, b"HELLO")])
    before = table.tobytes()
    with pytest.raises(ValueError, match="pattern"):
        lay_out(table, wanted)
    assert table.tobytes() == before


def test_the_longest_and_the_last_place_are_carried() -> None:
    """64 bytes at 0, and three bytes that end with the 64th."""
    table = table_of([(0, b"x" * OPENING), (OPENING - 3, b"end")])
    assert ask(table, b"x" * OPENING, is_whole=True)
    assert ask(table, b"." * (OPENING - 3) + b"end", is_whole=True)
    assert not ask(table, b"." * (OPENING - 3) + b"en", is_whole=True)


FEW_BYTES = st.lists(st.sampled_from(b"abc"), max_size=12).map(bytes)
PATTERNS = st.lists(
    st.tuples(st.integers(0, 9), st.lists(st.sampled_from(b"abc"), min_size=3, max_size=6).map(bytes)),
    max_size=8,
)


@settings(max_examples=500, deadline=None)
@given(PATTERNS, FEW_BYTES, st.booleans())
def test_the_kernel_and_its_plain_twin_agree(
    wanted: list[tuple[int, bytes]],
    payload: bytes,
    is_whole: bool,  # noqa: FBT001
) -> None:
    """Any few patterns over few letters, any opening: one answer."""
    twin = PlainPatterns(wanted)
    assert ask(table_of(wanted), payload, is_whole=is_whole) == twin.opens(payload, is_whole=is_whole)


# ── flows ────────────────────────────────────────────────────────────────────────────────────────────────


def judge(*frames: bytes, patterns: Sequence[Pattern] = (HELLO, LATER)) -> list[str]:
    """Reasons of both gates."""
    twins = Twins(flows=8, patterns=patterns)
    found = twins.judge(frames)
    twins.compare_tables()
    return found


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"HELLO-MINE v1 wallet=abc and more than sixteen bytes\n", "payload"),
        (b"HELLO-MINE v2 wallet=abc and more than sixteen bytes\n", "unpromising"),
        (b" HELLO-MINE v1 wallet=abc and more than sixteen\n", "unpromising"),
        (b"\x90\x91\x92\x93\xde\xad\xbe\xef", "payload"),
        (b"\x90\x91\x92\x93\x94\xde\xad\xbe\xef", "unpromising"),
        (b"\x90\x91\x92\x93\xde", "payload"),  # the rest may follow
        (b"\x90\x91\x92\x93\xdf", "unpromising"),
        (b"\x90\x91\x92\x93", "payload"),
    ],
)
def test_an_opening_is_compared(data: bytes, reason: str) -> None:
    """Bytes at their place make the flow pass, whole or so far; others do not."""
    one = Connection()
    assert judge(*one.handshake(), one.up(data))[-1] == reason


def test_from_there_on_everything_passes() -> None:
    """The flow is watched."""
    one = Connection()
    frames = [one.up(OPEN), one.down(BINARY), one.up(flags=ACK, at=len(OPEN)), one.up(flags=FIN | ACK)]
    assert judge(*one.handshake(), *frames)[3:] == ["payload", "watched", "watched", "watched"]


def test_each_side_has_an_opening() -> None:
    """What the first speaker said decides nothing about the second."""
    one = Connection()
    frames = [*one.handshake(), one.down(BINARY), one.up(OPEN)]
    assert judge(*frames)[3:] == ["unpromising", "payload"]
    assert judge(*one.handshake(), one.up(BINARY), one.down(OPEN))[3:] == ["unpromising", "payload"]


def test_only_the_opening_counts() -> None:
    """The same bytes later in the stream pass nothing; sent again where they lie, they do."""
    one = Connection()
    frames = [*one.handshake(), one.up(BINARY), one.up(OPEN, at=40), one.up(BINARY)]
    assert judge(*frames)[3:] == ["unpromising", "judged", "judged"]
    late = [*one.handshake(), one.down(BINARY), one.up(BINARY, at=len(OPEN)), one.up(OPEN)]
    assert judge(*late)[3:] == ["unpromising", "judged", "payload"]


def test_a_flow_joined_in_the_middle_opens_with_what_is_seen_first() -> None:
    """Of each side the first payload; no later one."""
    one = Connection()
    frames = [one.up(OPEN + BINARY, at=5_000), one.down(BINARY, at=7_000)]
    assert judge(*frames) == ["payload", "watched"]
    frames = [one.up(BINARY, at=5_000), one.up(OPEN + BINARY, at=5_040)]
    assert judge(*frames) == ["unpromising", "unpromising"]


@pytest.mark.parametrize(
    ("data", "without"),
    [
        (wire.client_hello(b"www.example.com"), "tls_unlisted"),
        (wire.http_request(b"www.example.com"), "http_unlisted"),
        (wire.LOGIN, "json"),
    ],
    ids=["TLS", "HTTP", "JSON"],
)
def test_openings_of_known_protocols_can_be_named(data: bytes, without: str) -> None:
    """What is known passes as what it is, or for the rule; hellos are counted in either case."""
    one = Connection()
    pattern = Pattern(0, data[:9], "any", "tcp")
    assert judge(*one.handshake(), one.up(data), patterns=[])[-1] == without
    assert judge(*one.handshake(), one.up(data), patterns=[pattern])[-1] == (
        "json" if without == "json" else "payload"
    )


def test_data_in_the_syn_opens() -> None:
    """TCP Fast Open."""
    one = Connection()
    assert judge(one.syn(OPEN)) == ["payload"]


def test_one_byte_at_a_time() -> None:
    """A pattern in segments of one byte: all of them pass."""
    one = Connection()
    data = b"\x80\x81\x82\x83\xde\xad\xbe\xef\x01"
    frames = [one.up(data[i : i + 1], at=i) for i in range(len(data))]
    found = judge(*one.handshake(), *frames)[3:]
    assert set(found[1:]) == {"watched"}


def test_a_keep_alive_probe_opens_nothing() -> None:
    """One byte before the start of the stream is not its first."""
    one = Connection()
    assert judge(*one.handshake(), one.up(b"H", at=-1), one.up(OPEN))[3:] == [
        "unpromising",
        "payload",
    ]


def test_replaced_between_two_batches() -> None:
    """Flows that begin after the change are compared with the new patterns only; the old ones are gone."""
    twins = Twins(flows=64, patterns=[HELLO])
    reasons = []
    for sport, listed in enumerate(([HELLO], [LATER], [])):
        twins.list_patterns(listed)
        for data in (b"HELLO-MINE v1 and more\n", b"....\xde\xad\xbe\xef" + BINARY):
            one = Connection(sport=5_000 + 10 * sport + len(data))
            reasons.append(twins.judge([*one.handshake(), one.up(data)])[-1])
    assert reasons == ["payload", "unpromising", "unpromising", "payload", "unpromising", "unpromising"]


# ── who opened the connection ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("frames", "opener"),
    [
        (lambda one: [one.syn(), one.syn_ack()], 0),
        (lambda one: [one.syn()], 0),
        (lambda one: [one.syn_ack()], 0),
        (lambda _: [], -1),
        (lambda one: [one.down(at=-1, flags=SYN)], 1),
        (lambda one: [one.syn(), one.down(at=-1, flags=SYN)], 1),
    ],
    ids=["handshake", "call", "answer", "nothing", "the other side calls", "a call after a call"],
)
def test_a_passing_packet_says_who_opened(frames: Any, opener: int) -> None:
    """By the SYN or by the answer to it; unknown where neither was seen."""
    one = Connection()
    twins = Twins(flows=8, patterns=[HELLO])
    twins.judge([*frames(one), one.up(OPEN), one.down(BINARY)])
    twins.compare_tables()
    assert [found.opener - 1 for found in twins.passed] == [opener, opener]


# ── datagrams ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"PING-MINE 1", "payload"),
        (b"PING-MIN", "udp_other"),
        (b"", "udp_other"),
        (b"HELLO-MINE v1", "udp_other"),
    ],
)
def test_datagrams_are_compared_whole(data: bytes, reason: str) -> None:
    """With the patterns for UDP, and not so far: no more will come."""
    assert judge(wire.datagram(data, 5_000, 5_001), patterns=[HELLO, PING]) == [reason]


def test_a_datagram_that_something_else_wants_passes_as_that() -> None:
    """Each on its own port; what nobody else wants there is compared."""
    anything = Pattern(0, b"PING-MINE", "any", "any")
    assert judge(wire.datagram(b"PING-MINE", 5_000, 4028), patterns=[anything]) == ["management"]
    assert judge(wire.datagram(b"PING-MINE", 5_000, 53), patterns=[anything]) == ["payload"]
    one = Connection()
    assert (
        judge(*one.handshake(), one.up(b"PING-MINE and more than sixteen"), patterns=[anything])[-1]
        == "payload"
    )


# ── floods ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_flood_of_openings_stays_in_the_table() -> None:
    """A hundred thousand flows through 64 slots: each passes, each that had to go is counted."""
    twins = Twins(flows=64, patterns=[HELLO])
    gate = twins.gate
    for first in range(0, 100_000, 10_000):
        frames = [
            Connection(client=f"198.18.{i >> 8 & 255}.{i & 255}", sport=1 + i % 60_000).up(
                b"HELLO-MINE v1 x=1"
            )
            for i in range(first, first + 10_000)
        ]
        gate.judge(wire.batch(frames))
    assert gate.passed == gate.frames == 100_000
    assert sum(gate.evicted().values()) == 100_000 - np.count_nonzero(gate.flows.hashes)
    assert set(gate.flows.flows["stage"].tolist()) == {rows.WATCHED}
