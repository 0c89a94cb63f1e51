"""Mining dialects spoken in JSON: one module each, and one line here.

In: one parsed message and what its session knows.  Out: a Reading, or None: not mine.
Never: bytes, I/O, ports.

The first dialect that knows a message wins, so the more specific come first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sniffer.protocols.dialects.beam import Beam
from sniffer.protocols.dialects.chia import Chia
from sniffer.protocols.dialects.cryptonote import Cryptonote
from sniffer.protocols.dialects.eth_http import EthHttp
from sniffer.protocols.dialects.eth_proxy import EthProxy
from sniffer.protocols.dialects.gbt import Gbt
from sniffer.protocols.dialects.getwork import Getwork
from sniffer.protocols.dialects.grin import Grin
from sniffer.protocols.dialects.miner_api import MinerApi
from sniffer.protocols.dialects.monero_daemon import MoneroDaemon
from sniffer.protocols.dialects.nimiq import Nimiq
from sniffer.protocols.dialects.qatum import Qatum
from sniffer.protocols.dialects.stratum import Stratum
from sniffer.protocols.dialects.ws_miner import WsMiner

if TYPE_CHECKING:
    from sniffer.protocols.messages import Dialect

LINE_DIALECTS: Final[tuple[Dialect, ...]] = (
    Stratum(), Grin(), Beam(), Cryptonote(), EthProxy(), Qatum(), MinerApi(),
)  # fmt: skip
"""Over TCP, a message a line."""
WEBSOCKET_DIALECTS: Final[tuple[Dialect, ...]] = (WsMiner(), Nimiq(), *LINE_DIALECTS)
"""In messages of WebSocket."""
HTTP_DIALECTS: Final[tuple[Dialect, ...]] = (
    EthHttp(), MoneroDaemon(), Gbt(), Getwork(), Chia(), MinerApi(),
)  # fmt: skip
"""In bodies of HTTP."""
