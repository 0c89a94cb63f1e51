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
    # passing: TCP
    Reason("watched", "belongs to a flow that is being read"),
    Reason("json", "payload opens like a JSON object or array"),
    Reason(
        "json_inside",
        "payload of a flow joined in the middle holds the end of one JSON line and the start of the next",
    ),
    Reason("tiny", "a few bytes at the start of what may become a message"),
    Reason("reordered", "first payload seen is not the first one sent"),
    Reason("tls_listed", "TLS ClientHello with a listed server name"),
    Reason("tls_partial", "TLS ClientHello whose server name is not in this segment"),
    Reason("tls_certificate", "TLS ServerHello behind which a readable certificate follows"),
    Reason("http_listed", "HTTP request for a listed host"),
    Reason("http_partial", "HTTP request whose host is not in this segment"),
    Reason("http_mining", "HTTP message that may carry mining: JSON, or a field that miners send"),
    Reason("http2", "HTTP/2 without TLS"),
    Reason("websocket", "WebSocket: the request for it, or a frame that opens like JSON"),
    Reason("proxy", "SOCKS, HTTP CONNECT or PROXY protocol opening"),
    Reason("binary", "opens like a frame of a binary mining protocol"),
    Reason("noise", "a handshake message of the size that Stratum V2 has, of bytes that look random"),
    Reason("peer", "opens a connection between nodes of a coin"),
    Reason("server", "the first payload to a server that is known by its address"),
    # passing: UDP, and DNS over TCP
    Reason("dns_listed", "DNS message with a listed name"),
    Reason("dns_partial", "DNS message over TCP that goes on in a later segment"),
    Reason("quic_listed", "QUIC Initial with a listed server name"),
    Reason("management", "datagram that miners and their tools send one another"),
    # passing: both
    Reason("payload", "opens, or may open, with bytes that a rule names"),
    # skipped: nothing to see
    Reason("no_payload", "TCP without payload, of a flow that is not being read"),
    Reason("judged", "belongs to a flow that was found not to be mining"),
    Reason("unpromising", "payload opens like nothing that could be mining"),
    Reason("tls_unlisted", "TLS hello without a listed server name"),
    Reason("http_unlisted", "HTTP request without a listed host"),
    Reason("dns_unlisted", "DNS message without a listed name"),
    Reason("quic_unlisted", "QUIC Initial without a listed server name"),
    Reason("quic_judged", "QUIC Initial of a connection whose server name was read before"),
    Reason("quic_kept", "QUIC Initial with a part of a hello, kept until the rest comes"),
    Reason("quic_unreadable", "opens like a QUIC Initial of a client and is not one"),
    Reason("quic_limit", "QUIC Initial beyond the number that is opened in a second"),
    Reason("udp_other", "UDP that is neither DNS nor the opening of QUIC"),
    Reason("ip_protocol", "neither TCP nor UDP nor a tunnel"),
    Reason("ethertype", "not IP"),
    Reason("fragment", "IP fragment, kept until its datagram is whole"),
    # skipped: could not be decoded
    Reason("link_type", "link type that the gate does not read", "link"),
    Reason("link_truncated", "frame ends inside its link header", "link"),
    Reason("ethernet_truncated", "frame ends inside the Ethernet header of a tunnel", "ethernet"),
    Reason("tunnel_depth", "more than 8 wrappings, or more than 40 headers", "tunnel"),
    Reason("pppoe_header", "PPPoE header cut or contradicting itself", "pppoe"),
    Reason("ppp_header", "frame ends inside the PPP header", "ppp"),
    Reason("ppp_compressed", "PPP in pieces or compressed", "ppp"),
    Reason("mpls_header", "frame ends inside the MPLS labels", "mpls"),
    Reason("wlan_header", "frame ends inside the 802.11 header", "wlan"),
    Reason("wlan_protected", "802.11 frame that is encrypted", "wlan"),
    Reason("macsec_header", "frame ends inside the MACsec tag", "macsec"),
    Reason("macsec_encrypted", "MACsec frame that is encrypted", "macsec"),
    Reason("nsh_header", "network service header cut or contradicting itself", "nsh"),
    Reason("ipv4_truncated", "frame ends inside the IPv4 header", "ipv4"),
    Reason("ipv4_header", "IPv4 header contradicts itself", "ipv4"),
    Reason("ipv6_truncated", "frame ends inside the IPv6 headers", "ipv6"),
    Reason("ipv6_header", "IPv6 headers contradict themselves, or more than 16 of them", "ipv6"),
    Reason("fragment_refused", "IP fragment too many, too far, empty or cut", "fragment"),
    Reason("ah_header", "frame ends inside the authentication header", "ah"),
    Reason("esp", "IPsec, encrypted", "esp"),
    Reason("ipcomp", "IP payload that is compressed", "ipcomp"),
    Reason("gre_header", "GRE header cut or of an unknown version", "gre"),
    Reason("erspan_header", "frame ends inside the ERSPAN header", "erspan"),
    Reason("etherip_header", "EtherIP header cut or of an unknown version", "etherip"),
    Reason("l2tp_header", "L2TP whose payload could not be found", "l2tp"),
    Reason("geneve_header", "frame ends inside the Geneve options", "geneve"),
    Reason("gtp_header", "GTP-U header cut or contradicting itself", "gtp"),
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
    TLS_CERTIFICATE,
    HTTP_LISTED,
    HTTP_PARTIAL,
    HTTP_MINING,
    HTTP2,
    WEBSOCKET,
    PROXY,
    BINARY,
    NOISE,
    PEER,
    SERVER,
    DNS_LISTED,
    DNS_PARTIAL,
    QUIC_LISTED,
    MANAGEMENT,
    PAYLOAD,
    NO_PAYLOAD,
    JUDGED,
    UNPROMISING,
    TLS_UNLISTED,
    HTTP_UNLISTED,
    DNS_UNLISTED,
    QUIC_UNLISTED,
    QUIC_JUDGED,
    QUIC_KEPT,
    QUIC_UNREADABLE,
    QUIC_LIMIT,
    UDP_OTHER,
    IP_PROTOCOL,
    ETHERTYPE,
    FRAGMENT,
    LINK_TYPE,
    LINK_TRUNCATED,
    ETHERNET_TRUNCATED,
    TUNNEL_DEPTH,
    PPPOE_HEADER,
    PPP_HEADER,
    PPP_COMPRESSED,
    MPLS_HEADER,
    WLAN_HEADER,
    WLAN_PROTECTED,
    MACSEC_HEADER,
    MACSEC_ENCRYPTED,
    NSH_HEADER,
    IPV4_TRUNCATED,
    IPV4_HEADER,
    IPV6_TRUNCATED,
    IPV6_HEADER,
    FRAGMENT_REFUSED,
    AH_HEADER,
    ESP,
    IPCOMP,
    GRE_HEADER,
    ERSPAN_HEADER,
    ETHERIP_HEADER,
    L2TP_HEADER,
    GENEVE_HEADER,
    GTP_HEADER,
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
