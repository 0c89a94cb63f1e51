"""Management of miners that is not JSON: cgminer's API in text, and datagrams of machines."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from talk import CLIENT, JSON, SERVER, Talk, mangled, pieces, read_in

from sniffer.model import End, Facts, Role
from sniffer.oddities import Oddities
from sniffer.protocols import management
from sniffer.protocols.conversation import Verdict
from sniffer.protocols.messages import Origin

API = (40_000, 4_028)
STATUS = b"STATUS=S,When=1700000000,Code=11,Msg=Summary,Description=cgminer 4.11.1|"
SUMMARY = b"SUMMARY,Elapsed=9,GHS av=13500.25,Power=1320,Type=Antminer S9|"
SUMMARY_VALUES = {
    "mining.agent": "cgminer 4.11.1", "mining.hashrate": 13_500.25e9, "mining.power": 1_320.0,
    "mining.hardware": "Antminer S9",
}  # fmt: skip
HELD = 2 * 20_000


def datagram(payload: bytes | str, port: int) -> list[Facts]:
    """Read a datagram to a port."""
    data = payload.encode() if isinstance(payload, str) else payload
    return management.read_datagram(data, (50_000, port), Origin(0, 3, -1), Oddities())


def values(message: str, more: dict[str, Any] | None = None) -> dict[str, Any]:
    """All values of a hint."""
    return {"mining.protocol": "miner-api", "mining.message": message, **(more or {})}


# ── cgminer's API in text ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (b"summary", "summary"),
        (b"summary|", "summary"),
        (b"version\n", "version"),
        (b"pools\r\n\0", "pools"),
        (b"asc|0", "asc"),
        (b"summary+pools|", "summary"),
        (b"get_version", "get_version"),
    ],
)
def test_command(text: bytes, name: str) -> None:
    """A command on a port of miners is a hint of whoever asks, with and without parameters and ends."""
    for port in ((40_000, 4_028), (4_028, 40_000), (40_000, 4_030)):
        talk = Talk(ports=port).say(CLIENT, text)
        (found,) = talk.facts
        assert (found.message, found.sender, found.mining) == (name, Role.SERVER, False)
        assert found.values == values(name)
        assert (talk.conversation.verdict, talk.conversation.held) == (Verdict.NO, 0)
    assert Talk(ports=API).say(CLIENT, b"summary", size=1).messages == ["summary"]


@pytest.mark.parametrize(
    ("text", "port"),
    [
        (b"summary|", 80),
        (b"hello", 4_028),
        (b"summary of the day", 4_028),
        (b"Summary", 4_028),
        (b"quit\xff", 4_028),
        (b"summary|" + b"x" * 80, 4_028),
        (b"summary" + bytes(80), 4_028),
        (b"SSH-2.0-x\r\n", 4_028),
        (b"s" * 300, 4_028),
    ],
)
def test_what_is_no_command(text: bytes, port: int) -> None:
    """Away from the ports of miners, and for any other text, a word is just a word."""
    talk = Talk(ports=(40_000, port)).say(CLIENT, text)
    assert talk.facts == []
    assert talk.conversation.held <= 64


@pytest.mark.parametrize("size", [0, 1, 20, len(STATUS)])
def test_answer(size: int) -> None:
    """An answer tells program, hashrate, power and model, whatever its port, in pieces of any size."""
    for ports in (API, (40_000, 80)):
        talk = Talk(ports=ports).say(SERVER, STATUS + SUMMARY + b"\0", size=size)
        (found,) = talk.facts
        assert (found.message, found.sender, found.mining) == ("status.reply", Role.CLIENT, False)
        assert found.values == values("status.reply", SUMMARY_VALUES)
        assert (talk.conversation.verdict, talk.conversation.held) == (Verdict.NO, 0)


def test_answer_that_ends_with_the_connection() -> None:
    """An answer without the zero byte behind it is read when the connection ends."""
    talk = Talk(ports=API).say(SERVER, STATUS + SUMMARY)
    assert (talk.facts, talk.conversation.held) == ([], len(STATUS + SUMMARY))
    (found,) = talk.conversation.read(End(SERVER, 9))
    assert (found.values, found.time) == (values("status.reply", SUMMARY_VALUES), 9)


@pytest.mark.parametrize(
    "text",
    [
        b"STATUS=S|\0",
        b"STATUS=S,When=1,Code=2|\0",
        b"STATUS=\0",
        b"STATUS=S,When=1|Msg=x|\0",
        b"STATUSES=1\0",
        b"STATUS\0",
    ],
)
def test_what_is_no_answer(text: bytes) -> None:
    """An answer has a status, a time and a message in its first section."""
    for size in (0, 1):
        assert Talk(ports=API).say(SERVER, text, size=size).facts == []


def test_answer_without_end() -> None:
    """No more than 16 KiB are held of an answer, which is then read as far as it goes."""
    talk = Talk(ports=API).say(SERVER, STATUS)
    for _ in range(100):
        talk.say(SERVER, SUMMARY + b"x" * 900)
        assert talk.conversation.held <= management.MAX_ANSWER + 1_000
    assert [one.values for one in talk.facts] == [values("status.reply", SUMMARY_VALUES)]
    assert talk.conversation.held == 0


def test_command_and_answer() -> None:
    """Both directions of one connection are hints, and neither identifies mining."""
    talk = Talk(ports=API).say(CLIENT, b"summary|").say(SERVER, STATUS + SUMMARY + b"\0")
    assert talk.messages == ["summary", "status.reply"]
    assert talk.conversation.verdict is Verdict.NO


# ── datagrams ────────────────────────────────────────────────────────────────────────────────────────────

DISCOVERED = json.dumps({"hashrate": "78.5K", "share": "1/2", "PoolDiff": "0.01", "Temp": 50})
BITAXE = json.dumps({"ASICModel": "BM1370", "hashRate": 1_100.5, "power": 17.2, "stratumURL": "x.example"})


@pytest.mark.parametrize(
    ("payload", "port", "message", "sender", "more"),
    [
        ("192.168.1.57,AC:1F:6B:00:11:22", 14_235, "ip-report", Role.CLIENT, {"mining.hardware": "Antminer"}),
        (
            "192.168.1.57,AC:1F:6B:00:11:22\0\0",
            14_236,
            "ip-report",
            Role.CLIENT,
            {"mining.hardware": "Antminer"},
        ),
        (
            "IP:192.168.1.58MAC:C4:11:04:00:11:22\n",
            8_888,
            "ip-report",
            Role.CLIENT,
            {"mining.hardware": "Whatsminer"},
        ),
        ("cgminer-FTW-4028", 4_028, "discovery", Role.SERVER, {}),
        ("bfgminer-BTW-4028-x", 9_999, "discovery", Role.SERVER, {}),
        ("cgm-FTW-4028-rig 7", 4_028, "discovery.reply", Role.CLIENT, {}),
        (DISCOVERED, 12_345, "status", Role.CLIENT, {"mining.agent": "NMMiner"}),
        ('{"HashRate":"1K","poolDiff":2}', 12_345, "status", Role.CLIENT, {"mining.agent": "NMMiner"}),
        ('{"command":"summary"}', 4_028, "summary", Role.SERVER, {}),
        (
            BITAXE,
            12_345,
            "info.reply",
            Role.CLIENT,
            {
                "mining.hardware": "Bitaxe Gamma",
                "mining.hashrate": 1_100.5e9,
                "mining.power": 17.2,
                "mining.pool": "x.example",
            },
        ),
    ],
)
def test_datagram(payload: str, port: int, message: str, sender: Role, more: dict[str, Any]) -> None:
    """A datagram of a machine, or of who looks for machines, is a hint, at either end's port."""
    for found in (
        datagram(payload, port),
        management.read_datagram(payload.encode(), (port, 50_000), Origin(0, 3, -1), Oddities()),
    ):
        (one,) = found
        assert (one.message, one.sender, one.values) == (message, sender, values(message, more))
        assert (one.side, one.time, one.end, one.mining) == (0, 3, -1, False)


