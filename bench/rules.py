"""Measures what rules cost a mining message: many of them, expressions, counts, and the paranoid.

    python bench/rules.py [--rounds 7] [--core N]

In: nothing but the project.  Out: a table: rules, microseconds of CPU a message, times the first row, hits.
Never: a figure from a round in which not every message was read; a comparison of different traffic.

The traffic is that of ``costs.py``: shares of Bitcoin miners and the verdicts on them.  A row's rules are all that there are.
The rows take turns within a round; figures are the least of all rounds.  What the gate costs a packet is in all of them.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

sys.path.insert(0, str(Path(__file__).parent))
from costs import FLOWS, TURNS, begin, make, stratum

from sniffer.counts import HostCounts
from sniffer.engine import Engine, EngineSettings
from sniffer.paths import shipped_rules
from sniffer.ruleset import load_rules
from sniffer.sinks.event import encode, make_event
from sniffer.sinks.privacy import Privacy

if TYPE_CHECKING:
    from sniffer.batch import Batch
    from sniffer.counts import Sighting
    from sniffer.model import Detection
    from sniffer.ruleset import RuleSet

RULE = """
- id: rule-{number}
  signature_id: {signature}
  title: rule {number}
  severity: high
  confidence: confirmed
  match: {match}
  examples:
    hits: [{{client: x}}]
    misses: [{{client: y}}]
"""
SHARES = "{fact: stratum.method, equals: mining.submit}"
MESSAGES = FLOWS * (1 + 2 * TURNS)
COUNT = "{{count: {{at_least: 20, within: 60s, per: {per}, of: {of}}}}}"


class Row(NamedTuple):
    """One set of rules and how it is used."""

    name: str
    rules: RuleSet
    paranoid: bool = False
    tells: bool = False  # sightings are told with lines, and counted by another, as worker and parent do


def rules(folder: Path, *matches: str) -> RuleSet:
    """A set of rules with these conditions."""
    folder.mkdir()
    text = "".join(
        RULE.format(number=number, signature=number + 1, match=match) for number, match in enumerate(matches)
    )
    (folder / "rules.yaml").write_text(text, encoding="utf-8")
    return load_rules([folder])


def rows(folder: Path) -> list[Row]:
    """What is compared."""
    users = [f"{{fact: mining.user, equals: u{number}}}" for number in range(2_000)]
    agents = [f"{{fact: mining.user, matches: '^v{number}[.]rig[0-9]+$'}}" for number in range(5)]
    host = rules(folder / "host", COUNT.format(per="host", of=SHARES))
    return [
        Row("10 rules, a value each", rules(folder / "few", *users[:10])),
        Row("2 000 rules, a value each", rules(folder / "many", *users)),
        Row("10 rules and 5 expressions", rules(folder / "matches", *users[:10], *agents)),
        Row("one rule, each share a hit", rules(folder / "one", SHARES)),
        Row("… counted by flow", rules(folder / "flow", COUNT.format(per="flow", of=SHARES))),
        Row("… counted by host", host),
        Row("… the same, with lines, by another", host, tells=True),
        Row("the shipped rules", shipped := load_rules([shipped_rules()])),
        Row("… paranoid", shipped, paranoid=True),
    ]


def run(row: Row, traffic: list[Batch]) -> tuple[float, int]:
    """CPU seconds a message, and hits."""
    privacy, interfaces = Privacy(None), ["bench"]
    told: list[tuple[Sighting, bytes]] = []

    def tell(sighting: Sighting, detection: Detection) -> None:
        line = encode(make_event(detection, sensor="bench", interfaces=interfaces, privacy=privacy))
        told.append((sighting, line))

    engine = Engine(
        row.rules,
        interfaces=interfaces,
        settings=EngineSettings(gate_flows=1 << 16, paranoid=row.paranoid),
        hit=lambda _: None,
        event=lambda _: None,
        sighting=tell if row.tells else None,
    )
    begun = time.process_time()
    for batch in traffic:
        engine.process(batch)
    engine.finish()
    parent: HostCounts[bytes] = HostCounts(repeat_interval=600_000_000_000)
    hits = sum(len(parent.add(*one)) for one in told)
    spent = time.process_time() - begun
    totals = engine.totals()
    if totals.facts["mining.message"] != MESSAGES:
        raise SystemExit(f"{row.name}: {totals.facts['mining.message']} messages were read")
    return spent / totals.facts["mining.message"], totals.hits + hits


def main() -> int:
    """Measure and print."""
    rounds = begin(__doc__)
    traffic = make(stratum, FLOWS)
    with tempfile.TemporaryDirectory() as folder:
        compared = rows(Path(folder))
    least = dict.fromkeys((row.name for row in compared), float("inf"))
    hits: dict[str, int] = {}
    for _ in range(rounds):
        for row in compared:
            spent, hits[row.name] = run(row, traffic)
            least[row.name] = min(least[row.name], spent)
    first = least[compared[0].name]
    print(f"{'rules':36} {'us a message':>13} {'times':>7} {'hits':>7}")
    for name, spent in least.items():
        print(f"{name:36} {spent * 1e6:13.1f} {spent / first:7.2f} {hits[name]:7}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
