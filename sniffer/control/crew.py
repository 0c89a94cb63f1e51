"""The workers of one daemon, as if they were one.

In: how to make a Job for a worker of a number.  Out: calls for hits and states; the books of all of them, added up.
Never: a packet; a sum that falls because a worker was started again; a learned address told to whoever taught it; for
longer than it takes to hand them over, a worker with other rules than the rest.

Each worker has a supervisor, books and descriptors of its own, and a share of the packets of every interface.  What one
learns from DNS it tells the parent, who tells the others: the flow that it matters for may be in the share of any.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from sniffer.control.records import NewRules, Watched
from sniffer.control.supervisor import COMMAND, Supervisor
from sniffer.log import logger
from sniffer.sinks.metrics import Accumulator, WorkerHealth
from sniffer.totals import Totals, together

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable, Sequence

    from sniffer.control.records import Ended, Finished, Job, Learned, Mapped, News, RulesInUse, Snapshot
    from sniffer.evidence.exhibit import Exhibit

MakeJob: TypeAlias = "Callable[[int], tuple[Job, Sequence[socket.socket]]]"
ANSWER_WITHIN: Final = (
    30.0  # seconds that a worker has to make new rules ready beside its work, and take them
)
GRACE: Final = 5.0  # seconds that killed workers have to be gone


class Listener(Protocol):
    """Who wants to know."""

    def ready(self) -> None:
        """Every worker has begun to read; called once."""

    def news(self, news: News) -> None:
        """Hits, sightings and event lines of some worker."""

    def exhibit(self, exhibit: Exhibit) -> None:
        """A flow that some worker has kept as evidence."""

    def ended(self, end: Ended) -> None:
        """The source has come to its end; the worker stays."""


class Member:
    """One place in the crew.  Hears its worker (:class:`~sniffer.control.supervisor.Listener`)."""

    def __init__(self, number: int, crew: Crew, make_job: MakeJob, command: Sequence[str]) -> None:
        self.name = str(number)
        self.books = Accumulator()
        self.up: dict[str, bool] = {}  # interfaces
        self.lost: dict[str, None] = {}  # interfaces that were removed
        self.heard = 0.0  # monotonic time of the last books
        self.fault = ""  # what the worker's last self-test found wrong
        self.differing: set[str] = set()  # rules about which its matchers disagreed
        self.generation = 0  # of the rules that its worker has
        self.supervisor = Supervisor(self, self._begin, follows=crew.holders, command=command)
        self._number, self._crew, self._make_job = number, crew, make_job
        self._dropped = [0, 0]  # event lines: of workers before this one, of this one
        self._dropped_exhibits = [0, 0]  # the same
        self._offered: dict[int, asyncio.Future[str]] = {}

    @property
    def dropped_events(self) -> int:
        """Event lines that found no room in the worker."""
        return sum(self._dropped)

    @property
    def dropped_exhibits(self) -> int:
        """Exhibits that found no room in the worker."""
        return sum(self._dropped_exhibits)

    def _begin(self) -> tuple[Job, Sequence[socket.socket]]:
        self.generation = self._crew.rules.generation
        return self._make_job(self._number)

    def ready(self) -> None:
        """The worker has begun to read."""
        self.heard = time.monotonic()
        self._crew.member_ready()
        self._crew.catch_up(self)

    def news(self, news: News) -> None:
        """Hits, sightings and event lines; hosts that the other workers shall watch."""
        self._crew.listener.news(news)
        if news.watched:
            self._crew.spread_hosts(Watched(news.watched), self)

    def exhibit(self, exhibit: Exhibit) -> None:
        """A flow that is evidence."""
        self._crew.listener.exhibit(exhibit)

    def snapshot(self, snapshot: Snapshot) -> None:
        """Take the worker's books."""
        self.heard = time.monotonic()
        self.books.update(snapshot.totals)
        self.up.update(snapshot.up)
        self._dropped[1] = snapshot.dropped_events
        self._dropped_exhibits[1] = snapshot.dropped_exhibits
        if snapshot.fault and snapshot.fault != self.fault:
            logger().error(
                "the self-test failed: this sensor does not see mining",
                code="selftest",
                worker=self.name,
                fault=snapshot.fault,
            )
        self.fault = snapshot.fault
        for rule in snapshot.differing:
            if rule not in self.differing:
                self.differing.add(rule)
                logger().error(
                    "the matchers disagree about a rule: a defect; the plain one is believed",
                    rule=rule,
                    worker=self.name,
                )
        if snapshot.dropped_hits or snapshot.dropped_events:
            logger().warning(
                "the worker had no room for all of its news",
                code="outbox_full",
                worker=self.name,
                hits=snapshot.dropped_hits,
                events=snapshot.dropped_events,
            )

    def learned(self, learned: Learned) -> None:
        """The worker has learned an address."""
        self._crew.spread(learned, self)

    def rules_in_use(self, answer: RulesInUse) -> None:
        """The worker has taken new rules, or not."""
        if not answer.fault:
            self.generation = answer.generation
        offered = self._offered.pop(answer.generation, None)
        if offered is not None and not offered.done():
            offered.set_result(answer.fault)

    def lost_interface(self, interface: str) -> None:
        """An interface was removed: wait for it to come back."""
        self.lost[interface] = None
        self.up[interface] = False
        logger().error(
            "the interface is gone; waiting for it",
            code="interface_gone",
            interface=interface,
            worker=self.name,
        )

    def ended(self, end: Ended) -> None:
        """The source has come to its end; the worker stays."""
        self._crew.listener.ended(end)

    def died(self, reason: str) -> None:
        """The worker ended by itself; another follows."""
        self.lost.clear()  # its successor opens everything anew
        self.books.begin()
        self._dropped = [self.dropped_events, 0]
        self._dropped_exhibits = [self.dropped_exhibits, 0]
        for offered in self._offered.values():  # its successor catches up
            if not offered.done():
                offered.set_result("")
        logger().error(
            "the worker died; it is started again",
            reason=reason,
            worker=self.name,
            restarts=self.supervisor.restarts,
        )

    async def take_rules(self, rules: NewRules) -> str | None:
        """Hand rules to the worker; return what speaks against them, "" for nothing, None where it does not answer."""
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._offered[rules.generation] = answer
        try:
            if not await self.supervisor.send_rules(rules):
                return ""  # no worker just now; the next one catches up
            return await asyncio.wait_for(answer, ANSWER_WITHIN)
        except TimeoutError:
            return None
        finally:
            self._offered.pop(rules.generation, None)


