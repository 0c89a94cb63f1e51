"""Stratum V2 in plain text: greetings, channels, shares, and every frame by its type and length."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from talk import CLIENT, SERVER, Talk, line, mangled, pieces, read_in

from sniffer.model import Gap, Role
from sniffer.protocols.conversation import Verdict
from sniffer.protocols.session import MAX_SESSIONS
from sniffer.protocols.stratum_v2 import CLOSE, MAX_FRAME, TYPES

TARGET = (b"\xff" * 26).ljust(32, b"\0")  # little-endian: 2^208 - 1
HASHES = 2.0**48
HELD = 2 * (MAX_FRAME + 6)


def packed(kind: int, payload: bytes, *, channel: bool | None = None) -> bytes:
    """A frame; whether it belongs to a channel is known by its type."""
    bit = (TYPES[kind].channel if kind in TYPES else False) if channel is None else channel
    return struct.pack("<HB", 0x8000 if bit else 0, kind) + len(payload).to_bytes(3, "little") + payload


def text(value: str | bytes) -> bytes:
    """A text with its length in front."""
    data = value.encode() if isinstance(value, str) else value
    return bytes([len(data)]) + data


def setup(
    *device: str,
    protocol: int = 0,
    versions: tuple[int, int] = (2, 2),
    host: str = "pool.example.com",
    port: int = 34_254,
) -> bytes:
    """A greeting: vendor, hardware version, firmware and device."""
    named = [*device, "", "", "", ""][:4]
    start = struct.pack("<BHHI", protocol, *versions, 0)
    return packed(0x00, start + text(host) + struct.pack("<H", port) + b"".join(text(part) for part in named))


def opening(request: int, user: str | bytes, rate: float = 1e14, *, extended: bool = False) -> bytes:
    """A request for a channel."""
    more = b"\x08\0" if extended else b""
    payload = struct.pack("<I", request) + text(user) + struct.pack("<f", rate) + TARGET + more
    return packed(0x13 if extended else 0x10, payload)


def opened(request: int, channel: int, target: bytes = TARGET, *, extended: bool = False) -> bytes:
    """Its answer."""
    prefix = text(b"\1\2\3\4")
    rest = struct.pack("<H", 8) + prefix if extended else prefix + struct.pack("<I", 1)
    return packed(0x14 if extended else 0x11, struct.pack("<II", request, channel) + target + rest)


def submit(channel: int, *, extended: bool = False) -> bytes:
    """A share."""
    more = text(bytes(8)) if extended else b""
    return packed(0x1B if extended else 0x1A, struct.pack("<I", channel) + bytes(20) + more)


NAMED = {"mining.pool": "pool.example.com:34254"}
GREETING = setup("Bitmain", "Antminer S19", "BOS 24", "id")
WELCOME = packed(0x01, struct.pack("<HI", 2, 0))
TAKEN = packed(0x1C, struct.pack("<I", 7) + bytes(16))
REFUSED = packed(0x1D, struct.pack("<I", 7) + bytes(4) + text("stale-share"))
JOB = packed(0x15, struct.pack("<I", 7) + bytes(45))
CLIENT_SIDE = GREETING + opening(1, "u.rig") + submit(7) + submit(7)
SERVER_SIDE = WELCOME + opened(1, 7) + JOB + TAKEN + REFUSED
SEEDS = [
    CLIENT_SIDE,
    SERVER_SIDE,
    GREETING + opening(2, "x.y", extended=True) + submit(7, extended=True) + packed(0x18, bytes(5)),
]


# ── greetings ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("greeting", "values"),
    [
        (
            setup("Bitmain", "Antminer S19", "BOS 24", "id"),
            {
                "mining.agent": "Bitmain Antminer S19 BOS 24",
                "mining.pool": "pool.example.com:34254",
            },
        ),
        (
            setup("bitaxe", "BM1370"),
            {"mining.agent": "bitaxe BM1370", "mining.hardware": "Bitaxe Gamma", **NAMED},
        ),
        (setup(host="", port=0), {}),
        (setup(host="pool.example.com", port=0), {"mining.pool": "pool.example.com"}),
        (setup(protocol=1), {"mining.role": "job-declaration", **NAMED}),
        (setup(protocol=2), {"mining.role": "template-distribution", **NAMED}),
        (setup(versions=(0, 9)), NAMED),
        (setup("x" * 255, "y" * 255, "z" * 255, "d" * 255, host="h" * 255), None),
    ],
    ids=["machine", "model", "empty", "no port", "declarator", "templates", "versions", "long"],
)  # fmt: skip
def test_greeting(greeting: bytes, values: dict[str, Any] | None) -> None:
    """A greeting tells pool, machine and what stands beside machines, whole and byte by byte."""
    for size in (0, 1, 5):
        talk = Talk().say(CLIENT, greeting, size=size)
        (found,) = talk.mining
        assert (found.protocol, found.message, found.sender) == ("stratum-v2", "SetupConnection", Role.CLIENT)
        told = {
            name: value
            for name, value in found.values.items()
            if name not in ("mining.protocol", "mining.message")
        }
        assert told.pop("mining.algorithm") == "sha256d"
        assert values is None or told == values
        assert (talk.conversation.verdict, talk.conversation.held) == (Verdict.YES, 0)


def test_welcome_alone() -> None:
    """The answer to a greeting is known without it."""
    for size in (0, 1):
        (found,) = Talk().say(SERVER, WELCOME, size=size).mining
        assert (found.message, found.sender) == ("SetupConnection.Success", Role.SERVER)


@pytest.mark.parametrize(
    "data",
    [
        setup(protocol=3),
        setup(versions=(3, 9)),
        setup(versions=(0, 1)),
        packed(0x00, GREETING[6:] + b"\0"),
        packed(0x00, GREETING[6:-1]),
        packed(0x00, GREETING[6:-3] + b"\x02\xff\xfe"),
        packed(0x00, bytes(40)),
        packed(0x00, GREETING[6:], channel=True),
        packed(0x01, struct.pack("<HI", 1, 0)),
        packed(0x01, struct.pack("<HI", 2, 0) + b"\0"),
        b"\0" * 200,
        b"\0\2" + bytes(range(50)),
        submit(7),
        TAKEN * 3,
    ],
    ids=[
        "protocol", "too new", "too old", "longer", "shorter", "no text", "zeros", "channel", "old welcome",
        "long welcome", "NUL", "BOLT 8", "share", "verdicts",
    ],
)  # fmt: skip
def test_what_is_no_greeting(data: bytes) -> None:
    """A stream that begins with another version, length or frame is not read."""
    for size in (0, 1):
        assert Talk().say(CLIENT, data, size=size).messages == []


def test_keep_alive_byte_before_a_line() -> None:
    """A zero byte in front of a line of JSON does not make a frame of it."""
    subscribe = line({"id": 1, "method": "mining.subscribe", "params": []})
    assert Talk().say(CLIENT, b"\0").say(CLIENT, subscribe).messages == ["mining.subscribe"]


# ── a session ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("extended", [False, True])
@pytest.mark.parametrize("size", [0, 1, 50])
def test_session(size: int, *, extended: bool) -> None:
    """A channel has account and target of its request and answer, and so have shares and verdicts."""
    talk = Talk().say(CLIENT, GREETING + opening(1, "bc1qx.rig", extended=extended), size=size)
    talk.say(SERVER, WELCOME + opened(1, 7, extended=extended) + JOB, size=size)
    talk.say(CLIENT, submit(7, extended=extended), size=size).say(SERVER, TAKEN + REFUSED, size=size)
    asked, _, answer, _, share, taken, refused = talk.mining[1:]
    assert asked.values["mining.hashrate"] == pytest.approx(1e14)
    for one in (asked, answer, share, taken, refused):
        assert (one.values["mining.user"], one.values["mining.worker"]) == ("bc1qx.rig", "rig")
    for one in (answer, share, taken, refused):
        assert one.values["mining.hashes_per_share"] == pytest.approx(HASHES)
    assert (taken.values["mining.accepted"], refused.values["mining.accepted"]) == (True, False)
    assert [one.sender for one in (share, taken)] == [Role.CLIENT, Role.SERVER]
    assert talk.conversation.held == 0


def test_end_of_each_frame() -> None:
    """A frame knows the sequence number behind it, and what is not whole is accounted for."""
    talk = Talk().say(CLIENT, GREETING + submit(7) + submit(7)[:9])
    assert [one.end for one in talk.facts] == [len(GREETING), len(GREETING + submit(7))]
    assert talk.conversation.held == 9


def test_channels_are_told_apart() -> None:
    """Each channel has its own account and target, and a new target counts for its channel alone."""
    talk = Talk().say(CLIENT, GREETING + opening(1, "a.one") + opening(2, "b.two"))
    talk.say(SERVER, WELCOME + opened(2, 8) + opened(1, 7))
    talk.say(SERVER, packed(0x21, struct.pack("<I", 8) + (b"\xff" * 25).ljust(32, b"\0")))
    talk.say(CLIENT, submit(7) + submit(8))
    one, two = talk.mining[-2:]
    assert [one.values["mining.user"], two.values["mining.user"]] == ["a.one", "b.two"]
    assert one.values["mining.hashes_per_share"] == pytest.approx(2.0**48)
    assert two.values["mining.hashes_per_share"] == pytest.approx(2.0**56)
    assert (two.values["mining.accounts"], two.values["mining.workers"]) == (2, 2)


def test_closed_channel() -> None:
    """A channel that was closed has no account any more; either side may close it."""
    talk = Talk().say(CLIENT, GREETING + opening(1, "a.one")).say(SERVER, WELCOME + opened(1, 7))
    talk.say(SERVER, packed(0x18, struct.pack("<I", 7) + text("x"))).say(CLIENT, submit(7))
    closed, share = talk.mining[-2:]
    assert (closed.message, closed.sender) == ("CloseChannel", Role.SERVER)
    assert "mining.user" not in share.values


@pytest.mark.parametrize(
    ("frame", "values"),
    [
        (packed(0x16, struct.pack("<If", 7, 2e14) + TARGET), {"mining.hashrate": pytest.approx(2e14)}),
        (packed(0x16, struct.pack("<If", 7, float("nan")) + TARGET), {"mining.hashrate": None}),
        (packed(0x16, struct.pack("<If", 7, -1.0) + TARGET), {"mining.hashrate": None}),
        (opening(1, "", float("inf")), {"mining.hashrate": None, "mining.user": None}),
        (packed(0x04, text("new.example") + struct.pack("<H", 3_333)), {"mining.pool": "new.example:3333"}),
        (packed(0x04, text("") + struct.pack("<H", 0)), {"mining.pool": None}),
        (packed(0x04, text("new.example") + b"\0"), {"mining.pool": None}),
        (packed(0x21, struct.pack("<I", 7) + bytes(32)), {"mining.hashes_per_share": None}),
    ],
    ids=["rate", "NaN", "negative", "infinite", "reconnect", "nowhere", "cut", "target 0"],
)
def test_values(frame: bytes, values: dict[str, Any]) -> None:
    """Hashrates, pools and targets are told as far as they can be."""
    found = Talk().say(CLIENT, GREETING + frame).mining[-1]
    assert {name: found.values.get(name) for name in values} == values


KNOWN = [
    pytest.param(number, id=f"{number:02x} {kind.name}") for number, kind in TYPES.items() if number != 0
]


@pytest.mark.parametrize("number", KNOWN)
def test_type(number: int) -> None:
    """A frame is known at the shortest and the longest of its type, and not beyond or without its bit."""
    kind = TYPES[number]
    for length in {kind.shortest, min(kind.longest, MAX_FRAME)}:
        found = Talk().say(CLIENT, GREETING + packed(number, bytes(length))).mining[-1]
        assert found.message == kind.name
        assert found.sender is kind.sender or number == CLOSE
    wrong = [
        packed(number, bytes(kind.shortest), channel=not kind.channel),
        packed(number, bytes(kind.shortest - 1)),
    ]
    if kind.longest < MAX_FRAME:
        wrong.append(packed(number, bytes(kind.longest + 1)))
    if number in (0x15, 0x1C):
        wrong.append(packed(number, bytes(kind.shortest + 1)))
    for frame in wrong:
        assert Talk().say(CLIENT, GREETING + frame + submit(7)).messages == ["SetupConnection"]


@pytest.mark.parametrize(
    "frame",
    [
        packed(0x0F, bytes(20)),
        packed(0x30, bytes(20)),
        packed(0xFF, b""),
        b"\1\0" + submit(7)[2:],
        opening(1, b"\xff\xfe"),
        packed(0x10, struct.pack("<I", 1) + b"\xff" + bytes(50)),
    ],
    ids=["unknown", "between", "empty", "extension", "no text", "text too long"],
)
def test_frame_that_is_none(frame: bytes) -> None:
    """A frame of a type that nobody knows, or that contradicts itself, ends the reading."""
    for size in (0, 1):
        talk = Talk().say(CLIENT, GREETING + frame + submit(7), size=size)
        assert (talk.messages, talk.conversation.held) == (["SetupConnection"], 0)


# ── limits ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("size", [0, 1_400])
@pytest.mark.parametrize("length", [MAX_FRAME, MAX_FRAME + 1, 2**24 - 1])
def test_long_frame(size: int, length: int) -> None:
    """A frame of up to 16 MiB is told, passed over without being held, and the one behind it is read."""
    data = setup(protocol=2) + packed(0x71, bytes(length)) + packed(0x72, bytes(80))
    talk = Talk()
    for at in range(0, len(data), size or len(data)):
        talk.say(SERVER, data[at : at + (size or len(data))])
        assert talk.conversation.held <= MAX_FRAME + 6
    assert talk.messages == ["SetupConnection", "NewTemplate", "SetNewPrevHash"]


def test_channels_are_bounded() -> None:
    """Of many channels the latest are remembered, and the others counted."""
    talk = Talk().say(CLIENT, GREETING).say(SERVER, WELCOME)
    for number in range(MAX_SESSIONS + 20):
        talk.conversation.session.told.clear()
        talk.say(SERVER, opened(number, number))
    session = talk.conversation.session
    assert len(session.sessions) == len(session.targets) == MAX_SESSIONS
    assert talk.counted() == {"session_table_limit": 20}


# ── the middle of a stream ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("data", "count"),
    [
        (submit(7), 1),
        (TAKEN, 1),
        (JOB, 1),
        (packed(0x21, bytes(4) + TARGET), 1),
        (REFUSED, 0),
        (REFUSED + TAKEN, 2),
        (opening(1, "u"), 0),
        (opening(1, "u") + submit(7), 2),
        (submit(7) + submit(7)[:9], 0),
        (submit(7) * 2 + submit(7)[:9], 2),
        (submit(7)[:9], 0),
        (submit(7)[5:] + submit(7), 0),
        (submit(7) + packed(0xFF, bytes(4)), 0),
        (submit(7) + b"GET / HTTP/1.1\r\n", 0),
        (packed(0x73, bytes(8)), 0),
    ],
)
def test_midway(data: bytes, count: int) -> None:
    """In the middle of a stream one frame of a rare length is enough, of others two in a row."""
    assert len(Talk(midway=(CLIENT,)).say(CLIENT, data).mining) == count


def test_other_direction_of_a_known_session() -> None:
    """Where one side is known to speak it, the other's frames are read without a greeting."""
    talk = Talk().say(CLIENT, GREETING + opening(1, "u.rig")).say(SERVER, REFUSED + TAKEN)
    assert talk.messages[2:] == ["SubmitShares.Error", "SubmitShares.Success"]


