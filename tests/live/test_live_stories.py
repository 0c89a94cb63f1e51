"""Each traffic story, played by tcpreplay over a real link into the real daemon, gives the hits of its file.

A network namespace of the test's own holds a veth pair; nothing leaves it.
"""

from __future__ import annotations

import ipaddress
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from capture import cbpf

from sniffer.capture import bpf
from sniffer.capture.packet_socket import WHOLE
from sniffer.capture.savefile import Savefile
from sniffer.strictyaml import load_file

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent.parent
STORIES = sorted(path.parent for path in ROOT.glob("pcaps/*/expect.yml"))
SERIES = re.compile(r'^sniffer_host_hits_total\{ip="([^"]+)",rule="([^"]+)",[^}]*\} (\d+)', re.MULTILINE)
PACKETS = re.compile(r'^sniffer_capture_packets_total\{interface="mirror"\} (\S+)', re.MULTILINE)
NAMESPACE = f"sniffer-live-{os.getpid()}"
STORY_SECONDS = 5

pytestmark = pytest.mark.live


def inside(*command: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command in the namespace."""
    words = ["ip", "netns", "exec", NAMESPACE, *map(str, command)]
    return subprocess.run(words, capture_output=True, text=True, check=check, timeout=60)


@pytest.fixture(scope="module")
def link() -> Iterator[None]:
    """A namespace with a veth pair, ``tap`` into ``mirror``."""
    for tool in ("ip", "tcpreplay"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    made = subprocess.run(["ip", "netns", "add", NAMESPACE], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"network namespaces are not allowed here: {made.stderr.strip()}")
    try:
        for words in (
            "ip link set lo up",
            "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1",
            "ip link add tap mtu 9000 type veth peer name mirror mtu 9000",
            "ip link set tap up",
            "ip link set mirror up",
        ):
            inside(*words.split())
        yield
    finally:
        subprocess.run(["ip", "netns", "del", NAMESPACE], check=False)


def scrape() -> str:
    """The metrics page, fetched inside the namespace."""
    code = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9478/metrics', timeout=5).read().decode())"
    return inside(sys.executable, "-c", code, check=False).stdout


def wait_for(done: object, what: str, seconds: float = 40) -> str:
    """Scrape until ``done(page)`` holds."""
    deadline = time.monotonic() + seconds
    page = ""
    while time.monotonic() < deadline:
        page = scrape()
        if done(page):  # type: ignore[operator]
            return page
        time.sleep(0.3)
    raise AssertionError(f"{what} within {seconds} s; last page:\n{page[-2000:]}")


@pytest.mark.parametrize("story", STORIES, ids=[story.name for story in STORIES])
def test_story_over_a_link(story: Path, link: None, tmp_path: Path) -> None:  # noqa: ARG001
    """The daemon's per-IP hit counts after tcpreplay equal the story's expectation; every packet was seen."""
    assert play(story / "traffic.pcap", tmp_path) == expected(story)


@pytest.mark.parametrize(("workers", "kernel_filter"), [(2, "auto"), (4, "none")])
def test_all_stories_over_a_link(workers: int, kernel_filter: str, link: None, tmp_path: Path) -> None:  # noqa: ARG001
    """However many workers share the packets, and whatever the kernel leaves out, the hits are those of each story."""
    capture, wanted = everything(tmp_path)
    assert play(capture, tmp_path, workers=workers, kernel_filter=kernel_filter) == wanted


def expected(story: Path) -> dict[str, dict[str, int]]:
    """Hits of each address, as a story tells them."""
    return {host["ip"]: host["hits"] for host in load_file(story / "expect.yml").data["hosts"]}


def everything(folder: Path) -> tuple[Path, dict[str, Counter[str]]]:
    """A capture of all stories in one, and the hits of each address in it."""
    capture = folder / "all.pcap"
    subprocess.run([sys.executable, ROOT / "pcaps" / "merge.py", capture], check=True, capture_output=True)
    wanted: dict[str, Counter[str]] = {}
    for story in STORIES:
        for ip, counts in expected(story).items():
            wanted.setdefault(ip, Counter()).update(counts)
    return capture, wanted


def hits_on(page: str) -> dict[str, Counter[str]]:
    """Hits of each address on a page of metrics."""
    found: dict[str, Counter[str]] = {}
    for ip, rule, count in SERIES.findall(page):
        if int(count):
            found.setdefault(str(ipaddress.ip_network(ip).network_address), Counter())[rule] += int(count)
    return found


def play(
    capture: Path,
    tmp_path: Path,
    *,
    workers: int = 1,
    kernel_filter: str = "none",
    rules: Path | None = None,
    speed: float | None = None,
) -> dict[str, Counter[str]]:
    """Play a capture to a daemon on the link; return the hits of each address on its metrics page."""
    config = tmp_path / "sniffer.yaml"
    config.write_text(
        f"hosts: {{ipv6_prefix: 128}}\ncapture: {{workers: {workers}, filter: {kernel_filter}}}\n"
    )
    command = [
        sys.executable,
        "-c",
        "from sniffer.cli import main; main()",
        "run",
        "--interface",
        "mirror",
        "--config",
        str(config),
        *(("--rules", str(rules)) if rules else ()),
    ]
    with (tmp_path / "log").open("w") as output:
        daemon = subprocess.Popen(
            ["ip", "netns", "exec", NAMESPACE, *command], stdout=subprocess.DEVNULL, stderr=output
        )
    try:
        wait_for(lambda page: 'sniffer_interface_up{interface="mirror"} 1' in page, "the daemon watches")
        before = wait_for(lambda page: PACKETS.search(page) is not None, "the daemon counts")
        already = float(PACKETS.search(before)[1])  # type: ignore[index]
        info = inside(
            "tcpreplay", f"--multiplier={speed or multiplier(capture)}", "--intf1=tap", capture
        ).stdout
        sent = int(re.search(r"Actual: (\d+) packets", info)[1])  # type: ignore[index]
        kept = sent - (dropped(capture) if kernel_filter == "auto" else 0)
        wait_for(lambda page: float(PACKETS.search(page)[1]) >= already + kept, "every packet is read")  # type: ignore[index]
        time.sleep(7)  # hits of one-sided flows wait for an answer that does not come
        page = scrape()
    finally:
        daemon.send_signal(signal.SIGTERM)
        status = daemon.wait(timeout=20)
    log = (tmp_path / "log").read_text()
    assert status == 0, log
    assert "Traceback" not in log
    return hits_on(page)


def dropped(capture: Path) -> int:
    """Packets of a capture that the kernel filter drops."""
    program = bpf.build(1, WHOLE, drop=True)
    count = 0
    for batch in Savefile(str(capture)).batches():
        for row in batch.frames:
            frame = batch.data[row["offset"] : row["offset"] + row["captured"]].tobytes()
            # The kernel takes the outermost tag out before the filter sees the frame.
            seen = frame[:12] + frame[16:] if frame[12:14] in (b"\x81\0", b"\x88\xa8") else frame
            count += cbpf.run(program, seen) == 0
    return count


def multiplier(capture: Path) -> float:
    """How much faster than recorded a capture must be played to take a few seconds."""
    first = last = 0
    for batch in Savefile(str(capture)).batches():
        first = first or int(batch.frames["time"][0])
        last = int(batch.frames["time"][-1])
    return max(1.0, (last - first) / 1e9 / STORY_SECONDS)
