"""The metrics as a file: whole at any moment, never waited for, read by node_exporter."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from typing import TYPE_CHECKING

import pytest

from sniffer.errors import OutputError
from sniffer.sinks import textfile
from sniffer.sinks.hosts import HostBook
from sniffer.sinks.metrics import Health, render
from sniffer.sinks.networks import HostNames
from sniffer.sinks.textfile import TextFile
from sniffer.size.hosts import SizeBook
from sniffer.totals import Totals

if TYPE_CHECKING:
    from pathlib import Path


def until_idle(one: TextFile) -> None:
    """Wait for the thread."""
    if one._thread is not None:
        one._thread.join(10)


def test_the_latest_text_is_in_the_file(tmp_path: Path) -> None:
    """From the start, after each offer, and at the end; the file stays."""
    file = tmp_path / "sniffer.prom"
    one = TextFile(file, b"first\n")
    assert file.read_bytes() == b"first\n"
    assert file.stat().st_mode & 0o777 == 0o644
    assert one.offer(b"second\n")
    until_idle(one)
    assert file.read_bytes() == b"second\n"
    one.close(b"last\n")
    assert file.read_bytes() == b"last\n"
    assert (one.written, one.dropped, one.failed) == (3, 0, 0)
    assert [found.name for found in tmp_path.iterdir()] == ["sniffer.prom"]


def test_a_reader_never_sees_half(tmp_path: Path) -> None:
    """However often it is read while it is written: one text or another, whole."""
    file = tmp_path / "sniffer.prom"
    texts = [bytes([65 + number]) * 500_000 for number in range(5)]
    one = TextFile(file, texts[0])
    end = threading.Event()
    broken: list[int] = []

    def read() -> None:
        while not end.is_set():
            found = file.read_bytes()
            if found not in texts:
                broken.append(len(found))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(100):
        one.offer(texts[number % 5])
        until_idle(one)
    end.set()
    reader.join()
    assert one.written == 101
    assert broken == []


def test_a_disk_that_hangs_holds_up_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one text is on its way, others are dropped and counted, in no time; the end does not wait for ever."""
    file = tmp_path / "sniffer.prom"
    one = TextFile(file, b"first\n")
    hangs = threading.Event()
    real = textfile.replace_file

    def slow(path: Path, data: bytes) -> None:
        hangs.wait(10)
        real(path, data)

    monkeypatch.setattr(textfile, "replace_file", slow)
    started = time.monotonic()
    assert one.offer(b"second\n")
    assert [one.offer(b"third\n") for _ in range(1_000)] == [False] * 1_000
    assert time.monotonic() - started < 1
    assert one.dropped == 1_000
    one.close(b"last\n", 0.1)
    assert file.read_bytes() == b"first\n"
    hangs.set()
    until_idle(one)
    assert file.read_bytes() == b"second\n"


def test_what_cannot_be_written_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is said once when it begins and once when it is over; in between, each is counted."""
    folder = tmp_path / "collector"
    folder.mkdir()
    one = TextFile(folder / "sniffer.prom", b"first\n")
    folder.rename(tmp_path / "away")
    for _ in range(3):
        one.offer(b"second\n")
        until_idle(one)
    (tmp_path / "away").rename(folder)
    one.offer(b"third\n")
    until_idle(one)
    assert (one.written, one.failed) == (2, 3)
    said = capsys.readouterr()
    assert (said.out + said.err).count("textfile_write_failed") == 1
    assert (said.out + said.err).count("textfile_written_again") == 1


def test_a_folder_that_is_not_there_is_a_fault_at_the_start(tmp_path: Path) -> None:
    """Status 74, where, and what to do."""
    with pytest.raises(OutputError, match="cannot be written") as caught:
        TextFile(tmp_path / "absent" / "sniffer.prom", b"")
    assert caught.value.exit_status == 74
    assert caught.value.remedy


@pytest.mark.live
@pytest.mark.skipif(shutil.which("prometheus-node-exporter") is None, reason="node_exporter is not installed")
def test_node_exporter_reads_it(tmp_path: Path) -> None:
    """The collector takes the file without a complaint, and tells its age."""
    TextFile(tmp_path / "sniffer.prom", render(Health(), Totals(), HostBook(), SizeBook(HostNames())))
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [
        "prometheus-node-exporter",
        "--collector.disable-defaults",
        "--collector.textfile",
        f"--collector.textfile.directory={tmp_path}",
        f"--web.listen-address={address}",
    ]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            text = scrape(f"http://{address}/metrics")
        finally:
            process.terminate()
    assert "sniffer_build_info{" in text
    assert "node_textfile_scrape_error 0" in text
    assert 'sniffer.prom"' in text


def scrape(address: str) -> str:
    """The page, once the exporter is up."""
    deadline = time.monotonic() + 20
    while True:
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:  # noqa: S310
                return str(answer.read().decode())
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
