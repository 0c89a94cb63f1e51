"""Lines of JSON: which streams are read, from where on, and how far."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from talk import CLIENT, JSON, SERVER, Talk, line, mangled, pieces, read_in

from sniffer.model import Alternative, Gap
from sniffer.protocols import json_lines
from sniffer.protocols.conversation import Verdict
from sniffer.protocols.json_text import MAX_TEXT, parse

if TYPE_CHECKING:
    from sniffer.oddities import Oddities

SUBSCRIBE = line({"id": 1, "method": "mining.subscribe", "params": ["cgminer/4.11.1"]})
SUBMIT = line({"id": 4, "method": "mining.submit", "params": ["u.rig", "j{", "00", "5a", "b2"]})
NOTIFY = line(
    {"id": None, "method": "mining.notify", "params": ["1", "00" * 32, "ab", "cd", [], "2", "3", "4", True]}
)
REPLY = line({"id": 4, "result": True, "error": None})
FOREIGN = line({"jsonrpc": "2.0", "id": 1, "method": "server.version", "params": ["4.0", ["1.4"]]})
FRAME = b"\x7f\x02\x0f\x00\n\x01\x00" + b"{\n" * 4
TAIL = b'00ff","5a","b2"],"id":4}\n'
HELD = 2 * 17_000
SEEDS = [SUBSCRIBE + SUBMIT + REPLY, NOTIFY + FOREIGN + NOTIFY, b'{"a":[1,{"b":"}"}]}\r\n\0' + SUBMIT]


# ── lines ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "data",
    [
        SUBSCRIBE + SUBMIT,
        SUBSCRIBE.replace(b"\n", b"\r\n") + b"\r\n\n" + SUBMIT,
        b"\n\r\n  " + SUBSCRIBE + b"\t" + SUBMIT,
        b"\0" + SUBSCRIBE + b"\0" + SUBMIT.strip() + b" \0\n",
        SUBSCRIBE + FOREIGN + b"[]\n{}\n" + SUBMIT,
        SUBSCRIBE + b"ping\n\n" * 9 + SUBMIT,
    ],
    ids=["LF", "CRLF", "white space", "NUL", "among others", "among words"],
)
def test_lines(data: bytes) -> None:
    """Lines are read whatever stands around them, by side and in pieces of any size, and none is held."""
    for size in (0, 1, 2, 33):
        for side in (CLIENT, SERVER):
            talk = Talk().say(side, data, size=size)
            assert talk.messages == ["mining.subscribe", "mining.submit"]
            assert (talk.conversation.verdict, talk.conversation.held) == (Verdict.YES, 0)


def test_both_directions() -> None:
    """A reply finds its request in the other direction, and each message knows where it ends."""
    talk = Talk().say(CLIENT, SUBSCRIBE + SUBMIT).say(SERVER, NOTIFY + REPLY)
    assert talk.messages == ["mining.subscribe", "mining.submit", "mining.notify", "mining.submit.reply"]
    assert [one.end for one in talk.facts] == [
        len(SUBSCRIBE), len(SUBSCRIBE + SUBMIT), len(NOTIFY), len(NOTIFY + REPLY),
    ]  # fmt: skip


def test_message_without_line_end() -> None:
    """A message without a line end is read when its last bracket has come, and not a second time."""
    for size in (0, 1, 40):
        talk = Talk().say(CLIENT, SUBSCRIBE.strip(), size=size).say(SERVER, REPLY.strip(), size=size)
        assert talk.say(CLIENT, SUBSCRIBE.strip(), size=size).messages == ["mining.subscribe"] * 2
        assert talk.say(CLIENT, b"\n" + SUBMIT).messages[2:] == ["mining.submit"]
        assert (talk.counted(), talk.conversation.held) == ({}, 0)


def test_brackets_that_end_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that looks whole again and again is tried a few times, and read at its end."""
    tried: list[bytes] = []

    def counted(text: bytes, oddities: Oddities) -> Any:
        tried.append(text)
        return parse(text, oddities)

    monkeypatch.setattr(json_lines, "parse", counted)
    params = ["u", *["}"] * 50]
    text = line({"method": "mining.submit", "params": params, "id": 1})
    for size in (0, 1):
        assert Talk().say(CLIENT, text, size=size).messages == ["mining.submit"]
    assert len(tried) == 1 + json_lines.MAX_EAGER + 1


