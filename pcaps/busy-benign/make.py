"""An ordinary afternoon with everything in it that looks like mining and is not.

In: nothing.  Out: traffic.pcap beside this file.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from scapy.layers.inet import ICMP
from scapy.layers.l2 import ARP, Ether

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))

from craft import (  # noqa: E402 - the stories share one folder of helpers
    CLIENT,
    SERVER,
    Capture,
    Tcp,
    ask,
    background,
    block,
    browse,
    datagram,
    frame,
    mac,
)

SECONDS = 300
QUOTED = (
    '{"id": 1, "method": "mining.subscribe", "params": ["cgminer/4.11.1"]}',
    '{"id":4,"method":"mining.submit","params":["farm.rig1","bf","00000001","504e86ed","b2957c02"]}',
    '{"id":null,"method":"mining.notify","params":["274a-1","fb","01","ff",[],"20000000","1802a8d7","5a0b5d6c",true]}',
)


def compact(**members: Any) -> str:
    """A message without spaces."""
    return json.dumps(members, separators=(",", ":"))


def connect(capture: Capture, host: int, server: int, port: int) -> Tcp:
    """A connection of one of the hosts to one of the servers, some time."""
    ends = (f"10.20.30.{host}", 32_768 + capture.random.getrandbits(14)), (f"192.0.2.{server}", port)
    return Tcp(capture, *ends, capture.between(1, SECONDS - 40)).open()


def request(path: str, host: str, body: str = "", *headers: str) -> bytes:
    """An HTTP request."""
    lines = [
        f"{'POST' if body else 'GET'} {path} HTTP/1.1",
        f"Host: {host}",
        "User-Agent: Mozilla/5.0",
        *headers,
    ]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def response(body: str, kind: str = "application/json") -> bytes:
    """An HTTP response."""
    return f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


# ── what looks like mining ───────────────────────────────────────────────────────────────────────────────


def ethereum_node(capture: Capture) -> None:
    """A wallet asks its own node, in lines over TCP and over HTTP; once the answer is a list of three hashes."""
    account = "0x" + capture.hex(20)
    calls: tuple[tuple[str, list[Any], Any], ...] = (
        ("eth_blockNumber", [], "0x15a4c31"),
        ("eth_getBalance", [account, "latest"], "0x8ac7230489e80000"),
        ("eth_mining", [], False),
        ("eth_hashrate", [], "0x0"),
        ("eth_getFilterChanges", ["0x1"], ["0x" + format(0xE5 + n, "x") + capture.hex(31) for n in range(3)]),
        ("eth_syncing", [], False),
    )
    for host in (11, 12):
        lines = connect(capture, host, 60, 8546)
        for number in range(36):
            method, params, result = calls[number % len(calls)]
            lines.wait(2).say(CLIENT, compact(jsonrpc="2.0", id=number, method=method, params=params))
            lines.say(SERVER, compact(jsonrpc="2.0", id=number, result=result))
        lines.close()
        web = connect(capture, host, 61, 8545)
        for number in range(12):
            method, params, result = calls[number % len(calls)]
            body = compact(jsonrpc="2.0", id=number, method=method, params=params)
            web.wait(2).say(CLIENT, request("/", "node.example:8545", body))
            web.say(SERVER, response(compact(jsonrpc="2.0", id=number, result=result)))
        web.close()


def electrum(capture: Capture) -> None:
    """A Bitcoin wallet asks an Electrum server: the same framing as stratum, and an agent in its first line."""
    talk = connect(capture, 13, 62, 50_001)
    talk.say(
        CLIENT,
        compact(jsonrpc="2.0", id=0, method="server.version", params=["electrum/4.5.5", ["1.4", "1.4"]]),
    )
    talk.say(SERVER, compact(jsonrpc="2.0", id=0, result=["ElectrumX 1.16.0", "1.4"]))
    talk.say(CLIENT, compact(jsonrpc="2.0", id=1, method="blockchain.headers.subscribe", params=[]))
    header = {"height": 925_104, "hex": "00e0ff20" + capture.hex(76)}
    talk.say(SERVER, compact(jsonrpc="2.0", id=1, result=header))
    for number in range(2, 30):
        line = compact(
            jsonrpc="2.0", id=number, method="blockchain.scripthash.get_balance", params=[capture.hex(32)]
        )
        talk.wait(3).say(CLIENT, line)
        talk.say(
            SERVER, compact(jsonrpc="2.0", id=number, result={"confirmed": 1_000 * number, "unconfirmed": 0})
        )
    push = compact(jsonrpc="2.0", method="blockchain.headers.subscribe", params=[header])
    talk.say(SERVER, push).close(SERVER)


def logins(capture: Capture) -> None:
    """``login``, ``job`` and ``submit`` with other people's parameters: a router, an exchange, a build farm."""
    router = connect(capture, 14, 63, 80)
    router.say(CLIENT, request("/cgi-bin/luci/rpc/auth", "192.0.2.63",
               compact(id=1, method="login", params=["root", "secret"])))  # fmt: skip
    router.say(SERVER, response(compact(id=1, result=capture.hex(16), error=None))).close()
    lines = connect(capture, 14, 64, 3333)
    lines.say(CLIENT, compact(id=1, method="login", params=["root", "secret"]))
    lines.say(SERVER, compact(id=1, result=True, error=None)).close()
    exchange = connect(capture, 15, 65, 8080)
    params = {"algo": "HS256", "pKey": "k" * 16, "nonce": "N1g287gL8YOwDZr", "signature": capture.hex(32)}
    exchange.say(CLIENT, compact(id=1, method="login", params=params)).say(
        SERVER, compact(id=1, result=True)
    ).close()
    farm = connect(capture, 16, 66, 7777)
    for number in range(10):
        job = {"job_id": f"77{number}", "image": "debian:12", "script": ["make"], "target": "release"}
        farm.wait(4).say(SERVER, compact(jsonrpc="2.0", method="job", params=job))
        done = {"id": "node-4", "job_id": f"77{number}", "result": "done"}
        farm.say(CLIENT, compact(id=number, method="submit", params=done))
        farm.say(SERVER, compact(id=number, result={"status": "OK"}, error=None))
    farm.close()
    mine = connect(capture, 17, 67, 4444)  # an open-pit one
    for number in range(8):
        mine.wait(5).say(
            CLIENT, compact(jsonrpc="2.0", id=number, method="mining.fleet.status", params={"truck": number})
        )
        mine.say(SERVER, compact(jsonrpc="2.0", id=number, result={"load": 212.5, "fuel": 0.71}))
    mine.close()


