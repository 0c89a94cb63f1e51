"""Event lines: the documented keys in the documented order, private facts hidden, one printable line each."""

from __future__ import annotations

import ipaddress
import json
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sniffer.model import Confidence, Detection, Endpoint, Facts, Listed, Match, Place, Role, Severity
from sniffer.sinks.event import MAX_LINE, community_id, encode, make_event, number, timestamp
from sniffer.sinks.privacy import Privacy
from sniffer.sinks.schema import event_schema

CLEAR = Privacy(None)
HIDDEN = Privacy(b"a key")
RULE = SimpleNamespace(
    id="stratum-v1-submit",
    title="Bitcoin-family share submission",
    severity=Severity.HIGH,
    category="mining",
    rev=2,
    signature_id=9_000_001,
)


def packed(text: str) -> bytes:
    """An address as on the wire."""
    return ipaddress.ip_address(text).packed


def detection(**different: Any) -> Detection:
    """A share that a miner submits, double-tagged, with an earlier login; parts may differ."""
    values = different.pop("values", {"mining.difficulty": 4096.0, "stratum.method": "mining.submit"})
    place = {
        "source": packed("10.0.0.7"),
        "source_port": 51234,
        "destination": packed("203.0.113.9"),
        "destination_port": 3333,
        "protocol": 6,
        "layers": ("vlan", "vlan"),
        "vlans": (100, 7),
        "interface": 0,
        **different.pop("place", {}),
    }
    parts: dict[str, Any] = {
        "rule": RULE,
        "facts": Facts(
            "stratum-v1", "mining.submit", Role.CLIENT, values, 0, 1_763_884_800_123_456_789, mining=True
        ),
        "match": Match(matched=True, reasons=("stratum.method = mining.submit",)),
        "place": Place(**place),
        "flow_id": 77,
        "confidence": Confidence.CONFIRMED,
        "host": packed("10.0.0.7"),
        "server": packed("203.0.113.9"),
        "server_port": 3333,
        "seen": "both",
        "count": 3,
        "session": {"mining.user": "bc1qexample", "mining.worker": "rig1", "mining.agent": "cgminer/4.11.1"},
    }
    return Detection(**{**parts, **different})


def event_of(one: Detection, privacy: Privacy = CLEAR, **more: Any) -> dict[str, Any]:
    """The event of a sensor with one interface."""
    return make_event(one, sensor="north", interfaces=["eth1"], privacy=privacy, **more)


# ── shape ────────────────────────────────────────────────────────────────────────────────────────────────


def test_is_as_documented() -> None:
    """Every key, value and the order of a full event, with what an earlier message told."""
    event = event_of(detection(), filename="a.pcap", tenant={"name": "lab", "contact": ""})
    expected = {
        "timestamp": "2025-11-23T08:00:00.123456+00:00",
        "event_type": "alert",
        "sensor": "north",
        "in_iface": "eth1",
        "pcap_filename": "a.pcap",
        "vlan": [100, 7],
        "flow_id": 77,
        "community_id": community_id(packed("10.0.0.7"), 51234, packed("203.0.113.9"), 3333, 6),
        "src_ip": "10.0.0.7",
        "src_port": 51234,
        "dest_ip": "203.0.113.9",
        "dest_port": 3333,
        "proto": "TCP",
        "alert": {
            "signature_id": 9_000_001,
            "rule": "stratum-v1-submit",
            "signature": "Bitcoin-family share submission",
            "category": "mining",
            "severity": 2,
            "rev": 2,
        },
        "mining": {
            "host_ip": "10.0.0.7",
            "server_ip": "203.0.113.9",
            "server_port": 3333,
            "protocol": "stratum-v1",
            "message": "mining.submit",
            "user": "bc1qexample",
            "worker": "rig1",
            "agent": "cgminer/4.11.1",
            "difficulty": 4096,
            "confidence": "confirmed",
            "seen": "both",
            "encapsulation": ["vlan", "vlan"],
            "count": 3,
            "reasons": ["stratum.method = mining.submit"],
        },
        "tenant": {"name": "lab"},
    }
    assert json.dumps(event) == json.dumps(expected)


def test_a_list_is_told_with_its_origin_and_date() -> None:
    """What is known of it, in printable ASCII, as the schema says; nothing where no list was asked."""
    known = Listed("feed", "a.example", "B\u00fcro", "2026-11-01")
    event = event_of(detection(match=Match(True, ("dns.query in @feed (a.example)",), None, known)))
    assert event["mining"]["list"] == {
        "name": "feed", "entry": "a.example", "origin": "B\\xfcro", "updated": "2026-11-01",
    }  # fmt: skip
    jsonschema.validate(event, event_schema())
    seen = Listed("pool.strong", "a.example", seen_on="crawl-2026-04")
    event = event_of(detection(match=Match(True, (), None, seen)))
    assert event["mining"]["list"] == {
        "name": "pool.strong",
        "entry": "a.example",
        "seen_on": "crawl-2026-04",
    }
    assert "list" not in event_of(detection())["mining"]


