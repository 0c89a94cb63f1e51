"""The daemon: the parent process, which holds everything that must not stand in a packet's way.

In: a configuration, options of the command line, signals.  Out: metrics over HTTP, event lines, a log, an exit status.
Never: a packet; those are the worker's.

    TERM, INT   finish what has arrived, exit 0; a second one ends at once
    HUP         load the rules again, open the event file again
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn

from sniffer.capture.interface import interface_names
from sniffer.capture.packet_socket import RingSettings, has_packet_sockets, open_ring_socket
from sniffer.config import privacy_key
from sniffer.control.http import Endpoint
from sniffer.control.notify import Notifier
from sniffer.control.page import overview
from sniffer.control.records import Job, NewRules, ReplayJob, TenantRow
from sniffer.control.reload import Loaded, Refused, Reloader, load, load_in_child
from sniffer.control.routes import make_routes
from sniffer.control.supervisor import Supervisor
from sniffer.control.table import HostTable
from sniffer.errors import EXIT_OK, SnifferError
from sniffer.log import configure, logger
from sniffer.model import Confidence, Severity
from sniffer.paths import rule_folders
from sniffer.sinks.event import encode
from sniffer.sinks.events import EventWriter
from sniffer.sinks.hosts import HostBook
from sniffer.sinks.metrics import Accumulator, Health, WorkerHealth, render
from sniffer.sinks.stats import make_stats

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence
    from pathlib import Path

    from sniffer.config import Config
    from sniffer.control.records import Ended, Finished, News, RulesInUse, Snapshot

TICK: Final = 0.5
STATS_EVERY: Final = 60.0
FIRST_START: Final = 3.0  # seconds after which it is said what takes so long
DRAIN_SECONDS: Final = 3.5  # for the worker to finish
FLUSH_SECONDS: Final = 1.0  # for the event file
WORKER: Final = "0"
STALE: Final = 5.0  # seconds without a word from the worker after which the sensor is not healthy


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    config_file: Path | None = None
    interfaces: tuple[str, ...] = ()
    replay: str | None = None
    loop: bool = False
    speed: float = 0.0  # 0: as fast as possible
    listen: str = "127.0.0.1:9478"
    table: bool = False
    seconds: float = 0.0  # to read for; 0: until told to stop
    rules: tuple[Path, ...] = ()
    exit_at_end: bool = False  # end with the replay, in place of staying for its metrics


class Daemon:
    """The parent process.  Hears the worker (:class:`~sniffer.control.supervisor.Listener`)."""

    def __init__(self, config: Config, options: Options, loaded: Loaded, directories: Sequence[Path]) -> None:
        self.config, self.options = config, options
        self._loaded, self._directories = loaded, tuple(directories)
        self._generation = 1
        self._offered: dict[int, tuple[Loaded, asyncio.Future[str]]] = {}
        self._key = privacy_key(config.events)
        hosts = config.hosts
        self.book = HostBook(
            limit=hosts.series_limit,
            inside=config.networks.inside or (),
            tenants=[(tenant.name, tenant.networks) for tenant in config.tenants],
            ipv6_prefix=hosts.ipv6_prefix,
            expire_after=hosts.expire_after,
            hold_seconds=hosts.hold_seconds,
        )
        self.books = Accumulator()
        self.health = Health(
            workers={WORKER: WorkerHealth()}, interfaces=dict.fromkeys(options.interfaces, False)
        )
        self.health.reopens = dict.fromkeys(options.interfaces, 0)
        self._take(loaded)
        self.ring = RingSettings(
            config.capture.ring_mib,
            config.capture.block_kib,
            config.capture.promiscuous,
            config.capture.snaplen,
        )
        self.notifier = Notifier()
        self.writer = EventWriter(config.events.file) if config.events.file else None
        self.reloader = Reloader(self._reload)
        self.supervisor = Supervisor(self, self._make_job)
        self.endpoint = Endpoint(
            options.listen,
            make_routes(
                metrics=self._metrics,
                overview=self._overview,
                healthy=self._healthy,
                ready=self._ready,
                reload=self._reload_over_http if config.http.reload else None,
            ),
        )
        self.table = HostTable(self.book, title="Offending addresses") if options.table else None
        self._stop = asyncio.Event()
        self._reading = asyncio.Event()
        self._signals = 0
        self._lost: dict[str, None] = {}
        self._dropped = [0, 0]  # event lines: of workers before this one, of this one
        self._heard = 0.0
        self._end: Ended | None = None
        self._last: Finished | None = None

    # ── the run ──────────────────────────────────────────────────────────────────────────────────────────

    async def run(self) -> int:
        """Run until a signal, or the end; return the exit status.

        Raises:
            SnifferError: the port is taken, an interface is missing, the worker keeps dying.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_stop)
        loop.add_signal_handler(signal.SIGHUP, self._on_hang_up)
        await self.endpoint.start()
        host, port = self.endpoint.address
        logger().info(
            "started", listen=f"{host}:{port}", rules=len(self._loaded.rules), version=self._loaded.version
        )
        if self.table is not None:
            self.table.start()
        working = asyncio.create_task(self.supervisor.run())
        ticking = asyncio.create_task(self._tick())
        stopping = asyncio.create_task(self._stop.wait())
        limit = asyncio.create_task(self._time_limit())
        try:
            await asyncio.wait((working, ticking, stopping, limit), return_when=asyncio.FIRST_COMPLETED)
            if ticking.done():
                ticking.result()
            return await self._wind_up(working)
        finally:
            tasks = (working, ticking, stopping, limit)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._close()

    async def _time_limit(self) -> None:
        """Wait for as long as the command line allows, from when the first packet can be read."""
        await self._reading.wait()
        if self.options.seconds:
            await asyncio.sleep(self.options.seconds)
        else:
            await asyncio.Event().wait()

    async def _wind_up(self, working: asyncio.Task[Finished]) -> int:
        """Let the worker finish, within its time."""
        self.notifier.stopping()
        if not working.done():
            logger().info("stopping: reading what has arrived")
            await self.supervisor.stop()
            await asyncio.wait((working,), timeout=DRAIN_SECONDS)
        if not working.done():
            logger().warning("the worker did not finish in time", code="worker_slow_stop")
            self.supervisor.stop_now()
            await asyncio.wait((working,), timeout=1.0)
        last = working.result() if working.done() else None
        if last is not None and last.exit_status and not last.stopped:
            for line in last.lines:
                logger().error(line.removeprefix("error: "))
            return last.exit_status
        return EXIT_OK

    async def _close(self) -> None:
        await self.reloader.close()
        self._write_stats()
        if self.table is not None:
            self.table.refresh(self._status())
            self.table.stop()
        await self.endpoint.close()
        if self.writer is not None:
            await asyncio.to_thread(self.writer.close, FLUSH_SECONDS)
        totals = self.books.totals
        logger().info("stopped", packets=totals.packets, hits=self.book.hits)

    def _on_stop(self) -> None:
        self._signals += 1
        self._stop.set()
        if self._signals > 1:
            self.supervisor.stop_now()

    def _on_hang_up(self) -> None:
        if self.writer is not None:
            self.writer.reopen()
        self.reloader.ask()

    async def _tick(self) -> None:
        """What has to be done now and then."""
        begun = time.monotonic()
        next_stats = begun + STATS_EVERY
        patience = FIRST_START
        while True:
            await asyncio.sleep(TICK)
            now = time.monotonic()
            self.book.expire(now)
            if now - begun > patience and not self._reading.is_set():
                patience = float("inf")
                logger().info("compiling the gate; this takes a moment at the first start only")
            if self.notifier.watchdog_seconds:
                self.notifier.watchdog()
            if self.table is not None:
                self.table.refresh(self._status())
            if now >= next_stats:
                next_stats += STATS_EVERY
                self._write_stats()
                self.notifier.status(self._status())
            if self._lost:
                await self._reopen()

    # ── the worker ───────────────────────────────────────────────────────────────────────────────────────

    def _make_job(self) -> tuple[Job, Sequence[socket.socket]]:
        options, config = self.options, self.config
        sockets: list[socket.socket] = []
        if options.replay is None and has_packet_sockets():
            try:
                sockets += (open_ring_socket(name, self.ring) for name in options.interfaces)
            except BaseException:
                for sock in sockets:
                    sock.close()
                raise
        replay = None
        if options.replay is not None:
            replay = ReplayJob(options.replay, options.speed, options.loop, linger=not options.exit_at_end)
        job = Job(
            rules=self._loaded.dump,
            interfaces=options.interfaces,
            sockets=tuple(sock.fileno() for sock in sockets),
            ring=self.ring,
            replay=replay,
            sensor=config.sensor.name,
            key=self._key,
            leave_out=self.config.events.personal_data == "leave_out",
            events=self.writer is not None,
            tenants=tuple(
                TenantRow(tenant.name, tenant.contact, tuple(str(network) for network in tenant.networks))
                for tenant in config.tenants
            ),
            one_sided=config.sensor.one_sided,
            repeat_interval=int(config.events.repeat_interval * 1_000_000_000),
        )
        return job, sockets

    def ready(self) -> None:
        """A worker has begun to read."""
        self._heard = time.monotonic()
        self._reading.set()
        self.health.workers[WORKER].up = True
        self.notifier.ready(f"watching {', '.join(self.options.interfaces) or self.options.replay}")
        logger().info("watching", source=", ".join(self.options.interfaces) or self.options.replay)

    def news(self, news: News) -> None:
        """Count hits, write lines."""
        now = time.monotonic()
        for hit in news.hits:
            severity, confidence = Severity(hit.severity), Confidence(hit.confidence)
            self.book.hit(hit.host, hit.rule, severity, confidence, hit.count, hit.last, now)
        if self.writer is not None:
            for line in news.events:
                self.writer.write(line)

    def snapshot(self, snapshot: Snapshot) -> None:
        """Take the worker's books."""
        self._heard = time.monotonic()
        self.books.update(snapshot.totals)
        self.health.interfaces.update(snapshot.up)
        self._dropped[1] = snapshot.dropped_events
        if snapshot.dropped_hits or snapshot.dropped_events:
            logger().warning(
                "the worker had no room for all of its news",
                code="outbox_full",
                hits=snapshot.dropped_hits,
                events=snapshot.dropped_events,
            )

    def rules_in_use(self, answer: RulesInUse) -> None:
        """The worker has taken new rules, or not."""
        offered = self._offered.pop(answer.generation, None)
        if offered is not None and not offered[1].done():
            offered[1].set_result(answer.fault)

    def lost(self, interface: str) -> None:
        """An interface was removed: wait for it to come back."""
        self._lost[interface] = None
        self.health.interfaces[interface] = False
        logger().error("the interface is gone; waiting for it", code="interface_gone", interface=interface)

    def ended(self, end: Ended) -> None:
        """The replay is over; its numbers stay up."""
        self._end = end
        for line in end.lines:
            logger().error(line.removeprefix("error: "))
        logger().info(
            "the replay has ended; metrics stay until told to stop", packets=self.books.totals.packets
        )

    def died(self, reason: str) -> None:
        """The worker ended by itself."""
        worker = self.health.workers[WORKER]
        worker.up = False
        worker.restarts += 1
        self._lost.clear()  # its successor opens everything anew
        self.books.begin()
        self._dropped = [sum(self._dropped), 0]
        logger().error("the worker died; it is started again", reason=reason, restarts=worker.restarts)

    def finished(self, last: Finished) -> None:
        """The worker has done its work."""
        self.health.workers[WORKER].up = False
        self._last = last

    async def _reopen(self) -> None:
        """Give the worker a new socket for each lost interface that is there again."""
        there = interface_names()
        for name in [name for name in self._lost if name in there]:
            try:
                sock = open_ring_socket(name, self.ring)
            except SnifferError:
                continue  # not yet up, or gone again
            if await self.supervisor.send_socket(name, sock):
                del self._lost[name]
                self.health.reopens[name] += 1
                logger().info("the interface is back", interface=name)

    # ── rules ────────────────────────────────────────────────────────────────────────────────────────────

    def _take(self, loaded: Loaded) -> None:
        self._loaded = loaded
        health = self.health
        health.rules_loaded, health.rules_version = len(loaded.rules), loaded.version
        health.generation, health.reload_success, health.last_reload = self._generation, True, time.time()
        self.book.declare(
            (row.id, Severity(row.severity), Confidence(row.confidence)) for row in loaded.rules
        )

    async def _reload(self) -> tuple[bool, str]:
        """Load the rules again; whatever is wrong, the old ones stay."""
        self.notifier.reloading()
        found = await load_in_child(self._directories)
        fault = "; ".join(found.lines[:1]) if isinstance(found, Refused) else await self._offer(found)
        if fault:
            self.health.reload_success = False
            lines = found.lines if isinstance(found, Refused) else (fault,)
            for line in lines:
                logger().error(line.removeprefix("error: "))
            told = f"the old rules stay in use: {fault}"
            logger().error("reload failed; the old rules stay in use", faults=len(lines))
        else:
            told = f"rules {self._loaded.version} are in use, {len(self._loaded.rules)} rules"
            logger().info("rules loaded", rules=len(self._loaded.rules), version=self._loaded.version)
        self.notifier.ready(told)
        return not fault, told

    async def _offer(self, loaded: Loaded) -> str:
        """Hand rules to the worker; return what speaks against them."""
        self._generation += 1
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._offered[self._generation] = (loaded, answer)
        try:
            if await self.supervisor.send_rules(NewRules(self._generation, loaded.dump)):
                fault = await asyncio.wait_for(answer, 10.0)
            else:
                fault = ""  # no worker just now; the next one starts with these
        except TimeoutError:
            fault = "the worker did not answer"
        finally:
            self._offered.pop(self._generation, None)
        if fault:
            self._generation -= 1
        else:
            self._take(loaded)
        return fault

    async def _reload_over_http(self) -> tuple[bool, str]:
        return await asyncio.shield(self.reloader.ask())

    # ── what is told ─────────────────────────────────────────────────────────────────────────────────────

    def _current_health(self) -> Health:
        health = self.health
        worker = health.workers[WORKER]
        worker.up, worker.heartbeat = self.supervisor.up, self.supervisor.heartbeat
        if self.writer is not None:
            sink = health.sinks["events"]
            sink.written, sink.failed = self.writer.written, self.writer.failed
            sink.dropped = self.writer.dropped + sum(self._dropped)
        return health

    def _metrics(self) -> bytes:
        return render(self._current_health(), self.books.totals, self.book)

    def _overview(self) -> dict[str, Any]:
        return overview(self._current_health(), self.books.totals, self.book, sensor=self.config.sensor.name)

    def _healthy(self) -> tuple[bool, str]:
        silent = time.monotonic() - self._heard
        if not self._heard:
            return True, "starting"
        return silent < STALE, f"the worker reported {silent:.1f} s ago"

    def _ready(self) -> tuple[bool, str]:
        if not self.supervisor.up:
            return False, "no worker is reading"
        return True, f"watching with {len(self._loaded.rules)} rules"

    def _status(self) -> str:
        totals = self.books.totals
        state = "replay ended" if self._end is not None else "watching" if self.supervisor.up else "starting"
        return f"{state}: {totals.packets} packets, {self.book.hits} hits, {len(self.book)} series"

    def _write_stats(self) -> None:
        if self.writer is None:
            return
        totals = self.books.totals
        drops = sum(books.drops for books in totals.interfaces.values())
        stats = make_stats(totals, sensor=self.config.sensor.name, drops=drops, hosts=len(self.book))
        self.writer.write(encode(stats))


def run_daemon(config: Config, options: Options) -> int:
    """Run the daemon in this process until it is told to stop; return the exit status.

    Raises:
        SnifferError: rules are wrong, the port is taken, an interface is missing, the worker keeps dying.
    """
    # Before the loop takes the signals: a stop is a stop, and nothing needs reloading yet.
    signal.signal(signal.SIGTERM, _stop_early)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    configure(config.log.format, config.log.level)
    directories = rule_folders(options.rules, config.rules.directories)
    loaded = load(directories)
    return asyncio.run(_run(config, options, loaded, directories))


async def _run(config: Config, options: Options, loaded: Loaded, directories: Sequence[Path]) -> int:
    daemon = Daemon(config, options, loaded, directories)
    with contextlib.ExitStack() as stack:
        if daemon.writer is not None:
            # For the ways out that do not lead through the end.
            stack.callback(daemon.writer.close, FLUSH_SECONDS)
        return await daemon.run()


def _stop_early(_number: int, _frame: object) -> NoReturn:
    sys.exit(EXIT_OK)
