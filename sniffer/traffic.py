"""What hosts that mine carry in all: has the gate count it, and tells it once a minute (decision 0049).

In: packets of flows that mine, packet time.  Out: addresses to be watched by others, estimates of bytes.
Never: a frame: the gate counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sniffer.gate import reasons

if TYPE_CHECKING:
    from collections.abc import Callable

    from sniffer.following import Followed
    from sniffer.gate.gate import Gate
    from sniffer.model import Packet

SECOND: Final = 1_000_000_000
WATCH_EVERY: Final = 600 * SECOND  # that a flow which goes on mining has its host watched
TOLD_EVERY: Final = 60 * SECOND  # of packet time, between two looks at what such hosts have carried


class HostTraffic:
    """Follows the hosts that one engine sees mining.

    Args:
        gate: counts.
        carried: called now and then for each host that has carried something, with its address, the packet time (a minute,
            nanoseconds since 1970), and estimates of its bytes: of frames of mining flows that are in no tally, and of
            everything else.
        watched: called for each host that mines, again while it goes on; other engines can :meth:`watch` it.
    """

    def __init__(
        self,
        gate: Gate,
        carried: Callable[[bytes, int, int, int], None],
        watched: Callable[[bytes], None] | None,
    ) -> None:
        self._gate, self._carried, self._watched = gate, carried, watched
        self._minute = 0  # of packet time, in which it was last asked what hosts have carried

    def note(self, followed: Followed, host: bytes, packet: Packet, now: int) -> None:
        """Have the gate count what the host of a flow that mines carries in all, and leave out what its tally counts."""
        if (
            not followed.watch_due or packet.reason != reasons.WATCHED
        ):  # else: the gate has it since it was told
            self._gate.note_mining(packet.slot, packet.flow_hash)
        if now >= followed.watch_due:
            followed.watch_due = now + WATCH_EVERY
            self.watch(host)
            if self._watched is not None:
                self._watched(host)

    def watch(self, host: bytes) -> None:
        """Count what a host carries, from now on."""
        self._gate.watch_host(host)

    def turn(self, time: int) -> None:
        """Tell what there is if another minute of packet time, nanoseconds since 1970, has begun."""
        minute = time // TOLD_EVERY
        if minute != self._minute:
            self._minute = self._minute or minute  # the first one
            self.tell()
            self._minute = minute

    def tell(self) -> None:
        """Tell what hosts have carried since the last time, as of the minute that it was."""
        for host, mining, other in self._gate.carried():
            self._carried(host, self._minute * TOLD_EVERY, mining, other)
