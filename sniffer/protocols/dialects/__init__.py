"""Mining dialects spoken in JSON lines: one module each, and one line here.

In: one parsed message and what its session knows.  Out: a Reading, or None: not mine.
Never: bytes, I/O, ports.

A dialect answers two questions; the first dialect that knows a message wins, so the more specific come first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sniffer.protocols.dialects.cryptonote import Cryptonote
from sniffer.protocols.dialects.eth_proxy import EthProxy
from sniffer.protocols.dialects.stratum import Stratum

if TYPE_CHECKING:
    from sniffer.protocols.session import Dialect


DIALECTS: Final[tuple[Dialect, ...]] = (Stratum(), Cryptonote(), EthProxy())