def quotations(capture: Capture) -> None:
    """Stratum lines that somebody only quotes: a log shipper, a message queue, a cache, a web page."""
    shipper = connect(capture, 18, 68, 5044)
    cache = connect(capture, 18, 69, 6379)
    cache.say(CLIENT, b"*1\r\n$4\r\nPING\r\n").say(SERVER, b"+PONG\r\n")
    queue = connect(capture, 19, 70, 1883)
    name = b"sensor-19"
    queue.say(CLIENT, b"\x10" + block(1, block(2, b"MQTT") + b"\4\2\0\x3c" + block(2, name))).say(
        SERVER, b"\x20\2\0\0"
    )
    for number in range(18):
        line = QUOTED[number % len(QUOTED)]
        stamp = f"2026-11-23T08:0{number // 6}:{number % 6}0Z"
        record = compact(timestamp=stamp, host="ids-1", message=f"recv {line}")
        shipper.wait(6).say(CLIENT, record)
        value = line.encode()
        cache.wait(6).say(
            CLIENT, b"*3\r\n$3\r\nSET\r\n$5\r\nk%04d\r\n$%d\r\n%s\r\n" % (number, len(value), value)
        )
        cache.say(SERVER, b"+OK\r\n")
        queue.wait(6).say(CLIENT, b"\x30" + block(1, block(2, b"ids/lines") + value[:100]))
    for talk in (shipper, cache, queue):
        talk.close()
    page = connect(capture, 20, 71, 80)
    text = "<html><pre>\n" + "\n".join(QUOTED) + "\n</pre></html>"
    page.say(CLIENT, request("/stratum.html", "wiki.example")).say(
        SERVER, response(text, "text/html")
    ).close()


