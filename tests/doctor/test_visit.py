"""The visit as a whole: what is looked at in which case, and the exit status."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest
from commandline import COMMAND

from sniffer.blindspots import Finding, Level
from sniffer.config import Config
from sniffer.doctor import visit as module
from sniffer.doctor.visit import Visit
from sniffer.errors import AccessError, InputError

if TYPE_CHECKING:
    from sniffer.ruleset import RuleSet

OK, NOTE, WARNING, FAULT = Level


def told(check: str, level: Level) -> Finding:
    """A finding of somebody."""
    return Finding(check, level, "says", "remedy" if level else "")


@pytest.fixture
def healthy(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine and links that are well."""
    monkeypatch.setattr(module, "look_at_machine", lambda **_: [told("permission", OK), told("clock", OK)])
    monkeypatch.setattr(module, "look_at_link", lambda _: [told("link", OK)])
    return monkeypatch


@pytest.mark.parametrize(("level", "status"), [(OK, 0), (NOTE, 0), (WARNING, 1), (FAULT, 1)])
def test_the_status_follows_the_worst(healthy: pytest.MonkeyPatch, level: Level, status: int) -> None:
    """A note is no failure, anything worse is one."""
    healthy.setattr(module, "look_at_link", lambda _: [told("link", level), told("speed", OK)])
    visit = Visit(["eth1"], Config())
    assert len(visit.look()) == 4
    assert visit.exit_status == status
    assert visit.as_dict()["level"] == level.label


def test_nothing_is_listened_to_where_nothing_can_come(healthy: pytest.MonkeyPatch) -> None:
    """A port that is down is left out; one that is up is still listened to."""
    links = {"eth1": [told("link", FAULT)], "eth2": [told("link", OK)]}
    healthy.setattr(module, "look_at_link", links.__getitem__)
    down, both = Visit(["eth1"], Config()), Visit(["eth1", "eth2"], Config())
    for visit in (down, both):
        visit.look()
    assert (down.can_listen, both.can_listen) == (False, True)


def test_without_permission_the_rest_is_still_told(healthy: pytest.MonkeyPatch) -> None:
    """What can be known without it is; the status says what is missing."""
    healthy.setattr(
        module, "look_at_machine", lambda **_: [told("permission", FAULT), told("clock", WARNING)]
    )
    visit = Visit(["eth1"], Config())
    assert [one.check for one in visit.look()] == ["permission", "clock", "link"]
    assert not visit.can_listen
    assert visit.exit_status == 77


def test_a_ring_that_the_kernel_refuses_is_a_fault(healthy: pytest.MonkeyPatch, ruleset: RuleSet) -> None:
    """What the daemon would end with is told before it is started."""

    class Refusing:
        @staticmethod
        def open(*_: object) -> None:
            raise AccessError("the kernel has no 64 MiB", where="eth1", remedy="lower capture.ring_mib")

    healthy.setattr(module, "LiveCapture", Refusing)
    visit = Visit(["eth1"], Config())
    visit.look()
    found = visit.listen(ruleset, 0.1, lambda _gone, _packets: None)
    assert found == [Finding("ring", FAULT, "the kernel has no 64 MiB", "lower capture.ring_mib", "eth1")]
    assert visit.exit_status == 77


@pytest.mark.usefixtures("healthy")
def test_without_a_name_the_machine_is_looked_at() -> None:
    """That nothing was listened to is a note, with the interfaces that there are."""
    visit = Visit([], Config())
    assert [one.check for one in visit.look()] == ["permission", "clock", "listening"]
    assert (visit.can_listen, visit.exit_status) == (False, 0)
    assert "--interface NAME" in visit.found[-1].remedy


def test_a_name_of_nothing_ends_the_visit() -> None:
    """Before anything else is looked at."""
    with pytest.raises(InputError) as caught:
        Visit(["no-such-port"], Config()).look()
    assert caught.value.exit_status == 66


# ── as it is run ─────────────────────────────────────────────────────────────────────────────────────────


def doctor(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line."""
    command = [*COMMAND, "doctor", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_the_command_says_the_same_twice() -> None:
    """As lines with marks, and as one object; no traceback, no escape codes into a pipe."""
    lines, one = doctor(), doctor("--json")
    assert (lines.stderr, one.stderr) == ("", "")
    assert lines.returncode == one.returncode
    checks = json.loads(one.stdout)["checks"]
    shown = [line for line in lines.stdout.splitlines() if not line.startswith(" ")]
    assert [line.split(maxsplit=1)[0] for line in shown] == [each["level"] for each in checks]
    assert [line.split()[1] for line in shown] == [f"{each['check']}:" for each in checks]
    assert lines.stdout.count("to do:") == sum("remedy" in each for each in checks)
    assert "\x1b" not in lines.stdout


def test_no_such_interface_is_one_line() -> None:
    """On stderr, with the status for input that cannot be read."""
    done = doctor("--interface", "no-such-port", "--json")
    assert (done.returncode, done.stdout) == (66, "")
    assert done.stderr.startswith("error: no-such-port: no such interface; ")
    assert done.stderr.count("\n") == 1
