"""Nonsense on the wire, by name: the closed list behind ``sniffer_oddities_total{kind}``.

In: a kind from :data:`ODDITIES`.  Out: a count.
Never: text from the wire, an exception for a packet's sake, a kind that is not declared here.
"""

from __future__ import annotations

from typing import Final

ODDITIES: Final[dict[str, str]] = {
    "clock_jump": "packet time leapt by more than a day forwards or a minute backwards",
    "dns_malformed": "a DNS message that contradicts itself",
    "dns_unasked": "a DNS answer to a listed question that the sensor did not see: no address is learned from it",
    "duplicate_packet": "the same datagram, or segment of a sampled TCP flow, twice within a moment (double mirroring)",
    "evidence_limit": "a flow that had not triggered whose frames made room for those of others (evidence)",
    "flow_bytes_limit": "reassembly memory was full, the oldest flow lost its buffers",
    "flow_evicted": "the table of followed flows was full, the oldest was dropped",
    "fragment_conflict": "IP fragments that contradict each other: both readings were judged",
    "fragment_evicted": "a datagram in fragments that had to make room before it was whole",
    "fragment_limit": "an IP fragment too many, too far or empty",
    "http_limit": "an HTTP head longer than its limit",
    "http_malformed": "an HTTP message that contradicts itself",
    "id_table_limit": "more unanswered requests in one flow than are remembered",
    "inflate_failed": "compressed bytes that cannot be read, or not within their bounds",
    "json_broken": "a line that opens like JSON and is not",
    "json_depth": "JSON nested deeper than 16 levels",
    "json_number": "a number of more than 32 characters",
    "json_batch_limit": "more than 64 messages in one JSON array",
    "layers_limit": "more than 3 protocols inside one another",
    "learned_limit": "more addresses learned from DNS than are remembered: the oldest was dropped",
    "line_too_long": "a line longer than 16 KiB, read by its head and tail only",
    "matcher_differs": "a message about which both matchers disagreed (--paranoid): a defect, the plain one was believed",
    "number_out_of_range": "a difficulty, target or hashrate that cannot be",
    "opening_limit": "more openings that may fit a payload rule wait for their bytes than are kept: the oldest was taken as it is",
    "quic_evicted": "a QUIC hello in pieces that had to make room before it was whole",
    "quic_pieces": "a QUIC hello in more pieces than are kept",
    "reader_failed": "a message that a reader could not cope with: a defect, the flow was given up",
    "session_table_limit": "more sessions in one flow than are told apart",
    "stream_conflict": "a retransmission that differs from the original",
    "stream_gap": "bytes of a followed stream that the sensor did not get",
    "stream_jump": "a sequence number far outside the window",
    "stream_segments_limit": "more segments waiting for a gap to close than are kept",
    "tls_malformed": "a TLS hello or certificate that contradicts itself",
    "watched_limit": "a host that mines and found no room among those whose traffic is counted, or had to make room early",
    "websocket_limit": "a WebSocket message longer than 64 KiB",
    "websocket_malformed": "a WebSocket frame that cannot be",
    "window_evicted": "a window of a rule that counts, or a message that waited in one, that had to make room",
}


class Oddities:
    """Counters for every declared kind, all present from the start."""

    __slots__ = ("counts",)

    def __init__(self) -> None:
        self.counts: dict[str, int] = dict.fromkeys(ODDITIES, 0)

    def count(self, kind: str) -> None:
        """Add one to ``kind``, which must be declared in :data:`ODDITIES`."""
        self.counts[kind] += 1
