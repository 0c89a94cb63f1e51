"""What the sensor does not see: shares of what it was offered, and sentences about them with a remedy each.

In: :class:`~sniffer.totals.Totals`, the time.  Out: :class:`BlindSpots`, figures for metrics and logs, :class:`Finding` for
people.  Never: a packet, I/O, a share whose sample is too small to say anything.

Offered is what the interfaces had for us: packets read and packets that the kernel dropped.  Dropped / offered is the
one definition of loss, here, in the metrics and in the documentation (``docs/blind-spots.md``).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sniffer.totals import Totals


class Level(IntEnum):
    """How bad a finding is; anything worse than a note wants somebody to act."""

    OK = 0
    NOTE = 1  # worth knowing
    WARNING = 2  # something is missed
    FAULT = 3  # little or nothing is seen

    @property
    def label(self) -> str:
        """As people and JSON read it."""
        return self.name.lower()


class Finding(NamedTuple):
    """One thing that was looked at."""

    check: str  # its name, the same in every language and version
    level: Level
    says: str
    remedy: str = ""  # what to do; empty where there is nothing to mend
    where: str = ""  # interface that it is about


class Limit(NamedTuple):
    """From which figure on a finding is a note, a warning, a fault."""

    note: float
    warning: float
    fault: float = float("inf")

    def level(self, figure: float) -> Level:
        """How bad a figure is."""
        if figure >= self.fault:
            return Level.FAULT
        if figure >= self.warning:
            return Level.WARNING
        return Level.NOTE if figure >= self.note else Level.OK


ANY: Final = 1e-12  # the least share that is not none

# A session of mining has dozens of messages an hour: one packet in a thousand lost costs no hit.  From one in twenty on,
# reassembly waits for holes all the time and one message in a few is lost.
DROPPED: Final = Limit(ANY, 0.001, 0.05)
# Even a quiet network has a broadcast every few seconds.  The alert that the README proposes rings after a minute.
SILENT_SECONDS: Final = Limit(10, 60, 60)
# Asymmetric routes make some flows one-sided anywhere; where it is most of them, a direction is not mirrored.
ONE_SIDED: Final = Limit(0.1, 0.5)
# A cut frame lacks its end, and the stream has a hole there.
CUT: Final = Limit(ANY, 0.01)
# Some broken packets are on every wire; one in twenty is a kind of encapsulation that nobody reads.
UNDECODED: Final = Limit(0.001, 0.05)
# Clients that talk to an address send no name, so a few are normal; with a third of them, names say little.
HIDDEN_NAMES: Final = Limit(0.05, 0.3)
# Where one session in ten goes to a resolver, DNS on port 53 is not where names are asked for.
DOH: Final = Limit(0.01, 0.1)
# A resolver that repeats itself at once is rare; one packet in ten twice is two mirrored ports on one path.
DUPLICATES: Final = Limit(0.01, 0.1)

ENOUGH: Final = 20
"""Flows, hellos, packets looked at: below so many, a share says nothing."""

HARMLESS_EVICTIONS: Final = ("idle", "embryonic")
"""Flows that had nothing to lose: forgotten by both sides, or never with data."""
GRAVE_EVICTIONS: Final = ("watched", "mining")
ENCRYPTED_LAYERS: Final = ("esp", "macsec")
SHOWN_LAYERS: Final = 3


# ── figures ──────────────────────────────────────────────────────────────────────────────────────────────


class Offer(NamedTuple):
    """What one interface had for us."""

    name: str
    captured: int
    dropped: int
    silence: float | None  # seconds since its last packet; None: none yet, or there is no now
    filtered: int = 0  # left out by the kernel filter, at least; not offered
    merged: int = 0  # frames that were put together before they were read
    unsummed: int = 0  # frames that this machine made: their checksum was left to a card
    stamped: int = 0  # frames with a time of the card

    @property
    def offered(self) -> int:
        """What was read and what was lost."""
        return self.captured + self.dropped


class Share(NamedTuple):
    """A part of a whole."""

    part: int
    whole: int

    @property
    def ratio(self) -> float:
        """0 to 1."""
        return min(self.part / self.whole, 1.0) if self.whole else 0.0

    @property
    def is_enough(self) -> bool:
        """Whether the sample says anything."""
        return self.whole >= ENOUGH


@dataclass(frozen=True, slots=True)
class BlindSpots:
    """What was not seen, of what there was."""

    offers: tuple[Offer, ...]  # by interface
    one_sided: Share  # flows with data heard in one direction only
    cut: Share  # frames captured in part
    undecoded: Share  # packets whose headers could not be read
    undecoded_layers: tuple[tuple[str, int], ...]  # the largest first
    evicted: int  # flows that made room, those with nothing to lose left out
    evicted_grave: int  # of these, flows that were being read
    hidden_names: Share  # ClientHellos without a server name
    doh: Share  # encrypted sessions that go to a known resolver
    duplicates: Share  # datagrams, and TCP segments of a sample, that came twice
    clock_jumps: int

    @property
    def captured(self) -> int:
        """Packets read."""
        return sum(one.captured for one in self.offers)

    @property
    def dropped(self) -> int:
        """Packets that the kernel lost."""
        return sum(one.dropped for one in self.offers)

    @property
    def offered(self) -> int:
        """Packets read and packets lost."""
        return sum(one.offered for one in self.offers)

    @property
    def filtered(self) -> int:
        """Packets that the kernel filter left out, at least."""
        return sum(one.filtered for one in self.offers)

    @property
    def merged(self) -> int:
        """Frames that were put together before they were read."""
        return sum(one.merged for one in self.offers)

    @property
    def loss(self) -> Share:
        """Dropped, of those offered."""
        return Share(self.dropped, self.offered)

    @property
    def silence(self) -> float | None:
        """Seconds since the last packet of any interface."""
        return min((one.silence for one in self.offers if one.silence is not None), default=None)


def measure(totals: Totals, now: float | None = None) -> BlindSpots:
    """Take the figures out of the books.

    Args:
        totals: the books.
        now: seconds since 1970; None where packet time is not the time of day (a file, a replay).
    """
    evicted = totals.flows_evicted
    odd = totals.oddities.get
    lost_while_read = odd("flow_evicted", 0) + odd("flow_bytes_limit", 0)
    grave = sum(evicted.get(kind, 0) for kind in GRAVE_EVICTIONS) + lost_while_read
    some = sum(count for kind, count in evicted.items() if kind not in HARMLESS_EVICTIONS) + lost_while_read
    hellos = totals.tls_hellos
    named, unnamed = hellos.get("readable", 0), hellos.get("hidden", 0)
    resolvers = totals.facts.get("doh.resolver", 0)
    layers = sorted(totals.undecoded.items(), key=lambda item: (-item[1], item[0]))
    return BlindSpots(
        offers=tuple(_offers(totals, now)),
        one_sided=Share(round(totals.one_sided_ratio * totals.flows_with_data), totals.flows_with_data),
        cut=Share(totals.cut, totals.packets),
        undecoded=Share(sum(totals.undecoded.values()), totals.packets),
        undecoded_layers=tuple((layer, count) for layer, count in layers[:SHOWN_LAYERS] if count),
        evicted=some,
        evicted_grave=grave,
        hidden_names=Share(unnamed, named + unnamed),
        # A resolver can also be known by its address in a flow whose hello was not seen: then it is its own whole.
        doh=Share(resolvers, max(sum(hellos.values()), resolvers)),
        duplicates=Share(odd("duplicate_packet", 0), totals.datagrams_read + totals.segments_sampled),
        clock_jumps=odd("clock_jump", 0),
    )


def _offers(totals: Totals, now: float | None) -> Iterator[Offer]:
    for name, books in totals.interfaces.items():
        silence = None
        if now is not None and books.packets:
            silence = max(now - books.last_packet / 1e9, 0.0)  # the clock of the card may be ahead
        yield Offer(
            name,
            books.packets,
            books.missed,
            silence,
            books.filtered,
            books.merged,
            books.unsummed,
            books.stamped,
        )


def figures(spots: BlindSpots) -> dict[str, int | float]:
    """The figures by name, for a log line or JSON; shares from 0 to 1."""
    silence = {} if spots.silence is None else {"silent_seconds": round(spots.silence, 1)}
    shares = {
        "dropped_ratio": spots.loss,
        "one_sided_ratio": spots.one_sided,
        "cut_ratio": spots.cut,
        "undecoded_ratio": spots.undecoded,
        "hidden_names_ratio": spots.hidden_names,
        "doh_ratio": spots.doh,
        "duplicate_ratio": spots.duplicates,
    }
    return {
        "offered": spots.offered,
        "captured": spots.captured,
        "dropped": spots.dropped,
        "filtered": spots.filtered,
        "merged": spots.merged,
        "unsummed": sum(one.unsummed for one in spots.offers),
        "hardware_stamped": sum(one.stamped for one in spots.offers),
        **silence,
        **{name: round(share.ratio, 6) for name, share in shares.items()},
        "evicted": spots.evicted,
        "clock_jumps": spots.clock_jumps,
    }


def short(spots: BlindSpots) -> str:
    """All figures in one line, for a service's status."""
    silence = "" if spots.silence is None else f", last packet {_seconds(spots.silence)} ago"
    return (
        f"offered {spots.offered}, captured {spots.captured}, dropped {percent(spots.loss.ratio)}{silence}, "
        f"one-sided {percent(spots.one_sided.ratio)}, cut {percent(spots.cut.ratio)}, "
        f"filtered {spots.filtered}, merged {spots.merged}, "
        f"undecoded {percent(spots.undecoded.ratio)}, evicted {spots.evicted}, "
        f"names hidden {percent(spots.hidden_names.ratio)}, DoH {percent(spots.doh.ratio)}, "
        f"duplicates {percent(spots.duplicates.ratio)}, clock jumps {spots.clock_jumps}"
    )


