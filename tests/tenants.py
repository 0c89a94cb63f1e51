"""Tenants for tests, by networks."""

from __future__ import annotations

from sniffer.owners.files import InlineTenant, Sources, read_sources
from sniffer.owners.table import Owner, Owners


def owners(*tenants: tuple[str, str], contact: str = "", nat: tuple[str, ...] = ()) -> Owners:
    """Tenants, each with its networks separated by blanks."""
    inline = tuple(
        InlineTenant(Owner(name, contact=contact), tuple(networks.split())) for name, networks in tenants
    )
    return read_sources(Sources(inline, nat=nat)).owners
