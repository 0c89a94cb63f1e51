"""The worker process: source, gate, flows, protocols, rules, in one loop.

In: a Job from the parent over a socket.  Out: hits, sightings and event lines, and books on the board, many times a second.
Never: a file but the replayed one, a network connection, a wait for the parent, more privileges than a Job needs.

Blocks of a ring go back to the kernel when the books on the board count them, and hits go out behind the books.  So when
this process is killed, the next one reads on where the books end.

Run as ``python -m sniffer.control.worker FD``.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from sniffer.capture import ring, savefile
from sniffer.capture.fallback import ScapyCapture
from sniffer.capture.live import LiveCapture
from sniffer.capture.replay import Replay
from sniffer.children import Unframer
from sniffer.confine import confine
from sniffer.control.board import Board
from sniffer.control.nextrules import NextRules, make_rules
from sniffer.control.outbox import Outbox
from sniffer.control.records import (
    Ended,
    Finished,
    Job,
    Learned,
    Lost,
    Mapped,
    NewRules,
    NewSocket,
    Ready,
    RulesInUse,
    Snapshot,
    Stop,
    Watched,
    to_worker,
)
from sniffer.engine import Engine, EngineSettings
from sniffer.errors import SnifferError, WorkerError
from sniffer.evidence.witness import Witness
from sniffer.garbage import share_one_heap
from sniffer.gate import gate
from sniffer.learned import Lesson
from sniffer.owners.table import Ownership
from sniffer.owners.timeline import Timeline
from sniffer.prepared import prepare
from sniffer.ruleset import restore
from sniffer.selftest import find_fault
from sniffer.sinks.event import encode, make_event
from sniffer.sinks.privacy import Privacy
from sniffer.size.work import Tallies
from sniffer.totals import InterfaceTotals, Totals, continued, take_statistics

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sniffer.batch import Batch
    from sniffer.capture.source import Source
    from sniffer.control.records import ToWorker
    from sniffer.counts import Sighting
    from sniffer.model import Detection

LEVELS_EVERY: Final = 1.0  # to sweep the table takes milliseconds, and to ask an interface a system call
COMMIT_EVERY: Final = 0.05
NEWS_EVERY: Final = 0.25
IDLE: Final = 0.05
DRAIN: Final = 1.0  # seconds that a live source is still read after Stop
SELFTEST_EVERY: Final = 60.0
LAST_WORDS: Final = 3.0  # seconds that the parent has to take the last records
MAX_DESCRIPTORS: Final = 8
MAX_DIFFERING: Final = 20  # rules that are named to the parent


class Link:
    """The worker's end of the socket: records in, and descriptors that came with them."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._unframer = Unframer()
        self.descriptors: deque[int] = deque()
        self.closed = False

    def records(self) -> list[ToWorker]:
        """What has arrived."""
        out = [to_worker.decode(body) for body in self._unframer.feed(b"")]
        while not self.closed:
            try:
                data, descriptors, _, _ = socket.recv_fds(self._sock, 1 << 20, MAX_DESCRIPTORS)
            except BlockingIOError:
                break
            except OSError:
                data, descriptors = b"", []
            self.descriptors += descriptors
            if not data:
                self.closed = True
                break
            out += [to_worker.decode(body) for body in self._unframer.feed(data)]
        return out

    def first(self) -> Job | None:
        """Wait for the Job; None when the parent has gone before it sent one."""
        self._sock.setblocking(True)
        while data := self._sock.recv(1 << 20):
            for body in self._unframer.feed(data):
                self._sock.setblocking(False)
                job = to_worker.decode(body)
                return job if isinstance(job, Job) else None
        self.closed = True
        return None


