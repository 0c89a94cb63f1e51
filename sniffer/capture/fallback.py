"""Live capture where there is no AF_PACKET: scapy's sniffing, for a look on a laptop.

In: interface names.  Out: small batches.  Never: a mirror port's rate; each packet becomes a Python object on the way,
so some thousand packets a second is what to expect.  What does not fit into the queue is counted as dropped.
"""

from __future__ import annotations

import queue
import time
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sniffer.batch import FRAME, Batch
from sniffer.capture.packet_socket import Statistics
from sniffer.errors import AccessError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MAX_QUEUE: Final = 8_192
MAX_BATCH: Final = 256
ETHERNET: Final = 1


class ScapyCapture:
    """A Source over scapy's AsyncSniffer.

    Args:
        interfaces: names.
        promiscuous: take frames addressed to others.
        timeout: seconds without a packet after which ``batches`` yields None.

    Raises:
        AccessError: the system refuses.
        InputError: no such interface.
    """

    def __init__(self, interfaces: Sequence[str], *, promiscuous: bool = True, timeout: float = 0.2) -> None:
        self.interfaces = list(interfaces)
        self._timeout = timeout
        self._open = True
        self._queue: queue.Queue[tuple[int, int, bytes, int]] = queue.Queue(MAX_QUEUE)
        self._statistics = {name: Statistics() for name in self.interfaces}
        self._sniffers = [
            self._start(number, name, promiscuous) for number, name in enumerate(self.interfaces)
        ]

    def _start(self, number: int, name: str, promiscuous: bool) -> Any:  # noqa: FBT001
        from scapy.config import conf  # noqa: PLC0415  # 0.8 s, and only wanted here
        from scapy.sendrecv import AsyncSniffer  # noqa: PLC0415

        conf.sniff_promisc = promiscuous
        try:
            sniffer = AsyncSniffer(iface=name, prn=lambda packet: self.take(number, packet), store=False)
            sniffer.start()
        except PermissionError:
            raise AccessError("may not capture", where=name, remedy="run as administrator") from None
        except (OSError, ValueError) as error:
            raise InputError(
                f"cannot be opened: {error}", where=name, remedy="name an interface that exists"
            ) from None
        return sniffer

    def take(self, number: int, packet: Any) -> None:
        """Queue one packet of scapy's; called in scapy's thread."""
        data = bytes(packet.original or packet)
        statistics = self._statistics[self.interfaces[number]]
        statistics.packets += 1
        try:
            self._queue.put_nowait(
                (int(packet.time * 1_000_000_000), number, data, packet.wirelen or len(data))
            )
        except queue.Full:
            statistics.drops += 1

    def batches(self) -> Iterator[Batch | None]:
        """Yield what has been queued; None when nothing arrived within the time-out."""
        while self._open:
            rows = self._some()
            if not rows:
                yield None
                continue
            frames = np.zeros(len(rows), dtype=FRAME)
            offset = 0
            for row, (when, number, data, length) in zip(frames, rows, strict=True):
                row["time"], row["offset"], row["captured"], row["length"] = (
                    when,
                    offset,
                    len(data),
                    max(length, len(data)),
                )
                row["link"], row["interface"] = ETHERNET, number
                offset += len(data)
            whole = np.frombuffer(
                bytearray(b"".join(data for _, _, data, _ in rows) or b"\0"), dtype=np.uint8
            )
            yield Batch(whole, frames)

    def _some(self) -> list[tuple[int, int, bytes, int]]:
        rows = []
        deadline = time.monotonic() + self._timeout
        try:
            rows.append(self._queue.get(timeout=max(0.0, deadline - time.monotonic())))
            while len(rows) < MAX_BATCH:
                rows.append(self._queue.get_nowait())
        except queue.Empty:
            pass
        return rows

    def statistics(self) -> Mapping[str, Statistics]:
        """Packets seen and dropped, by interface."""
        return self._statistics

    def close(self) -> None:
        """Stop sniffing."""
        if self._open:
            self._open = False
            for sniffer in self._sniffers:
                if sniffer.running:
                    sniffer.stop(join=False)
