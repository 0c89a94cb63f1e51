"""The example configurations of shippers: what can be checked is checked, with the programs themselves where they are."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from processes import until

from sniffer.sinks.events import EventFile, Rotation

SHIPPERS = Path(__file__).parents[1] / "deploy" / "shippers"
FILE = "/var/log/sniffer/events.json"


@pytest.mark.parametrize("name", ["rsyslog.conf", "vector.yaml", "fluent-bit.yaml"])
def test_reads_the_file_of_the_service(name: str) -> None:
    """Each reads the file that the service writes, and says how to check it."""
    text = (SHIPPERS / name).read_text(encoding="utf-8")
    assert FILE in text
    assert "#   check it:  " in text


def test_what_vector_reads_is_connected() -> None:
    """Every input of a part is another part, down to the source; Vector itself is asked where it is installed."""
    parts: dict[str, Any] = yaml.safe_load((SHIPPERS / "vector.yaml").read_text(encoding="utf-8"))
    known = {*parts["sources"], *parts["transforms"], *parts["sinks"]}
    for part in (*parts["transforms"].values(), *parts["sinks"].values()):
        assert set(part["inputs"]) <= known
    if shutil.which("vector"):
        subprocess.run(["vector", "validate", "--no-environment", SHIPPERS / "vector.yaml"], check=True)


def test_what_fluent_bit_reads_is_parsed() -> None:
    """The parser that the input names is there, and every tag is matched; Fluent Bit is asked where it is installed."""
    parts: dict[str, Any] = yaml.safe_load((SHIPPERS / "fluent-bit.yaml").read_text(encoding="utf-8"))
    (source,) = parts["pipeline"]["inputs"]
    assert source["parser"] in [parser["name"] for parser in parts["parsers"]]
    for part in (*parts["pipeline"]["filters"], *parts["pipeline"]["outputs"]):
        assert part["match"] == source["tag"]
    if shutil.which("fluent-bit"):
        subprocess.run(["fluent-bit", "--dry-run", "-c", SHIPPERS / "fluent-bit.yaml"], check=True)


@pytest.fixture
def rsyslogd() -> str:
    """The program."""
    found = shutil.which("rsyslogd")
    if found is None:
        pytest.skip("needs rsyslogd (Debian: rsyslog)")
    return found


@pytest.mark.live
def test_rsyslog_takes_the_configuration(rsyslogd: str) -> None:
    """No word of complaint."""
    command = [rsyslogd, "-N1", "-f", str(SHIPPERS / "rsyslog.conf")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "error" not in done.stderr.lower()


@pytest.mark.live
@pytest.mark.slow
def test_rsyslog_ships_every_line_through_rotations(rsyslogd: str, tmp_path: Path) -> None:
    """The configuration as it is, but for its paths and its server, while the file is rotated: each line arrives, once."""
    got = bytearray()

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            while data := connection.recv(65_536):
                got.extend(data)

    path = tmp_path / "events.json"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        text = (SHIPPERS / "rsyslog.conf").read_text(encoding="utf-8")
        for before, after in (
            (FILE, str(path)),
            ('target="syslog.example" port="514"', f'target="127.0.0.1" port="{listener.getsockname()[1]}"'),
            ('"/var/spool/rsyslog"', f'"{tmp_path}"'),
        ):
            assert before in text
            text = text.replace(before, after)
        config = tmp_path / "rsyslog.conf"
        config.write_text(text)
        file = EventFile(str(path), Rotation(size=20_000, keep=50))
        command = [rsyslogd, "-n", "-i", str(tmp_path / "pid"), "-f", str(config)]
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            for number in range(1_000):
                file.deliver([b'{"n":%d,"x":"%s"}\n' % (number, b"x" * 150)])
                time.sleep(0.005)  # the file is rotated every half second, faster than anybody would
            until(lambda: got.count(b'{"n":') >= 1_000, 40)
        finally:
            process.terminate()
            process.wait(20)
    found = [int(part.split(b",")[0]) for part in bytes(got).split(b'{"n":')[1:]]
    assert found == list(range(1_000))
