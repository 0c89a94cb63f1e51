"""What a worker keeps of the flows it reads, so that there is something to show when a rule hits.

In: packets and messages of flows being read; hits.  Out: an Exhibit for each flow that triggers, once it is complete.
Never: a file, a wait, more bytes than its bounds say; a hit that is told late because of it.

Frames and messages of a flow are kept from its first one on; when they weigh more than half of what an exhibit may, the oldest
go.  After the trigger they are kept on until the exhibit is full, or for a while of packet time; then it is handed over whole.
A flow that triggers again by another rule meanwhile is the same exhibit with one more verdict.
"""

from __future__ import annotations

import time as clocks
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Any, Final

import msgspec

from sniffer.addresses import address_text
from sniffer.errors import printable
from sniffer.evidence.exhibit import Bounds, Exhibit, Frame, Handshake, Verdict
from sniffer.sinks.event import timestamp
from sniffer.sinks.privacy import PRIVATE, Privacy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sniffer.flows.table import Flow
    from sniffer.model import Detection, Facts, Packet

MAX_FLOWS: Final = 65_536
MAX_DATAGRAM_FLOWS: Final = 4_096  # that have triggered, remembered
MAX_VALUES: Final = 48  # facts of one message
MAX_TEXT: Final = 256
MAX_VERDICTS: Final = 64  # of one exhibit


class Kept:
    """What is kept of one flow."""

    __slots__ = (
        "at", "cut", "forgotten", "frames", "handshake", "host", "known_as", "messages", "until", "verdicts", "weight",
    )  # fmt: skip

    def __init__(self) -> None:
        self.frames: deque[Frame] = deque()
        self.messages: deque[bytes] = deque()
        self.weight = 0
        self.forgotten = 0
        self.cut = False
        self.handshake: dict[int, Handshake] = {}  # by side
        self.known_as = ""
        self.host = b""
        self.verdicts: list[Verdict] = []  # since the trigger; none: not triggered
        self.until = 0  # packet time
        self.at = (0, 0)  # wall and packet time of the trigger

    @property
    def is_open(self) -> bool:
        """Whether it has triggered and is being completed."""
        return bool(self.verdicts)


