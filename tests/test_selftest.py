"""The self-test: it recognises what it must, says what is wrong, and counts nowhere."""

from __future__ import annotations

import gc
import ipaddress
import weakref
from typing import TYPE_CHECKING

import dpkt

from sniffer import selftest
from sniffer.gate import decide
from sniffer.prepared import prepare
from sniffer.ruleset import load_rules, restore

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from sniffer.ruleset import RuleSet


def test_session_is_recognised(ruleset: RuleSet) -> None:
    """With the shipped rules every message is read."""
    assert selftest.find_fault(ruleset) == ""


def test_rules_that_want_nothing_of_it_are_no_fault(tmp_path: Path) -> None:
    """What is tested is whether mining is read, not what somebody's rules say of it."""
    (tmp_path / "r.yaml").write_text(
        "- id: only-this\n  title: only this\n  severity: low\n  confidence: confirmed\n"
        "  match: {fact: stratum.method, equals: mining.foo}\n"
        "  examples: {hits: [{facts: {stratum.method: mining.foo}}], misses: [{facts: {stratum.method: x}}]}\n"
    )
    assert selftest.find_fault(load_rules([tmp_path])) == ""


def test_a_reader_that_is_blind_is_a_fault(ruleset: RuleSet, monkeypatch: pytest.MonkeyPatch) -> None:
    """If messages are not read any more, it says how many."""
    monkeypatch.setattr("sniffer.protocols.json_lines.parse", lambda *_: None)
    assert selftest.find_fault(ruleset) == "0 of 6 mining messages were read"


def test_kernels_for_it_are_there(ruleset: RuleSet) -> None:
    """A sealed worker cannot compile: the session meets the kernels that every batch meets."""
    selftest.find_fault(ruleset)
    assert len(decide.pass_batch.signatures) == 1


def test_session_is_nobodys() -> None:
    """Its frames are sound, and its addresses are from the ranges that nobody has."""
    batch = selftest.session()
    memory = batch.data.tobytes()
    talk = []
    for row in batch.frames:
        frame = dpkt.ethernet.Ethernet(memory[row["offset"] : row["offset"] + row["captured"]])
        for packed in (frame.data.src, frame.data.dst):
            address = ipaddress.ip_address(packed)
            assert any(address in ipaddress.ip_network(text) for text in ("192.0.2.0/24", "198.51.100.0/24"))
        talk.append(bytes(frame.data.data.data))
    assert [payload for payload in talk if payload] == [payload for _, payload in selftest.TALK]


def test_rules_that_were_tried_leave_nothing_behind(ruleset: RuleSet) -> None:
    """Once they are let go of they are gone, without a look for waste: a worker holds two sets at most."""
    gc.disable()
    try:
        prepared = prepare(restore(ruleset.dump()))
        kept = weakref.ref(prepared.ruleset)
        assert selftest.find_fault(prepared) == ""
        del prepared
        assert kept() is None
    finally:
        gc.enable()
