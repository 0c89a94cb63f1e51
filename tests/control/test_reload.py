"""Loading rules: whole or not at all, in a child that may fail, one at a time."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import pytest
from control.conftest import OWN_RULE

from sniffer.control import reload
from sniffer.control.reload import Loaded, Refused, Reloader, load, load_in_child
from sniffer.errors import ConfigError
from sniffer.owners.files import InlineTenant, Sources
from sniffer.owners.table import Owner
from sniffer.paths import shipped_rules
from sniffer.ruleset import restore

if TYPE_CHECKING:
    from pathlib import Path


def folder_of(folder: Path, text: str) -> Path:
    """A folder with one rule file."""
    (folder / "own.yaml").write_text(text)
    return folder


def tenant(name: str) -> Sources:
    """A configuration with one tenant."""
    return Sources(inline=(InlineTenant(Owner(name), ()),))


def test_the_shipped_rules(shipped: Loaded) -> None:
    """A loaded set tells its rules, and can be built again from what is handed to a worker."""
    again = restore(shipped.dump)
    assert again.version == shipped.version
    assert [rule.id for rule in again.rules] == [row.id for row in shipped.rules]
    assert shipped.endpoints > 100


def test_examples_are_run(tmp_path: Path) -> None:
    """A rule whose example does not do what it says is refused."""
    assert len(load([folder_of(tmp_path, OWN_RULE.replace("EXAMPLE", "mining.ping"))]).rules) == 1
    with pytest.raises(ConfigError, match="hits all the same"):
        load([folder_of(tmp_path, OWN_RULE.replace("EXAMPLE", "mining.submit"))])


def test_a_set_that_is_too_large_to_be_handed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a fault of the rules, told like the others, not of the talk with a worker."""
    monkeypatch.setattr(reload, "MAX_DUMP", 100)
    with pytest.raises(ConfigError, match="shorten the lists"):
        load([folder_of(tmp_path, OWN_RULE.replace("EXAMPLE", "mining.ping"))])


def test_tenants_of_suppressions_are_checked_in_the_child(tmp_path: Path) -> None:
    """A reload knows the tenants of the configuration."""
    folder = folder_of(tmp_path, OWN_RULE.replace("EXAMPLE", "mining.ping"))
    (folder / "allow.yaml").write_text("allow: [{tenant: acme, reason: a test, until: 2026-01-31}]\n")
    loaded = asyncio.run(load_in_child([folder], tenant("acme")))
    assert isinstance(loaded, Loaded)
    assert loaded.suppressions[0].where == f"{folder}/allow.yaml, entry 1"
    refused = asyncio.run(load_in_child([folder], tenant("acne")))
    assert isinstance(refused, Refused)
    assert "did you mean 'acne'" in refused.lines[0]


def test_rules_on_datagrams_are_told(tmp_path: Path) -> None:
    """Whether a rule asks for UDP that the kernel filter would drop; the shipped ones do not."""
    match = "{fact: stratum.method, equals: mining.submit}"
    rule = OWN_RULE.replace("EXAMPLE", "mining.ping")
    for transport, wants in (("tcp", False), ("udp", True), ("any", True)):
        payload = f"{{any: [{match}, {{payload: {{starts_with: HELLO, transport: {transport}}}}}]}}"
        assert load([folder_of(tmp_path, rule.replace(match, payload))]).wants_datagrams is wants


def test_a_child_loads_the_same(shipped: Loaded) -> None:
    """What the child finds is what this process finds."""
    assert asyncio.run(load_in_child([shipped_rules()])) == shipped


def test_a_child_tells_every_fault(tmp_path: Path) -> None:
    """Faults come back as the lines an operator reads."""
    found = asyncio.run(load_in_child([folder_of(tmp_path, "- id: x\n  titel: y\n- {")]))
    assert isinstance(found, Refused)
    assert found.lines
    assert all(line.startswith(f"error: {tmp_path}/own.yaml:") for line in found.lines)


@pytest.mark.parametrize(
    "code",
    [
        "import os; os.kill(os.getpid(), 11)",
        "import sys; sys.stdout.write('hello')",
        "raise SystemExit(3)",
    ],
)
def test_a_child_that_dies(code: str) -> None:
    """A child that dies, or says something else, is a refusal; nothing is raised."""
    found = asyncio.run(load_in_child([], command=(sys.executable, "-c", code)))
    assert isinstance(found, Refused)
    assert "died" in found.lines[0]


def test_a_child_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child has its time."""
    monkeypatch.setattr(reload, "SECONDS", 0.3)
    found = asyncio.run(load_in_child([], command=(sys.executable, "-c", "import time; time.sleep(60)")))
    assert isinstance(found, Refused)
    assert "took more than" in found.lines[0]


def test_a_storm_of_reloads() -> None:
    """A thousand requests are at most three reloads, and the last begins after the last request."""

    async def storm() -> tuple[int, int, set[tuple[bool, str]]]:
        begun = 0

        async def one() -> tuple[bool, str]:
            nonlocal begun
            begun += 1
            await asyncio.sleep(0.02)
            return True, f"load {begun}"

        reloader = Reloader(one)
        outcomes = []
        for n in range(1_000):
            outcomes.append(reloader.ask())
            if n == 500:
                await asyncio.sleep(0.001)
        before = begun
        results = set(await asyncio.gather(*outcomes))
        await reloader.close()
        assert begun > before
        return reloader.runs, begun, results

    runs, begun, results = asyncio.run(storm())
    assert runs == begun <= 3
    assert {line for _, line in results} == {f"load {n + 1}" for n in range(runs)}


def test_close_breaks_off() -> None:
    """A reload under way does not hold up the end; who waits for it is told."""

    async def end() -> bool:
        reloader = Reloader(lambda: asyncio.sleep(60, (True, "")))
        outcome = reloader.ask()
        await asyncio.sleep(0.01)
        await asyncio.wait_for(reloader.close(), 1)
        return outcome.cancelled()

    assert asyncio.run(end())
