"""The way to the disk: bounded, paced, counted, and nobody waits for it."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from evidence.making import Stage, session
from structlog.testing import capture_logs

from sniffer.config import Config
from sniffer.errors import ConfigError
from sniffer.evidence import recorder as recorders
from sniffer.evidence.exhibit import Bounds
from sniffer.evidence.recorder import (
    DAY,
    MAX_HOSTS,
    MAX_WAITING,
    Pace,
    Recorder,
    faults,
    make_bounds,
    make_recorder,
)
from sniffer.evidence.replay import replay
from sniffer.evidence.store import Limits, Store, bundle_names
from sniffer.evidence.verify import verify_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sniffer.evidence.exhibit import Exhibit
    from sniffer.ruleset import RuleSet


@pytest.fixture(scope="module")
def exhibit(ruleset: RuleSet) -> Exhibit:
    """One of a miner that submits a share."""
    return Stage(ruleset).read(session(1).batch()).finish()[0]


class Clock:
    """Seconds that a test lets pass."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


FAST = Pace(per_host=1_000_000)


@pytest.fixture
def clock() -> Clock:
    """A clock."""
    return Clock()


@pytest.fixture
def recorder(tmp_path: Path, clock: Clock, ruleset: RuleSet) -> Iterator[Recorder]:
    """One at work in a folder ``e``."""
    one = Recorder(Store(tmp_path / "e", Limits(free_share=0.0)), FAST, clock=clock)
    one.use_rules(ruleset.version, ruleset.dump())
    yield one
    one.close()


def state() -> dict[str, Any]:
    """What the sensor is like."""
    return {"sensor": "east"}


def of_host(exhibit: Exhibit, number: int) -> Exhibit:
    """The same of another address."""
    return msgspec.structs.replace(exhibit, host=number.to_bytes(4, "big"))


def test_an_exhibit_becomes_a_bundle(recorder: Recorder, exhibit: Exhibit, tmp_path: Path) -> None:
    """It is written, counted, its hash is in the log, and its verdict comes out again."""
    with capture_logs() as told:
        assert recorder.record(exhibit, state)
        assert recorder.flush(10)
    (name,) = bundle_names(tmp_path / "e")
    (line,) = told
    assert (line["event"], line["bundle"]) == ("evidence_recorded", name)
    assert json.loads((tmp_path / "e" / name / "sensor.json").read_bytes())["sensor"] == "east"
    assert replay(tmp_path / "e" / name).is_reproduced
    health = recorder.health(lost=2)
    assert (health.written, health.dropped, health.failed, health.waiting, health.up) == (1, 2, 0, 0, True)
    assert recorder.held > 0


def test_a_second_has_ten(recorder: Recorder, exhibit: Exhibit, clock: Clock, tmp_path: Path) -> None:
    """More than ten in a second are dropped and counted; the next second has ten more."""
    taken = [recorder.record(exhibit, state) for _ in range(50)]
    assert taken == [True] * 10 + [False] * 40
    clock.now += 1
    assert recorder.record(exhibit, state)
    assert recorder.flush(10)
    assert (recorder.written, recorder.dropped) == (11, 40)
    assert len(bundle_names(tmp_path / "e")) == 11


def test_bytes_of_a_second(tmp_path: Path, exhibit: Exhibit, clock: Clock) -> None:
    """More bytes than a second may have are dropped; a single one that is larger is not."""
    one = Recorder(Store(tmp_path / "e"), Pace(bytes_per_second=exhibit.size + 1, per_host=99), clock=clock)
    assert [one.record(exhibit, state) for _ in range(3)] == [True, False, False]
    one.close()


def test_one_host_does_not_take_all(recorder: Recorder, exhibit: Exhibit, clock: Clock) -> None:
    """An address has so many a day, others are not held up by it; the next day it has as many again."""
    recorder._pace = Pace(per_host=3)
    assert [recorder.record(exhibit, state) for _ in range(5)] == [True] * 3 + [False] * 2
    assert recorder.record(of_host(exhibit, 1), state)
    clock.now += DAY
    assert recorder.record(exhibit, state)


def test_hosts_have_a_bound(recorder: Recorder, exhibit: Exhibit, clock: Clock) -> None:
    """However many addresses there are, so many are remembered."""
    for number in range(MAX_HOSTS + 500):
        clock.now += 1
        recorder._refusal(of_host(exhibit, number))
    assert len(recorder._hosts) == MAX_HOSTS


def test_a_hundred_thousand_triggers(
    tmp_path: Path, exhibit: Exhibit, clock: Clock, ruleset: RuleSet
) -> None:
    """T16: at most ten a second, the quota and one more at most, and everything is in the books."""
    limits = Limits(total=1 << 20, free_share=0.0)
    one = Recorder(Store(tmp_path / "e", limits), FAST, clock=clock)
    one.use_rules(ruleset.version, ruleset.dump())
    with capture_logs():
        for number in range(100_000):
            one.record(of_host(exhibit, number % 20_000), state)
            if number % 100 == 99:
                clock.now += 1 / 100
                if number % 10_000 == 9_999:
                    one.flush(20)
        one.flush(20)
        clock.now += 100
        for _ in range(20):
            clock.now += 1
            for _ in range(10):
                one.record(exhibit, state)
            one.flush(20)
        one.close()
    produced = 100_200
    assert one.written + one.dropped + one.failed == produced
    assert one.failed > 0
    bundles = bundle_names(tmp_path / "e")
    assert len(bundles) == one.written
    used = sum(file.stat().st_blocks * 512 for file in (tmp_path / "e").rglob("*"))
    assert used <= limits.total
    assert not one.up
    assert verify_folder(tmp_path / "e").findings == ()


