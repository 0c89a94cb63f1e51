"""Some seconds of real traffic through the real engine, and what they show.

In: an open capture, rules.  Out: :class:`Heard`, and findings about it.
Never: an event line, a metric, anything kept of a packet but counts.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from sniffer.blindspots import Finding, Level, findings, measure
from sniffer.engine import Engine
from sniffer.totals import Totals, take_statistics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sniffer.batch import Batch
    from sniffer.blindspots import BlindSpots, Offer
    from sniffer.capture.packet_socket import Statistics
    from sniffer.doctor.link import CardLosses
    from sniffer.engine import EngineSettings
    from sniffer.model import Detection
    from sniffer.ruleset import RuleSet

MAX_HOSTS = 10_000
"""Addresses that are told apart; more are not counted."""


class Ears(Protocol):
    """What is needed of a live capture."""

    @property
    def interfaces(self) -> Sequence[str]:
        """Names, by number."""

    def batches(self) -> Iterator[Batch | None]:
        """Batches, and None now and then."""

    def statistics(self) -> Mapping[str, Statistics]:
        """The kernel's counts by interface."""


@dataclass(slots=True)
class Heard:
    """What came in."""

    seconds: float
    totals: Totals
    spots: BlindSpots
    hosts: int = 0  # addresses with hits
    card: dict[str, CardLosses] = field(default_factory=dict)  # by interface, while listening
    promiscuous: dict[str, bool | None] = field(default_factory=dict)


def listen(
    ears: Ears,
    ruleset: RuleSet,
    settings: EngineSettings,
    seconds: float,
    advance: Callable[[float, int], None],
) -> Heard:
    """Run traffic through an engine for a while.

    Args:
        ears: an open capture.
        ruleset: rules to match.
        settings: of the engine.
        seconds: how long.
        advance: told seconds gone and packets read, several times a second.
    """
    hosts: set[bytes] = set()

    def hit(detection: Detection) -> None:
        if len(hosts) < MAX_HOSTS:
            hosts.add(detection.host)

    engine = Engine(ruleset, interfaces=ears.interfaces, settings=settings, hit=hit, event=lambda _: None)
    begun = last = time.monotonic()
    for batch in ears.batches():
        now = time.monotonic()
        if batch is None:
            engine.tick(int((now - last) * 1e9))
        else:
            engine.process(batch)
        last = now
        advance(now - begun, engine.gate.frames)
        if now - begun >= seconds:
            break
    engine.finish()
    totals = engine.totals()
    take_statistics(totals, ears.statistics())
    return Heard(last - begun, totals, measure(totals, time.time()), len(hosts))


def findings_of(heard: Heard, *, one_sided: bool = False, card_time: bool = False) -> list[Finding]:
    """Sentences about what came in.

    Args:
        heard: what came in.
        one_sided: the mirror shows one direction by design.
        card_time: the card is asked to stamp packets.
    """
    out = [_rate(heard)]
    out += (_promiscuous(name, on) for name, on in heard.promiscuous.items())
    out += (_card(name, lost) for name, lost in heard.card.items())
    out += findings(heard.spots, one_sided=one_sided)
    if card_time:
        out += (_stamps(offer) for offer in heard.spots.offers if offer.captured)
    if heard.totals.packets:
        out += (_content(heard.totals), _wrappings(heard.totals))
    if heard.hosts:
        says = f"{heard.totals.hits} hits of {heard.hosts} addresses while listening"
        out.append(Finding("mining", Level.OK, says))
    return out


def _rate(heard: Heard) -> Finding:
    seconds = max(heard.seconds, 0.001)
    packets, megabits = heard.totals.packets / seconds, heard.totals.bytes * 8 / seconds / 1e6
    says = f"listened for {heard.seconds:.0f} s: {packets:.0f} packets and {megabits:.1f} Mbit a second"
    return Finding("listening", Level.OK, says)


def _promiscuous(name: str, on: bool | None) -> Finding:  # noqa: FBT001  # an answer, not a switch
    if on is None:
        return Finding("promiscuous", Level.OK, "whether it is on cannot be known here", "", name)
    if on:
        return Finding("promiscuous", Level.OK, "on while listening: frames for others are taken", "", name)
    remedy = "set capture.promiscuous: true, unless the port delivers frames for others anyway"
    return Finding("promiscuous", Level.WARNING, "off: frames for others may be left out", remedy, name)


def _card(name: str, lost: CardLosses) -> Finding:
    says = (
        f"{lost.errors} broken or late frames and {lost.drops} dropped ones before the ring, while listening"
    )
    level = Level.WARNING if lost.errors or lost.drops else Level.OK
    remedy = (
        f"ethtool -S {name} tells where: raise the card's ring (ethtool -G) or net.core.netdev_max_backlog, "
        "check cable, optics and the rate of the mirror"
    )
    return Finding("card", level, says, remedy if level else "", name)


def _stamps(offer: Offer) -> Finding:
    says = (
        f"{offer.stamped} of {offer.captured} packets have a time of the card, the others one of the kernel"
    )
    if offer.stamped:
        return Finding("time stamps", Level.OK, says, "", offer.name)
    remedy = (
        "let the card stamp all packets (hwstamp_ctl -r 1), or set capture.timestamps: kernel if it cannot"
    )
    return Finding("time stamps", Level.NOTE, says, remedy, offer.name)


def _content(totals: Totals) -> Finding:
    if totals.flows:
        return Finding("content", Level.OK, f"{totals.flows} TCP flows")
    says = f"no TCP flow among {totals.packets} packets"
    remedy = "is this the mirror port?  An ordinary port shows broadcasts only: look at the mirror session of the switch"
    return Finding("content", Level.WARNING, says, remedy)


def _wrappings(totals: Totals) -> Finding:
    kinds = sorted(((count, layer) for layer, count in totals.wrapped.items() if count), reverse=True)
    says = ", ".join(f"{layer} {count}" for count, layer in kinds) or "none"
    return Finding("tags and tunnels", Level.OK, says)
