"""Who owns an address at a time, seen under these VLANs and labels.

In: the tenants of the configuration and of files (:class:`Owners`), mappings of times.  Out: an :class:`Owned`.
Never: I/O, an error because of what was seen on the wire; a search through all tenants.

The most specific claim wins, whatever order they were written in:

1. a mapping of that time that names a tenant (RADIUS accounting, DHCP, NAT);
2. an access session: PPPoE with its VLAN or concentrator, PPPoE alone, L2TP;
3. a VLAN pair, the innermost pair first; the outermost VLAN alone;
4. an MPLS label, the innermost first;
5. the longest prefix, those of our own NAT among them.

Labels (2 to 4) are marks of the place where a packet was seen.  They say nothing of an address that is outside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from sniffer.addresses import address_text
from sniffer.owners.keys import BEHIND_NAT, NO_LABELS, L2tp, Labels, Pppoe, Prefix, Vlan
from sniffer.prefixes import PrefixTable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sniffer.owners.keys import Key
    from sniffer.owners.timeline import Timeline

ACCESS_LAYERS: Final = frozenset(("pppoe", "l2tp", "mpls"))
"""Wrappings that have labels (``gate/labels.py``)."""


class Owner(msgspec.Struct, frozen=True, array_like=True):
    """A tenant.  "" where nothing is known."""

    tenant: str = ""
    site: str = ""
    district: str = ""
    kind: str = ""
    contact: str = ""


class Owners(msgspec.Struct, frozen=True):
    """Every tenant and what it is known by; this is what travels to the workers.  Numbers count in ``tenants``."""

    tenants: tuple[Owner, ...] = ()
    prefixes: tuple[tuple[Prefix, int], ...] = ()
    vlans: tuple[tuple[Vlan, int], ...] = ()
    pppoe: tuple[tuple[Pppoe, int], ...] = ()
    l2tp: tuple[tuple[L2tp, int], ...] = ()
    mpls: tuple[tuple[int, int], ...] = ()
    nat: tuple[Prefix, ...] = ()  # addresses of our own NAT
    inside: tuple[Prefix, ...] = ()  # whose addresses labels speak of; none: of all

    @property
    def names(self) -> list[str]:
        """What a tenant label can say, beside nothing."""
        return [one.tenant for one in self.tenants] + ([BEHIND_NAT] if self.nat else [])


class Seen(NamedTuple):
    """An end of a flow, when it was seen and how it was wrapped."""

    address: bytes  # packed
    port: int  # 0: not known
    time: int  # packet time, nanoseconds since 1970
    vlans: tuple[int, ...] = ()  # outermost first
    labels: Labels = NO_LABELS


class Owned(msgspec.Struct, frozen=True):
    """Whose it is, and why."""

    owner: Owner = Owner()
    why: str = ""  # "prefix 10.0.0.0/8"; "" where nobody's
    subscriber: str = ""  # as it may be shown (sniffer.sinks.privacy)
    inside: bytes = b""  # the address behind our NAT, packed

    @property
    def tenant(self) -> str:
        """Name of the tenant, "" if none."""
        return self.owner.tenant

    def as_event(self) -> dict[str, str]:
        """What an event says of it, "" where nothing is known."""
        owner = self.owner
        return {
            "name": owner.tenant,
            "contact": owner.contact,
            "site": owner.site,
            "district": owner.district,
            "kind": owner.kind,
            "subscriber": self.subscriber,
            "inside_ip": address_text(self.inside) if self.inside else "",
        }


NOBODY: Final = Owned()
OF_NAT: Final = Owner(BEHIND_NAT)


class Ownership:
    """Finds owners.

    Args:
        owners: the tenants.
        timeline: who held which address when; None: nothing is known of times.
    """

    def __init__(self, owners: Owners, timeline: Timeline | None = None) -> None:
        self.owners, self.timeline = owners, timeline
        tenants = owners.tenants
        self._by_name = {one.tenant: one for one in tenants}
        prefixes = [(prefix.packed, prefix.length, (tenants[n], prefix)) for prefix, n in owners.prefixes]
        nat = [(prefix.packed, prefix.length, (OF_NAT, prefix)) for prefix in owners.nat]
        self._prefixes: PrefixTable[tuple[Owner, Prefix]] = PrefixTable.packed([*nat, *prefixes])
        self._inside: PrefixTable[bool] | None = None
        if owners.inside:
            self._inside = PrefixTable.packed((one.packed, one.length, True) for one in owners.inside)
        self._labels: dict[tuple[str, Key], Owner] = {}
        for kind, claims in (
            ("pppoe", owners.pppoe),
            ("l2tp", owners.l2tp),
            ("vlan", owners.vlans),
            ("mpls", owners.mpls),
        ):
            self._labels.update({(kind, key): tenants[n] for key, n in claims})
        self._has_vlans = bool(owners.vlans)
        self.wants_labels = bool(owners.pppoe or owners.l2tp or owners.mpls)

    def of(self, seen: Seen) -> Owned:
        """Whose an address is."""
        timeline = self.timeline
        held = timeline.find(seen.address, seen.port, seen.time) if timeline is not None else None
        if timeline is None or held is None:
            return self._untimed(seen)
        subscriber, why = held.subscriber, "mapping"
        owner = self._by_name.get(held.tenant) if held.tenant else None
        if held.inside and owner is None:
            behind = timeline.find(held.inside, 0, seen.time)
            if behind is not None:
                subscriber = behind.subscriber or subscriber
                owner = self._by_name.get(behind.tenant) if behind.tenant else None
        if owner is None:
            found = self._of_prefix(held.inside) if held.inside else self._untimed(seen)
            if found.owner is not OF_NAT:  # which is no answer where a mapping has given one
                owner = found.owner
                why = f"mapping, {found.why}" if found.why else why
        return Owned(owner or NOBODY.owner, why, subscriber, held.inside)

    def _untimed(self, seen: Seen) -> Owned:
        """Whose it is whatever the time."""
        if self._labels and (self._inside is None or self._inside.get(seen.address)):
            for kind, key in self._claims(seen):
                owner = self._labels.get((kind, key))
                if owner is not None:
                    return Owned(owner, f"{kind} {key}")
        return self._of_prefix(seen.address)

    def _of_prefix(self, address: bytes) -> Owned:
        found = self._prefixes.get(address)
        if found is None:
            return NOBODY
        owner, prefix = found
        return Owned(owner, f"{'nat' if owner is OF_NAT else 'prefix'} {prefix}")

    def _claims(self, seen: Seen) -> Iterator[tuple[str, Key]]:
        """Every label that a tenant could be known by, the most specific first."""
        labels, vlans = seen.labels, seen.vlans
        pairs = [Vlan(*vlans[n : n + 2]) for n in range(len(vlans) - 2, -1, -1)]
        alone = [Vlan(vlans[0])] if vlans else []
        if labels.pppoe:
            for session, macs in reversed(labels.pppoe):
                yield from (("pppoe", Pppoe(session, None, mac)) for mac in macs)
                yield from (("pppoe", Pppoe(session, vlan)) for vlan in (*pairs, *alone))
                yield "pppoe", Pppoe(session)
        yield from (("l2tp", L2tp(*one)) for one in reversed(labels.l2tp))
        if self._has_vlans:
            yield from (("vlan", vlan) for vlan in (*pairs, *alone))
        yield from (("mpls", label) for label in reversed(labels.mpls))