def test_gap() -> None:
    """Behind a gap no frame begins at a known place: the direction is given up, the other is read on."""
    talk = Talk().say(CLIENT, GREETING).say(SERVER, WELCOME)
    talk.conversation.read(Gap(CLIENT, 0, 0))
    assert talk.say(CLIENT, submit(7)).say(SERVER, TAKEN).messages[2:] == ["SubmitShares.Success"]


# ── fuzz entries ─────────────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=250, deadline=None)
@given(mangled(SEEDS), pieces())
def test_damaged_frames(data: bytes, sizes: list[int]) -> None:
    """Fuzz entry: damaged frames never raise, say the same in any pieces, and stay within the bounds."""
    whole, cut = Talk().say(CLIENT, data), read_in(sizes, CLIENT, data)
    assert whole.said == cut.said
    assert max(whole.conversation.held, cut.conversation.held) <= HELD


@settings(max_examples=150, deadline=None)
@given(data=mangled([*SEEDS, submit(7), REFUSED + TAKEN]), sizes=pieces(), known=st.booleans())
def test_damaged_middle(data: bytes, sizes: list[int], *, known: bool) -> None:
    """Fuzz entry: neither do they in the middle of a stream, beside a known direction or not."""
    talk = Talk(midway=(CLIENT, SERVER))
    if known:
        talk.say(SERVER, WELCOME)
    for at in range(0, len(data), sizes[0]):
        talk.say(CLIENT, data[at : at + sizes[0]])
        assert talk.conversation.held <= HELD
