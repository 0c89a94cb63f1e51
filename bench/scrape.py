"""What it costs to be looked at: scrapes of a daemon that shows many addresses, in the middle of a flood, over TLS.

    python bench/scrape.py [--hosts 10000] [--pps 200000] [--seconds 20] [--stalled 200] [--json FILE]

In: root, two cores, ``ip``, ``unshare`` and tcpreplay (bench/trixie.py).
Out: CPU of the parent for each scrape (rendering, gzip and the handshake); seconds that a scrape takes, alone and beside clients
that stall in their TLS handshake; packets dropped.
Never: a packet outside of a network namespace that this script made; the end of a process that it did not start.

Each host asks for a listed name once, so that it has a series.  Then ordinary traffic flows, in three spans of the same length:
nobody looks; somebody scrapes each second; somebody scrapes while others stall.  The sender has one core; parent and worker
share the other, and whoever scrapes is on the sender's.
"""

from __future__ import annotations

import contextlib
import gzip
import ipaddress
import os
import random
import socket
import ssl
import sys
import tempfile
import threading
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

sys.path.insert(0, str(Path(__file__).parent))
from ends import Ends
from live import INSIDE, LISTEN, Sniffer, cpu_of, enter_to_send, make_pair, parser_of, replay, total, write
from measure import FailedError, conditions, spread
from mix import Writer
from run import make
from sessions import LISTED

if TYPE_CHECKING:
    import argparse

PATIENCE = 60
SPREAD_PPS = 20_000  # of the questions that make the hosts known


def certify(folder: Path) -> tuple[Path, Path]:
    """A certificate for this machine that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    paths = folder / "server.pem", folder / "server.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    paths[1].chmod(0o600)
    return paths


class Scraped(Sniffer):
    """The daemon behind TLS, with room for every host."""

    def __init__(self, folder: Path, core: int, hosts: int) -> None:
        certificate, key = certify(folder)
        web = folder / "web.yml"
        web.write_text(
            f"tls_server_config: {{cert_file: {certificate}, key_file: {key}}}\n", encoding="ascii"
        )
        self._more = f"http: {{web_config_file: {web}}}\nhosts: {{series_limit: {hosts}}}\n"
        self._trust = ssl.create_default_context(cafile=str(certificate))
        super().__init__(folder, core)

    def command(self) -> list[str]:
        """As for the live table, with TLS."""
        words = super().command()
        with (self.folder / "sniffer.yaml").open("a", encoding="ascii") as file:
            file.write(self._more)
        return words

    def page(self) -> str:
        """Its metrics as a Prometheus takes them."""
        request = urllib.request.Request(f"https://{LISTEN}/metrics", headers={"Accept-Encoding": "gzip"})
        with urllib.request.urlopen(request, timeout=15, context=self._trust) as answer:  # noqa: S310
            return gzip.decompress(answer.read()).decode()


def write_questions(path: Path, hosts: int) -> None:
    """A capture in which each of so many addresses asks once for a listed name."""
    labels = b"".join(bytes([len(label)]) + label for label in LISTED.split(b"."))
    question = b"\0\1\1\0\0\1\0\0\0\0\0\0" + labels + b"\0\0\1\0\1"
    rng = random.Random(1)
    with path.open("wb") as file:
        writer = Writer(file, 1_000)
        for number in range(hosts):
            client = (0x0A800000 + number).to_bytes(4, "big")
            writer.put(Ends(rng, 40_000, 53, version=4, client=client).udp(0, question))
        writer.flush()


def stall(count: int) -> list[socket.socket]:
    """Clients that connect, and every other one begins a handshake that goes no further."""
    host, port = LISTEN.rsplit(":", 1)
    clients = []
    for number in range(count):
        client = socket.create_connection((host, int(port)), 10)
        if number % 2:
            client.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        clients.append(client)
    return clients


def look(sensor: Scraped, seconds: float, *, scrapes: bool, stalled: int = 0) -> tuple[float, list[float]]:
    """One span: the parent's CPU seconds, and how long each scrape took."""
    begun, before = time.monotonic(), cpu_of(sensor.process.pid)
    took: list[float] = []
    with contextlib.ExitStack() as stack:
        while time.monotonic() < begun + seconds:
            if stalled:
                for client in stall(stalled):
                    stack.callback(client.close)
                time.sleep(0.5)  # new ones, in the place of those whose time is over; they are there by now
            if scrapes:
                asked = time.monotonic()
                sensor.page()
                took.append(time.monotonic() - asked)
            time.sleep(max(0.0, begun + 1 + len(took) - time.monotonic()) if scrapes else 0.2)
    return cpu_of(sensor.process.pid) - before, took