def percent(ratio: float) -> str:
    """A share for people: never 0 % for something, never 100 % for less than all."""
    if ratio in (0, 1):
        return f"{ratio * 100:.0f} %"
    if ratio < 0.0001:
        return "< 0.01 %"
    if ratio > 0.999:
        return "> 99.9 %"
    return f"{ratio * 100:.2f} %" if ratio < 0.01 else f"{ratio * 100:.1f} %"


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"


# ── sentences ────────────────────────────────────────────────────────────────────────────────────────────


def findings(spots: BlindSpots, *, one_sided: bool = False) -> list[Finding]:
    """A sentence about each figure, with a remedy where it is not good.

    Args:
        spots: the figures.
        one_sided: the mirror shows one direction by design.
    """
    out: list[Finding] = []
    for offer in spots.offers:
        out.append(_traffic(offer))
        if offer.offered:
            out.append(_drops(offer))
        if offer.captured:
            out += (_merged(offer), _checksums(offer))
    if spots.captured:  # of nothing there is nothing to say
        out += (
            _directions(spots.one_sided, by_design=one_sided),
            _cut(spots.cut),
            _undecoded(spots),
            _evictions(spots),
            _names(spots.hidden_names),
            _doh(spots.doh),
            _duplicates(spots.duplicates),
            _clock(spots.clock_jumps),
        )
    return out


