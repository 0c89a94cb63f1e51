"""Every protocol that a direction of a flow may speak: one line each.

In: nothing.  Out: the readers, in the order in which they are asked.
Never: a port; the readers that go by one say so themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sniffer.protocols.datum import Datum
from sniffer.protocols.dns import DnsStream
from sniffer.protocols.http import Http
from sniffer.protocols.http2 import Http2
from sniffer.protocols.json_lines import JsonLines
from sniffer.protocols.management import ManagementText
from sniffer.protocols.noise import Noise
from sniffer.protocols.peers import Peers
from sniffer.protocols.stratum_v2 import StratumV2
from sniffer.protocols.tls import Tls
from sniffer.protocols.websocket import WebSocket

if TYPE_CHECKING:
    from sniffer.protocols.reader import Reader

READERS: Final[tuple[type[Reader], ...]] = (
    DnsStream, JsonLines, Tls, Http, WebSocket, Http2, StratumV2, ManagementText, Peers, Datum, Noise,
)  # fmt: skip
"""From the surest sign to the least."""
MESSAGE_READERS: Final[tuple[type[Reader], ...]] = (DnsStream, Tls, Http)
"""Those whose messages tell what they are wherever they stand, so that reading may begin with any of them."""
