"""The doctor's visit: machine, links, some seconds of traffic; then what it all means for the exit status.

In: interfaces and a configuration.  Out: findings in the order in which they are made, an exit status.
Never: an end at the first fault, unless nothing can be said after it.
"""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING, Any, Final

from sniffer.blindspots import Finding, Level, figures, worst
from sniffer.capture import ring
from sniffer.capture.interface import interface_names
from sniffer.capture.live import LiveCapture
from sniffer.capture.packet_socket import RingSettings
from sniffer.capture.plan import ring_for
from sniffer.doctor.link import card_losses, is_listening_possible, look_at_link, promiscuous
from sniffer.doctor.listening import findings_of, listen
from sniffer.doctor.machine import look_at_machine
from sniffer.errors import EXIT_FAILURE, EXIT_OK, AccessError, SnifferError
from sniffer.gate import gate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sniffer.config import Config
    from sniffer.doctor.listening import Heard
    from sniffer.ruleset import RuleSet

LOOPBACK: Final = "lo"


class Visit:
    """One visit; ask :meth:`look`, then :meth:`listen`."""

    def __init__(self, names: Sequence[str], config: Config) -> None:
        """Prepare.

        Args:
            names: interfaces; none: only the machine is looked at.
            config: the daemon's configuration.
        """
        self.names, self.config = tuple(names), config
        self.found: list[Finding] = []
        self.heard: Heard | None = None
        self._ring = RingSettings()
        self._able: list[str] = []  # interfaces that packets can arrive at
        self._refusal: SnifferError | None = None

    def look(self) -> list[Finding]:
        """Look at the machine and at each interface.

        Raises:
            InputError: there is no interface of a name, or it is of a kind that is not read.
        """
        capture = self.config.capture
        links = {name: look_at_link(name) for name in self.names}
        self._ring = self._largest_ring()
        found = look_at_machine(
            ring_mib=self._ring.ring_mib, rings=max(len(self.names), 1), workers=capture.workers
        )
        if any(one.check == "permission" and one.level is Level.FAULT for one in found):
            self._refusal = AccessError("may not open a packet socket")
        for name, about in links.items():
            found += about
            if is_listening_possible(about):
                self._able.append(name)
        if not self.names:
            there = ", ".join(name for name in interface_names() if name != LOOPBACK) or "none"
            remedy = f"name the mirror port: sniffer doctor --interface NAME; there are: {there}"
            found.append(
                Finding("listening", Level.NOTE, "no interface is named: nothing is listened to", remedy)
            )
        self.found += found
        return found

    def _largest_ring(self) -> RingSettings:
        """The largest ring that the daemon would have; without a filter, so that everything is heard."""
        names = self.names or ("",)
        rings = [ring_for(self.config.capture, name, interfaces=len(names)) for name in names]
        return dataclasses.replace(max(rings, key=lambda one: one.ring_mib), drop=False)

    @property
    def can_listen(self) -> bool:
        """Whether there is anything to listen to, and the right to."""
        return bool(self._able) and self._refusal is None

    def listen(
        self, ruleset: RuleSet, seconds: float, advance: Callable[[float, int], None]
    ) -> list[Finding]:
        """Open rings on the interfaces that are up, and listen.

        Args:
            ruleset: rules to match.
            seconds: how long.
            advance: told seconds gone and packets read.
        """
        gate.warm_up()
        ring.warm_up()  # before packets can arrive: compiling must not count as a loss
        try:
            ears = LiveCapture.open(self._able, self._ring)
        except SnifferError as error:
            self._refusal = error
            found = [Finding("ring", Level.FAULT, error.what, error.remedy, error.where)]
            self.found += found
            return found
        with contextlib.closing(ears):
            before = {name: card_losses(name) for name in self._able}
            heard = listen(ears, ruleset, self.config.engine(), seconds, advance)
            heard.promiscuous = {name: promiscuous(name) for name in self._able}
            heard.card = {name: card_losses(name).since(lost) for name, lost in before.items()}
        self.heard = heard
        found = [
            Finding(
                "ring",
                Level.OK,
                f"{min(one.settings.ring_mib for one in ears.rings)} MiB for each of: {', '.join(self._able)}",
            )
        ]
        found += findings_of(
            heard, one_sided=self.config.sensor.one_sided, card_time=self._ring.hardware_time
        )
        self.found += found
        return found

    @property
    def exit_status(self) -> int:
        """0: nothing is worse than a note; 77, 66: the kernel refused; 1: something else wants to be mended."""
        if self._refusal is not None:
            return self._refusal.exit_status
        return EXIT_FAILURE if worst(self.found) > Level.NOTE else EXIT_OK

    def as_dict(self) -> dict[str, Any]:
        """Everything as one object."""
        heard = self.heard
        return {
            "level": worst(self.found).label,
            "interfaces": list(self.names),
            "checks": [
                {
                    "check": one.check,
                    "level": one.level.label,
                    **({"interface": one.where} if one.where else {}),
                    "says": one.says,
                    **({"remedy": one.remedy} if one.remedy else {}),
                }
                for one in self.found
            ],
            **(
                {
                    "seconds": round(heard.seconds, 1),
                    "figures": figures(heard.spots),
                    "wrapped": {layer: count for layer, count in heard.totals.wrapped.items() if count},
                }
                if heard
                else {}
            ),
        }
