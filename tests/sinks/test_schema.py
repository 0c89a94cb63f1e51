"""The schema of events: what every story makes fits it, and what is wrong does not."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from commandline import sniffer

from sniffer.cli import schema_of
from sniffer.sinks.schema import event_schema

ROOT = Path(__file__).parents[2]
VALIDATOR = jsonschema.Draft202012Validator(event_schema())


def test_is_a_schema() -> None:
    """By its own draft; ``sniffer schema event`` prints it."""
    jsonschema.Draft202012Validator.check_schema(event_schema())
    assert schema_of("event") == event_schema()


@pytest.mark.parametrize("privacy", [[], ["--private"]], ids=["clear", "private"])
def test_every_line_of_every_story(privacy: list[str]) -> None:
    """Alerts and stats of all stories, with users in clear text and as hashes."""
    done = sniffer("scan", "--json", *privacy, ROOT / "pcaps")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    kinds = [line["event_type"] for line in lines]
    assert kinds.count("alert") > 50
    assert kinds[-1] == "stats"
    for line in lines:
        VALIDATOR.validate(line)


def example(kind: str) -> dict[str, Any]:
    """The documented line of a kind."""
    page = (ROOT / "docs" / "events.md").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in page.splitlines() if line.startswith('{"timestamp"')]
    (found,) = [line for line in lines if line["event_type"] == kind]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("kind", "place", "value"),
    [
        ("alert", "event_type", "flow"),
        ("alert", "event_type", "stats"),
        ("alert", "surprise", 1),
        ("alert", "src_port", 70_000),
        ("alert", "src_ip", None),
        ("alert", "sensor", "caf\u00e9"),
        ("alert", "alert.severity", 5),
        ("alert", "alert.surprise", 1),
        ("alert", "mining.confidence", "sure"),
        ("alert", "mining.count", 0),
        ("alert", "mining.host_ip", ...),
        ("alert", "mining.surprise", 1),
        ("alert", "tenant.surprise", "x"),
        ("stats", "stats.packets", -1),
        ("stats", "stats.packets", "many"),
        ("stats", "stats.packets", ...),
        ("stats", "stats.surprise", 1),
        ("stats", "stats.skipped", {"no_payload": "x"}),
        ("gap", "gap.lines", 0),
        ("gap", "gap.sink", ...),
        ("gap", "gap.surprise", 1),
    ],
)
def test_what_is_wrong_does_not_fit(kind: str, place: str, value: object) -> None:
    """Another kind, an unknown key, a value out of range, a missing key (three dots) are each refused."""
    line = example(kind)
    VALIDATOR.validate(line)
    wrong = copy.deepcopy(line)
    *way, last = place.split(".")
    part = wrong
    for step in way:
        part = part[step]
    if value is ...:
        del part[last]
    else:
        part[last] = value
    assert not VALIDATOR.is_valid(wrong)