def editor(capture: Capture) -> None:
    """A language server: JSON-RPC behind a length."""
    talk = connect(capture, 21, 72, 2087)
    for number in range(14):
        method = "initialize" if number == 0 else "textDocument/hover"
        for side, body in (
            (CLIENT, compact(jsonrpc="2.0", id=number, method=method, params={})),
            (SERVER, compact(jsonrpc="2.0", id=number, result={"capabilities": {}})),
        ):
            talk.say(side, f"Content-Length: {len(body)}\r\n\r\n{body}".encode())
        talk.wait(3)
    talk.close()


# ── what does not ────────────────────────────────────────────────────────────────────────────────────────


def names_and_time(capture: Capture) -> None:
    """The pools of the time service, and time itself."""
    for number in range(40):
        host, at = f"10.20.31.{10 + number % 20}", capture.between(0, SECONDS)
        name = ("pool.ntp.org", "0.pool.ntp.org", "1.debian.pool.ntp.org", "car-pool.example")[number % 4]
        server = f"192.0.2.{210 + number % 4}"
        ask(capture, at, host, name, [("A", server)])
        if number % 4 < 3:
            datagram(
                capture,
                at + 0.1,
                (host, 123),
                (server, 123),
                b"\x23\0\6\xec" + bytes(36) + capture.random.randbytes(8),
            )
            datagram(
                capture, at + 0.12, (server, 123), (host, 123), b"\x24\2\3\xe8" + capture.random.randbytes(44)
            )


def quic(capture: Capture) -> None:
    """QUIC in shape: Initial packets of full size (RFC 9000, section 14.1), then short headers."""
    for number in range(10):
        at = capture.between(0, SECONDS)
        host, server = (f"10.20.32.{10 + number}", 50_000 + number), ("192.0.2.220", 443)
        head = b"\xc3\0\0\0\1" + block(1, capture.random.randbytes(8)) + b"\0\0\x44\x9e"
        datagram(capture, at, host, server, head + capture.random.randbytes(1_200 - len(head)))
        datagram(capture, at + 0.02, server, host, head + capture.random.randbytes(1_200 - len(head)))
        for step in range(6):
            data = b"\x41" + capture.random.randbytes(300 if step % 2 else 45)
            ends = (server, host) if step % 2 else (host, server)
            datagram(capture, at + 0.05 + step * 0.02, *ends, data)


def local(capture: Capture) -> None:
    """ARP and echo requests."""
    for number in range(30):
        at, host, gateway = capture.between(0, SECONDS), f"10.20.33.{10 + number}", "10.20.33.1"
        question = ARP(op=1, hwsrc=mac(host), psrc=host, hwdst="00:00:00:00:00:00", pdst=gateway)
        capture.put(at, Ether(src=mac(host), dst="ff:ff:ff:ff:ff:ff") / question)
        answer = ARP(op=2, hwsrc=mac(gateway), psrc=gateway, hwdst=mac(host), pdst=host)
        capture.put(at + 0.001, Ether(src=mac(gateway), dst=mac(host)) / answer)
        echo = ICMP(type=8, id=number, seq=1) / bytes(32)
        capture.put(at + 0.002, frame(host, gateway) / echo)


def story() -> Capture:
    """Tell it."""
    capture = Capture(seed=5)
    for tell in (ethereum_node, electrum, logins, quotations, editor, names_and_time, quic, local):
        tell(capture)
    background(capture, [f"10.20.34.{number}" for number in range(10, 30)], 29, SECONDS)
    for number in range(8):
        at = capture.between(0, SECONDS)
        browse(
            capture,
            at,
            f"2001:db8:20:34::{number + 1:x}",
            "2001:db8:1::80",
            "www.example.org",
            replies=(400,),
        )
    for number in range(20):
        talk = connect(capture, 40 + number, 90, 80)
        talk.say(CLIENT, request(f"/page/{number}", "intranet.example"))
        talk.say(SERVER, response("<html>" + "ordinary " * 30 + "</html>", "text/html")).close()
    return capture


if __name__ == "__main__":
    story().write(FOLDER / "traffic.pcap")