def measure(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Start the daemon, make the hosts known, flood it, look at it in three ways, end it."""
    questions, traffic = folder / "questions.pcap", folder / "isp.pcap"
    write_questions(questions, arguments.hosts)
    make(traffic, "isp", arguments.packets)
    sensor = Scraped(folder, arguments.core, arguments.hosts)
    sent: list[tuple[int, float]] = []
    try:
        sensor.wait()
        seconds = max(1, round(arguments.hosts / SPREAD_PPS + 1))
        known = replay(questions, seconds, SPREAD_PPS, arguments.sender_core, lambda: None)[0]
        deadline = time.monotonic() + PATIENCE
        while (series := total(sensor.page(), "sniffer_host_series")) < arguments.hosts:
            if time.monotonic() > deadline:
                raise FailedError(f"{series:.0f} of {arguments.hosts} series after {PATIENCE} s")
            time.sleep(0.5)
        size = len(sensor.page())
        flood = threading.Thread(
            target=lambda: sent.append(
                replay(traffic, 3 * arguments.seconds + 4, arguments.pps, arguments.sender_core, lambda: None)
            )
        )
        flood.start()
        time.sleep(2)
        alone, _ = look(sensor, arguments.seconds, scrapes=False)
        scraped, took = look(sensor, arguments.seconds, scrapes=True)
        _, beside = look(sensor, arguments.seconds, scrapes=True, stalled=arguments.stalled)
        flood.join()
        time.sleep(2)
        page = sensor.page()
        restarts = total(page, "sniffer_worker_restarts_total")
        counts = sensor.counts()
    finally:
        sensor.end()
    offered = known + sent[0][0]
    return {
        "series": series,
        "page_bytes": size,
        "cpu_per_scrape": (scraped - alone) / len(took),
        "cpu_share_alone": alone / arguments.seconds,
        "scrape_seconds": took,
        "scrape_seconds_beside_stalled": beside,
        "rejected": total(page, "sniffer_http_rejected_total"),
        "offered": offered,
        "offered_per_second": sent[0][0] / sent[0][1],
        "dropped": counts.dropped,
        "unaccounted": offered - counts.captured - counts.dropped,
        "restarts": restarts,
    }


def show(one: dict[str, Any], stalled: int) -> None:
    """What was measured, in lines."""
    alone, beside = (
        [1e3 * value for value in one[key]] for key in ("scrape_seconds", "scrape_seconds_beside_stalled")
    )
    print(f"  {one['series']:.0f} series, a page of {one['page_bytes'] / 1e6:.1f} MB")
    print(
        f"  CPU of the parent for a scrape: {1e3 * one['cpu_per_scrape']:.1f} ms (without any: {one['cpu_share_alone']:.1%} of a core)"
    )
    print(
        f"  a scrape takes {spread(alone, 0)} ms, beside {stalled} stalled TLS clients {spread(beside, 0)} ms; "
        f"{one['rejected']:.0f} clients let go"
    )
    print(
        f"  {one['offered_per_second'] / 1e3:.0f} k packets/s meanwhile: {one['dropped']} dropped, "
        f"{one['unaccounted']} unaccounted, {one['restarts']:.0f} restarts"
    )


def arguments_of() -> argparse.Namespace:
    """What is asked for."""
    parser = parser_of(__doc__, pps=200_000)
    parser.add_argument("--hosts", type=int, default=10_000)
    parser.add_argument("--seconds", type=int, default=20, help="of each of the three spans")
    parser.add_argument("--stalled", type=int, default=200)
    return parser.parse_args()


def main() -> int:
    """Measure and print, in a namespace of our own."""
    arguments = arguments_of()
    if INSIDE not in os.environ:
        return enter_to_send()
    os.sched_setaffinity(0, {arguments.sender_core})
    where = conditions(arguments.core)
    print(where)
    try:
        make_pair()
        with tempfile.TemporaryDirectory(prefix="sniffer-scrape-") as temporary:
            found = measure(Path(temporary), arguments)
    except FailedError as error:
        print(f"not measured: {error}")
        return 1
    show(found, arguments.stalled)
    write(arguments.json, where, **found)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
