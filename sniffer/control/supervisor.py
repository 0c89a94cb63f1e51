"""Keeps one worker process alive, and reads what it says.

In: how to make a Job.  Out: calls for hits, books, states; the end.
Never: a packet; a record of a dead worker left unread; restarts without end (five in a minute, then the daemon gives up).

A worker that hangs is worse than one that is dead: it holds its ring and loses everything.  After :data:`SILENT_CHECKS`
checks in a row without a turn of its loop, which the board tells, it is killed and replaced.  Checks are counted, not
seconds: a machine that was suspended has had none.  The next worker is told how far the dead one had read its rings.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import time
from collections import deque
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from sniffer.children import Unframer, describe
from sniffer.control.board import Board
from sniffer.control.records import (
    Ended,
    Finished,
    Job,
    Learned,
    Lost,
    NewRules,
    News,
    NewSocket,
    Ready,
    RulesInUse,
    Stop,
    frame,
    from_worker,
)
from sniffer.errors import WorkerError
from sniffer.evidence.exhibit import Exhibit
from sniffer.log import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sniffer.capture.packet_socket import Position, RingSettings
    from sniffer.control.records import FromWorker, Snapshot, ToWorker

COMMAND: Final = (sys.executable, "-P", "-m", "sniffer.control.worker")
CHECK_EVERY: Final = 0.5
SILENT_CHECKS: Final = 5  # replaced within three seconds (robustness.md, 1.8)
FIRST_CHECKS: Final = 600  # before Ready: kernels may have to be compiled on a slow machine
RESTARTS: Final = 5
RESTART_WINDOW: Final = 60.0
MAX_QUEUED: Final = 1_000
"""Records of a worker that reads nothing; it is replaced long before."""


class Listener(Protocol):
    """Who wants to know."""

    def ready(self) -> None:
        """A worker has begun to read."""

    def news(self, news: News) -> None:
        """Hits, sightings and event lines."""

    def exhibit(self, exhibit: Exhibit) -> None:
        """A flow that is evidence."""

    def snapshot(self, snapshot: Snapshot) -> None:
        """Books, as they stand on the board."""

    def learned(self, learned: Learned) -> None:
        """The worker has learned an address from DNS."""

    def rules_in_use(self, answer: RulesInUse) -> None:
        """The worker has taken, or refused, new rules."""

    def lost_interface(self, interface: str) -> None:
        """An interface was removed."""

    def ended(self, end: Ended) -> None:
        """The source has come to its end; the worker stays."""

    def died(self, reason: str) -> None:
        """The worker ended by itself; another follows."""


class Supervisor:
    """One worker and its successors."""

    def __init__(
        self,
        listener: Listener,
        make_job: Callable[[], tuple[Job, Sequence[socket.socket]]],
        *,
        follows: Callable[[], Iterable[ToWorker]] = tuple,
        command: Sequence[str] = COMMAND,
        check_every: float = CHECK_EVERY,
        silent_checks: int = SILENT_CHECKS,
    ) -> None:
        """Prepare; :meth:`run` starts.

        Args:
            listener: gets every record, in order.
            make_job: called for each worker: its Job, and the sockets that go with it (closed here afterwards).
            follows: called for each worker when it has its Job: what else is known, to be sent in this order.
            command: what to run; the descriptor of the worker's end is added.
            check_every: seconds between two checks for life.
            silent_checks: so many checks without a record, and the worker is replaced.
        """
        self.restarts = 0
        self.up = False
        self.heartbeat = 0.0  # wall clock at which the last turn was seen
        self._listener, self._make_job, self._command = listener, make_job, tuple(command)
        self._check_every, self._silent_checks = check_every, silent_checks
        self._deaths: deque[float] = deque()
        self._stopping = False
        self._process: asyncio.subprocess.Process | None = None
        self._sock: socket.socket | None = None
        self._last: Finished | None = None
        self._silent = 0
        self._is_ready = False
        self._board: Board | None = None
        self._seen = (0, 0)  # turns and writings on the board
        self._positions: tuple[Position, ...] = ()  # how far the last worker had read its rings
        self._hands: tuple[int, ...] = ()  # the blocks that it died over
        self._sending = asyncio.Lock()
        self._follows = follows
        self._queue: deque[ToWorker] | None = None  # None: no worker that has its Job
        self._draining: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """Process of the worker that runs now."""
        return self._process.pid if self._process is not None else None

    # ── life ─────────────────────────────────────────────────────────────────────────────────────────────

    async def run(self) -> Finished:
        """Start workers until one finishes; return its last record.

        Raises:
            WorkerError: they keep dying.
            SnifferError: a Job cannot be made (an interface is missing, the kernel refuses).
        """
        while True:
            reason = await self._one_life()
            if self._last is not None:
                return self._last
            if self._stopping:
                return Finished(stopped=True)
            self._count_death(reason)
            self._listener.died(reason)

    def _count_death(self, reason: str) -> None:
        now = time.monotonic()
        self._deaths.append(now)
        while self._deaths and now - self._deaths[0] > RESTART_WINDOW:
            self._deaths.popleft()
        if len(self._deaths) > RESTARTS:
            raise WorkerError(
                f"the worker died {len(self._deaths)} times within {RESTART_WINDOW:.0f} s, at last: {reason}",
                remedy="see the log lines before this one; restart the service when the cause is mended",
            )
        self.restarts += 1

    async def _one_life(self) -> str:
        """Run one worker to its end; return why it ended."""
        job, sockets = self._make_job()
        ours, theirs = socket.socketpair()
        with ours, contextlib.closing(Board.make()) as board:
            self._board, self._seen = board, (0, 0)
            job = msgspec.structs.replace(
                job, board=board.fileno(), positions=self._positions, hands=self._hands
            )
            with theirs:
                descriptors = (theirs.fileno(), board.fileno(), *(sock.fileno() for sock in sockets))
                try:
                    self._process = await asyncio.create_subprocess_exec(
                        *self._command,
                        str(theirs.fileno()),
                        pass_fds=descriptors,
                        stdin=asyncio.subprocess.DEVNULL,
                    )
                finally:
                    for sock in sockets:
                        sock.close()
            ours.setblocking(False)
            self._sock, self._silent, self._is_ready, self._last = ours, 0, False, None
            checking = asyncio.create_task(self._check())
            try:
                with contextlib.suppress(ConnectionError):
                    await self._send(job)
                    self._queue = deque(self._follows())
                    self._drain()
                    if self._stopping:
                        await self._send(Stop())
                await self._read(ours)
            finally:
                checking.cancel()
                self.up = False
                self._sock = self._queue = None
                if self._draining is not None:
                    self._draining.cancel()
                    self._draining = None
                status = await self._bury()
                self.look()
                self._hands, self._board = board.hands, None
        return describe(status)

    async def _read(self, ours: socket.socket) -> None:
        """Hear the worker until it hangs up: what it has sent is read even if it is dead by then."""
        unframer = Unframer()
        loop = asyncio.get_running_loop()
        while True:
            try:
                data = await loop.sock_recv(ours, 1 << 20)
            except ConnectionError:
                return
            if not data:
                return
            try:
                for body in unframer.feed(data):
                    self._hear(from_worker.decode(body))
            except (ValueError, msgspec.MsgspecError) as error:
                logger().error("the worker talks nonsense", code="worker_protocol", error=str(error))
                self.kill()
                return

    def look(self) -> None:
        """Read the board, whatever the worker is doing: whether its loop has gone on, and its books."""
        board = self._board
        if board is None:
            return
        turns, written = board.turns, board.written
        if turns != self._seen[0]:
            self._silent, self.heartbeat = 0, time.time()
        news = written != self._seen[1]
        self._seen = turns, written
        snapshot = board.read() if news else None
        if snapshot is not None:
            self._positions = snapshot.positions
            self._listener.snapshot(snapshot)

    def _hear(self, record: FromWorker) -> None:
        self.look()
        listener = self._listener
        match record:
            case News():
                listener.news(record)
            case Exhibit():
                listener.exhibit(record)
            case Ready():
                self._is_ready = self.up = True
                self._silent = 0  # the checks of its start
                listener.ready()
            case Learned():
                listener.learned(record)
            case RulesInUse():
                listener.rules_in_use(record)
            case Lost():
                listener.lost_interface(record.interface)
            case Ended():
                listener.ended(record)
            case Finished():
                self._last = record

    async def _check(self) -> None:
        """Kill a worker whose loop has stood still for too many checks in a row."""
        while True:
            await asyncio.sleep(self._check_every)
            self._silent += 1
            self.look()
            if self._silent >= (self._silent_checks if self._is_ready else FIRST_CHECKS):
                logger().error("the worker is silent; it is replaced", code="worker_silent", pid=self.pid)
                self.up = False
                self.kill()
                return

    async def _bury(self) -> int:
        """Wait for the end of a process that has hung up; one that lingers is killed."""
        process = self._process
        if process is None:
            return 0
        try:
            return await asyncio.wait_for(process.wait(), 2.0)
        except TimeoutError:
            self.kill()
            return await process.wait()
        except asyncio.CancelledError:
            self.kill()
            raise

    def kill(self) -> None:
        """End the worker at once."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    # ── talk ─────────────────────────────────────────────────────────────────────────────────────────────

    async def _send(self, record: ToWorker) -> None:
        sock = self._sock
        if sock is not None:
            async with self._sending:
                await asyncio.get_running_loop().sock_sendall(sock, frame(record))

    def tell(self, learned: Learned) -> None:
        """Pass on an address, if it can be done at once: a worker that does not listen now can do without it."""
        if self._sock is not None and not self._sending.locked():
            with contextlib.suppress(OSError):
                # A frame as short as this fits into the buffer whole, or not at all.
                self._sock.send(frame(learned))

    def queue(self, record: ToWorker) -> bool:
        """Have a record sent behind those before it, without waiting; False: the worker leaves too many untaken.

        One that is started later is told by ``follows``.
        """
        if self._queue is None:
            return True
        if len(self._queue) >= MAX_QUEUED:
            return False
        self._queue.append(record)
        self._drain()
        return True

    def _drain(self) -> None:
        if self._queue and (self._draining is None or self._draining.done()):
            self._draining = asyncio.create_task(self._send_queued(self._queue))

    async def _send_queued(self, queue: deque[ToWorker]) -> None:
        with contextlib.suppress(OSError):  # it has gone
            while queue:
                await self._send(queue[0])
                queue.popleft()

    async def send_rules(self, rules: NewRules) -> bool:
        """Hand new rules to the worker; return whether there is one to take them."""
        if self._sock is None:
            return False
        try:
            await self._send(rules)
        except OSError:
            return False
        return True

    async def send_socket(self, interface: str, sock: socket.socket, ring: RingSettings) -> bool:
        """Hand a new ring socket to the worker, and close it here; return whether it was sent."""
        with sock:
            if self._sock is None:
                return False
            async with self._sending:
                try:
                    # A frame as short as this fits into the buffer whole, or not at all.
                    socket.send_fds(self._sock, [frame(NewSocket(interface, ring))], [sock.fileno()])
                except OSError:
                    return False
        return True

    async def stop(self) -> None:
        """Ask the worker to finish what has arrived and end."""
        self._stopping = True
        with contextlib.suppress(OSError):
            await self._send(Stop())

    def stop_now(self) -> None:
        """End without another word."""
        self._stopping = True
        self.kill()