class Crew:
    """All workers."""

    def __init__(
        self,
        listener: Listener,
        make_job: MakeJob,
        count: int,
        *,
        rules: NewRules = NewRules(1, b""),  # noqa: B008  # nobody can change it
        holders: Callable[[], Iterable[Mapped]] = tuple,
        command: Sequence[str] = COMMAND,
    ) -> None:
        """Prepare; :meth:`run` starts.

        Args:
            listener: hears what they say.
            make_job: called for each worker that starts, with its number: its Job, with the rules in use, and the
                sockets that go with it.
            count: how many work at a time.
            rules: those in use.
            holders: called for each worker that starts: who holds which address, as far as it is known.
            command: what a worker runs.
        """
        self.listener = listener
        self.rules = rules
        self.holders = holders
        self.untold = 0  # changes of holders that some worker had no room for
        self._late: set[asyncio.Task[None]] = set()  # workers that catch up
        self.members = [Member(number, self, make_job, command) for number in range(count)]
        self._is_ready = False
        self._filtered: dict[str, int] = {}  # by interface, the most that was estimated so far
        self.has_finished = False  # all have come to their end

    async def run(self) -> Finished:
        """Run all workers until they finish; return the last record of the first that says something is wrong.

        Raises:
            WorkerError: one keeps dying.
            SnifferError: a Job cannot be made (an interface is missing, the kernel refuses).
        """
        running = [asyncio.create_task(member.supervisor.run()) for member in self.members]
        try:
            ends = await asyncio.gather(*running)
        finally:
            self.has_finished = True
            self.stop_now()
            await asyncio.wait(running, timeout=GRACE)
            for one in running:
                one.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        return next((end for end in ends if end.exit_status), ends[0])

    async def stop(self) -> None:
        """Ask all workers to finish what has arrived and end."""
        await asyncio.gather(*(member.supervisor.stop() for member in self.members))

    def stop_now(self) -> None:
        """End without another word."""
        for member in self.members:
            member.supervisor.stop_now()

    def member_ready(self) -> None:
        """Tell, once, when every worker has begun to read."""
        if not self._is_ready and all(member.heard for member in self.members):
            self._is_ready = True
            self.listener.ready()

    def spread(self, learned: Learned, teacher: Member) -> None:
        """Tell the other workers of an address that one has learned."""
        for member in self.members:
            if member is not teacher:
                member.supervisor.tell(learned)

    def spread_hosts(self, watched: Watched, teacher: Member) -> None:
        """Tell the other workers of hosts that one saw mining; a worker that has no room hears of them in some minutes again."""
        for member in self.members:
            if member is not teacher:
                member.supervisor.queue(watched)

    def tell_holders(self, mapped: Mapped) -> None:
        """Tell every worker who holds an address now."""
        for member in self.members:
            if not member.supervisor.queue(mapped):
                self.untold += len(mapped.changes)

    async def take_rules(self, rules: NewRules) -> str:
        """Hand rules to every worker; return what speaks against them, "" for nothing.

        If one refuses, or does not answer, all keep the rules that are in use.
        """
        answers = await asyncio.gather(*(member.take_rules(rules) for member in self.members))
        for member, answer in zip(self.members, answers, strict=True):
            fault = f"worker {member.name} did not answer" if answer is None else answer
            if fault:
                # Who has refused has the old ones; who has not answered may still take the new ones.
                doubtful = [one for one, said in zip(self.members, answers, strict=True) if not said]
                await asyncio.gather(*(one.take_rules(self.rules) for one in doubtful))
                return fault
        self.rules = rules
        for member in self.members:
            if member.supervisor.up:
                self.catch_up(member)
        return ""

    def catch_up(self, member: Member) -> None:
        """Hand the rules in use to a worker that was started with those before them."""
        if member.generation != self.rules.generation:
            task = asyncio.get_running_loop().create_task(self._hand_over(member))
            self._late.add(task)
            task.add_done_callback(self._late.discard)

    async def _hand_over(self, member: Member) -> None:
        fault = await member.take_rules(self.rules)
        if fault is None or fault:
            logger().error(
                "a worker does not take the rules in use",
                code="worker_rules",
                worker=member.name,
                fault=fault or "no answer",
            )

    # ── what is known ────────────────────────────────────────────────────────────────────────────────────

    @property
    def is_up(self) -> bool:
        """Whether every worker reads."""
        return all(member.supervisor.up for member in self.members)

    @property
    def selftest_ok(self) -> bool:
        """Whether every worker has begun, and its last self-test went well."""
        return all(member.heard and not member.fault for member in self.members)

    @property
    def totals(self) -> Totals:
        """The books of all workers and of those before them, as they stand on the boards now."""
        for member in self.members:
            member.supervisor.look()
        totals = together([member.books.totals for member in self.members])
        for name, books in totals.interfaces.items():
            # The difference wavers, because workers tell at different times; a counter may not fall.
            most = max(self._filtered.get(name, 0), books.received - books.accepted)
            self._filtered[name] = books.filtered = most
        return totals

    @property
    def packet_time(self) -> int:
        """Time of the last packet, nanoseconds since 1970, as far as the books that were looked at last tell; 0 before the first."""
        return max(
            (one.last_packet for member in self.members for one in member.books.totals.interfaces.values()),
            default=0,
        )

    @property
    def silent_seconds(self) -> float:
        """Seconds since the worker that was silent longest was heard; 0 before all have begun."""
        heard = min(member.heard for member in self.members)
        return time.monotonic() - heard if heard else 0.0

    @property
    def dropped_events(self) -> int:
        """Event lines that found no room in a worker."""
        return sum(member.dropped_events for member in self.members)

    @property
    def dropped_exhibits(self) -> int:
        """Exhibits that found no room in a worker."""
        return sum(member.dropped_exhibits for member in self.members)

    def interfaces(self) -> dict[str, bool]:
        """Whether each interface is up, as far as it was told."""
        up: dict[str, bool] = {}
        for member in self.members:
            for name, is_up in member.up.items():
                up[name] = up.get(name, True) and is_up
        return up

    def health(self) -> dict[str, WorkerHealth]:
        """The state of each worker."""
        return {
            member.name: WorkerHealth(
                member.supervisor.up, member.supervisor.restarts, member.supervisor.heartbeat
            )
            for member in self.members
        }
