"""The next rules of a worker, made beside its work.

In: rules and tenants as the parent hands them over.  Out: each set, ready to be taken, or what speaks against it.
Never: a wait for a set: packets are read while it is made; two sets in the making; more than one that waits; an offer
that nobody answers.

A set of a hundred thousand names takes the better part of a second to make, as many keys of tenants a tenth, and a
worker that reads nothing for so long loses packets and is taken for dead.  So a thread makes it, and tries it with the
self-test.  Kernels run without the interpreter's lock; for what runs with it, the two take turns, shorter ones than
usual.  A worker that is never idle and whose kernels are short has the lock back before a thread on the other processor
is awake, and the thread does not count that as being refused: it got its first turn after minutes.  So the worker
steps aside for a turn now and then.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from sniffer.errors import WorkerError, printable
from sniffer.garbage import not_collected
from sniffer.owners.table import Ownership
from sniffer.prepared import Prepared, prepare
from sniffer.ruleset import restore
from sniffer.selftest import find_fault

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from sniffer.control.records import NewRules
    from sniffer.owners.timeline import Timeline

TURN: Final = 0.0001
"""Seconds after which a thread that computes is asked for the interpreter's lock; Python's own 0.005 is several blocks."""
ASIDE_EVERY: Final = 0.001
"""Seconds between two turns that the worker gives away while a set is made: it reads nine tenths of the time."""
SUPERSEDED: Final = "superseded by newer rules"


class Made(NamedTuple):
    """What became of an offer."""

    generation: int
    prepared: Prepared | None = None  # None: see fault
    ownership: Ownership | None = None  # of the tenants that came with them
    fault: str = ""


@not_collected()
def make_rules(dump: bytes, seed: int) -> Prepared:
    """Build rules and try them.

    Args:
        dump: :meth:`~sniffer.ruleset.RuleSet.dump`.
        seed: word that the gate hashes names with.

    Raises:
        WorkerError: with them the sensor would be blind.
        Exception: whatever is wrong with the dump.
    """
    prepared = prepare(restore(dump), seed)
    fault = find_fault(prepared)
    if fault:
        raise WorkerError(f"the self-test failed: {fault}")
    return prepared


class NextRules:
    """Makes rule sets one after another, the newest only."""

    def __init__(
        self,
        make: Callable[[bytes], Prepared],
        processors: Collection[int] = (),
        timeline: Timeline | None = None,
    ) -> None:
        """Take what makes a set.

        Args:
            make: called in the thread; whatever it raises is what speaks against the set.
            processors: those that the thread may use, where the worker itself stays on one; none: as the worker.
            timeline: who held which address when, for whoever asks for an owner; not asked here.
        """
        self._make, self._processors, self._timeline = make, processors, timeline
        self._turn = sys.getswitchinterval()
        self._thread: threading.Thread | None = None
        self._waiting: NewRules | None = None
        self._result: Made | None = None
        self._answers: list[Made] = []
        self._next_aside = 0.0

    def offer(self, rules: NewRules) -> None:
        """Have a set made; one that waits, or is in the making, is not wanted any more."""
        if self._waiting is not None:
            self._answers.append(Made(self._waiting.generation, fault=SUPERSEDED))
        self._waiting = rules
        self._begin()

    def take(self) -> list[Made]:
        """What has become of offers since the last call.  Of several sets none but the newest is ready."""
        if self._thread is not None and self._thread.is_alive():
            self._step_aside()
        elif self._thread is not None:
            self._thread.join()
            self._thread = None
            sys.setswitchinterval(self._turn)
            made, self._result = self._result, None
            if made is not None:
                newer = self._waiting is not None
                self._answers.append(Made(made.generation, fault=SUPERSEDED) if newer else made)
            self._begin()
        out, self._answers = self._answers, []
        return out

    def _step_aside(self) -> None:
        if time.monotonic() >= self._next_aside:
            time.sleep(TURN)
            self._next_aside = time.monotonic() + ASIDE_EVERY

    def _begin(self) -> None:
        if self._thread is not None or self._waiting is None:
            return
        rules, self._waiting = self._waiting, None
        sys.setswitchinterval(TURN)
        # A daemon thread: the end of the worker does not wait for it.
        self._thread = threading.Thread(target=self._run, args=(rules,), name="rules", daemon=True)
        self._thread.start()

    def _run(self, rules: NewRules) -> None:
        if self._processors:
            with contextlib.suppress(OSError, AttributeError):
                os.sched_setaffinity(0, self._processors)  # of this thread alone
        try:
            prepared = self._make(rules.dump)
            with not_collected():
                ownership = Ownership(rules.owners, self._timeline)
            self._result = Made(rules.generation, prepared, ownership)
        except Exception as error:  # noqa: BLE001  # whatever it is, the old rules go on
            self._result = Made(rules.generation, fault=printable(f"{type(error).__name__}: {error}"))
