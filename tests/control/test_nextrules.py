"""The next rules: made beside the work, tried, taken whole or not at all, and the old ones are gone."""

from __future__ import annotations

import gc
import sys
import threading
import time
import weakref
from typing import TYPE_CHECKING

import pytest
from enginerun import SUBMIT, Run
from frames import Conversation
from rulefolder import many_pools

from sniffer import selftest
from sniffer.control.nextrules import SUPERSEDED, Made, NextRules, make_rules
from sniffer.control.records import NewRules
from sniffer.owners.keys import read_prefix
from sniffer.owners.table import Owner, Owners, Seen
from sniffer.owners.timeline import Timeline
from sniffer.prepared import prepare
from sniffer.ruleset import load_rules, restore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sniffer.control.reload import Loaded
    from sniffer.prepared import Prepared

SEED = 7


def outcomes(rules: NextRules, number: int = 1) -> list[Made]:
    """Wait for so many answers."""
    out: list[Made] = []
    deadline = time.monotonic() + 60
    while len(out) < number:
        assert time.monotonic() < deadline
        time.sleep(0.002)
        out += rules.take()
    return out


@pytest.fixture(autouse=True)
def turns() -> Iterator[None]:
    """Threads take turns as before when all is made."""
    before = sys.getswitchinterval()
    yield
    assert sys.getswitchinterval() == before


def test_a_set_is_made_beside_the_work(shipped: Loaded) -> None:
    """An offer returns at once; the set comes later, tried, and hashed for the gate that will use it."""
    rules = NextRules(lambda dump: make_rules(dump, SEED))
    began = time.perf_counter()
    rules.offer(NewRules(2, shipped.dump))
    assert time.perf_counter() - began < 0.05
    (made,) = outcomes(rules)
    assert (made.generation, made.fault) == (2, "")
    assert made.prepared is not None
    assert made.prepared.ruleset.version == shipped.version
    assert made.prepared.names.seed == SEED
    assert rules.take() == []


def test_tenants_are_made_ready_beside_the_work(shipped: Loaded) -> None:
    """A hundred thousand keys of tenants cost the worker nothing but the step to them."""
    timeline = Timeline(1)
    rules = NextRules(lambda dump: make_rules(dump, SEED), timeline=timeline)
    owners = Owners((Owner("acme"),), ((read_prefix("10.0.0.0/8"), 0),))
    rules.offer(NewRules(2, shipped.dump, owners))
    (made,) = outcomes(rules)
    assert made.ownership is not None
    assert (made.ownership.owners, made.ownership.timeline) == (owners, timeline)
    assert made.ownership.of(Seen(bytes((10, 1, 2, 3)), 0, 0)).tenant == "acme"


def test_rubbish_is_refused(shipped: Loaded) -> None:
    """What cannot be built is told, and the next offer is as good as the first."""
    rules = NextRules(lambda dump: make_rules(dump, SEED))
    for number, dump in enumerate([b"\xc1 not a rule set", b"", shipped.dump[:-9]]):
        rules.offer(NewRules(number, dump))
        (made,) = outcomes(rules)
        assert made.generation == number
        assert made.prepared is None
        assert made.fault.isascii()
        assert made.fault
    rules.offer(NewRules(9, shipped.dump))
    assert outcomes(rules)[0].prepared is not None


def test_a_set_that_would_blind_the_sensor_is_refused(
    shipped: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The self-test runs with the new set before it is taken."""
    monkeypatch.setattr("sniffer.protocols.json_lines.parse", lambda *_: None)
    rules = NextRules(lambda dump: make_rules(dump, SEED))
    rules.offer(NewRules(2, shipped.dump))
    (made,) = outcomes(rules)
    assert made.prepared is None
    assert "the self-test failed: 0 of 6 mining messages were read" in made.fault


def test_a_storm_of_offers(shipped: Loaded) -> None:
    """Of a thousand offers each is answered once, the last is made, and hardly any other is; never two at a time."""
    making, most, begun = 0, 0, 0
    lock = threading.Lock()

    def make(dump: bytes) -> Prepared:
        nonlocal making, most, begun
        with lock:
            making, begun = making + 1, begun + 1
            most = max(most, making)
        try:
            return make_rules(dump, SEED)
        finally:
            with lock:
                making -= 1

    rules = NextRules(make)
    answers: list[Made] = []
    for number in range(1_000):
        rules.offer(NewRules(number, shipped.dump))
        answers += rules.take()
    answers += outcomes(rules, 1_000 - len(answers))
    assert sorted(made.generation for made in answers) == list(range(1_000))
    assert answers[-1].generation == 999
    assert answers[-1].prepared is not None
    assert {made.fault for made in answers[:-1]} == {SUPERSEDED}
    assert (most, begun) == (1, 2)


def test_one_prepared_set_serves_several_engines(shipped: Loaded) -> None:
    """The self-test of every minute makes nothing anew: milliseconds, however many names there are."""
    prepared = prepare(restore(shipped.dump))
    took = []
    for _ in range(3):
        began = time.process_time()
        assert selftest.find_fault(prepared) == ""
        took.append(time.process_time() - began)
    assert min(took) < 0.05


def test_the_old_set_is_gone_at_once(shipped: Loaded) -> None:
    """What was replaced is freed when the last hit that waits is told, without a search for waste."""
    prepared = prepare(restore(shipped.dump), SEED)
    old = weakref.ref(prepared.ruleset)
    run = Run(prepared)
    del prepared
    run.feed(Conversation().open().send(0, SUBMIT))
    assert run.engine.ruleset.remembered
    gc.collect()
    gc.disable()
    try:
        run.engine.set_rules(prepare(restore(shipped.dump), SEED))
        run.hits.clear()
        assert old() is None
        assert not run.engine.ruleset.remembered
    finally:
        gc.enable()


@pytest.mark.slow
def test_the_work_goes_on_meanwhile(tmp_path: Path) -> None:
    """While a set of a hundred thousand names is made, a loop that is never idle neither stands still nor holds it up."""
    dump = load_rules([many_pools(tmp_path / "rules", 100_000)]).dump()
    run = Run(load_rules([many_pools(tmp_path / "few", 10)]))
    rules = NextRules(lambda dump: make_rules(dump, run.engine.gate.names.seed))
    batch = Conversation().open().send(0, SUBMIT).batch()
    rules.offer(NewRules(2, dump))
    began = last = time.monotonic()
    longest, turns, made = 0.0, 0, None
    while made is None:
        run.engine.process(batch)
        made = next(iter(rules.take()), None)
        now = time.monotonic()
        longest, last, turns = max(longest, now - last), now, turns + 1
    took = last - began
    assert made.prepared is not None
    run.engine.set_rules(made.prepared)
    longest = max(longest, time.monotonic() - last)
    assert longest < 0.5 * took  # measured: 0.01 s of 2
    assert took < 60  # before the loop stepped aside: 380 s
    assert turns > 100