def worst(found: Iterable[Finding]) -> Level:
    """The worst level of some findings."""
    return max((one.level for one in found), default=Level.OK)


def _finding(check: str, level: Level, says: str, remedy: str, where: str = "") -> Finding:
    return Finding(check, level, says, remedy if level else "", where)


def _sampled(check: str, share: Share, of_what: str, limit: Limit, says: str, remedy: str) -> Finding:
    """A finding about a share, unless there is too little of what it is a share of."""
    if not share.is_enough:
        return Finding(check, Level.OK, f"{share.whole} {of_what}: too few to tell a share")
    return _finding(check, limit.level(share.ratio), says, remedy)


def _traffic(offer: Offer) -> Finding:
    if not offer.offered:
        return Finding(
            "traffic",
            Level.FAULT,
            "no packet has arrived",
            "look at the mirror session of the switch and at the cable: the sensor is blind",
            offer.name,
        )
    if offer.silence is None:
        return Finding("traffic", Level.OK, f"{offer.captured} packets", "", offer.name)
    return _finding(
        "traffic",
        SILENT_SECONDS.level(offer.silence),
        f"{offer.captured} packets, the last one {_seconds(offer.silence)} ago",
        "if it stays silent, look at the mirror session of the switch and at the cable",
        offer.name,
    )


def _drops(offer: Offer) -> Finding:
    share = Share(offer.dropped, offer.offered)
    return _finding(
        "drops",
        DROPPED.level(share.ratio),
        f"{offer.dropped} of {offer.offered} packets dropped by the kernel ({percent(share.ratio)})",
        "raise capture.ring_mib; if that does not help, capture.workers; keep other programs off these processors",
        offer.name,
    )