def test_array_of_messages() -> None:
    """An array is a batch of messages, but only if nothing but objects stands in it."""
    both = b"[" + SUBSCRIBE.strip() + b"," + SUBMIT.strip() + b"]\n"
    assert Talk().say(CLIENT, both).messages == ["mining.subscribe", "mining.submit"]
    assert Talk().say(CLIENT, b'["x",' + SUBSCRIBE.strip() + b"]\n").messages == []


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (b'{"id":1,"method":"mining.subscribe","params":[}', "json_broken"),
        (SUBSCRIBE.strip() + SUBSCRIBE.strip(), "json_broken"),
        (b'{"a":1}]}', "json_broken"),
        (b"{" + b'"a":{' * 300, "json_depth"),
    ],
    ids=["broken", "two in a line", "too many ends", "deep"],
)
def test_line_that_is_no_json(text: bytes, kind: str) -> None:
    """A first line that opens like JSON and is none is counted, and the stream with it given up."""
    talk = Talk().say(CLIENT, text + b"\n" + SUBMIT)
    assert (talk.messages, talk.counted()) == ([], {kind: 1})
    assert talk.conversation.verdict is Verdict.NO
    known = Talk().say(CLIENT, SUBMIT + text + b"\n" + SUBMIT)
    assert (known.messages, known.counted()) == (["mining.submit"] * 2, {kind: 1})


def test_message_over_several_lines() -> None:
    """An object that is printed over several lines is no message."""
    text = json.dumps(json.loads(SUBSCRIBE), indent=1).encode() + b"\n"
    assert Talk().say(CLIENT, text + SUBMIT).messages == []


# ── other protocols ──────────────────────────────────────────────────────────────────────────────────────

QUOTED = SUBMIT.strip()
OTHERS = {
    "log": b"2024-01-01 12:00 INFO " + QUOTED + b"\n" + QUOTED + b"\n",
    "redis": b"*2\r\n$7\r\nPUBLISH\r\n$%d\r\n%b\r\n" % (len(QUOTED), QUOTED),
    "mail": b"* 1 FETCH (BODY[] {342}\r\nSubject: x\r\n\r\n" + QUOTED + b"\r\n)\r\n",
    "greeting": b"220 mail.example.com\r\n" + QUOTED + b"\r\n",
    "server": b"Content-Length: 90\r\n\r\n" + QUOTED + b"\n",
    "shell": b"$ echo '" + QUOTED + b"'\n" + QUOTED + b"\n",
    "quoted": b'"' + QUOTED + b'"\n' + QUOTED + b"\n",
}


@pytest.mark.parametrize("data", OTHERS.values(), ids=OTHERS)
def test_protocols_that_quote_json(data: bytes) -> None:
    """A stream that only quotes JSON is not read, from the middle neither, nor where it is torn."""
    for midway in ((), (CLIENT,)):
        for size in (0, 1):
            for start in (0, 1, 5):
                assert Talk(midway=midway).say(CLIENT, data[start:], size=size).messages == []


def test_json_without_mining() -> None:
    """JSON that is not mining is listened to for 64 lines, and then given up."""
    talk = Talk().say(CLIENT, FOREIGN * 64)
    assert talk.conversation.verdict is Verdict.MORE
    assert Talk().say(CLIENT, FOREIGN * 64 + SUBMIT).messages == ["mining.submit"]
    assert talk.say(CLIENT, FOREIGN).conversation.verdict is Verdict.NO
    assert talk.say(CLIENT, SUBMIT).messages == []
    assert Talk().say(CLIENT, SUBMIT + FOREIGN * 100 + SUBMIT).messages == ["mining.submit"] * 2


def test_words_among_json() -> None:
    """In a stream that has shown JSON but no mining, the third line that is none ends the reading."""
    assert Talk().say(CLIENT, FOREIGN + b"ping\n" * 2 + SUBMIT).messages == ["mining.submit"]
    talk = Talk().say(CLIENT, FOREIGN + b"ping\n" * 3 + SUBMIT)
    assert (talk.messages, talk.conversation.verdict) == ([], Verdict.NO)