@pytest.mark.parametrize(
    ("payload", "port"),
    [
        ("192.168.1.57,AC:1F:6B:00:11:22", 53),
        ("192.168.1.57,AC:1F:6B", 14_235),
        ("host,AC:1F:6B:00:11:22", 14_235),
        ("cgminer", 4_028),
        ("OK\0\0\0\0\0\0\0\0", 14_235),
        ('{"hashrate":1}', 12_345),
        ('{"hashrate":1,"name":"x"}', 12_345),
        ('{"command":"summary","more":1}', 4_028),
        ("[1]", 12_345),
        ("{broken", 12_345),
        ("", 14_235),
    ],
)
def test_other_datagrams(payload: str, port: int) -> None:
    """A datagram of another shape, or of the right shape at another port, is nothing."""
    assert datagram(payload, port) == []


def test_long_datagram() -> None:
    """Of a datagram no more than 16 KiB are looked at."""
    assert datagram('{"hashrate":1,"share":2,"x":"' + "y" * 17_000 + '"}', 12_345) == []


# ── fuzz entries ─────────────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=200, deadline=None)
@given(mangled([b"summary+pools|0", STATUS + SUMMARY + b"\0", STATUS * 9 + b"\0"]), pieces())
def test_damaged_text(data: bytes, sizes: list[int]) -> None:
    """Fuzz entry: damaged texts never raise, are bounded, and an answer says the same in any pieces."""
    whole, cut = Talk(ports=API).say(SERVER, data), read_in(sizes, SERVER, data, ports=API)
    assert max(whole.conversation.held, cut.conversation.held) <= HELD
    if data.startswith(b"STATUS=") and b"\0" not in data[:-1]:
        assert whole.said == cut.said


@settings(max_examples=200, deadline=None)
@given(
    mangled([DISCOVERED.encode(), BITAXE.encode(), b"192.168.1.57,AC:1F:6B:00:11:22"])
    | st.dictionaries(
        st.sampled_from(["STATUS", "hashrate", "share", "ASICModel", "hashRate", "SUMMARY"]), JSON
    ).map(lambda document: json.dumps(document).encode()),
    st.sampled_from([4_028, 8_888, 12_345, 14_235]),
)
def test_damaged_datagram(payload: bytes, port: int) -> None:
    """Fuzz entry: no datagram raises, and each tells of one machine at most."""
    assert len(datagram(payload, port)) <= 1
