"""Makes exhibits and bundles out of captures, as a worker and the parent do."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import frames as build

from sniffer.capture.savefile import Savefile
from sniffer.engine import Engine, EngineSettings
from sniffer.evidence.bundle import make_files
from sniffer.evidence.exhibit import Bounds
from sniffer.evidence.rulestext import excerpt
from sniffer.evidence.witness import Witness
from sniffer.sinks.event import encode, make_event
from sniffer.sinks.privacy import Privacy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from sniffer.batch import Batch
    from sniffer.evidence.exhibit import Exhibit
    from sniffer.model import Detection
    from sniffer.ruleset import RuleSet

SUBMIT = '{"params":["wallet.1","bf","00000001","504e86ed","b2957c02"],"id":4,"method":"mining.submit"}\n'
ACCEPTED = '{"id":4,"result":true,"error":null}\n'
EVERYTHING = Bounds(confidence=1)


class Stage:
    """An engine with a witness, and what it hands over."""

    def __init__(
        self,
        ruleset: RuleSet,
        bounds: Bounds | None = None,
        *,
        interfaces: list[str] | None = None,
        **settings: Any,
    ) -> None:
        self.exhibits: list[Exhibit] = []
        self.hits: list[Detection] = []
        self.interfaces = interfaces if interfaces is not None else ["mirror0"]
        privacy = Privacy(b"0123456789abcdef")

        def line(detection: Detection) -> bytes:
            return encode(make_event(detection, sensor="s", interfaces=self.interfaces, privacy=privacy))

        self.witness = Witness(
            bounds or Bounds(),
            give=self.exhibits.append,
            line=line,
            privacy=privacy,
            wall=lambda: 1_800_000_000 * 10**9,
        )
        self.engine = Engine(
            ruleset,
            interfaces=self.interfaces,
            settings=EngineSettings(gate_flows=1 << 12, **settings),
            hit=self._hit,
            event=lambda _: None,
        )
        self.engine.show(self.witness)

    def _hit(self, detection: Detection) -> None:
        self.hits.append(detection)
        self.witness.hit(detection)

    def read(self, *batches: Batch) -> Stage:
        """Read batches."""
        for batch in batches:
            self.engine.process(batch)
        return self

    def finish(self) -> list[Exhibit]:
        """No more packets; everything that was handed over."""
        self.engine.finish()
        self.witness.finish()
        return self.exhibits


def exhibits_of(path: Path, ruleset: RuleSet, bounds: Bounds | None = None) -> list[Exhibit]:
    """What a capture file gives."""
    source = Savefile(str(path))
    stage = Stage(ruleset, bounds, interfaces=source.interfaces)
    for batch in source.batches():
        stage.read(batch)
    source.close()
    return stage.finish()


def files_of(exhibit: Exhibit, ruleset: RuleSet) -> dict[str, bytes]:
    """The files of its bundle."""
    text = excerpt(ruleset.dump(), {one.rule for one in exhibit.verdicts})
    return make_files(exhibit, text, {"sensor": "s"})


def session(shares: int = 3, **ends: Any) -> build.Conversation:
    """A miner that subscribes and submits shares, which are accepted."""
    talk = build.Conversation(**ends).open()
    talk.send(0, '{"id":1,"method":"mining.subscribe","params":["cgminer/4.1"]}\n')
    talk.send(1, '{"id":1,"result":[[["mining.notify","01"]],"02",4],"error":null}\n')
    for _ in range(shares):
        talk.send(0, SUBMIT).send(1, ACCEPTED)
    return talk


def write_all(store: Any, exhibits: Iterable[Exhibit], ruleset: RuleSet) -> list[Any]:
    """A bundle for each."""
    return [store.write(files_of(one, ruleset)) for one in exhibits]


def ticking(start: int = 1_795_420_800) -> Callable[[], int]:
    """A clock that goes on by a second each time it is looked at, nanoseconds."""
    seconds = itertools.count(start)
    return lambda: next(seconds) * 10**9
