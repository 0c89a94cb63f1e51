"""Every line to every sink, and what is said about them."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

from sniffer.config import Config
from sniffer.control.outlets import SINKS, Outlets, faults

ROOT = Path(__file__).parents[2]


def config(folder: Path, port: int = 0) -> Config:
    """Both sinks, or only the file."""
    data: dict[str, object] = {"events": {"file": str(folder / "events.json")}}
    if port:
        data["syslog"] = {"server": f"127.0.0.1:{port}"}
    return Config.model_validate(data)


def test_each_line_goes_to_all(tmp_path: Path) -> None:
    """A file and a server get the same lines; both are counted."""
    got = bytearray()

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            while data := connection.recv(4_096):
                got.extend(data)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        outlets = Outlets(config(tmp_path, listener.getsockname()[1]))
        assert outlets
        line = b'{"timestamp":"2026-11-23T08:00:00.000000+00:00","event_type":"stats"}\n'
        outlets.write(line)
        outlets.close(5)
        thread.join(10)
    assert (tmp_path / "events.json").read_bytes() == line
    assert got.endswith(line.rstrip())
    health = outlets.health(lost=2)
    assert {
        name: (one.written, one.dropped, one.failed, one.waiting, one.up) for name, one in health.items()
    } == dict.fromkeys(SINKS, (1, 2, 0, 0, True))


def test_a_sink_that_is_not_asked_for_has_zeros(tmp_path: Path) -> None:
    """Metrics are complete from the start; lines lost on the way count only where they were wanted."""
    outlets = Outlets(config(tmp_path))
    assert [sink.name for sink in outlets.sinks] == ["events"]
    health = outlets.health(lost=2)
    assert list(health) == list(SINKS)
    assert (health["syslog"].dropped, health["events"].dropped) == (0, 2)
    outlets.close(1)
    nothing = Outlets(Config())
    assert not nothing
    nothing.write(b"x\n")
    nothing.close(1)


def test_a_server_that_hangs_holds_nobody_up(tmp_path: Path) -> None:
    """With a server that never reads, the file has every line, and the end comes in time."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        outlets = Outlets(config(tmp_path, listener.getsockname()[1]))
        line = b'{"timestamp":"2026-11-23T08:00:00.000000+00:00","event_type":"stats","x":"%s"}\n' % (
            b"x" * 3_000
        )
        for number in range(8_000):
            outlets.write(line)
            if number % 1_000 == 0:
                assert outlets.sinks[0].flush(10)
        assert outlets.sinks[0].flush(10)
        outlets.close(0.5)
    file, server = outlets.sinks
    assert (file.written, file.dropped) == (8_000, 0)
    assert server.dropped > 0
    assert server.written + server.dropped + server.failed == server.produced == 8_000


def test_faults_of_all_sinks_at_once(tmp_path: Path) -> None:
    """A folder that is not there and a certificate that is none: both are told."""
    (tmp_path / "ca.pem").write_text("no certificate")
    wrong = Config.model_validate(
        {
            "events": {"file": str(tmp_path / "absent" / "events.json")},
            "syslog": {"server": "a.example:6514", "protocol": "tls", "ca_file": str(tmp_path / "ca.pem")},
        }
    )
    assert [fault.place for fault in faults(wrong)] == [("events", "file"), ("syslog", "ca_file")]
    assert list(faults(config(tmp_path, 514))) == []


def test_a_newcomer_is_told_where_a_sink_goes() -> None:
    """CONTRIBUTING.md has the row."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert "| a sink for event lines |" in text
    assert "control/outlets.py" in text
