"""Why a frame passes the gate or does not: one closed list, exactly one reason for each frame.

In: nothing.  Out: :data:`REASONS`, the codes the kernels return, and what each says.
Never: a reason that is not in the list; ``passed + sum(skipped) == seen``, always.

The first :data:`PASSING` codes let the frame through; the others are ``sniffer_gate_skipped_total{reason}``.
A reason with a layer also counts in ``sniffer_undecoded_packets_total{layer}``.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Reason(NamedTuple):
    """Name as it appears in metrics, what it says, and the layer it was lost at, if it could not be decoded."""

    name: str
    says: str
    layer: str = ""


REASONS: Final = (
    # passing
    Reason("watched", "belongs to a flow that is being read"),
    Reason("json", "payload opens like a JSON object or array"),
    Reason(
        "json_inside",
        "payload of a flow joined in the middle holds the end of one JSON line and the start of the next",
    ),
    Reason("tiny", "a few printable bytes at the start of what may become a line"),
    Reason("reordered", "first payload seen is not the first one sent"),
    Reason("tls_listed", "TLS ClientHello with a listed server name"),
    Reason("tls_partial", "TLS ClientHello whose server name is not in this segment"),
    Reason("http_listed", "HTTP request for a listed host"),
    Reason("http_partial", "HTTP request whose host is not in this segment"),
    Reason("proxy", "SOCKS, HTTP CONNECT or PROXY protocol opening"),
    Reason("dns_listed", "DNS message with a listed name"),
    # skipped: nothing to see
    Reason("no_payload", "TCP without payload, of a flow that is not being read"),
    Reason("judged", "belongs to a flow that was found not to be mining"),
    Reason("unpromising", "payload opens like nothing that could be mining"),
    Reason("tls_unlisted", "TLS ClientHello without a listed server name"),
    Reason("http_unlisted", "HTTP request without a listed host"),
    Reason("dns_unlisted", "DNS message without a listed name"),
    Reason("udp_other", "UDP that is not DNS"),
    Reason("ip_protocol", "neither TCP nor UDP"),
    Reason("ethertype", "not IP"),
    Reason("fragment", "IP fragment"),
    # skipped: could not be decoded
    Reason("link_type", "link type that the gate does not read", "link"),
    Reason("link_truncated", "frame ends inside its link header", "link"),
    Reason("tunnel_depth", "more than 8 wrappings", "tunnel"),
    Reason("ipv4_truncated", "frame ends inside the IPv4 header", "ipv4"),
    Reason("ipv4_header", "IPv4 header contradicts itself", "ipv4"),
    Reason("ipv6_truncated", "frame ends inside the IPv6 headers", "ipv6"),
    Reason("ipv6_header", "IPv6 headers contradict themselves, or more than 16 of them", "ipv6"),
    Reason("tcp_header", "TCP header cut or contradicting itself", "tcp"),
    Reason("udp_header", "UDP header cut or contradicting itself", "udp"),
    Reason("dns_malformed", "DNS message that contradicts itself", "dns"),
)

(
    WATCHED,
    JSON,
    JSON_INSIDE,
    TINY,
    REORDERED,
    TLS_LISTED,
    TLS_PARTIAL,
    HTTP_LISTED,
    HTTP_PARTIAL,
    PROXY,
    DNS_LISTED,
    NO_PAYLOAD,
    JUDGED,
    UNPROMISING,
    TLS_UNLISTED,
    HTTP_UNLISTED,
    DNS_UNLISTED,
    UDP_OTHER,
    IP_PROTOCOL,
    ETHERTYPE,
    FRAGMENT,
    LINK_TYPE,
    LINK_TRUNCATED,
    TUNNEL_DEPTH,
    IPV4_TRUNCATED,
    IPV4_HEADER,
    IPV6_TRUNCATED,
    IPV6_HEADER,
    TCP_HEADER,
    UDP_HEADER,
    DNS_MALFORMED,
) = range(len(REASONS))

PASSING: Final = NO_PAYLOAD
"""Codes below this one pass."""

DECODED: Final = 255
"""What the header walk answers when it reached TCP or UDP: no reason yet, the decision is still to come."""

SKIP_NAMES: Final = tuple(reason.name for reason in REASONS[PASSING:])
LAYERS: Final = tuple(dict.fromkeys(reason.layer for reason in REASONS if reason.layer))