def test_absent_values_are_left_out() -> None:
    """Neither null nor empty text, list or object; numbers that are 0 stay where they mean something."""
    one = detection(
        values={},
        session={},
        server=None,
        server_port=0,
        match=Match(matched=True),
        place={"layers": (), "vlans": (), "interface": 9, "source_port": 0},
    )
    event = make_event(one, sensor="", interfaces=[], privacy=CLEAR)
    assert not {"sensor", "in_iface", "vlan", "pcap_filename", "tenant"} & set(event)
    assert set(event["mining"]) == {"host_ip", "protocol", "message", "confidence", "seen", "count"}
    assert event["src_port"] == 0


def test_a_servers_message_names_the_miner() -> None:
    """Source and destination are as on the wire; host_ip is the address that mines even when the pool spoke."""
    one = detection(
        place={
            "source": packed("203.0.113.9"),
            "source_port": 3333,
            "destination": packed("10.0.0.7"),
            "destination_port": 51234,
        }
    )
    event = event_of(one)
    assert (event["src_ip"], event["dest_ip"]) == ("203.0.113.9", "10.0.0.7")
    assert event["mining"]["host_ip"] == "10.0.0.7"
    assert event["community_id"] == event_of(detection())["community_id"]


def test_the_message_itself_beats_earlier_ones() -> None:
    """What this message says goes before what the session told; a verdict is only ever this message's."""
    one = detection(
        values={"mining.worker": "rig2", "mining.difficulty": 0.5},
        session={
            "mining.worker": "rig1",
            "mining.difficulty": 8.0,
            "mining.coin": "DOGE",
            "mining.accepted": True,
        },
    )
    mining = event_of(one)["mining"]
    assert (mining["worker"], mining["difficulty"], mining["coin"]) == ("rig2", 0.5, "DOGE")
    assert "accepted" not in mining
    assert event_of(detection(values={"mining.accepted": False}))["mining"]["accepted"] is False


def test_a_listed_name_shows_pool_and_domain() -> None:
    """Of several names the one that is listed is shown, and the pool it belongs to."""
    endpoint = Endpoint("pool.example", suffix=True, pool="Example Pool", strength="strong", category="pool")
    one = detection(
        values={"dns.query": "www.innocent.example", "dns.answer": "xmr.pool.example"},
        match=Match(matched=True, endpoint=endpoint),
        place={"protocol": 17},
    )
    event = event_of(one)
    assert (event["mining"]["pool"], event["mining"]["domain"]) == ("Example Pool", "xmr.pool.example")
    assert event["proto"] == "UDP"


# ── privacy and escaping ─────────────────────────────────────────────────────────────────────────────────


def test_what_an_opening_said_is_hidden() -> None:
    """The rule's own words are shown; a reason that quotes the line or its bytes is not, for a wallet may be in it."""
    secret = {"payload.text": "HELLO wallet=bc1qsecret", "payload.hex": b"bc1qsecret".hex()}
    reasons = (
        'payload begins with "HELLO"',
        "payload.text contains wallet (HELLO wallet=bc1qsecret)",
        f"payload.hex ends_with 00 ({b'bc1qsecret'.hex()})",
    )
    one = detection(values=dict(secret), match=Match(matched=True, reasons=reasons))
    mining = event_of(one, HIDDEN)["mining"]
    assert mining["reasons"][:2] == [reasons[0], f"payload.text = {HIDDEN.hide(secret['payload.text'])}"]
    assert "bc1qsecret" not in str(mining)
    assert b"bc1qsecret".hex() not in str(mining)


def test_private_facts_are_hidden_everywhere() -> None:
    """Under a key no account, worker or password appears in the line, also not quoted in a reason."""
    secret = {"mining.user": "bc1qsecret", "mining.worker": "rigsecret", "mining.password": "pwsecret"}
    secret |= {fact.replace("mining.", "flow."): value for fact, value in secret.items()}
    reasons = (
        *tuple(f"{fact} = {value}" for fact, value in secret.items()),
        "stratum.method = mining.submit",
    )
    one = detection(values=dict(secret), match=Match(matched=True, reasons=reasons))
    assert b"secret" not in encode(event_of(one, HIDDEN))
    mining = event_of(one, HIDDEN)["mining"]
    assert mining["user"] == HIDDEN.hide("bc1qsecret")
    assert mining["reasons"][0] == f"mining.user = {mining['user']}"
    assert mining["reasons"][3] == f"flow.user = {mining['user']}"
    assert mining["reasons"][6] == "stratum.method = mining.submit"
    assert event_of(one, CLEAR)["mining"]["reasons"] == list(reasons)


WIRE_TEXT = st.text(st.characters(exclude_categories=()), max_size=600)
WIRE_VALUES = st.dictionaries(
    st.sampled_from(["mining.user", "mining.worker", "mining.password", "mining.agent", "mining.pool", "mining.coin", "dns.query",
                     "mining.difficulty", "mining.hashrate", "mining.accepted"]),
    st.one_of(WIRE_TEXT, st.integers(), st.floats(), st.booleans()),
)  # fmt: skip


