"""What is doubtful about tenants: claims within claims, tenants that nothing is known of, keys written twice.

In: what files and configuration say.  Out: findings with file and line, for ``sniffer tenants check``.
Never: a fault; those keep the files from being used, and are told by :mod:`sniffer.owners.files`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sniffer.checks.finding import Finding, Level
from sniffer.owners.keys import ANY, BEHIND_NAT, Pppoe, Prefix, Vlan
from sniffer.prefixes import PrefixTable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sniffer.owners.files import Claim, Read

SHOWN: Final = 200
"""Findings of one kind that are told one by one."""


def findings(read: Read, *, has_mappings: bool = False) -> list[Finding]:
    """Everything doubtful.

    Args:
        read: what was read.
        has_mappings: tenants may be known by mappings alone.
    """
    found = [*_twice(read.claims), *_overlaps(read), *_wider(read.claims)]
    if not has_mappings:
        known = {claim.tenant for claim in read.claims}
        found += [
            Finding(
                *place,
                Level.WARNING,
                "nothing",
                f"nothing is known of {tenant!r}",
                "give it a prefix, a VLAN, a session or a label",
            )
            for tenant, place in read.first.items()
            if tenant not in known
        ]
    return _bounded(found)


def _bounded(found: list[Finding]) -> list[Finding]:
    counts: dict[str, int] = {}
    out = []
    for one in found:
        counts[one.check] = counts.get(one.check, 0) + 1
        if counts[one.check] <= SHOWN:
            out.append(one)
        elif counts[one.check] == SHOWN + 1:
            out.append(
                Finding(one.file, one.line, one.column, one.level, one.check, "and more of this kind", "")
            )
    return out


def _of(claim: Claim, check: str, what: str, remedy: str) -> Finding:
    return Finding(*claim.problem_at, Level.WARNING, check, what, remedy)


def _twice(claims: list[Claim]) -> Iterator[Finding]:
    """A key that the same tenant has twice."""
    known: dict[tuple[str, object], Claim] = {}
    for claim in claims:
        first = known.setdefault((claim.sort, claim.key), claim)
        if first is not claim:
            file, line, _ = first.problem_at
            yield _of(
                claim,
                "twice",
                f"{claim.text} of {claim.tenant!r} stands in {file}:{line} already",
                "keep one",
            )


def _overlaps(read: Read) -> Iterator[Finding]:
    """Networks within networks of somebody else, our NAT among them."""
    prefixes = [claim for claim in read.claims if isinstance(claim.key, Prefix)]
    rows = [(claim.key, claim.tenant) for claim in prefixes if isinstance(claim.key, Prefix)]
    rows += [(prefix, BEHIND_NAT) for prefix in read.owners.nat]
    by_length: dict[tuple[int, int], list[tuple[bytes, int, tuple[str, Prefix]]]] = {}
    for prefix, tenant in rows:
        by_length.setdefault((len(prefix.packed), prefix.length), []).append((*prefix, (tenant, prefix)))
    shorter: list[tuple[bytes, int, tuple[str, Prefix]]] = []
    around: dict[tuple[int, int], PrefixTable[tuple[str, Prefix]]] = {}
    for size in sorted(by_length, key=lambda size: size[1]):
        around[size] = PrefixTable.packed(shorter)
        shorter += by_length[size]
    nat = {(prefix.packed, prefix.length) for prefix in read.owners.nat}
    for claim in prefixes:
        key = claim.key
        if not isinstance(key, Prefix):
            continue
        if (key.packed, key.length) in nat:
            what = f"{claim.text} of {claim.tenant!r} is also under ownership.nat; the tenant has it"
            yield _of(claim, "overlap", what, "leave it to one of them")
        found = around[len(key.packed), key.length].get(key.packed)
        if found is not None and found[0] != claim.tenant:
            tenant, outer = found
            what = f"{claim.text} of {claim.tenant!r} lies in {outer} of {tenant!r}; {claim.tenant!r} has it"
            yield _of(claim, "overlap", what, "fine where it is meant so: the longest prefix decides")


def _wider(claims: list[Claim]) -> Iterator[Finding]:
    """VLANs and sessions within those of somebody else."""
    known = {(claim.sort, claim.key): claim.tenant for claim in claims}
    for claim in claims:
        key = claim.key
        wider: Vlan | Pppoe
        if isinstance(key, Vlan) and key.inner != ANY:
            wider = Vlan(key.outer)
        elif isinstance(key, Pppoe) and (key.vlan or key.mac):
            wider = Pppoe(key.session)
        else:
            continue
        tenant = known.get((claim.sort, wider), claim.tenant)
        if tenant != claim.tenant:
            what = f"{claim.text} of {claim.tenant!r} lies in {claim.sort} {wider} of {tenant!r}; {claim.tenant!r} has it"
            yield _of(claim, "overlap", what, "fine where it is meant so: the most specific claim decides")