# ── the middle of a stream ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("data", "messages"),
    [
        (TAIL + SUBMIT, ["mining.submit"]),
        (b"}\n" + SUBMIT, ["mining.submit"]),
        (TAIL + b"\r\n" + NOTIFY, ["mining.notify"]),
        (b'{"x":1}],"id":4}\n' + SUBMIT, ["mining.submit"]),
        (b'["x"],1],"id":4}\n' + SUBMIT, ["mining.submit"]),
        (TAIL + FRAME + FRAME + SUBMIT, ["SUBMIT_SHARE", "SUBMIT_SHARE", "mining.submit"]),
        (SUBMIT, ["mining.submit"]),
        (b'00","01"]\n' + b"hello\n" + SUBMIT, []),
        (b"hello\n" + SUBMIT, []),
        (TAIL + b"{not json}\n" + SUBMIT, []),
        (b'"]} and more\n' + SUBMIT, []),
        (b"\1\2" + TAIL + SUBMIT, []),
        (TAIL + b"+OK\r\n" + SUBMIT, []),
    ],
    ids=[
        "rest of a line", "bracket", "empty lines", "rest with an object", "rest with an array", "frames",
        "whole line", "words behind", "words", "no JSON behind", "more behind", "binary", "another protocol",
    ],
)  # fmt: skip
def test_joined_in_a_line(data: bytes, messages: list[str]) -> None:
    """The rest of a line is dropped if it closes more than it opens and JSON stands behind it."""
    for size in (0, 1, 7):
        talk = Talk(midway=(CLIENT,)).say(CLIENT, data, size=size)
        assert talk.messages == messages, size


def test_rest_of_a_line_at_the_start() -> None:
    """Where the start of a stream was seen, it does not begin with the rest of a line."""
    assert Talk().say(CLIENT, TAIL + SUBMIT).messages == []
    assert Talk().say(CLIENT, b"ab" * 20).conversation.verdict is Verdict.NO


def test_joined_in_a_line_that_goes_on() -> None:
    """While the rest of a line has not ended, the flow is kept, up to the length of a line."""
    talk = Talk(midway=(SERVER,)).say(SERVER, b"ab" * 5_000)
    assert (talk.conversation.verdict, talk.conversation.held) == (Verdict.MORE, 10_000)
    assert talk.say(SERVER, b'"]}\n' + NOTIFY).messages == ["mining.notify"]
    assert Talk(midway=(SERVER,)).say(SERVER, b"ab" * 10_000, size=1_400).conversation.held <= 1_400
    assert Talk(midway=(SERVER,)).say(SERVER, b"ab\1" * 100).conversation.held == 0


def test_joined_in_a_frame() -> None:
    """Joined in the middle of a binary frame nothing is read: its rest could be of any protocol."""
    for cut in range(1, len(FRAME)):
        talk = Talk(midway=(CLIENT,)).say(CLIENT, FRAME[cut:] + SUBMIT)
        assert talk.messages in ([], ["mining.submit"])
        assert talk.conversation.held <= HELD


@pytest.mark.parametrize(
    "begun", [SUBMIT[:30], SUBMIT, SUBMIT + FRAME[:7]], ids=["in a line", "between", "in a frame"]
)
def test_after_a_gap(begun: bytes) -> None:
    """Behind a gap everything up to the next line end is dropped, and the line behind that is read."""
    talk = Talk().say(CLIENT, SUBSCRIBE + begun)
    assert talk.conversation.held == {30: 30, len(SUBMIT) + 7: 7}.get(len(begun), 0)
    talk.conversation.read(Gap(CLIENT, 0, 0))
    assert talk.conversation.held == 0
    talk.facts.clear()
    assert talk.say(CLIENT, SUBMIT[50:] + SUBMIT).messages == ["mining.submit"]


# ── limits ───────────────────────────────────────────────────────────────────────────────────────────────


def test_line_that_never_ends() -> None:
    """Of a line without end no more than 16 KiB are held; it is counted once, and the next line is read."""
    talk = Talk().say(CLIENT, SUBSCRIBE)
    for _ in range(800):
        talk.say(CLIENT, b'{"a":"' + b"x" * 1_400)
        assert talk.conversation.held <= MAX_TEXT
    assert talk.counted() == {"line_too_long": 1}
    assert talk.say(CLIENT, b"\n" + SUBMIT).messages == ["mining.subscribe", "mining.submit"]


