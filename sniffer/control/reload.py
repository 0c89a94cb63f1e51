"""Loading rules: at the start in this process, later in a child, so that a bad file can hurt the child only.

In: folders, sources of tenants.  Out: :class:`Loaded`, everything the daemon needs of a rule set; or every fault at once.
Never: half a set; a set whose own examples fail; more than one load at a time, however often one is asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from sniffer.children import MAX_FRAME
from sniffer.control.suppressions import SuppressionRow
from sniffer.errors import ConfigError, Problem, SnifferError, printable
from sniffer.owners.files import Sources, read_sources
from sniffer.owners.table import Owners

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from sniffer.ruleset import RuleSet

COMMAND: Final = (sys.executable, "-P", "-m", "sniffer.control.reload")
SECONDS: Final = 60.0
MEMORY: Final = 2 << 30  # address space of the child, bytes
MAX_DUMP: Final = MAX_FRAME - (16 << 20)  # bytes of a set on its way to a worker; tenants take the rest
NICE: Final = 5  # the child gives way to workers: packets do not wait


class RuleRow(msgspec.Struct, frozen=True, array_like=True):
    """A rule as the host book declares it."""

    id: str
    severity: int
    confidence: int


class Order(msgspec.Struct, frozen=True):
    """What the child shall load."""

    directories: tuple[str, ...]
    sources: Sources = Sources()


class Loaded(msgspec.Struct, tag="loaded", frozen=True):
    """A rule set that has passed."""

    dump: bytes
    version: str
    rules: tuple[RuleRow, ...]
    endpoints: int
    tenants: tuple[str, ...] = ()  # that rules have thresholds for
    wants_datagrams: bool = False  # a rule asks for the payload of datagrams
    suppressions: tuple[SuppressionRow, ...] = ()
    owners: Owners = Owners()


class Refused(msgspec.Struct, tag="refused", frozen=True):
    """Why there is none."""

    lines: tuple[str, ...]


_orders = msgspec.msgpack.Decoder(Order)
_answers = msgspec.msgpack.Decoder(Loaded | Refused)


def load(directories: Sequence[Path], sources: Sources = Sources()) -> Loaded:  # noqa: B008  # nobody can change it
    """Load rules and run their examples; load tenants, which rules may name.

    Args:
        directories: with the files of rules.
        sources: of tenants.

    Raises:
        ConfigError: with each fault of each file, and each example that does not do what it says.
    """
    from sniffer.examples import load_checked  # noqa: PLC0415  # readers and rules: a second, and not of every command

    problems: list[Problem] = []
    known: list[str] | None = None
    try:
        owners = read_sources(sources).owners
        known = owners.names
    except ConfigError as error:
        problems += error.problems
    try:
        ruleset = load_checked(directories, known)
    except ConfigError as error:
        problems += error.problems
    if problems:
        raise ConfigError(problems)
    loaded = msgspec.structs.replace(describe(ruleset), owners=owners)
    if len(loaded.dump) > MAX_DUMP:
        what = f"all files together take {len(loaded.dump) >> 20} MiB, more than {MAX_DUMP >> 20}"
        raise ConfigError([Problem(str(directories[0]), 1, 1, "size", what, "shorten the lists")])
    return loaded


def describe(ruleset: RuleSet) -> Loaded:
    """What the daemon needs of a rule set."""
    rows = tuple(RuleRow(rule.id, int(rule.severity), int(rule.confidence)) for rule in ruleset.rules)
    tenants = {tenant for rule in ruleset.rules if rule.count for tenant in rule.count.tenants}
    suppressions = tuple(
        SuppressionRow(entry.key, entry.where, entry.reason, entry.until.isoformat())
        for entry in ruleset.suppressions.entries
    )
    return Loaded(
        ruleset.dump(),
        ruleset.version,
        rows,
        len(ruleset.endpoints),
        tenants=tuple(sorted(tenants)),
        wants_datagrams=any(pattern.is_over("udp") for pattern in ruleset.patterns),
        suppressions=suppressions,
    )


async def load_in_child(
    directories: Sequence[Path],
    sources: Sources = Sources(),  # noqa: B008  # nobody can change it
    *,
    command: Sequence[str] = COMMAND,
) -> Loaded | Refused:
    """Load rules and tenants in a process of its own, within :data:`SECONDS` and :data:`MEMORY`."""
    order = Order(tuple(str(directory) for directory in directories), sources)
    child = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        answer, _ = await asyncio.wait_for(child.communicate(msgspec.msgpack.encode(order)), SECONDS)
    except TimeoutError:
        return Refused((f"error: rules: loading took more than {SECONDS:.0f} s",))
    finally:
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()
    try:
        found: Loaded | Refused = _answers.decode(answer)
    except msgspec.MsgspecError:
        return Refused((f"error: rules: the loading process died (status {child.returncode})",))
    return found


class Reloader:
    """Runs reloads one after another.

    What is asked for while one runs is one more, however often it is asked: it sees the files as they are by then.
    """

    def __init__(self, reload: Callable[[], Awaitable[tuple[bool, str]]]) -> None:
        """Take what does one reload and tells whether it went well, and a line about it."""
        self._reload = reload
        self._next: asyncio.Future[tuple[bool, str]] | None = None
        self._task: asyncio.Task[None] | None = None
        self.runs = 0

    def ask(self) -> asyncio.Future[tuple[bool, str]]:
        """Have a reload begin as soon as can be; its outcome comes through the future."""
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
        outcome = self._next
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        return outcome

    async def _run(self) -> None:
        while self._next is not None:
            outcome, self._next = self._next, None
            self.runs += 1
            try:
                result = await self._reload()
            except asyncio.CancelledError:
                outcome.cancel()
                raise
            if not outcome.done():
                outcome.set_result(result)

    async def close(self) -> None:
        """Break off what runs."""
        if self._next is not None:
            self._next.cancel()
            self._next = None
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task


def main() -> int:
    """Entry of the child: an Order on stdin, a Loaded or Refused record on stdout."""
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    with contextlib.suppress(OSError):
        os.nice(NICE)
    answer: Loaded | Refused
    try:
        order = _orders.decode(sys.stdin.buffer.read())
        answer = load([Path(directory) for directory in order.directories], order.sources)
    except SnifferError as error:
        answer = Refused(tuple(error.lines()))
    except (MemoryError, RecursionError, OSError) as error:
        answer = Refused((f"error: rules: {printable(type(error).__name__)}: {printable(error)}",))
    sys.stdout.buffer.write(msgspec.msgpack.encode(answer))
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