class Worker:
    """One pipeline and its talk with the parent."""

    def __init__(
        self,
        job: Job,
        link: Link,
        outbox: Outbox,
        source: Source,
        board: Board,
        processors: Collection[int] = (),
    ) -> None:
        """Be ready to read.

        Args:
            job: what for.
            link: from the parent.
            outbox: to the parent.
            source: of packets.
            board: for the books.
            processors: those that may be used for what must not hold up packets; none: as for packets.
        """
        self.job, self.link, self.outbox, self.source, self.board = job, link, outbox, source, board
        self._live = source if isinstance(source, LiveCapture) else None
        self.stopping = False
        self._rules = prepare(restore(job.rules))
        seed = self._rules.names.seed
        self._privacy = Privacy(job.key, leave_out=job.leave_out)
        self._timeline = Timeline(job.max_mappings) if job.max_mappings else None
        self._knows_holders = self._timeline is None  # all that was known when the Job was made
        self._ownership = Ownership(job.owners, self._timeline)
        self._next_rules = NextRules(lambda dump: make_rules(dump, seed), processors, self._timeline)
        self._filename = job.replay.path.rpartition("/")[2] if job.replay else ""
        self._restarts = 0
        self._past = Totals()  # of engines before this one
        self._told_lost: set[str] = set()
        self._up: dict[str, bool] = {}  # interfaces
        self._next_levels = 0.0
        self._next_commit = 0.0
        self._next_news = 0.0
        self._next_selftest = 0.0
        self._fault = ""
        self._witness: Witness | None = None
        self._engine = self._new_engine()

    def _new_engine(self) -> Engine:
        settings = EngineSettings(
            one_sided=self.job.one_sided,
            repeat_interval=self.job.repeat_interval,
            paranoid=self.job.paranoid,
        )
        if self.job.evidence is not None:
            self._witness = Witness(
                self.job.evidence,
                give=self.outbox.exhibit,
                line=self._line,
                privacy=self._privacy,
                filename=self._filename,
            )
        engine = Engine(
            self._rules,
            interfaces=self.source.interfaces,
            settings=settings,
            hit=self._hit,
            event=self._event,
            learned=self._share if self.job.shares else None,
            sighting=self._sighting,
            ownership=self._ownership,
            tallies=Tallies(self.outbox.tally, self._privacy.hide),
            carried=self.outbox.carry if self.job.traffic else None,
            watched=self.outbox.watch if self.job.traffic and self.job.shares else None,
        )
        if self._witness is not None:
            engine.show(self._witness)
        return engine

    def _hit(self, detection: Detection) -> None:
        """Count a hit; it may make its flow evidence."""
        self.outbox.hit(detection)
        if self._witness is not None:
            self._witness.hit(detection)

    def _finish(self) -> None:
        """No more packets will come to this engine."""
        self._engine.finish()
        if self._witness is not None:
            self._witness.finish()

    def _share(self, lesson: Lesson) -> None:
        """Tell the parent of a learned address, if the way is free: it is of use at once or hardly at all."""
        if self.outbox.is_clear:
            seconds = (lesson.until - self._engine.now) / 1e9
            self.outbox.put(Learned(lesson.address, lesson.name, seconds))

    def _event(self, detection: Detection) -> None:
        if self.job.events:
            self.outbox.line(self._line(detection))

    def _sighting(self, sighting: Sighting, detection: Detection) -> None:
        """Tell the parent of a message that it counts by host, with a line about it: any may be the one that hits."""
        sighting.lap = self._restarts
        if self.job.events:
            sighting.line = self._line(detection)
        self.outbox.sighting(sighting)

    def _line(self, detection: Detection) -> bytes:
        event = make_event(
            detection,
            sensor=self.job.sensor,
            interfaces=self.source.interfaces,
            privacy=self._privacy,
            filename=self._filename,
            tenant=detection.owned.as_event() if detection.owned is not None else None,
        )
        return encode(event)

    # ── the loop ─────────────────────────────────────────────────────────────────────────────────────────

    def run(self) -> Finished:
        """Read the source to its end, or until the parent says Stop or has gone; return the last record."""
        lines: tuple[str, ...] = ()
        status = 0
        try:
            self._read()
        except SnifferError as error:
            lines, status = tuple(error.lines()), error.exit_status
        self._finish()
        in_vain = status and not self.snapshot().totals.packets
        if self.job.replay is not None and not in_vain:
            self._linger(Ended(lines, status))
        return Finished(lines, status, stopped=self.stopping)

    def _linger(self, ended: Ended) -> None:
        """The capture has been played: stay for what it told, until Stop comes."""
        told = False
        while not (self.stopping or self.link.closed or self.outbox.closed):
            if not told and self.outbox.is_clear and not self.outbox.has_news:
                self.commit()
                self.outbox.put(ended)
                told = True
            self.talk()
            time.sleep(IDLE)

    def _read(self) -> None:
        self.talk()
        while not (self._knows_holders or self.stopping or self.link.closed):
            time.sleep(IDLE)
            self.talk()
        deadline = None
        last = time.monotonic()
        for batch in self.source.batches():
            was_stopping = self.stopping
            if batch is None:
                now = time.monotonic()
                # A replay's clock is its packets; a live one goes on without them.
                self._engine.tick(0 if self.job.replay else int((now - last) * 1e9))
                last = now
            else:
                if getattr(self.source, "restarts", 0) != self._restarts:
                    self._begin_again()
                self._process(batch)
                last = time.monotonic()
            self.talk()
            if self.link.closed:
                return
            if self.stopping:
                # Silence counts only if it began after Stop: until then a block of the ring may still be filling.
                if self.job.replay or (batch is None and was_stopping):
                    return
                deadline = deadline or time.monotonic() + DRAIN
                if time.monotonic() >= deadline:
                    return

    def _process(self, batch: Batch) -> None:
        """Run a batch through the engine; the board says which blocks are in hand meanwhile."""
        if self._live is None:
            self._engine.process(batch)
            return
        hands = self._live.hands
        self.board.hold(hands)
        self._engine.process(batch)
        self.board.hold([0] * len(hands))
        self._live.settle()

    def _begin_again(self) -> None:
        """A new pass over a file: the same connections once more, so everything starts afresh."""
        self._restarts = getattr(self.source, "restarts", 0)
        self._finish()
        self._past = continued(self._past, self._engine.totals())
        self._engine = self._new_engine()

    # ── the parent ───────────────────────────────────────────────────────────────────────────────────────

    def talk(self) -> None:
        """Hear the parent, and tell it what is due."""
        for record in self.link.records():
            self._obey(record)
        self._take_rules()
        now = time.monotonic()
        self.board.turn()
        self.outbox.flush()
        if now >= self._next_commit or (self._live and self._live.keeps_many):
            self._next_commit = now + COMMIT_EVERY
            levels = now >= self._next_levels
            if levels:
                self._next_levels = now + LEVELS_EVERY
                self._tell_lost()
            self.commit(levels=levels)
            if now >= self._next_news:
                self._next_news = now + NEWS_EVERY
                self.outbox.put_news()
        if now >= self._next_selftest:
            self._next_selftest = now + SELFTEST_EVERY
            self._fault = find_fault(self._rules)

    def _obey(self, record: ToWorker) -> None:
        if isinstance(record, Stop):
            self.stopping = True
        elif isinstance(record, NewRules):
            self._next_rules.offer(record)
        elif isinstance(record, Mapped):
            if self._timeline is not None:
                self._timeline.apply(record.changes)
            self._knows_holders = self._knows_holders or record.complete
        elif isinstance(record, Learned):
            until = self._engine.now + int(record.seconds * 1e9)
            self._engine.learn(Lesson(record.address, record.name, until))
        elif isinstance(record, Watched):
            for host in record.hosts:
                self._engine.watch(host)
        elif isinstance(record, NewSocket) and self.link.descriptors:
            sock = socket.socket(fileno=self.link.descriptors.popleft())
            if self._live is not None:
                try:
                    self._live.replace(record.interface, sock, record.ring)
                except (SnifferError, OSError, ValueError):
                    sock.close()  # gone again; it is told as lost once more
                self._told_lost.discard(record.interface)

    def _take_rules(self) -> None:
        """Change to rules that have been made meanwhile: the step between two batches."""
        for made in self._next_rules.take():
            if made.prepared is not None and made.ownership is not None:
                self._rules = made.prepared
                self._engine.set_rules(made.prepared)
                self._ownership = made.ownership
                self._engine.set_ownership(made.ownership)
                self._fault = ""  # they were tried
            self.outbox.put(RulesInUse(made.generation, made.fault))

    def _tell_lost(self) -> None:
        for name in self._live.lost if self._live else ():
            if name not in self._told_lost:
                self._told_lost.add(name)
                self.outbox.put(Lost(name))

    def commit(self, *, levels: bool = True) -> None:
        """Put the books onto the board; then the kernel may have back what they count."""
        self.board.write(self.snapshot(levels=levels))
        if self._live is not None:
            self._live.give_back()

    def snapshot(self, *, levels: bool = True) -> Snapshot:
        """The books as of now; ``levels``: the table is swept of idle flows and counted, and interfaces are asked for it."""
        totals = continued(self._past, self._engine.totals(sweep=levels))
        for name in self.source.interfaces:
            totals.interfaces.setdefault(name, InterfaceTotals())
        statistics = getattr(self.source, "statistics", None)
        if statistics:
            take_statistics(totals, statistics())
        if self._live is None:
            self._up = dict.fromkeys(self.source.interfaces, True)
        elif levels or not self._up:
            self._up = dict(self._live.up())
        return Snapshot(
            totals,
            self._up,
            self.outbox.dropped_events,
            self.outbox.dropped_hits,
            self._fault,
            self._live.positions if self._live else (),
            tuple(self._engine.differing)[:MAX_DIFFERING],
            self.outbox.dropped_exhibits,
        )

    def take_leave(self, last: Finished, patience: float = LAST_WORDS) -> None:
        """Hand over everything that is left, then the last record."""
        deadline = time.monotonic() + patience
        told = False
        while time.monotonic() < deadline and not self.outbox.closed:
            self.outbox.flush()
            if self.outbox.is_clear:
                if told:
                    return
                if self.outbox.has_news:
                    self.outbox.put_news()
                else:
                    self.commit()
                    self.outbox.put(last)
                    told = True
            else:
                time.sleep(0.005)


