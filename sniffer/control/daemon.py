"""The daemon: the parent process, which holds everything that must not stand in a packet's way.

In: a configuration, options of the command line, signals.  Out: metrics over HTTP, event lines, a log, an exit status.
Never: a packet; those are the worker's.

    TERM, INT   finish what has arrived, exit 0; a second one ends at once
    HUP         load rules and tenants again, open the event file again
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn

from sniffer.blindspots import BlindSpots, figures, measure, short
from sniffer.capture.interface import interface_names
from sniffer.capture.packet_socket import has_packet_sockets
from sniffer.config import privacy_key
from sniffer.confine import seal_parent
from sniffer.control.chronicle import make_chronicle
from sniffer.control.crew import Crew
from sniffer.control.guard import Guard
from sniffer.control.holders import Holders
from sniffer.control.http import Endpoint
from sniffer.control.notify import Notifier
from sniffer.control.outlets import Outlets
from sniffer.control.page import overview
from sniffer.control.records import HitDelta, Job, NewRules, ReplayJob
from sniffer.control.reload import Loaded, Refused, Reloader, load, load_in_child
from sniffer.control.renewal import Renewal
from sniffer.control.rings import Rings
from sniffer.control.routes import make_routes
from sniffer.control.suppressions import SuppressionLog
from sniffer.control.table import HostTable
from sniffer.control.webconfig import load_web
from sniffer.counts import HostCounts
from sniffer.errors import EXIT_OK, SnifferError, printable
from sniffer.evidence.recorder import make_bounds, make_recorder
from sniffer.evidence.sensor import sensor_state
from sniffer.garbage import collect_seldom, share_one_heap
from sniffer.log import configure, logger
from sniffer.model import Confidence, Severity
from sniffer.paths import rule_folders
from sniffer.sinks.event import encode, recounted
from sniffer.sinks.hosts import HostBook
from sniffer.sinks.metrics import Health, SinkHealth, render
from sniffer.sinks.privacy import Privacy
from sniffer.sinks.stats import make_stats
from sniffer.sinks.textfile import TextFile
from sniffer.size.hosts import SizeBook

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence
    from pathlib import Path

    from sniffer.capture.packet_socket import RingSettings
    from sniffer.config import Config
    from sniffer.control.records import Ended, Finished, News
    from sniffer.control.words import Words
    from sniffer.counts import Sighting
    from sniffer.evidence.exhibit import Exhibit
    from sniffer.totals import Totals

TICK: Final = 0.5
STATS_EVERY: Final = 60.0
STATUS_EVERY: Final = 5.0  # it says how long ago the last packet came
FIRST_START: Final = 3.0  # seconds after which it is said what takes so long
DRAIN_SECONDS: Final = 3.5  # for the worker to finish
FLUSH_SECONDS: Final = 1.0  # for the sinks
HISTORY_SECONDS: Final = (
    3.0  # for the history: 100,000 sessions at once take 1.3; with the others the end comes within 5
)
STALE: Final = 5.0  # seconds without a word from the worker after which the sensor is not healthy


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    interfaces: tuple[str, ...] = ()
    replay: str | None = None
    loop: bool = False
    speed: float = 0.0  # 0: as fast as possible
    listen: str = "127.0.0.1:9478"
    table: bool = False
    seconds: float = 0.0  # to read for; 0: until told to stop
    rules: tuple[Path, ...] = ()
    paranoid: bool = False  # each answer of the rules is found twice, and compared


class Daemon:
    """The parent process.  Hears the workers (:class:`~sniffer.control.crew.Listener`)."""

    def __init__(self, config: Config, options: Options, loaded: Loaded, directories: Sequence[Path]) -> None:
        self.config, self.options = config, options
        self._loaded, self._directories = loaded, tuple(directories)
        self._offers = 1  # of rules to the workers, taken or not
        self._reload_fault = ""  # of the last reload
        self._key = privacy_key(config.events)
        guard = Guard(load_web(config.http.web_config_file))
        self.renewal = Renewal(config.http.web_config_file, guard)
        hosts = config.hosts
        self.book = HostBook(
            limit=hosts.series_limit,
            inside=config.networks.inside or (),
            ipv6_prefix=hosts.ipv6_prefix,
            expire_after=hosts.expire_after,
            hold_seconds=hosts.hold_seconds,
        )
        self.sizes = SizeBook(
            self.book.names,
            limit=hosts.series_limit,
            overhead=config.size.overhead,
            expire_after=hosts.expire_after,
            samples=config.history.file is not None,
        )
        filtered = options.replay is None and config.capture.filter == "auto"
        self.chronicle = make_chronicle(config, self.sizes, self._now, filtered=filtered)
        self.counts: HostCounts[None] = HostCounts(
            repeat_interval=config.events.repeat_nanoseconds,
            network_of=self.book.network_of,
        )
        self.health = Health(interfaces=dict.fromkeys(options.interfaces, False))
        self.health.reopens = dict.fromkeys(options.interfaces, 0)
        self.health.one_sided = config.sensor.one_sided
        self._suppressions = SuppressionLog()
        privacy = Privacy(self._key, leave_out=config.events.personal_data == "leave_out")
        self.holders = Holders(config.ownership, privacy.hide)
        self.holders.load()
        self.recorder = make_recorder(config)
        self._take(loaded)
        self.notifier = Notifier()
        self.outlets = Outlets(config)
        self.reloader = Reloader(self._reload)
        alone = options.replay is not None or not has_packet_sockets()
        self.rings = Rings(config.capture, options.interfaces)
        rules = NewRules(self._offers, loaded.dump, loaded.owners)
        workers = 1 if alone else config.capture.workers
        self.crew = Crew(self, self._make_job, workers, rules=rules, holders=self.holders.known)
        self.endpoint = Endpoint(
            options.listen,
            make_routes(
                metrics=self._metrics,
                overview=self._overview,
                healthy=self._healthy,
                ready=self._ready,
                reload=self._reload_over_http if config.http.reload else None,
            ),
            guard=guard,
        )
        self.textfile: TextFile | None = None
        title = "Offending addresses"
        self.table = HostTable(self.book, self.sizes, title=title) if options.table else None
        self._stop = asyncio.Event()
        self._reading = asyncio.Event()
        self._signals = 0
        self._end: Ended | None = None

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
        loop.set_exception_handler(self._on_fault)
        await self.endpoint.start()
        if self.config.metrics.textfile is not None:
            self.textfile = TextFile(self.config.metrics.textfile, self._metrics())
        host, port = self.endpoint.address
        logger().info(
            "started", listen=f"{host}:{port}", rules=len(self._loaded.rules), version=self._loaded.version
        )
        if self.table is not None:
            self.table.start()
        working = asyncio.create_task(self.crew.run())
        ticking = asyncio.create_task(self._tick())
        stopping = asyncio.create_task(self._stop.wait())
        limit = asyncio.create_task(self._time_limit())
        renewing = asyncio.create_task(self.renewal.run())
        try:
            await asyncio.wait((working, ticking, stopping, limit), return_when=asyncio.FIRST_COMPLETED)
            if ticking.done():
                ticking.result()
            return await self._wind_up(working)
        finally:
            tasks = (working, ticking, stopping, limit, renewing)
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
        """Let the workers finish, within their time."""
        self.notifier.stopping()
        if not working.done():
            logger().info("stopping: reading what has arrived")
            await self.crew.stop()
            await asyncio.wait((working,), timeout=DRAIN_SECONDS)
        if not working.done():
            logger().warning("the worker did not finish in time", code="worker_slow_stop")
            self.crew.stop_now()
            await asyncio.wait((working,), timeout=1.0)
        last = working.result() if working.done() else None
        if last is not None and last.exit_status and not last.stopped:
            for line in last.lines:
                logger().error(line.removeprefix("error: "))
            return last.exit_status
        return EXIT_OK

    async def _close(self) -> None:
        await self.reloader.close()
        self.holders.close()
        self.rings.close()
        self.sizes.turn(self.crew.packet_time, everything=True)
        self._write_stats()
        self._suppressions.look(self.crew.totals.suppressed_by, time.monotonic(), time.time())
        if self.table is not None:
            self.table.refresh(self._status())
            self.table.stop()
        await self.endpoint.close()
        await asyncio.to_thread(self.outlets.close, FLUSH_SECONDS)
        if self.chronicle is not None:
            await asyncio.to_thread(
                self.chronicle.close, self.crew.packet_time, lambda: self.totals, HISTORY_SECONDS
            )
        if self.recorder is not None:
            await asyncio.to_thread(self.recorder.close, FLUSH_SECONDS)
        if self.textfile is not None:
            await asyncio.to_thread(self.textfile.close, self._metrics(), FLUSH_SECONDS / 2)
        suppressed = sum(self.crew.totals.suppressed.values())
        logger().info("stopped", hits=self.book.hits, suppressed=suppressed, **figures(self._blind_spots()))

    def _on_stop(self) -> None:
        self._signals += 1
        self._stop.set()
        if self._signals > 1:
            self.crew.stop_now()
            if self.chronicle is not None:
                self.chronicle.hurry(FLUSH_SECONDS)

    @staticmethod
    def _on_fault(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A fault that nobody waits for, such as descriptors that ran out: a line now and then, no traceback."""
        fault = printable(repr(context.get("exception")))
        logger().error(printable(context["message"]), code="event_loop", error=fault)

    def _on_hang_up(self) -> None:
        self.outlets.reopen()
        self.reloader.ask()

    async def _tick(self) -> None:
        """What has to be done now and then."""
        begun = time.monotonic()
        next_stats, next_status = begun + STATS_EVERY, begun + STATUS_EVERY
        next_text = begun + self.config.metrics.interval
        patience = FIRST_START
        while True:
            await asyncio.sleep(TICK)
            now = time.monotonic()
            self.book.expire(now)
            self.sizes.turn(self.crew.packet_time)
            if self.chronicle is not None:
                self.chronicle.step(self.crew.packet_time, lambda: self.totals, up=self.crew.is_up)
            if now - begun > patience and not self._reading.is_set():
                patience = float("inf")
                logger().info("compiling the packet gate for this machine, once; this takes some 15 seconds")
            if self._makes_progress():
                self.notifier.watchdog()
            if self.table is not None:
                self.table.refresh(self._status())
            if now >= next_stats:
                next_stats += STATS_EVERY
                self._write_stats()
            if now >= next_status:
                next_status += STATUS_EVERY
                self._tell_status()
                self._suppressions.look(self.crew.totals.suppressed_by, now, time.time())
            if self.textfile is not None and now >= next_text:
                next_text = now + self.config.metrics.interval
                self.textfile.offer(self._metrics())
            await self._reopen()
            await self.holders.turn(self.crew.tell_holders)

    def _makes_progress(self) -> bool:
        """Whether the service manager asks for signs of life, and every worker has given one within its time.

        A worker keeps its books without packets, too; one that hangs and cannot be replaced is what the manager can mend.
        """
        return self.crew.silent_seconds < self.notifier.watchdog_seconds

    # ── the worker ───────────────────────────────────────────────────────────────────────────────────────

    def _make_job(self, number: int) -> tuple[Job, Sequence[socket.socket]]:
        options, config = self.options, self.config
        workers = len(self.crew.members)
        opened: list[tuple[socket.socket, RingSettings]] = []
        if options.replay is None and has_packet_sockets():
            try:
                opened += (self.rings.open(name, number) for name in options.interfaces)
            except BaseException:
                for sock, _ in opened:
                    sock.close()
                raise
        sockets = [sock for sock, _ in opened]
        replay = None
        if options.replay is not None:
            replay = ReplayJob(options.replay, options.speed, options.loop)
        job = Job(
            rules=self.crew.rules.dump,
            interfaces=options.interfaces,
            sockets=tuple(sock.fileno() for sock in sockets),
            rings=tuple(ring for _, ring in opened),
            promiscuous=config.capture.promiscuous,
            replay=replay,
            sensor=config.sensor.name,
            key=self._key,
            leave_out=self.config.events.personal_data == "leave_out",
            events=bool(self.outlets),
            owners=self.crew.rules.owners,
            max_mappings=self.holders.limit,
            one_sided=config.sensor.one_sided,
            repeat_interval=config.events.repeat_nanoseconds,
            cpu=cpu_of(number) if workers > 1 else None,
            shares=workers > 1,
            paranoid=options.paranoid,
            evidence=make_bounds(config),
            traffic=self.chronicle is not None and self.chronicle.gatherer.measures,
        )
        return job, sockets

    def ready(self) -> None:
        """Every worker has begun to read."""
        self._reading.set()
        source = ", ".join(self.options.interfaces) or self.options.replay
        self.notifier.ready(f"watching {source}")
        logger().info("watching", source=source, workers=len(self.crew.members))

    def news(self, news: News) -> None:
        """Count hits and sightings, write lines."""
        now = time.monotonic()
        for hit in news.hits:
            self._enter(hit, now)
        for line in news.events:
            self.outlets.write(line)
        for sighting in news.sightings:
            self._count(sighting, now)
        for work in news.works:
            self.sizes.add(work)
        if self.chronicle is not None:
            for row in news.carried:
                host, tenant = self.book.names.written(row.host), self.sizes.tenant_of(row.host)
                self.chronicle.gatherer.carry(host, tenant, row.hour, row.mining, row.other)

    def _enter(self, hit: HitDelta, now: float) -> None:
        """Enter hits into the books."""
        self.book.hit(hit.host, hit.rule, hit.severity, hit.confidence, hit.count, hit.last, now, hit.tenant)
        if self.chronicle is not None:
            self.chronicle.gatherer.hit(
                self.book.names.written(hit.host),
                hit.tenant,
                hit.rule,
                hit.severity.label,
                hit.confidence.label,
                hit.count,
                hit.last,
            )

    def exhibit(self, exhibit: Exhibit) -> None:
        """Have a flow kept as evidence."""
        if self.recorder is not None:
            self.recorder.record(exhibit, self._sensor_state)

    def _sensor_state(self) -> dict[str, Any]:
        """What this sensor is like just now, for a bundle."""
        return sensor_state(
            self._current_health(),
            self.totals,
            sensor=self.config.sensor.name,
            source=", ".join(self.options.interfaces) or "replay",
        )

    def _count(self, sighting: Sighting, now: float) -> None:
        """Count a sighting by host; it, and others that waited for it, may be hits."""
        for hit in self.counts.add(sighting, None):
            one = hit.sighting
            severity, confidence = Severity(one.severity), Confidence(one.confidence)
            self._enter(HitDelta(one.host, one.rule, severity, confidence, 1, one.time, one.tenant), now)
            if hit.is_due and one.line and self.outlets:
                self.outlets.write(recounted(one.line, hit.told))

    @property
    def totals(self) -> Totals:
        """The books of all workers, and what was counted here."""
        totals, windows = self.crew.totals, self.counts.windows
        totals.hits += windows.hits
        if totals.oddities:
            totals.oddities["window_evicted"] += windows.evicted + windows.given_up
        return totals

    def ended(self, end: Ended) -> None:
        """The replay is over; its numbers stay up."""
        self._end = end
        for line in end.lines:
            logger().error(line.removeprefix("error: "))
        logger().info("the replay has ended; metrics stay until told to stop", packets=self.totals.packets)

    async def _reopen(self) -> None:
        """Give each worker a new socket for each lost interface that is there again."""
        if not any(member.lost for member in self.crew.members):
            return
        there = interface_names()
        for number, member in enumerate(self.crew.members):
            for name in [name for name in member.lost if name in there]:
                try:
                    sock, ring = self.rings.open(name, number)
                except SnifferError:
                    self.rings.forget(name)
                    continue  # not yet up, or gone again
                if await member.supervisor.send_socket(name, sock, ring):
                    del member.lost[name]
                    if member is self.crew.members[0]:
                        self.health.reopens[name] += 1
                        logger().info("the interface is back", interface=name)

    # ── rules ────────────────────────────────────────────────────────────────────────────────────────────

    def _take(self, loaded: Loaded) -> None:
        self._loaded = loaded
        if loaded.wants_datagrams and self.config.capture.filter == "auto" and self.options.interfaces:
            logger().warning(
                "rules ask for payloads of UDP, most of which the kernel filter drops: set capture.filter to none",
                code="filter_hides_datagrams",
            )
        health = self.health
        self._suppressions.use(loaded.suppressions)
        health.rules.update((row.id, None) for row in loaded.rules)
        health.rules_loaded, health.rules_version = len(loaded.rules), loaded.version
        if self.recorder is not None:
            self.recorder.use_rules(loaded.version, loaded.dump)
        health.generation, health.reload_success, health.last_reload = (
            health.generation + 1,
            True,
            time.time(),
        )
        self.book.declare(
            (row.id, Severity(row.severity), Confidence(row.confidence)) for row in loaded.rules
        )
        self.book.declare_tenants(loaded.owners.names)
        self.sizes.declare_tenants(loaded.owners.names)
        if self.chronicle is not None:
            self.chronicle.use(loaded.owners.tenants)
        health.tenants = len(loaded.owners.tenants)
        for tenant in sorted(set(loaded.tenants) - set(loaded.owners.names)):
            logger().warning("a rule has a threshold for a tenant that is not configured", tenant=tenant)

    async def _reload(self) -> tuple[bool, str]:
        """Load the rules and the web configuration again; whatever is wrong with either, the old one stays."""
        self.notifier.reloading()
        lines = await self._load_again()
        self._reload_fault = lines[0].removeprefix("error: ") if lines else ""
        self.health.reload_success = not lines
        if lines:
            for line in lines:
                logger().error(line.removeprefix("error: "))
            told = f"the old rules stay in use: {lines[0]}"
            logger().error("reload failed; the old rules stay in use", faults=len(lines))
        else:
            told = f"rules {self._loaded.version} are in use, {len(self._loaded.rules)} rules"
            logger().info("rules loaded", rules=len(self._loaded.rules), version=self._loaded.version)
        of_web = await self.renewal.renew()
        if of_web:
            told += f"; the old web configuration stays in use: {of_web[0]}"
        self.notifier.ready(told)
        return not lines and not of_web, told

    async def _load_again(self) -> tuple[str, ...]:
        """Load the rules and have every worker take them; return what speaks against them."""
        try:
            found = await load_in_child(self._directories, self.config.sources)
        except OSError as error:  # no process, no memory
            return (f"error: rules: cannot be loaded now: {printable(error.strerror)}",)
        if isinstance(found, Refused):
            return found.lines
        self._offers += 1  # a number of its own even after a refusal, whose answers may still come
        fault = await self.crew.take_rules(NewRules(self._offers, found.dump, found.owners))
        if fault:
            return (fault,)
        self._take(found)
        return ()

    async def _reload_over_http(self) -> tuple[bool, str]:
        return await asyncio.shield(self.reloader.ask())

    # ── what is told ─────────────────────────────────────────────────────────────────────────────────────

    def _current_health(self) -> Health:
        health = self.health
        health.workers = self.crew.health()
        health.interfaces.update(self.crew.interfaces())
        health.selftest_ok = self.crew.selftest_ok
        health.sinks = {
            **self.outlets.health(self.crew.dropped_events),
            "history": self.chronicle.health if self.chronicle is not None else SinkHealth(),
            "textfile": self.textfile.health if self.textfile is not None else SinkHealth(),
            "evidence": self.recorder.health(self.crew.dropped_exhibits) if self.recorder else SinkHealth(),
        }
        health.evidence_bytes = self.recorder.held if self.recorder else 0
        health.http_rejected = self.endpoint.rejected
        self.holders.enter(health)
        health.mapping_lines["untold"] = self.crew.untold
        return health

    def _metrics(self) -> bytes:
        return render(self._current_health(), self.totals, self.book, self.sizes)

    def _overview(self, words: Words) -> dict[str, Any]:
        return overview(
            self._current_health(),
            self.totals,
            self.book,
            self.sizes,
            words,
            sensor=self.config.sensor.name,
            now=self._now(),
        )

    def _healthy(self) -> tuple[bool, str]:
        if not self._reading.is_set():
            return True, "starting"
        silent = self.crew.silent_seconds
        return silent < STALE, f"every worker reported within {silent:.1f} s"

    def _ready(self) -> tuple[bool, str]:
        if not self.crew.is_up:
            return False, "not every worker is reading"
        if not self.crew.selftest_ok:
            return False, "the self-test failed, see the log"
        return True, f"watching with {len(self._loaded.rules)} rules"

    def _status(self) -> str:
        totals = self.totals
        if self._end is not None:
            state = "replay ended"
        elif self.crew.is_up:
            state = "watching"
        elif self._stop.is_set() or self.crew.has_finished:
            state = "stopped"
        else:
            state = "waiting for a worker" if self._reading.is_set() else "starting"
        return f"{state}: {totals.packets} packets, {self.book.hits} hits, {len(self.book)} series"

    def _tell_status(self) -> None:
        """What ``systemctl status`` shows; a reload that failed is part of it until one succeeds."""
        fault = self._reload_fault or self.renewal.fault
        reload = f"; the last reload failed: {printable(fault)}" if fault else ""
        self.notifier.status(f"{self._status()}; {short(self._blind_spots())}{reload}")

    def _blind_spots(self) -> BlindSpots:
        return measure(self.totals, self._now())

    def _now(self) -> float | None:
        """The time of day; None in a replay, whose packets have a time of their own."""
        return time.time() if self.options.replay is None else None

    def _write_stats(self) -> None:
        if not self.outlets:
            return
        sinks = {
            sink.name: {"written": sink.written, "dropped": sink.dropped, "failed": sink.failed}
            for sink in self.outlets.sinks
        }
        stats = make_stats(self.totals, sensor=self.config.sensor.name, hosts=len(self.book), sinks=sinks)
        self.outlets.write(encode(stats))


def cpu_of(number: int) -> int:
    """The processor of a worker: from the last one that this process may use downwards (the first ones serve the cards)."""
    allowed = sorted(os.sched_getaffinity(0), reverse=True)
    return allowed[number % len(allowed)]


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
    loaded = load(directories, config.sources)
    seal_parent()
    collect_seldom()
    share_one_heap()
    return asyncio.run(_run(config, options, loaded, directories))


async def _run(config: Config, options: Options, loaded: Loaded, directories: Sequence[Path]) -> int:
    daemon = Daemon(config, options, loaded, directories)
    with contextlib.ExitStack() as stack:
        # For the ways out that do not lead through the end.
        stack.callback(daemon.outlets.close, FLUSH_SECONDS)
        if daemon.recorder is not None:
            stack.callback(daemon.recorder.close, FLUSH_SECONDS)
        return await daemon.run()


def _stop_early(_number: int, _frame: object) -> NoReturn:
    sys.exit(EXIT_OK)