def test_nobody_waits_for_a_disk(
    recorder: Recorder, exhibit: Exhibit, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that hangs holds up the thread alone: what finds no room is dropped at once."""
    hangs = threading.Event()

    def hang(_files: Mapping[str, bytes]) -> Any:
        hangs.wait(20)
        raise recorders.RefusedError("at last")

    monkeypatch.setattr(recorder._store, "write", hang)
    began = time.monotonic()
    for number in range(500):
        clock.now += 1
        recorder.record(of_host(exhibit, number), state)
    assert time.monotonic() - began < 5
    assert recorder.waiting <= MAX_WAITING + 1
    assert recorder.dropped >= 500 - MAX_WAITING - 1
    recorder.close(0.1)
    assert (recorder.written, recorder.dropped, recorder.failed) == (0, 500, 0)
    hangs.set()


def test_the_disk_is_told_of_once(
    recorder: Recorder, exhibit: Exhibit, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Faults are counted, are in the log under one code (which the log limits), and the sink is down until a write works."""

    def refuse(_files: Mapping[str, bytes]) -> Any:
        raise recorders.RefusedError("No space left on device")

    with monkeypatch.context() as patch, capture_logs() as told:
        patch.setattr(recorder._store, "write", refuse)
        for _ in range(3):
            clock.now += 1
            recorder.record(exhibit, state)
        assert recorder.flush(10)
    assert {line["code"] for line in told} == {"evidence_failed"}
    assert (recorder.failed, recorder.up) == (3, False)
    clock.now += 1
    recorder.record(exhibit, state)
    assert recorder.flush(10)
    assert (recorder.written, recorder.up) == (1, True)


def test_a_defect_takes_one_exhibit(recorder: Recorder, exhibit: Exhibit) -> None:
    """An exhibit that cannot be made into files, or whose rules nobody knows, fails alone."""
    with capture_logs() as told:
        recorder.record(msgspec.structs.replace(exhibit, rules_version="other"), state)
        recorder.record(msgspec.structs.replace(exhibit, interfaces=()), state)
        recorder.record(exhibit, state)
        assert recorder.flush(10)
    assert (recorder.written, recorder.failed) == (1, 2)
    assert "not known any more" in told[0]["error"]


def test_rules_of_before_are_known(recorder: Recorder, exhibit: Exhibit, ruleset: RuleSet) -> None:
    """A worker may still speak of the set before a reload; of older ones not for ever."""
    for number in range(3):
        recorder.use_rules(str(number), b"")
    recorder.record(exhibit, state)
    assert recorder.flush(10)
    assert recorder.written == 1
    recorder.use_rules("4", b"")
    assert ruleset.version not in recorder._rule_sets


def test_retention_is_enforced(tmp_path: Path, clock: Clock, exhibit: Exhibit, ruleset: RuleSet) -> None:
    """A bundle goes when it has been kept for its time, without anybody asking; the chain says so."""
    wall = Clock()
    wall.now = time.time()
    one = Recorder(Store(tmp_path / "e", Limits(free_share=0.0)), FAST, keep=DAY, clock=clock, wall=wall)
    one.use_rules(ruleset.version, ruleset.dump())
    one.record(exhibit, state)
    one.flush(10)
    one._retain()
    assert len(bundle_names(tmp_path / "e")) == 1
    wall.now += 10 * 366 * DAY  # a clock that leaps purges nothing
    one._retain()
    assert len(bundle_names(tmp_path / "e")) == 1
    clock.now += 2 * DAY
    with capture_logs() as told:
        one._retain()
    assert bundle_names(tmp_path / "e") == []
    assert told[0]["event"] == "evidence_purged"
    one.close()
    checked = verify_folder(tmp_path / "e")
    assert (checked.purged, checked.findings) == (1, ())


def test_what_waits_is_written_at_the_end(recorder: Recorder, exhibit: Exhibit) -> None:
    """Closing writes what waits, and takes nothing more."""
    for _ in range(5):
        recorder.record(exhibit, state)
    recorder.close(10)
    assert recorder.written == 5
    assert not recorder.record(exhibit, state)


def test_it_is_off_unless_asked_for() -> None:
    """Without a folder there is neither a recorder nor anything for workers to keep."""
    assert make_recorder(Config()) is None
    assert make_bounds(Config()) is None


def test_the_configuration_decides(tmp_path: Path) -> None:
    """Every bound reaches who keeps it."""
    config = Config.model_validate(
        {
            "evidence": {
                "directory": str(tmp_path / "e"),
                "confidence": "probable",
                "severity": "high",
                "flow_bytes": "64KiB",
                "flow_packets": 50,
                "after": "5s",
                "watch_bytes": "20MiB",
                "total_bytes": "10MiB",
                "free_percent": 7,
                "host_bundles": 3,
            },
            "sensor": {"one_sided": True},
        }
    )
    assert make_bounds(config) == Bounds(2, 3, 64 << 10, 50, 5 * 10**9, 20 << 20, one_sided=True)
    one = make_recorder(config)
    assert one is not None
    assert one._store.limits == Limits(10 << 20, 0.07)
    assert one._pace == Pace(10, 8 << 20, 3)
    one.close()


def test_faults_are_found_before_the_start(tmp_path: Path) -> None:
    """A folder that cannot be made and a key that is none are told by the check of the configuration."""
    config = Config.model_validate({"evidence": {"directory": str(tmp_path / "missing" / "e")}})
    (fault,) = faults(config)
    assert fault.place == ("evidence", "directory")
    assert list(faults(Config.model_validate({"evidence": {"directory": str(tmp_path / "e")}}))) == []
    (tmp_path / "key").write_bytes(b"rubbish")
    with pytest.raises(ConfigError, match="private key"):
        list(faults(Config.model_validate({"evidence": {"signing_key_file": str(tmp_path / "key")}})))
