"""An engine that keeps everything it said, and three mining messages to say to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sniffer.engine import Engine, EngineSettings
from sniffer.owners.table import Ownership
from sniffer.size.work import Tallies

if TYPE_CHECKING:
    from collections.abc import Callable

    import frames as build

    from sniffer.counts import Sighting
    from sniffer.model import Confidence, Detection
    from sniffer.owners.table import Owners
    from sniffer.prepared import Prepared
    from sniffer.ruleset import RuleSet
    from sniffer.size.work import Tally

SUBSCRIBE = '{"id": 1, "method": "mining.subscribe", "params": ["cgminer/4.11.1"]}\n'
SUBMIT = '{"params": ["bc1qexample.rig1", "bf", "00000001", "504e86ed", "b2957c02"], "id": 4, "method": "mining.submit"}\n'
NOTIFY = '{"id":null,"method":"mining.set_difficulty","params":[4096]}\n'
SECOND = 10**9


class Run:
    """An engine with everything it said."""

    def __init__(
        self,
        ruleset: RuleSet | Prepared,
        *,
        owners: Owners | None = None,
        sighting: Callable[[Sighting, Detection], None] | None = None,
        traffic: bool = False,
        **settings: object,
    ) -> None:
        self.hits: list[Detection] = []
        self.levels: list[Confidence] = []
        self.tallies: list[Tally] = []
        self.carried: list[tuple[bytes, int, int, int]] = []  # where ``traffic`` is asked for
        self.watched: list[bytes] = []
        self.events: list[tuple[str, Confidence, int]] = []
        self.engine = Engine(
            ruleset,
            interfaces=["test"],
            settings=EngineSettings(**{"gate_flows": 1 << 12, **settings}),  # type: ignore[arg-type]
            hit=self._hit,
            event=lambda d: self.events.append((d.rule.id, d.confidence, d.count)),
            ownership=Ownership(owners) if owners is not None else None,
            sighting=sighting,
            tallies=Tallies(self.tallies.append, str) if traffic else None,
            carried=(lambda *row: self.carried.append(row)) if traffic else None,
            watched=self.watched.append if traffic else None,
        )

    def _hit(self, detection: Detection) -> None:
        self.hits.append(detection)
        self.levels.append(detection.confidence)

    def feed(self, conversation: build.Conversation) -> Run:
        """Run what the wire saw."""
        self.engine.process(conversation.batch())
        return self
