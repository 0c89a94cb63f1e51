"""BTCAgent: binary frames between JSON lines, each machine behind the connection known by its number."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from talk import CLIENT, SERVER, Talk, line, mangled, pieces, read_in

from sniffer.model import Gap, Role
from sniffer.protocols import btcagent
from sniffer.protocols.session import MAX_SESSIONS

HELD = 17_000  # a line and a frame


def packed(kind: int, body: bytes) -> bytes:
    """A frame."""
    return bytes([0x7F, kind]) + (4 + len(body)).to_bytes(2, "little") + body


def register(number: int, agent: bytes = b"cgminer/4.9", worker: bytes = b"rig1") -> bytes:
    """A machine signs up."""
    return packed(0x01, struct.pack("<H", number) + agent + b"\0" + worker + b"\0")


def share(number: int, kind: int = 0x02) -> bytes:
    """A share whose parts hold a line end and an opening bracket."""
    more = {0x02: b"", 0x03: b"TIME", 0x12: b"VERS", 0x13: b"TIMEVERS"}[kind]
    return packed(kind, b"\x0a" + struct.pack("<H", number) + b"\n{}\x7f" + b"\x7f\x02\x0f\x00" + more)


def set_difficulty(exponent: int, *numbers: int) -> bytes:
    """The pool sets the difficulty of some machines."""
    return packed(0x05, struct.pack(f"<BH{len(numbers)}H", exponent, len(numbers), *numbers))


SUBSCRIBE = line({"id": 1, "method": "mining.subscribe", "params": ["btccom-agent/1.0.0"]})
NOTIFY = line(
    {"id": None, "method": "mining.notify", "params": ["1", "00" * 32, "", "", [], "0", "0", "0", True]}
)
STREAM = (
    SUBSCRIBE + register(10) + register(2_570, worker=b"rig{2") + share(10) + share(2_570, 0x13) + SUBSCRIBE
)
SEEDS = [STREAM, register(1) + share(1), set_difficulty(13, 1, 2) + NOTIFY, share(7, 0x12) * 3]


@pytest.mark.parametrize(
    ("frame", "message", "sender", "values"),
    [
        (
            register(1, b"Antminer S19|LUXminer", b"s1099"),
            "REGISTER_WORKER",
            Role.CLIENT,
            {
                "mining.agent": "Antminer S19|LUXminer",
                "mining.worker": "s1099",
                "mining.hardware": "Antminer S19 (LuxOS)",
            },
        ),
        (register(1, b"", b""), "REGISTER_WORKER", Role.CLIENT, {}),
        (share(1), "SUBMIT_SHARE", Role.CLIENT, {}),
        (share(1, 0x03), "SUBMIT_SHARE_WITH_TIME", Role.CLIENT, {}),
        (share(1, 0x12), "SUBMIT_SHARE_WITH_VER", Role.CLIENT, {}),
        (share(1, 0x13), "SUBMIT_SHARE_WITH_TIME_VER", Role.CLIENT, {}),
        (packed(0x04, b"\x01\x00"), "UNREGISTER_WORKER", Role.CLIENT, {}),
        (
            set_difficulty(13, 1, 2),
            "MINING_SET_DIFF",
            Role.SERVER,
            {"mining.difficulty": 8_192.0, "mining.hashes_per_share": 8_192.0 * 2**32},
        ),
        (set_difficulty(60), "MINING_SET_DIFF", Role.SERVER, {}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_frame(frame: bytes, message: str, sender: Role, values: dict[str, Any]) -> None:
    """Each type of frame is mining by itself, says who sent it and what is in it, whole and byte by byte."""
    for size in (0, 1):
        (found,) = Talk().say(int(sender is Role.SERVER), frame, size=size).mining
        assert (found.protocol, found.message, found.sender) == ("btcagent", message, sender)
        assert found.values == {"mining.protocol": "btcagent", "mining.message": message, **values}


def test_frames_stand_between_lines() -> None:
    """Line ends and brackets inside a frame do not tear it, and a line behind it is read, in any pieces."""
    whole = Talk().say(CLIENT, STREAM)
    assert whole.messages == [
        "mining.subscribe", "REGISTER_WORKER", "REGISTER_WORKER", "SUBMIT_SHARE",
        "SUBMIT_SHARE_WITH_TIME_VER", "mining.subscribe",
    ]  # fmt: skip
    for size in (1, 2, 3, 7, 64):
        assert Talk().say(CLIENT, STREAM, size=size).said == whole.said, size
    assert whole.facts[1].end == len(SUBSCRIBE) + len(register(10))
    assert whole.counted() == {}


def test_shares_belong_to_machines() -> None:
    """A share carries worker, agent and difficulty of its machine; both directions speak in frames."""
    talk = Talk().say(CLIENT, SUBSCRIBE + register(1, b"a/1", b"one") + register(2, b"b/2", b"two"))
    talk.say(SERVER, set_difficulty(4, 1) + set_difficulty(5, 2) + NOTIFY).say(CLIENT, share(1) + share(2))
    one, two = talk.mining[-2:]
    told = ("mining.worker", "mining.agent", "mining.difficulty", "mining.hashes_per_share", "mining.workers")
    assert [one.values[name] for name in told] == ["one", "a/1", 16.0, 2.0**36, 2]
    assert [two.values[name] for name in told] == ["two", "b/2", 32.0, 2.0**37, 2]
    assert two.values["mining.proxy"] is True


def test_unregister_forgets_a_machine() -> None:
    """What a machine has told goes with it, and its farewell still names it."""
    talk = Talk().say(CLIENT, register(1, b"a/1", b"one") + packed(0x04, b"\x01\x00") + share(1))
    assert [one.values.get("mining.worker") for one in talk.mining] == ["one", "one", None]


@pytest.mark.parametrize(
    "data",
    [
        b"\x7fELF\x02\x01\x01\x00" + bytes(60),
        packed(0x02, bytes(12)),  # a share of another length
        packed(0x02, bytes(10)),
        packed(0x04, bytes(3)),
        packed(0x01, bytes(3)),
        register(1, b"a" * 4_090),
        packed(0x05, b"\x0d\x03\x00" + bytes(4)),  # fewer machines than it says
        packed(0x06, bytes(8)),
        b"\x7f\x02\x0f\x00",
        b"\x7f" * 200,
    ],
    ids=range(10),
)
def test_what_is_no_frame(data: bytes) -> None:
    """A frame whose length is not that of its type is none, and neither is half of one."""
    for size in (0, 1):
        for midway in ((), (CLIENT,)):
            assert Talk(midway=midway).say(CLIENT, data, size=size).facts == []


@pytest.mark.parametrize("body", [b"\1\0agent\0", b"\1\0\xff\xfe\0rig\0", b"\1\0a\0b\0c\0", b"\1\0ab\0cd"])
def test_broken_registration_is_passed_over(body: bytes) -> None:
    """A registration whose texts cannot be read says nothing, and the frame behind it is read."""
    assert Talk().say(CLIENT, packed(0x01, body) + share(1)).messages == ["SUBMIT_SHARE"]


def test_frames_of_unknown_type() -> None:
    """In a stream that is known, a frame of a type from the future is passed over by its length."""
    unknown = packed(0x21, b"\n{" * 20)
    talk = Talk().say(CLIENT, SUBSCRIBE + share(1) + unknown + share(1), size=1)
    assert talk.messages == ["mining.subscribe", "SUBMIT_SHARE", "SUBMIT_SHARE"]


@pytest.mark.parametrize(
    ("data", "count"),
    [
        (share(1), 1),
        (share(1) + share(1)[:9], 0),
        (share(1) + register(1) + share(1)[:9], 2),
        (b'","00"]}\n' + share(1) + share(2), 2),
        (share(1) + SUBSCRIBE, 2),
        (share(1) + b"GET / HTTP/1.1\r\n", 0),
    ],
    ids=["alone", "one and a half", "several", "behind half a line", "with a line", "with text"],
)
def test_midway(data: bytes, count: int) -> None:
    """In the middle of a stream one frame is enough if nothing follows it, else the next must fit, too."""
    assert len(Talk(midway=(CLIENT,)).say(CLIENT, data).mining) == count


def test_after_a_gap() -> None:
    """Behind a gap, a segment that begins with a frame is read again, whatever was torn before it."""
    talk = Talk().say(CLIENT, SUBSCRIBE + register(1) + share(1)[:6])
    talk.conversation.read(Gap(CLIENT, 0, 0))
    talk.say(CLIENT, b"\x33\x0a\x22").say(CLIENT, share(1)).say(CLIENT, share(1) + SUBSCRIBE)
    assert talk.messages[2:] == ["SUBMIT_SHARE", "SUBMIT_SHARE", "mining.subscribe"]
    talk.conversation.read(Gap(CLIENT, 0, 0))
    assert talk.say(CLIENT, share(1) + SUBSCRIBE).messages[5:] == ["SUBMIT_SHARE", "mining.subscribe"]


def test_machines_are_bounded() -> None:
    """Of 65 535 machines the latest are remembered, and the others counted."""
    talk = Talk().say(CLIENT, b"".join(register(number) for number in range(MAX_SESSIONS + 50)))
    numbers = range(65_535)
    for at in range(0, len(numbers), 2_000):
        talk.say(SERVER, set_difficulty(3, *numbers[at : at + 2_000]))
    session = talk.conversation.session
    assert len(session.sessions) == len(session.targets) == MAX_SESSIONS
    assert "0" not in session.sessions
    assert talk.counted() == {"session_table_limit": 50}


def test_frame_that_never_ends() -> None:
    """Of a frame that goes on no more is held than its length, which is at most 4 KiB."""
    talk = Talk().say(CLIENT, SUBSCRIBE + b"\x7f\x01" + (4_096).to_bytes(2, "little"))
    for _ in range(4_091):
        talk.say(CLIENT, b"\n")
        assert talk.conversation.held <= btcagent.LONGEST
    assert talk.conversation.held == btcagent.LONGEST - 1


@settings(max_examples=150, deadline=None)
@given(mangled(SEEDS), pieces(), st.sampled_from([(), (CLIENT,)]))
def test_damaged_frames(data: bytes, sizes: list[int], midway: tuple[int, ...]) -> None:
    """Fuzz entry: damaged streams never raise, and no more is held than a line and a frame."""
    assert read_in(sizes, CLIENT, data, midway=midway).conversation.held <= HELD


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [SUBSCRIBE, NOTIFY, register(10), share(10), share(3, 0x12), set_difficulty(10, 3, 10)]
        )
    ),
    pieces(),
)
def test_cuts_do_not_matter(parts: list[bytes], sizes: list[int]) -> None:
    """Fuzz entry: frames and lines in any order say the same whole and in any pieces."""
    data = b"".join(parts)
    whole = Talk().say(CLIENT, data)
    assert len(whole.mining) == len(parts)
    assert read_in(sizes, CLIENT, data).said == whole.said
