"""The rings of all workers: how large each is, opening them, sharing an interface out among them.

In: the capture section of the configuration.  Out: a socket for one worker and one interface, and how it was opened.
Never: a packet; a size that changes while the daemon runs, unless the kernel has no memory for it.

The sockets are kept here, and workers have copies.  When one dies its ring stays, and goes on filling until the next worker
reads on; and its place among those that share an interface stays, so that no flow moves to another worker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sniffer.capture.packet_socket import is_gone, open_ring, share_out
from sniffer.capture.plan import ring_for
from sniffer.log import logger

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from sniffer.capture.packet_socket import RingSettings
    from sniffer.config import Capture


class Rings:
    """Opens the interfaces.

    Args:
        capture: the section of the configuration.
        interfaces: names.
    """

    def __init__(self, capture: Capture, interfaces: Sequence[str]) -> None:
        self._capture, self._interfaces = capture, tuple(interfaces)
        self._planned: dict[str, RingSettings] = {}
        self._groups: dict[str, int] = {}  # numbers under which the kernel shares out packets
        self._kept: dict[tuple[int, str], tuple[socket.socket, RingSettings]] = {}  # by worker and interface

    def plan(self, name: str) -> RingSettings:
        """How an interface is to be opened; decided when it is asked for the first time."""
        if name not in self._planned:
            self._planned[name] = ring_for(self._capture, name, interfaces=len(self._interfaces))
            if self._planned[name].shrinks:
                logger().info("ring size chosen", interface=name, mib=self._planned[name].ring_mib)
        return self._planned[name]

    def open(self, name: str, worker: int = 0) -> tuple[socket.socket, RingSettings]:
        """Open an interface for a worker; with several workers, for one share of its packets.

        The ring that the worker of this number had is handed out again, unless its interface was removed.

        Raises:
            SnifferError: it is missing, or the kernel refuses.
        """
        kept = self._kept.pop((worker, name), None)
        if kept is not None:
            if not is_gone(kept[0]):
                self._kept[worker, name] = kept
                return kept[0].dup(), kept[1]
            kept[0].close()
        sock, chosen = self._open_anew(name)
        self._kept[worker, name] = sock, chosen
        return sock.dup(), chosen

    def _open_anew(self, name: str) -> tuple[socket.socket, RingSettings]:
        wanted = self.plan(name)
        sock, chosen = open_ring(name, wanted)
        if chosen != wanted:
            self._planned[name] = chosen  # the next one need not try in vain
            logger().warning(
                "the kernel has less memory than the ring was to have; drops are more likely",
                code="ring_smaller",
                interface=name,
                mib=chosen.ring_mib,
                wanted_mib=wanted.ring_mib,
            )
        if self._capture.workers > 1:
            try:
                self._groups[name] = share_out(sock, self._capture.fanout, self._groups.get(name))
            except BaseException:
                sock.close()
                raise
        return sock, chosen

    def forget(self, name: str) -> None:
        """An interface has gone, and with it the number under which its packets were shared out."""
        self._groups.pop(name, None)

    def close(self) -> None:
        """Let go of all rings."""
        for sock, _ in self._kept.values():
            sock.close()
        self._kept.clear()
