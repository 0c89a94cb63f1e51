"""An engine whose tallies go into a size book, as from a worker to the parent; work as if there had been a flow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sniffer.engine import Engine, EngineSettings
from sniffer.sinks.networks import HostNames
from sniffer.size.hosts import SizeBook
from sniffer.size.sessions import SECOND
from sniffer.size.work import BUCKET, Tallies, Tally, Work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sniffer.batch import Batch
    from sniffer.prepared import Prepared
    from sniffer.ruleset import RuleSet
    from sniffer.size.sessions import Session


START = 6_000_000 * BUCKET
SHARE = 2.0**42


def work(at: float, shares: int = 0, *, worth: float = SHARE, flow: int = 1, **more: object) -> Work:
    """What a flow did, ``at`` seconds after the start."""
    time = START + int(at * SECOND)
    fields: dict[str, object] = {
        "host": bytes(4), "server": bytes(4), "server_port": 3333, "protocol": "stratum-v1", "account": "a",
        "tenant": "", "flow": flow, "first": time, "last": time, "submitted": shares, "accepted": shares,
        "counted": shares, "hashes": shares * worth, "squares": shares * worth * worth, "known_since": START,
        "algorithm": "sha256d", "hardware": "Antminer S9", "seen": 3,
    }  # fmt: skip
    return Work(**{**fields, **more})  # type: ignore[arg-type]


def finished(book: SizeBook) -> list[Session]:
    """Nothing more will come: all sessions that are due."""
    return [session for part in book.finish() for session in part]


def shown(text: str) -> str:
    """Accounts in clear text."""
    return text


class SizeRun:
    """Batches in, sessions out.

    Args:
        rules: what is matched beside; sizes do not ask.
        hide: how accounts are shown.
        interfaces: that frames come from.
        settings: of the engine.
    """

    def __init__(
        self,
        rules: RuleSet | Prepared,
        *,
        hide: Callable[[str], str] = shown,
        interfaces: Sequence[str] = ("test",),
        **settings: object,
    ) -> None:
        self.book = SizeBook(HostNames())
        self._due: list[Tally] = []
        self.engine = Engine(
            rules,
            interfaces=interfaces,
            settings=EngineSettings(**{"gate_flows": 1 << 12, **settings}),  # type: ignore[arg-type]
            hit=lambda _: None,
            event=lambda _: None,
            tallies=Tallies(self._due.append, hide),
        )

    def feed(self, batches: Iterable[Batch]) -> SizeRun:
        """Run what the wire saw; news go over after each batch."""
        for batch in batches:
            self.engine.process(batch)
            self.hand_over()
        return self

    def finish(self) -> None:
        """No more packets will come."""
        self.engine.finish()
        self.hand_over()

    def hand_over(self) -> None:
        """Bring what is due to the book."""
        for tally in self._due:
            for work in tally.take():
                self.book.add(work)
        self._due.clear()
        self.book.turn(self.engine.gate.last_packet, everything=True)

    @property
    def sessions(self) -> list[Session]:
        """All sessions."""
        return list(self.book.sessions)