def _merged(offer: Offer) -> Finding:
    return _finding(
        "merged frames",
        Level.NOTE if offer.merged else Level.OK,
        f"{offer.merged} of {offer.captured} frames are longer than the interface can carry",
        f"the card or the kernel puts packets together (GRO, LRO): hits stay right; if packet counts matter, "
        f"ethtool -K {offer.name} gro off lro off",
        offer.name,
    )


def _checksums(offer: Offer) -> Finding:
    return _finding(
        "checksums",
        Level.NOTE if offer.unsummed else Level.OK,
        f"{offer.unsummed} of {offer.captured} frames have no checksum yet",
        "no wire carried these: this machine, its virtual machines or containers sent them; is this the mirror port?",
        offer.name,
    )


def _directions(share: Share, *, by_design: bool) -> Finding:
    says = f"{percent(share.ratio)} of {share.whole} TCP flows with data are heard in one direction only"
    if by_design:
        return Finding("directions", Level.OK, f"{says}, as sensor.one_sided says")
    return _sampled(
        "directions",
        share,
        "TCP flows with data",
        ONE_SIDED,
        says,
        "mirror both directions (rx and tx) of the port, or both links of an asymmetric route, to the same sensor; "
        "if one direction is all there is, set sensor.one_sided: true",
    )


def _cut(share: Share) -> Finding:
    return _finding(
        "cut",
        CUT.level(share.ratio),
        f"{share.part} of {share.whole} packets are cut by the snap length ({percent(share.ratio)})",
        "raise capture.snaplen: what is behind the cut is not read",
    )


def _undecoded(spots: BlindSpots) -> Finding:
    share = spots.undecoded
    layers = ", ".join(f"{layer} {count}" for layer, count in spots.undecoded_layers)
    largest = spots.undecoded_layers[0][0] if spots.undecoded_layers else ""
    if largest in ENCRYPTED_LAYERS:
        remedy = "this part is encrypted: mirror a port on the inner side of the tunnel"
    else:
        remedy = "docs/protocols.md lists what is decoded; report the wrapping with a few of its packets if it is missing there"
    return _finding(
        "undecoded",
        UNDECODED.level(share.ratio),
        f"headers of {share.part} of {share.whole} packets could not be decoded ({percent(share.ratio)})"
        + (f": {layers}" if layers else ""),
        remedy,
    )


def _evictions(spots: BlindSpots) -> Finding:
    level = Level.WARNING if spots.evicted_grave else Level.NOTE if spots.evicted else Level.OK
    grave = f", {spots.evicted_grave} of them while being read" if spots.evicted_grave else ""
    return _finding(
        "evictions",
        level,
        f"{spots.evicted} live flows lost their place in the flow tables{grave}",
        "look for a flood of new flows; raise capture.workers: each worker has tables of its own",
    )


def _names(share: Share) -> Finding:
    return _sampled(
        "names",
        share,
        "TLS and QUIC sessions with a whole hello",
        HIDDEN_NAMES,
        f"{percent(share.ratio)} of {share.whole} TLS and QUIC sessions show no server name",
        "let the sensor see the DNS of the same clients: addresses that it learns there take the place of names",
    )


def _doh(share: Share) -> Finding:
    return _sampled(
        "doh",
        share,
        "TLS and QUIC sessions",
        DOH,
        f"{percent(share.ratio)} of {share.whole} TLS and QUIC sessions go to resolvers for encrypted DNS",
        "names asked for there are not seen: offer a resolver of your own and answer use-application-dns.net with "
        "NXDOMAIN, or block the resolvers of rules/lists/doh-resolvers.yaml",
    )


def _duplicates(share: Share) -> Finding:
    return _sampled(
        "duplicates",
        share,
        "datagrams and sampled segments",
        DUPLICATES,
        f"{percent(share.ratio)} of {share.whole} datagrams and sampled TCP segments came twice",
        "mirror each path at one place only, or one direction of each port; hits are counted once, but packets are read twice",
    )


def _clock(jumps: int) -> Finding:
    return _finding(
        "packet clock",
        Level.WARNING if jumps else Level.OK,
        f"packet time leapt {jumps} times" if jumps else "packet time goes steadily",
        "synchronise the clock of this machine (chrony, systemd-timesyncd) and of a card that stamps packets itself",
    )
