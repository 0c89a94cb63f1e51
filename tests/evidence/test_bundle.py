"""The files of a bundle."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
import pytest
from evidence.making import Stage, files_of, session

from sniffer.evidence.bundle import read_verdict

if TYPE_CHECKING:
    from sniffer.ruleset import RuleSet


def test_what_is_in_it(ruleset: RuleSet) -> None:
    """Packets, verdicts with their event lines, timeline, rules and sensor are there, in printable ASCII where it is text."""
    (one,) = Stage(ruleset).read(session().batch()).finish()
    files = files_of(one, ruleset)
    assert list(files) == ["packets.pcapng", "verdict.json", "timeline.jsonl", "sensor.json", "rules.yaml"]
    for name in ("verdict.json", "timeline.jsonl", "sensor.json", "rules.yaml"):
        assert set(files[name]) <= {*range(32, 127), 10}
    told = read_verdict(files["verdict.json"])
    assert (told.frames, told.messages) == (len(one.frames), len(one.messages))
    assert told.rules_version == ruleset.version
    event = json.loads(bytes(told.verdicts[0].event))
    assert event["alert"]["rule"] == told.verdicts[0].rule
    assert event == json.loads(one.verdicts[0].line)
    sensor = json.loads(files["sensor.json"])
    assert sensor["clock"]["ahead_of_packets_seconds"] == pytest.approx(1e8, abs=10)


def test_nothing_of_the_wire_is_trusted(ruleset: RuleSet) -> None:
    """Names of files and of pools that a capture brought are escaped."""
    (one,) = Stage(ruleset).read(session().batch()).finish()
    odd = msgspec.structs.replace(one, filename="a\x1b[31m\n", known_as="\u2028pool", interfaces=("e\x00",))
    files = files_of(odd, ruleset)
    assert set(files["verdict.json"]) <= {*range(32, 127), 10}
    assert read_verdict(files["verdict.json"]).capture == "a\\x1b[31m\\x0a"


@pytest.mark.parametrize("data", [b"", b"{}", b"[" * 5_000, b'{"rules_version":1}'])
def test_what_is_no_verdict(data: bytes) -> None:
    """It is a ValueError, whatever it is."""
    with pytest.raises(ValueError, match=r"."):
        read_verdict(data)