@given(WIRE_VALUES, st.lists(WIRE_TEXT, max_size=40), st.sampled_from([CLEAR, HIDDEN]), WIRE_TEXT)
def test_any_text_makes_one_printable_line(
    values: dict[str, Any], reasons: list[str], privacy: Privacy, filename: str
) -> None:
    """Whatever the wire says: one line of strict JSON in bytes 0x20 to 0x7e, at most 4 KiB, strings at most 256."""
    one = detection(values=values, match=Match(matched=True, reasons=tuple(reasons)))
    line = encode(event_of(one, privacy, filename=filename))
    assert line.endswith(b"\n")
    assert len(line) <= MAX_LINE
    assert all(0x20 <= byte <= 0x7E for byte in line[:-1])

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    event = json.loads(line, parse_constant=refuse)

    def walk(value: Any) -> None:
        assert value is not None
        assert value not in ("", [], {})
        if isinstance(value, str):
            assert len(value) <= 256
        for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            walk(part)

    walk(event)


def test_a_long_alert_loses_reasons_first() -> None:
    """4 KiB hold: reasons go from the end, then strings are cut; whose address it is stays."""
    long = dict.fromkeys(
        ("mining.user", "mining.worker", "mining.password", "mining.agent", "mining.pool"), "w" * 300
    )
    one = detection(
        values=long, match=Match(matched=True, reasons=tuple(f"{n} " + "r" * 240 for n in range(16)))
    )
    line = encode(event_of(one))
    mining = json.loads(line)["mining"]
    assert len(line) <= MAX_LINE
    assert 0 < len(mining["reasons"]) < 16
    assert mining["user"].startswith("w" * 200)
    bloated = {**event_of(one), "tenant": {f"key{n}": "t" * 200 for n in range(20)}}
    shortened = encode(bloated)
    assert len(shortened) <= MAX_LINE
    assert json.loads(shortened)["mining"]["host_ip"] == "10.0.0.7"


def test_stats_stay_whole() -> None:
    """A stats record may be long; text that is not ASCII is escaped."""
    record = {
        "event_type": "stats",
        "file": "抓包\x7f\ud800",
        "skipped": {f"reason{n}": n for n in range(500)},
    }
    line = encode(record)
    assert len(line) > MAX_LINE
    assert line.isascii()
    assert b"\x7f" not in line
    assert json.loads(line) == record


# ── values ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("source", "source_port", "destination", "destination_port", "protocol", "expected"),
    [
        ("128.232.110.120", 34855, "66.35.250.204", 80, 6, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
        ("1.2.3.4", 1122, "5.6.7.8", 3344, 6, "1:wCb3OG7yAFWelaUydu0D+125CLM="),
        ("1.2.3.4", 1122, "5.6.7.8", 3344, 17, "1:0Mu9InQx6z4ZiCZM/7HXi2WMhOg="),
        ("192.168.1.52", 54585, "8.8.8.8", 53, 17, "1:d/FP5EW3wiY1vCndhwleRRKHowQ="),
        ("127.0.0.1", 1234, "10.0.0.1", 80, 6, "1:mgRgpIZSu0KHDp/QrtcWZpkJpMU="),
        (
            "fe80::200:86ff:fe05:80da",
            1022,
            "fe80::260:97ff:fe07:69ea",
            22,
            6,
            "1:gS2aYcRwGJWe7UratL8/84dclq4=",
        ),
    ],
)
def test_community_id_is_the_published_one(
    source: str, source_port: int, destination: str, destination_port: int, protocol: int, expected: str
) -> None:
    """Values of the specification's examples and of other implementations' tests, from both directions."""
    one, other = (packed(source), source_port), (packed(destination), destination_port)
    assert community_id(*one, *other, protocol) == community_id(*other, *one, protocol) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (4096.0, 4096),
        (0.25, 0.25),
        (7, 7),
        (1e300, 1e300),
        (10**30, 1e30),
        (10**400, None),
        (float("nan"), None),
        (float("inf"), None),
        (True, None),
        ("7", None),
    ],
)
def test_numbers_are_finite(value: object, expected: float | None) -> None:
    """Whole numbers are written whole; what no JSON reader takes is left out."""
    assert number(value) == expected
    assert type(number(value)) is type(expected)


@pytest.mark.parametrize(
    ("nanoseconds", "expected"),
    [
        (0, "1970-01-01T00:00:00.000000+00:00"),
        (4_102_444_800_000_001_999, "2100-01-01T00:00:00.000001+00:00"),
        (-5, "1970-01-01T00:00:00.000000+00:00"),
        (2**63 - 1, "2262-04-11T23:47:16.854775+00:00"),
    ],
)
def test_timestamps_have_microseconds(nanoseconds: int, expected: str) -> None:
    """Any packet time has a text, always with six digits and an offset."""
    assert timestamp(nanoseconds) == expected