class Witness:
    """Keeps the frames of the flows of one engine."""

    def __init__(
        self,
        bounds: Bounds,
        *,
        give: Callable[[Exhibit], object],
        line: Callable[[Detection], bytes],
        privacy: Privacy,
        filename: str = "",
        wall: Callable[[], int] = clocks.time_ns,
    ) -> None:
        """Start with nothing kept.

        Args:
            bounds: what is kept, and of which hits.
            give: gets each exhibit.
            line: makes the event line of a hit.
            privacy: how accounts, worker names and passwords are shown in the timeline.
            filename: the capture that is read, "" when live.
            wall: this machine's clock, nanoseconds since 1970.
        """
        self.evicted = 0  # flows whose frames made room
        self._bounds, self._give, self._line, self._privacy = bounds, give, line, privacy
        self._filename, self._wall = filename, wall
        self._flows: OrderedDict[int, Kept] = OrderedDict()  # by the time of the last packet
        self._told: OrderedDict[int, dict[str, int]] = OrderedDict()  # what each flow has triggered by
        self._open: OrderedDict[int, None] = (
            OrderedDict()
        )  # flows that are being completed, by their deadline
        self._datagram: Kept | None = None  # the one in hand
        self.held = 0  # bytes
        self.rules_version = ""
        self.interfaces: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self._flows)

    # ── what passes ──────────────────────────────────────────────────────────────────────────────────────

    def packet(self, flow: Flow, packet: Packet, known_as: str) -> None:
        """Keep a packet of a flow that is read; ``known_as``: the name its server is known by, "" if none."""
        number, frame = flow.id, frame_of(packet)
        kept = self._room(number, frame.weight, packet.time, known_as)
        if packet.start >= 0:
            side = flow.side_of(packet)
            if side not in kept.handshake:
                ends = flow.ends[side], flow.ends[1 - side]
                kept.handshake[side] = Handshake(*ends[0], *ends[1], packet.start, packet.opener == side)
        kept.frames.append(frame)
        self._weigh(kept, frame.weight)
        self._flows.move_to_end(number)
        while self.held > self._bounds.all_bytes or len(self._flows) > MAX_FLOWS:
            self._evict()

    def message(self, flow: Flow, facts: Facts) -> None:
        """Keep what a message of a flow said."""
        if flow.id in self._flows:
            line = self._told_by(facts, facts.side)
            kept = self._room(flow.id, len(line), facts.time)
            kept.messages.append(line)
            self._weigh(kept, len(line))

    def datagram(self, packet: Packet, found: Sequence[Facts]) -> None:
        """Hold a datagram, and what it said, while it is matched."""
        kept = self._datagram = Kept()
        kept.frames.append(frame_of(packet))
        kept.messages.extend(self._told_by(facts, -1) for facts in found[: self._bounds.flow_packets])

    def _told_by(self, facts: Facts, side: int) -> bytes:
        """A message as a line of the timeline."""
        said: dict[str, Any] = {}
        for name, value in list(facts.values.items())[:MAX_VALUES]:
            if name in PRIVATE:
                shown = self._privacy.hide(str(value))
                if shown:
                    said[name] = printable(shown, MAX_TEXT)
            else:
                said[name] = printable(value, MAX_TEXT) if isinstance(value, str) else value
        record = {
            "time": timestamp(facts.time),
            "nanoseconds": facts.time,
            "from": facts.sender.value,
            **({"side": side} if side >= 0 else {}),
            "family": facts.protocol,
            "message": printable(facts.message, MAX_TEXT),
            "mining": facts.mining,
            "facts": said,
        }
        try:
            return msgspec.json.encode(record) + b"\n"
        except OverflowError:  # an integer of more than 64 bits
            record["facts"] = {name: printable(value, MAX_TEXT) for name, value in said.items()}
            return msgspec.json.encode(record) + b"\n"

    # ── bounds ───────────────────────────────────────────────────────────────────────────────────────────

    def _room(self, number: int, weight: int, now: int, known_as: str = "") -> Kept:
        """What is kept of a flow, with room for so many bytes more.

        Before the trigger the oldest make room.  Afterwards a full exhibit is complete, and what comes begins another one.
        """
        kept = self._flows.get(number)
        if kept is None:
            kept = self._flows[number] = Kept()
            kept.known_as = known_as
        most, packets = self._bounds.flow_bytes, self._bounds.flow_packets
        if kept.is_open:
            is_full = kept.weight + weight > most or len(kept.frames) >= packets
            if not is_full and now <= kept.until:
                return kept
            kept.cut = is_full
            self._complete(number)
            kept = self._flows[number]
        while kept.frames and (kept.weight + weight > most // 2 or len(kept.frames) > packets // 2):
            self._weigh(kept, -kept.frames.popleft().weight)
            kept.forgotten += 1
        while kept.messages and (kept.weight + weight > most // 2 or len(kept.messages) > packets):
            self._weigh(kept, -len(kept.messages.popleft()))
        return kept

    def _evict(self) -> None:
        """Let the flow that has been silent longest go; one that has triggered is handed over as it is."""
        oldest = next(iter(self._flows))
        self._flows[oldest].cut = True
        self._complete(oldest)
        self._drop(oldest)
        self.evicted += 1

    def _weigh(self, kept: Kept, change: int) -> None:
        kept.weight += change
        self.held += change

    def _drop(self, number: int) -> None:
        kept = self._flows.pop(number, None)
        if kept is not None:
            self.held -= kept.weight

    # ── hits ─────────────────────────────────────────────────────────────────────────────────────────────

    def hit(self, detection: Detection) -> None:
        """Take a hit; if it triggers, the flow is to be an exhibit."""
        rule, bounds = detection.rule, self._bounds
        if detection.confidence < bounds.confidence or rule.severity < bounds.severity:
            return
        flow = detection.flow_id
        told = self._told.get(flow)
        if told is None:
            told = self._told[flow] = {}
            if len(self._told) > MAX_FLOWS:
                self._told.popitem(last=False)
        if told.get(rule.id, 0) >= detection.confidence:
            return
        told[rule.id] = int(detection.confidence)
        verdict = self._verdict(detection)
        kept = self._flows.get(flow)
        if kept is None:
            self._of_datagram(detection, verdict)
        elif not kept.is_open:
            now = kept.frames[-1].time if kept.frames else detection.facts.time
            kept.verdicts.append(verdict)
            kept.host, kept.until, kept.at = detection.host, now + bounds.after, (self._wall(), now)
            self._open[flow] = None
        elif len(kept.verdicts) < MAX_VERDICTS:
            kept.verdicts.append(verdict)

    def _of_datagram(self, detection: Detection, verdict: Verdict) -> None:
        kept = self._datagram
        if kept is None or not kept.frames or detection.facts.time != kept.frames[0].time:
            return
        kept.verdicts.append(verdict)
        kept.host, kept.at = detection.host, (self._wall(), detection.facts.time)

    def _verdict(self, detection: Detection) -> Verdict:
        return Verdict(
            rule=detection.rule.id,
            rev=detection.rule.rev,
            confidence=detection.confidence.label,
            host=address_text(detection.host),
            server=address_text(detection.server) if detection.server is not None else "",
            server_port=detection.server_port,
            time=detection.facts.time,
            line=self._line(detection),
        )

    # ── the end ──────────────────────────────────────────────────────────────────────────────────────────

    def forget(self, flow: Flow) -> None:
        """Nothing of a flow is of interest any more; one that has triggered is complete."""
        self._complete(flow.id)
        self._drop(flow.id)

    def datagram_done(self) -> None:
        """The datagram in hand has been read: if it triggered, it is an exhibit."""
        kept, self._datagram = self._datagram, None
        if kept is not None and kept.is_open:
            self._hand_over(kept)

    def tick(self, now: int) -> None:
        """Hand over what has been kept on for long enough; ``now``: packet time, nanoseconds since 1970."""
        while self._open:
            number = next(iter(self._open))
            if self._flows[number].until >= now:
                return
            self._complete(number)

    def finish(self) -> None:
        """Hand over everything that has triggered: no more packets will come."""
        while self._open:
            self._complete(next(iter(self._open)))
        self._flows.clear()
        self.held = 0

    def _complete(self, number: int) -> None:
        """Hand over an exhibit; what comes afterwards may be another one."""
        if number not in self._open:
            return
        del self._open[number]
        kept = self._flows[number]
        self._hand_over(kept)
        self._drop(number)
        after = self._flows[number] = Kept()
        after.known_as, after.forgotten = kept.known_as, kept.forgotten + len(kept.frames)

    def _hand_over(self, kept: Kept) -> None:
        names = self.interfaces
        used = sorted({frame.interface for frame in kept.frames})
        numbers = {interface: number for number, interface in enumerate(used)}
        self._give(
            Exhibit(
                rules_version=self.rules_version,
                host=kept.host,
                interfaces=tuple(names[one] if 0 <= one < len(names) else str(one) for one in used),
                frames=tuple(
                    msgspec.structs.replace(frame, interface=numbers[frame.interface])
                    for frame in kept.frames
                ),
                messages=tuple(kept.messages),
                verdicts=tuple(kept.verdicts),
                # Without the first frames, the flow is one that was joined in the middle.
                handshake=() if kept.forgotten else tuple(kept.handshake.values()),
                known_as=kept.known_as,
                forgotten=kept.forgotten,
                cut=kept.cut,
                wall=kept.at[0],
                packet_time=kept.at[1],
                filename=self._filename,
                one_sided=self._bounds.one_sided,
            )
        )


def frame_of(packet: Packet) -> Frame:
    """The frame that a packet came in."""
    length = max(packet.frame_length, len(packet.frame))
    return Frame(packet.time, packet.link, packet.interface, length, packet.frame)
