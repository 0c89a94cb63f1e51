"""One direction of a TCP connection, put in order.

In: segments as they were captured.  Out: chunks: data in order, honest gaps, other readings of ambiguous bytes.
Never: a byte twice, more than WINDOW bytes kept, a decision that cannot be taken back by what is seen later.

Positions are 64-bit offsets that do not wrap; sequence numbers are only their lower 32 bits (RFC 9293, 3.4).
What to do with damaged streams follows protocols.md, section 1.2, and robustness.md, T3 and T4.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from sniffer.model import Alternative, Chunk, Data, Gap

if TYPE_CHECKING:
    from sniffer.oddities import Oddities

MILLISECOND: Final = 1_000_000
WINDOW: Final = 65_536  # bytes that wait for a hole to close
MAX_SEGMENTS: Final = 256
MAX_MERGED: Final = 1_460  # up to here neighbours are joined, or one-byte segments would fill the list
SEGMENT_COST: Final = 224  # bytes of memory that a waiting segment takes beside its data
MAX_GIVEN_UP: Final = 16  # holes remembered after they were skipped
HISTORY: Final = 4_096  # delivered bytes kept, to compare retransmissions with
MAX_AHEAD: Final = 1 << 20
MAX_BEHIND: Final = 1 << 16
PATIENCE: Final = (
    30_000 * MILLISECOND
)  # how long a hole may stay open: some retransmissions (RFC 6298, section 5) take as long
HOLD: Final = 1_000 * MILLISECOND  # how long a stream joined midway collects before it begins
REORDER: Final = 100 * MILLISECOND  # an acknowledgement may overtake the segment it answers on the mirror
MAX_ALTERNATIVES: Final = 16
MAX_FORK: Final = 16_384
JOINED_AT: Final = 1 << 40  # position of the first byte seen of a stream joined midway


class Segment(msgspec.Struct, frozen=True, order=True):
    """A segment that waits; sorts by position."""

    position: int
    arrival: int  # counts up: what came first is read first
    data: bytes
    time: int
    missing: int


class Stream:
    """One direction."""

    __slots__ = (
        "_alternatives", "_arrivals", "_base", "_collects", "_delivered", "_fork", "_given_up", "_history", "_jump", "_lowest", "_oddities",
        "_waiting", "joined_midway", "opened", "position", "side", "start", "waiting_bytes",
    )  # fmt: skip

    def __init__(self, side: int, start: int, oddities: Oddities, *, collects: bool = True) -> None:
        """Begin a direction.

        Args:
            side: which end of the flow sends it.
            start: sequence number of its first byte, or -1 when its SYN was not seen.
            oddities: counts what is wrong with it.
            collects: without a start, wait a moment for segments that come late; else the first one seen is the first.
        """
        self.side = side
        self._collects = collects
        self.start = start
        self.joined_midway = start < 0
        self.position = 0 if start >= 0 else -1  # of the next byte wanted; -1: no segment seen yet
        self.opened = -1  # time at which the hole in front (or the collecting) began; -1: none
        self.waiting_bytes = 0
        self._base = start  # sequence number of position 0
        self._oddities = oddities
        self._waiting: list[Segment] = []
        self._arrivals = 0
        self._history = bytearray()
        self._delivered = False
        self._given_up: list[tuple[int, int]] = []  # holes that were skipped: first position, position behind
        self._lowest = 0
        self._jump: tuple[int, Segment] | None = None
        self._fork: bytearray | None = None
        self._alternatives = 0

    @property
    def held(self) -> int:
        """Bytes of memory this direction holds."""
        held = self.waiting_bytes + len(self._history)
        if self._waiting:
            held += len(self._waiting) * SEGMENT_COST
        if self._fork is not None:
            held += len(self._fork)
        if self._jump is not None:
            held += len(self._jump[1].data) + SEGMENT_COST
        return held

    def _locate(self, sequence: int) -> int:
        """Position of a sequence number: the one nearest to where the stream is."""
        reference = max(self.position, 0)
        return reference + ((sequence - self._base - reference + 0x80000000) & 0xFFFFFFFF) - 0x80000000

    def _sequence(self, position: int) -> int:
        return (self._base + position) & 0xFFFFFFFF

    def expects(self, sequence: int) -> bool:
        """Whether a sequence number lies where the next bytes may come."""
        return self.position >= 0 and 0 <= self._locate(sequence) - self.position <= WINDOW

    # ── segments ─────────────────────────────────────────────────────────────────────────────────────────

    def segment(self, sequence: int, data: bytes, missing: int, time: int) -> list[Chunk]:
        """Take a segment with payload; ``missing`` bytes behind ``data`` were on the wire but not captured."""
        if self.position < 0:
            return self._join(sequence, data, missing, time)
        is_next = (sequence - self._base - self.position) & 0xFFFFFFFF == 0
        if is_next and not (missing or self._waiting or self._fork is not None):  # the ordinary case
            return [self._hand_out(data, time)]
        position = self._locate(sequence)
        if position > self.position + MAX_AHEAD or position < self.position - MAX_BEHIND:
            return self._leap(sequence, Segment(position, 0, data, time, missing))
        end = position + len(data) + missing
        if end <= self.position:
            return self._behind(position, data, time)
        if position <= self.position and not self._collecting:
            return self._deliver(Segment(position, 0, data, time, missing)) + self._drain()
        return self._wait(Segment(position, self._arrivals, data, time, missing))

    def _join(self, sequence: int, data: bytes, missing: int, time: int) -> list[Chunk]:
        """Begin in the middle.

        A segment that is whole lines by itself is read at once.  Others are collected for a moment, because the
        first one seen need not be the first one sent.
        """
        self._base = (sequence - JOINED_AT) & 0xFFFFFFFF
        self.position = self._lowest = JOINED_AT
        first = Segment(JOINED_AT, 0, data, time, missing)
        if is_whole(data) or missing or not self._collects:
            return self._deliver(first)
        self.opened = time
        self._wait_for(first)
        self.position = JOINED_AT - MAX_BEHIND  # earlier segments are welcome
        return []

    @property
    def _collecting(self) -> bool:
        return self.joined_midway and not self._delivered

    def _wait_for(self, segment: Segment) -> None:
        """Keep a segment; what is there already is not kept twice, and small neighbours become one."""
        waiting = self._waiting
        at = bisect_right(waiting, segment)
        before = waiting[at - 1] if at else None
        behind = waiting[at] if at < len(waiting) else None
        size = len(segment.data)
        if before is not None:
            offset = segment.position - before.position
            if before.data[offset : offset + size] == segment.data and not segment.missing:
                return
        self._arrivals += 1
        self.waiting_bytes += size
        if before is not None and offset == len(before.data) <= MAX_MERGED - size and not before.missing:
            waiting[at - 1] = replace(
                segment, position=before.position, arrival=before.arrival, data=before.data + segment.data
            )
        elif (
            behind is not None
            and segment.position + size == behind.position
            and size + len(behind.data) <= MAX_MERGED
            and not segment.missing
            and (before is None or before.position < segment.position)  # or the order of arrival were lost
        ):
            waiting[at] = replace(behind, position=segment.position, data=segment.data + behind.data)
        else:
            waiting.insert(at, segment)

    def _wait(self, segment: Segment) -> list[Chunk]:
        waiting = self._waiting
        if self.opened < 0:
            self.opened = segment.time
        self._wait_for(segment)
        if self.waiting_bytes > WINDOW or len(waiting) > MAX_SEGMENTS:
            if not self._collecting:
                self._oddities.count("stream_segments_limit")
            return self.skip_hole(segment.time)
        return []

    def _deliver(self, segment: Segment) -> list[Chunk]:
        """Hand out what a segment brings beyond the position; compare the rest with what was delivered."""
        out: list[Chunk] = []
        known = self.position - segment.position
        data, missing = segment.data, segment.missing
        if known > 0:
            missing = min(missing, len(data) + missing - known)
            if self._given_up:
                out += self._fill(segment.position, data[:known], segment.time)
            out += self._compare(segment.position, data[:known], data[known:], segment.time)
            data = data[known:]
        elif self._fork is not None:
            out += self._extend_fork(data, segment.time, len(data))
        self._delivered = True
        if data:
            out.append(self._hand_out(data, segment.time))
        if missing:
            self.position += missing
            self._history.clear()
            self._oddities.count("stream_gap")
            out.append(Gap(self.side, missing, segment.time))
        return out

    def _hand_out(self, data: bytes, time: int) -> Data:
        """The next bytes of the stream."""
        self._delivered = True
        self.position += len(data)
        history = self._history
        history += data
        if len(history) > 2 * HISTORY:
            del history[:-HISTORY]
        return Data(self.side, data, time, (self._base + self.position) & 0xFFFFFFFF)

    def _drain(self) -> list[Chunk]:
        out: list[Chunk] = []
        waiting = self._waiting
        while waiting and waiting[0].position <= self.position:
            segment = waiting.pop(0)
            self.waiting_bytes -= len(segment.data)
            if segment.position + len(segment.data) + segment.missing <= self.position:
                out += self._behind(segment.position, segment.data, segment.time)
            else:
                out += self._deliver(segment)
        self.opened = self.opened if waiting else -1
        return out

    # ── holes ────────────────────────────────────────────────────────────────────────────────────────────

    def acknowledged(self, sequence: int, time: int) -> list[Chunk]:
        """The peer has everything up to ``sequence``: a hole before it is the sensor's own loss."""
        if not self._waiting or self._collecting or self._locate(sequence) < self._waiting[0].position:
            return []
        if len(self._waiting) < 3 and time - self.opened < REORDER:
            return []
        return self.skip_hole(time)

    def due(self, now: int) -> bool:
        """Whether a hole (or the collecting) has lasted long enough; a clock set back counts as well."""
        return self.opened >= 0 and abs(now - self.opened) >= (HOLD if self._collecting else PATIENCE)

    def skip_hole(self, time: int) -> list[Chunk]:
        """Go on behind the hole in front."""
        if not self._waiting:
            self.opened = -1
            return []
        first = self._waiting[0].position
        out: list[Chunk] = []
        if self._collecting:
            self.position = self._lowest = first
        elif first > self.position:
            self._oddities.count("stream_gap")
            out.append(Gap(self.side, first - self.position, time))
            self._given_up = [*self._given_up[1 - MAX_GIVEN_UP :], (self.position, first)]
            self.position = first
            self._history.clear()
            self._fork = None
        out += self._drain()
        if self._waiting:
            self.opened = time
        return out

    def _leap(self, sequence: int, segment: Segment) -> list[Chunk]:
        """A segment far outside the window: believed when a second one continues it."""
        jump, self._jump = (
            self._jump,
            ((sequence + len(segment.data) + segment.missing) & 0xFFFFFFFF, segment),
        )
        if jump is None or jump[0] != sequence:
            self._oddities.count("stream_jump")
            return []
        self._jump = None
        out: list[Chunk] = []
        while self._waiting:
            out += self.skip_hole(segment.time)
        before = jump[1]
        self._base = (sequence - len(before.data) - before.missing - JOINED_AT) & 0xFFFFFFFF
        self.position = self._lowest = JOINED_AT
        self._history.clear()
        self._given_up.clear()
        self._fork = None
        self._oddities.count("stream_gap")
        out.append(Gap(self.side, 0, segment.time))
        out += self._deliver(replace(before, position=self.position))
        return out + self._deliver(replace(segment, position=self.position))

    # ── bytes that were delivered before ─────────────────────────────────────────────────────────────────

    def _behind(self, position: int, data: bytes, time: int) -> list[Chunk]:
        """A segment that brings nothing new: a duplicate, a keep-alive probe, another reading, or an early one."""
        end = position + len(data)
        if len(data) <= 1 and end == self.position:
            return []  # keep-alive probe (protocols.md, 1.2)
        if self.joined_midway and end == self._lowest and is_whole(data) and self._history.endswith(b"\n"):
            # Whole lines from before the point at which the stream was joined: late, but not lost.
            self._lowest = position
            return [Data(self.side, data, time, self._sequence(end))]
        return self._fill(position, data, time) + self._compare(position, data, b"", time)

    def _fill(self, position: int, data: bytes, time: int) -> list[Chunk]:
        """Hand out late bytes of holes that were given up.

        One forged segment ahead of the stream makes a hole where nothing is missing: what comes there afterwards is
        the stream itself and must not be taken for a repetition.
        """
        out: list[Chunk] = []
        end = position + len(data)
        for hole in sorted(self._given_up):
            first, last = max(hole[0], position), min(hole[1], end)
            if first < last:
                self._given_up.remove(hole)
                rest = [part for part in ((hole[0], first), (last, hole[1])) if part[0] < part[1]]
                self._given_up = (self._given_up + rest)[-MAX_GIVEN_UP:]
                part = data[first - position : last - position]
                out.append(Data(self.side, part, time, self._sequence(last)))
        return out

    def _compare(self, position: int, old: bytes, new: bytes, time: int) -> list[Chunk]:
        """Compare bytes with the delivered ones at the same place; where they differ, follow both readings."""
        oldest = self.position - len(self._history)
        cut = max(0, oldest - position)
        old = old[cut:]
        position += cut
        at = position - oldest
        if not old or bytes(self._history[at : at + len(old)]) == old:
            return self._extend_fork(new, time, len(new)) if self._fork is not None else []
        self._oddities.count("stream_conflict")
        if self._alternatives >= MAX_ALTERNATIVES:
            return []
        self._alternatives += 1
        line = self._history.rfind(b"\n", 0, at) + 1
        rest = b"" if new else bytes(self._history[at + len(old) :])
        self._fork = bytearray(self._history[line:at]) + old
        return self._extend_fork(new or rest, time, len(new))

    def _extend_fork(self, data: bytes, time: int, ahead: int) -> list[Chunk]:
        """Lengthen the other reading; hand it out when its line is whole, let it go when it grows too long.

        ``ahead`` bytes of ``data`` lie behind the position.
        """
        fork = self._fork
        if fork is None:
            return []
        fork += data
        end = fork.rfind(b"\n") + 1
        if not end:
            if len(fork) > MAX_FORK:
                self._fork = None
            return []
        self._fork = None
        return [Alternative(self.side, bytes(fork[:end]), time, self._sequence(self.position + ahead))]


def is_whole(data: bytes) -> bool:
    """Whether a segment by itself is whole lines, or begins a message that does not need what came before."""
    is_json = data[:1] in (b"{", b"[") and data.rstrip(b" \r\n\0")[-1:] in (b"}", b"]")
    return is_json or data[:2] == b"\x16\x03"  # a TLS handshake record (RFC 8446, section 5.1)
