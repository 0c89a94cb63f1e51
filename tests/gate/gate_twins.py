"""The gate and its plain twin, side by side.

In: frames.  Out: the reasons that both gave.
Never: silence about a difference, be it in a verdict, a row, the flow table, the clock or a counter.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from gate_frames import Seen, batch

from sniffer.gate import reasons, rows
from sniffer.gate.gate import Gate
from sniffer.gate.plain import Found, PlainGate

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sniffer.batch import Batch
    from sniffer.model import Pattern

KEYS = (0x0706050403020100, 0x0F0E0D0C0B0A0908, 0x1716151413121110)
FIELDS = tuple(field.name for field in dataclasses.fields(Found))
LISTED = [("pool.example", True), ("exact.example.org", False), ("xn--mner-0ra.example", True)]


class Twins:
    """Both gates, fed alike."""

    def __init__(
        self,
        listed: Sequence[tuple[str, bool]] = tuple(LISTED),
        *,
        every_name: bool = False,
        flows: int = 1024,
        patterns: Iterable[Pattern] = (),
    ) -> None:
        self.gate = Gate(listed, every_name=every_name, flows=flows, keys=KEYS)
        self.plain = PlainGate(listed, every_name=every_name, flows=flows, keys=KEYS)
        self.list_patterns(patterns)
        self.passed: list[Found] = []  # of the last batch

    def judge(self, frames: Iterable[Seen | bytes]) -> list[str]:
        """Reasons for the frames, which are laid into one batch."""
        return self.judge_batch(batch(frames))

    def judge_batch(self, one: Batch) -> list[str]:
        """Reasons for a batch, once both agree on everything."""
        table = np.concatenate([found.copy() for found in self.gate.passes(one)] or [np.zeros(0, rows.ROW)])
        answers = list(self.plain.judge(one))
        verdicts = self.gate.verdicts[: len(one.frames)].tolist()
        for (each, _), verdict in zip(answers, verdicts, strict=True):
            assert reasons.REASONS[verdict].name == reasons.REASONS[each.reason].name, each
        self.passed = [each for _, passing in answers for each in passing]
        columns = {name: table[name].tolist() for name in FIELDS}
        for i, each in enumerate(self.passed):
            row = {name: column[i] for name, column in columns.items()}
            assert row == dataclasses.asdict(each)
        assert len(table) == len(self.passed)
        assert (self.gate.now, self.gate.clock_jumps) == (self.plain.now, self.plain.jumps)
        assert self.gate.evicted() == self.plain.evicted
        assert (self.gate.cut, self.gate.hellos(), self.gate.wrapped()) == (
            self.plain.cut,
            self.plain.hellos,
            self.plain.wrapped,
        )
        assert (self.gate.segments_sampled, self.gate.segments_repeated) == (
            self.plain.repeats.sampled,
            self.plain.repeats.again,
        )
        assert {address: told for address, *told in self.gate.carried()} == {
            address: [*told] for address, told in self.plain.hosts.carried().items()
        }
        counted = {**self.plain.fragments.counts, **self.plain.quic.counts}
        assert {kind: count for kind, count in self.gate.oddities().items() if count} == counted
        return [reasons.REASONS[each.reason].name for each, _ in answers]

    def set_stage(self, each: Found, stage: int) -> None:
        """Give a verdict to both."""
        self.gate.set_stage(each.slot, each.hash, stage)
        self.plain.set_stage(each.slot, each.hash, stage)

    def note_mining(self, each: Found) -> None:
        """Tell both that a flow mines."""
        self.gate.note_mining(each.slot, each.hash)
        self.plain.note_mining(each.slot, each.hash)

    def list_patterns(self, patterns: Iterable[Pattern]) -> None:
        """Have both look for bytes."""
        wanted = list(patterns)
        self.gate.list_patterns(wanted)
        self.plain.list_patterns(wanted)

    def know_server(self, address: bytes, until: int) -> None:
        """Tell both of a server."""
        self.gate.know_server(address, until)
        self.plain.know_server(address, until)

    def watch_host(self, address: bytes) -> None:
        """Have both count a host's bytes."""
        self.gate.watch_host(address)
        self.plain.watch_host(address)

    def compare_tables(self) -> None:
        """Both flow tables hold the same."""
        hashes = self.gate.flows.hashes.tolist()
        assert {slot: h for slot, h in enumerate(hashes) if h} == {
            slot: flow.hash for slot, flow in self.plain.slots.items()
        }
        for slot, flow in self.plain.slots.items():
            assert described(self.gate.flows.flows[slot]) == {
                "last_seen": flow.last_seen,
                "stage": flow.stage,
                "probes": flow.probes,
                "starts": flow.starts,
                "payload_from": flow.payload_from,
                "heard": flow.heard,
                "opener": flow.opener,
                "mines": flow.mines,
            }


def described(flow: Any) -> dict[str, Any]:
    """A row of the flow table in the words of the plain twin."""
    seen = int(flow["seen"])
    starts = {side: int(flow[f"start{side}"]) for side in (0, 1) if seen & rows.SEEN_SYN << side}
    return {
        "last_seen": int(flow["last_seen"]),
        "stage": int(flow["stage"]),
        "probes": int(flow["probes"]),
        "starts": starts,
        "payload_from": {side for side in (0, 1) if seen & rows.SEEN_PAYLOAD << side},
        "heard": {side for side in (0, 1) if seen & rows.SEEN_ANY << side},
        "opener": seen // rows.SEEN_CALL,
        "mines": bool(flow["mines"]),
    }