def open_source(job: Job) -> Source:
    """The source that a Job names.

    Raises:
        SnifferError: it cannot be opened.
    """
    if job.replay is not None:
        return Replay(job.replay.path, speed=job.replay.speed, loop=job.replay.loop)
    if job.sockets:
        sockets = (socket.socket(fileno=descriptor) for descriptor in job.sockets)
        source = LiveCapture(list(zip(sockets, job.interfaces, job.rings, strict=True)), keeps=True)
        source.resume(job.positions, job.hands)
        return source
    return ScapyCapture(job.interfaces, promiscuous=job.promiscuous)


def warm_up() -> None:
    """Compile (or load from disk) every kernel, before the first packet waits for one."""
    gate.warm_up()
    savefile.warm_up()
    ring.warm_up()


def serve(sock: socket.socket) -> int:
    """Be a worker on one end of a socket pair; return the exit status."""
    link, outbox = Link(sock), Outbox(sock)
    job = link.first()
    if job is None:
        return WorkerError.exit_status
    processors: Collection[int] = ()
    if job.cpu is not None:
        processors = os.sched_getaffinity(0)
        with contextlib.suppress(OSError):  # taken away meanwhile: then any
            os.sched_setaffinity(0, {job.cpu})
    try:
        warm_up()
        source = open_source(job)
    except SnifferError as error:
        sock.setblocking(True)
        outbox.put(Finished(tuple(error.lines()), error.exit_status))
        return error.exit_status
    with contextlib.closing(source):
        if job.replay is not None or job.sockets:
            confine()
        worker = Worker(job, link, outbox, source, Board(job.board), processors)
        signal_stop(worker)
        outbox.put(Ready())
        last = worker.run()
        worker.take_leave(last)
    return last.exit_status


def signal_stop(worker: Worker) -> None:
    """SIGTERM to the worker itself drains it, too."""

    def stop(_number: int, _frame: Any) -> None:
        worker.stopping = True

    signal.signal(signal.SIGTERM, stop)


def main(arguments: Sequence[str]) -> int:
    """Entry of the worker process: one argument, the descriptor of its end of the socket pair."""
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(ignored, signal.SIG_IGN)
    share_one_heap()
    return serve(socket.socket(fileno=int(arguments[0])))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