@pytest.mark.parametrize("first", [True, False])
def test_long_line(*, first: bool) -> None:
    """A line of more than 16 KiB is read by its method, at its beginning or its end, in any pieces."""
    head, tail = b'"method":"mining.notify"', b'"params":["1","' + b"ab" * 20_000 + b'"]'
    text = b"{" + (head + b"," + tail if first else tail + b"," + head) + b"}\n"
    for size in (0, 1_400):
        talk = Talk().say(SERVER, text, size=size)
        assert (talk.messages, talk.counted()) == (["mining.notify"], {"line_too_long": 1})


def test_longest_line() -> None:
    """A line of 16 KiB is read as a whole."""
    for length in (MAX_TEXT, MAX_TEXT + 1):
        text = SUBMIT.strip()[:-1] + b',"x":"' + b"y" * (length - len(SUBMIT.strip()) - 7) + b'"}'
        assert len(text) == length
        talk = Talk().say(CLIENT, text + b"\n", size=500)
        assert talk.messages == ["mining.submit"]
        assert talk.facts[0].values.get("mining.user") == ("u.rig" if length == MAX_TEXT else None)


# ── two readings of the same bytes ───────────────────────────────────────────────────────────────────────


def test_other_reading() -> None:
    """Of another reading those lines count that the first did not have, at the place of the first."""
    talk = Talk().say(CLIENT, SUBSCRIBE)
    found = talk.conversation.read(Alternative(CLIENT, SUBSCRIBE + SUBMIT, 5, 900))
    assert [(one.message, one.time) for one in found] == [("mining.submit", 5)]
    assert talk.conversation.read(Alternative(CLIENT, SUBMIT, 6, 900)) == []


def test_other_reading_of_another_protocol() -> None:
    """Where the first reading was something else, the other is read if it opens like JSON."""
    talk = Talk().say(CLIENT, b"SSH-2.0-x\r\n")
    assert talk.conversation.read(Alternative(CLIENT, b"SSH-2.0-y\r\n" + SUBMIT, 0, 0)) == []
    assert [one.message for one in talk.conversation.read(Alternative(CLIENT, SUBMIT, 0, 0))] == [
        "mining.submit"
    ]


def test_other_reading_ends_nothing() -> None:
    """Another reading that is no JSON, or too long, does not hide what the first goes on to say."""
    talk = Talk().say(CLIENT, FOREIGN)
    for _ in range(10):
        text = b"{broken\n[\n" + SUBMIT.replace(b"u.rig", b"u" * MAX_TEXT)
        assert talk.conversation.read(Alternative(CLIENT, text, 0, 0)) == []
    assert talk.counted() == {}
    assert talk.say(CLIENT, SUBSCRIBE).say(CLIENT, SUBMIT).messages == ["mining.subscribe", "mining.submit"]


# ── fuzz entries ─────────────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=200, deadline=None)
@given(data=mangled(SEEDS), sizes=pieces(), midway=st.sampled_from([(), (CLIENT,)]), is_lost=st.booleans())
def test_damaged_lines(data: bytes, sizes: list[int], midway: tuple[int, ...], *, is_lost: bool) -> None:
    """Fuzz entry: damaged streams never raise, before and behind a gap, in one reading and another."""
    talk = read_in(sizes, CLIENT, data, midway=midway)
    talk.conversation.read(Gap(CLIENT, 0, 0) if is_lost else Alternative(CLIENT, data, 0, 0))
    talk.say(CLIENT, data)
    assert talk.conversation.held <= HELD


@settings(max_examples=200, deadline=None)
@given(
    st.lists(JSON.map(line) | st.sampled_from([SUBSCRIBE, SUBMIT, NOTIFY, REPLY, FRAME, b"\n"]), max_size=6),
    pieces(),
)
def test_cuts_do_not_matter(parts: list[bytes], sizes: list[int]) -> None:
    """Fuzz entry: documents of any kind, messages and frames say the same whole and in any pieces."""
    data = SUBSCRIBE + b"".join(parts)
    assert read_in(sizes, CLIENT, data).said == Talk().say(CLIENT, data).said
