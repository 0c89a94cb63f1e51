"""docs/events.md: the page as it is written, with the keys of each kind of line between two marks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pages import cell
from sniffer.model import Confidence, Detection, Facts, Match, Place, Role
from sniffer.paths import shipped_rules
from sniffer.ruleset import load_rules
from sniffer.sinks.event import encode, make_event
from sniffer.sinks.gap import make_gap
from sniffer.sinks.privacy import Privacy
from sniffer.sinks.schema import event_schema
from sniffer.sinks.sink import Losses
from sniffer.sinks.stats import make_stats
from sniffer.totals import InterfaceTotals, Totals

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[2] / "docs" / "events.md"
BEGIN, END = "<!-- from here on written by scripts/make_docs.py -->", "<!-- up to here -->"
MOMENT = 1_795_420_800_123_456_000  # 2026-11-23T08:00:00.123456Z


def lines() -> Iterator[str]:
    """The page."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    yield from f"{before}{BEGIN}".split("\n")
    yield from event_sections()
    yield from f"{END}{rest.partition(END)[2]}".removesuffix("\n").split("\n")


def event_sections() -> Iterator[str]:
    """A section for each kind of line: what it is, an example, its keys."""
    for kind in event_schema()["oneOf"]:
        yield from ("", f"### `{kind['title']}`", "", kind["description"], "")
        yield from ("```json", example(kind["title"]).decode("ascii").rstrip("\n"), "```", "")
        yield from ("| key | type | says |", "| --- | --- | --- |")
        yield from event_rows(kind, "")


def event_rows(shape: dict[str, Any], inside: str) -> Iterator[str]:
    """A row for each key, those of an object below it; a key that need not be there is marked."""
    for name, part in shape["properties"].items():
        where = f"{inside}{name}"
        mark = "" if name in shape["required"] else " (if known)"
        yield f"| `{where}`{mark} | {kind_of(part)} | {cell(part['description'])} |"
        if "properties" in part:
            yield from event_rows(part, f"{where}.")
        elif "properties" in part.get("items", {}):
            yield from event_rows(part["items"], f"{where}[].")


def kind_of(part: dict[str, Any]) -> str:
    """The type of a value in words."""
    if "const" in part:
        return f"`{json.dumps(part['const'])}`"
    if "enum" in part:
        return ", ".join(f"`{one}`" for one in part["enum"])
    if isinstance(part["type"], list):
        return " or ".join(kind_of({**part, "type": one}) for one in part["type"])
    kind = {"integer": "whole number", "string": "text", "boolean": "true or false"}.get(
        part["type"], part["type"]
    )
    if part["type"] == "array":
        return f"list of {kind_of(part['items'])}"
    if "format" in part:
        return "time"
    return "numbers by name" if "additionalProperties" in part and "properties" not in part else kind


def example(kind: str) -> bytes:
    """A line of a kind, as the program writes it."""
    if kind == "alert":
        (rule,) = (rule for rule in load_rules([shipped_rules()]).rules if rule.id == "stratum-v1-submit")
        values: dict[str, Any] = {"mining.difficulty": 65_536.0, "mining.hashes_per_share": 65_536.0 * 2**32}
        detection = Detection(
            rule=rule,
            facts=Facts("stratum-v1", "mining.submit", Role.CLIENT, values, 0, MOMENT, mining=True),
            match=Match(matched=True, reasons=("stratum.method = mining.submit",)),
            place=Place(
                bytes((10, 20, 1, 12)), 40_349, bytes((203, 0, 113, 9)), 3333, 6, ("vlan",), (100,), 0
            ),
            flow_id=131_440_955_423_022,
            confidence=Confidence.CONFIRMED,
            host=bytes((10, 20, 1, 12)),
            server=bytes((203, 0, 113, 9)),
            server_port=3333,
            seen="both",
            count=41,
            session={
                "mining.user": "bc1qexample",
                "mining.worker": "s9-07",
                "mining.agent": "cgminer/4.11.1",
            },
        )
        tenant = {"name": "tenant-a", "contact": "noc@tenant-a.example"}
        hidden = Privacy(b"the key of an example")
        return encode(
            make_event(detection, sensor="park-east-1", interfaces=["eth1"], privacy=hidden, tenant=tenant)
        )
    when = MOMENT / 1e9
    if kind == "gap":
        line = make_gap("events", Losses(failed=118, since=when - 312, until=when - 4), sensor="park-east-1")
    else:
        totals = Totals(
            packets=878,
            bytes=144_901,
            passed=707,
            skipped={"no_payload": 99, "judged": 54, "dns_unlisted": 18},
            undecoded={"gre": 0, "ipv4": 0},
            tls_hellos={"readable": 9, "hidden": 0, "split": 0},
            segments_sampled=119,
            flows=12,
            flows_evicted={"idle": 0},
            facts={"mining.message": 317},
            hits=317,
            interfaces={"eth1": InterfaceTotals(packets=878, drops=2)},
        )
        sinks = {"events": {"written": 61, "dropped": 0, "failed": 118}}
        line = encode(make_stats(totals, sensor="park-east-1", hosts=12, sinks=sinks))
    return encode({**json.loads(line), "timestamp": "2026-11-23T08:00:00.123456+00:00"})
