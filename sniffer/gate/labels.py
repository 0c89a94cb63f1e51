"""Names of what the gate counts beside reasons: labels of metrics, words of events.

In: nothing.  Out: closed lists.
Never: a heavy import (the parent process and the metrics need the names, and not the compiler).
"""

from __future__ import annotations

from typing import Final

LAYER_NAMES: Final = (
    "", "vlan", "qinq", "pppoe", "mpls", "pseudowire", "gre", "erspan", "vxlan", "geneve", "gtp", "l2tp",
    "4in4", "6in4", "4in6", "6in6", "teredo", "etherip", "ah", "wlan", "vntag", "pbb", "nsh", "macsec",
)  # fmt: skip
"""Wrappings of packets, by the code that stands for each in ROW.layers (0: none)."""

HELLOS: Final = ("readable", "hidden", "split")
"""What becomes of the server name of a ClientHello: it is there, it is left out, or it comes in a later segment (then the
reader looks for it).  A hello that contradicts itself is none of these."""
