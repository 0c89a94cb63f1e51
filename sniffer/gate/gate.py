"""The gate as Python sees it: give it a batch, get the few packets that may matter.

In: batches, listed names, verdicts of the protocol code.  Out: :class:`~sniffer.model.Packet` objects, counts.
Never: a Python object for a frame that does not pass.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import numpy as np

from sniffer.batch import FRAME, Batch
from sniffer.gate import (
    decide,
    fragments,
    hosts,
    kinds,
    labels,
    names,
    patterns,
    quic,
    reasons,
    rows,
    servers,
)
from sniffer.gate.area import make_area
from sniffer.gate.compiled import one_at_a_time
from sniffer.gate.flowtable import (
    EVICTIONS,
    SWEEP_FLOWS,
    SWEEP_ONE_SIDED,
    SWEEP_WITH_PAYLOAD,
    FlowTable,
    aligned_zeros,
    sweep,
)
from sniffer.model import Packet, Pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

DEFAULT_FLOWS = 1 << 21  # a million flows fill less than half of it, so that hardly a bucket overflows
ARRIVAL = ["time", "interface", "length", "link", "offset", "captured", "vlan", "vlan_protocol"]
"""Of a frame, what a packet keeps."""
ETHERNET = 1
ADDRESSES = 12  # bytes of an Ethernet header in front of its first tag


class Gate:
    """Compiled decision about every frame.

    Args:
        listed: ``(name, is_suffix)`` pairs that some rule looks for.
        every_name: pass every name (some rule tests names by something other than a list).
        flows: slots of the flow table, a power of two.
        keys: three random 64-bit words; drawn afresh unless a test wants them fixed.
    """

    def __init__(
        self,
        listed: Iterable[tuple[str, bool]] = (),
        *,
        every_name: bool = False,
        flows: int = DEFAULT_FLOWS,
        keys: tuple[int, int, int] | None = None,
    ) -> None:
        self.keys = np.array(keys or [secrets.randbits(64) for _ in range(3)], dtype=np.uint64)
        self.flows = FlowTable(flows)
        self.counts: NDArray[Any] = np.zeros(len(reasons.REASONS), dtype=np.int64)
        self.verdicts: NDArray[Any] = np.zeros(0, dtype=np.uint8)  # reason of each frame of the last batch
        self._found: NDArray[Any] = np.zeros(0, dtype=rows.ROW)
        self._swept: NDArray[Any] = np.zeros(3, dtype=np.int64)
        self.frames = 0
        self.bytes = 0
        self.names = names.NameTable(listed, seed=int(self.keys[2]), everything=every_name)
        self._state: NDArray[Any] = aligned_zeros(1, decide.STATE)
        self._state["keys"][0] = self.keys
        self._state["everything"][0] = every_name
        self._area = make_area()
        self._address: NDArray[Any] = np.zeros(16, dtype=np.uint8)

    def list_names(self, table: names.NameTable) -> None:
        """Replace the listed names, between two batches.

        Raises:
            ValueError: they were hashed with another seed than this gate's, so that none would be found.
        """
        if table.seed != int(self.keys[2]):
            raise ValueError("names that were hashed with another seed")
        self.names = table
        self._state["everything"][0] = table.everything

    def list_patterns(self, listed: Iterable[Pattern]) -> None:
        """Replace the bytes that openings are compared with, between two batches; who sends them is not asked here.

        Raises:
            ValueError: there are too many, or one is too short or leads too far.
        """
        wanted = list(listed)
        for transport in ("tcp", "udp"):
            mine = ((one.at, one.data) for one in wanted if one.is_over(transport))
            patterns.lay_out(self._state[0][f"{transport}_patterns"], mine)

    def know_server(self, address: bytes, until: int = servers.FOR_EVER) -> None:
        """Let the first payload of each flow with this server pass.

        Args:
            address: packed, 4 or 16 bytes.
            until: on the gate's clock, nanoseconds (:attr:`now`).
        """
        self._address[: len(address)] = np.frombuffer(address, dtype=np.uint8)
        seconds = until // decide.SECOND
        servers.remember(self._state[0]["servers"], self._address, len(address), self.keys[2], seconds)

    def watch_host(self, address: bytes) -> None:
        """Count all bytes of a host for a day from now on, unless the table has no room; to be said again while it mines.

        Args:
            address: packed, 4 or 16 bytes.
        """
        self._address[: len(address)] = np.frombuffer(address, dtype=np.uint8)
        table, seconds = self._state[0]["hosts"], self.now // decide.SECOND
        hosts.watch(table, self._address, len(address), self.keys[2], seconds)

    def carried(self) -> list[tuple[bytes, int, int]]:
        """What watched hosts have carried since the last call, bytes on the wire, estimated from one frame in 64.

        Returns:
            Address, bytes of flows that mine in frames that did not pass (bare acknowledgements as a rule), bytes of all
            other flows; of hosts with either.
        """
        table = self._state[0]["hosts"]
        sums = table["sums"]
        slots = np.flatnonzero(sums[:, hosts.MINING] | sums[:, hosts.OTHER])
        told = [
            (
                table["addresses"][slot, : table["widths"][slot]].tobytes(),
                *(sums[slot] * hosts.ONE_IN).tolist(),
            )
            for slot in slots
        ]
        sums[slots] = 0
        return told

    def inspect(self, batch: Batch) -> Iterator[Packet]:
        """Judge every frame of a batch; yield those that pass, in order.

        What the caller tells the gate when it gets an answer of DNS holds from the next frame on; everything else may
        come too late for some frames of the same batch.
        """
        for found in self.passes(batch):
            if len(found):
                yield from self._packets(batch, found)

    def judge(self, batch: Batch) -> int:
        """Judge every frame of a batch; return how many pass."""
        return sum(len(found) for found in self.passes(batch))

    def passes(self, batch: Batch) -> Iterator[NDArray[Any]]:
        """Judge a batch pass by pass (:func:`decide.pass_batch`); yield the rows that pass, valid until the next."""
        count = len(batch.frames)
        if len(self.verdicts) < count:
            self._found = np.zeros(2 * count, dtype=rows.ROW)
            self.verdicts = np.zeros(count, dtype=np.uint8)
        self.frames += count
        self.bytes += int(batch.frames["length"].sum(dtype=np.int64))
        begin = 0
        while begin < count:
            passed = decide.pass_batch(
                batch.data,
                batch.frames,
                begin,
                self._found,
                self.verdicts,
                self.counts,
                self.flows.hashes,
                self.flows.flows,
                self.names.slots,
                self._area,
                self._state[0],
            )
            yield self._found[:passed]
            begin = int(self._state["next"][0])

    def _packets(self, batch: Batch, found: NDArray[Any]) -> Iterator[Packet]:
        batch_data = batch.data.data
        memories = (batch_data, self._area.data)
        frames = batch.frames[found["frame"]]
        arrivals = frames[ARRIVAL].tolist()
        for row, (time, interface, length, link, offset, captured, vlan, vlan_protocol) in zip(
            found.tolist(), arrivals, strict=True
        ):
            (
                flow_hash,
                layers,
                vlans,
                now,
                start,
                _frame,
                source,
                destination,
                sequence,
                acknowledgement,
                payload,
                payload_length,
                missing,
                _identity,
                _place,
                slot,
                source_port,
                destination_port,
                family,
                protocol,
                tcp_flags,
                reason,
                depth,
                _side,
                memory,
                opener,
            ) = row
            data = memories[memory]
            width = 4 if family == 4 else 16
            frame = batch_data[offset : offset + captured].tobytes()
            if (
                vlan_protocol and link == ETHERNET
            ):  # the kernel took the tag out: it goes back to where it was
                tag = vlan_protocol.to_bytes(2, "big") + vlan.to_bytes(2, "big")
                frame = frame[:ADDRESSES] + tag + frame[ADDRESSES:]
            yield Packet(
                time,
                data[source : source + width].tobytes(),
                source_port,
                data[destination : destination + width].tobytes(),
                destination_port,
                protocol,
                tcp_flags,
                sequence,
                acknowledgement,
                data[payload : payload + payload_length].tobytes(),
                missing,
                start,
                slot,
                flow_hash,
                layer_names(layers, depth) if depth else (),
                vlan_ids(layers, vlans, depth) if depth else (),
                interface,
                length,
                reason,
                now,
                opener - 1,
                frame,
                link,
            )

    def set_stage(self, slot: int, flow_hash: int, stage: int) -> None:
        """Take back a verdict on a flow, if it is still in its slot."""
        if slot >= 0 and int(self.flows.hashes[slot]) == flow_hash:
            self.flows.flows[slot]["stage"] = stage

    def note_mining(self, slot: int, flow_hash: int) -> None:
        """A flow mines, and whoever reads it counts the bytes of its packets: they are not those of other flows."""
        if slot >= 0 and int(self.flows.hashes[slot]) == flow_hash:
            self.flows.flows[slot]["mines"] = 1

    @property
    def now(self) -> int:
        """Nanoseconds on the gate's own clock: packet time without its leaps."""
        return int(self._state["clock"][0][decide.CLOCK_NOW])

    @property
    def last_packet(self) -> int:
        """Time of the last frame as its packet says, nanoseconds since 1970; 0 before the first."""
        return int(self._state["clock"][0][decide.CLOCK_LAST])

    @property
    def clock_jumps(self) -> int:
        """How often packet time leapt."""
        return int(self._state["clock"][0][decide.CLOCK_JUMPS])

    @property
    def passed(self) -> int:
        """Frames passed so far."""
        return int(self.counts[: reasons.PASSING].sum())

    def skipped(self) -> dict[str, int]:
        """Frames skipped so far, by reason."""
        return dict(zip(reasons.SKIP_NAMES, self.counts[reasons.PASSING :].tolist(), strict=True))

    def undecoded(self) -> dict[str, int]:
        """Frames that could not be decoded so far, by layer."""
        layers = dict.fromkeys(reasons.LAYERS, 0)
        for reason, count in zip(reasons.REASONS, self.counts.tolist(), strict=True):
            if reason.layer:
                layers[reason.layer] += count
        return layers

    def evicted(self) -> dict[str, int]:
        """Flows that had to make room so far, by kind."""
        return dict(zip(EVICTIONS, self._state["evicted"][0].tolist(), strict=True))

    @property
    def cut(self) -> int:
        """Frames of which only a part was captured."""
        return int(self._state["cut"][0])

    @property
    def segments_sampled(self) -> int:
        """TCP segments that were looked at for repeats (:mod:`sniffer.gate.repeats`)."""
        return int(self._state["repeats"]["sampled"][0])

    @property
    def segments_repeated(self) -> int:
        """Segments of these that had been there a moment before."""
        return int(self._state["repeats"]["again"][0])

    def hellos(self) -> dict[str, int]:
        """Hellos of TLS clients so far, in TCP and in QUIC, by what became of the server name."""
        return dict(zip(labels.HELLOS, self._state["hellos"][0].tolist(), strict=True))

    def wrapped(self) -> dict[str, int]:
        """Packets so far by the kinds of wrappings around them; one in two kinds counts at both."""
        return dict(zip(labels.LAYER_NAMES[1:], self._state["wrapped"][0].tolist()[1:], strict=True))

    def oddities(self) -> dict[str, int]:
        """Nonsense that the kernels met so far, by kind (:data:`sniffer.oddities.ODDITIES`)."""
        state = self._state[0]
        return {
            **dict(zip(fragments.COUNTERS, state["fragments"]["counts"].tolist(), strict=True)),
            **dict(zip(quic.COUNTERS, state["quic"]["counts"].tolist(), strict=True)),
            "watched_limit": int(state["hosts"]["full"]),
        }

    def sweep(self) -> tuple[int, int, float]:
        """Forget idle flows.

        Returns:
            How many are left, how many of them carry data, and the share of these heard in one direction only.
        """
        sweep(self.flows.hashes, self.flows.flows, self.now // decide.SECOND, self._swept)
        with_payload = int(self._swept[SWEEP_WITH_PAYLOAD])
        share = int(self._swept[SWEEP_ONE_SIDED]) / with_payload if with_payload else 0.0
        return int(self._swept[SWEEP_FLOWS]), with_payload, share


def layer_names(layers: int, depth: int) -> tuple[str, ...]:
    """Names of the wrappings in a row, from the outside in."""
    return tuple(labels.LAYER_NAMES[(layers >> (8 * i)) & 0xFF] for i in reversed(range(depth)))


def vlan_ids(layers: int, vlans: int, depth: int) -> tuple[int, ...]:
    """VLAN identifiers in a row, from the outside in (at most the innermost four)."""
    tags = sum((layers >> (8 * i)) & 0xFF in (kinds.LAYER_VLAN, kinds.LAYER_QINQ) for i in range(depth))
    return tuple((vlans >> (16 * i)) & 0xFFFF for i in reversed(range(min(tags, 4))))


@one_at_a_time()
def warm_up() -> None:
    """Compile (or load from disk) every kernel for the types it will meet."""
    gate = Gate([("a.example", True)], flows=8)
    batch = Batch(np.zeros(64, dtype=np.uint8), np.zeros(1, dtype=FRAME))
    list(gate.inspect(batch))
    gate.know_server(bytes(4))
    gate.watch_host(bytes(4))
    gate.sweep()
