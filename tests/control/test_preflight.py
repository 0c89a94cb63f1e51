"""``sniffer config check``: all that would keep the daemon from starting, before it is started."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from control.conftest import OWN_RULE

ROOT = Path(__file__).parents[2]


def check(file: Path | str, *before: str) -> tuple[int, str, str]:
    """Run it: status, standard output, standard error."""
    code = "from sniffer.cli import main; main()"
    command = [*before, sys.executable, "-c", code, "config", "check", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def write(folder: Path, text: str) -> Path:
    """A configuration with a rule of its own."""
    rules = folder / "rules"
    rules.mkdir(exist_ok=True)
    (rules / "own.yaml").write_text(OWN_RULE.replace("EXAMPLE", "mining.ping"))
    file = folder / "sniffer.yaml"
    file.write_text(f"rules: {{directories: [{rules}]}}\n{text}")
    return file


def test_the_example_is_fine() -> None:
    """deploy/sniffer.yaml as it is: one line that says so, status 0."""
    status, out, err = check(ROOT / "deploy" / "sniffer.yaml")
    assert (status, err) == (0, "")
    assert out.startswith("fine: ")
    assert " rules (" in out
    assert out.endswith("metrics on 127.0.0.1:9478\n")
    assert out.count("\n") == 1


def test_says_what_it_found_fine_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """Rules, key, sinks and endpoint are named; no event file is made; a port in use is that of the running daemon."""
    key = tmp_path / "key"
    key.write_bytes(b"k" * 32)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        file = write(
            tmp_path,
            f"events: {{file: {tmp_path}/events.json, key_file: {key}}}\n"
            f"syslog: {{server: 'logs.example:6514', protocol: tls}}\nhttp: {{listen: '{listen}'}}\n"
            "capture: {interfaces: [eth1]}\n",
        )
        status, out, _ = check(file)
    assert status == 0
    assert out.startswith("fine: 1 rules (")
    expected = f"interfaces eth1, privacy key, events to {tmp_path}/events.json, syslog to logs.example:6514 (tls), metrics on {listen}"
    assert out.rstrip().endswith(expected)
    assert not (tmp_path / "events.json").exists()


def test_every_fault_of_every_part_at_once(tmp_path: Path) -> None:
    """A broken rule, a short key, a missing folder, a missing authority, a strange address: a line each, status 78."""
    (tmp_path / "key").write_bytes(b"k")
    file = write(
        tmp_path,
        f"events: {{file: {tmp_path}/absent/events.json, key_file: {tmp_path}/key}}\n"
        f"syslog: {{server: 'logs.example:6514', protocol: tls, ca_file: {tmp_path}/ca.pem}}\n"
        "http: {listen: '192.0.2.1:9478'}\n",
    )
    own = tmp_path / "rules" / "own.yaml"
    own.write_text(own.read_text().replace("equals", "eqals"))
    status, out, err = check(file)
    assert (status, out) == (78, "")
    lines = err.splitlines()
    assert all(line.startswith("error: ") for line in lines)
    for words in (
        "own.yaml:6:",
        "holds 1 bytes",
        f"sniffer.yaml:2:10: file events.file: there is no folder {tmp_path}/absent; ",
        f"sniffer.yaml:3:54: ca_file syslog.ca_file: {tmp_path}/ca.pem: no such file; ",
        "sniffer.yaml:4:8: listen http.listen: 192.0.2.1:9478 cannot be listened on; ",
    ):
        assert any(words in line for line in lines), words
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("events: {file: FOLDER}\n", "is a folder"),
        ("http: {listen: 'no-such-host.invalid:9478'}\n", "cannot be listened on"),
        ("syslog: {server: logs.example}\n", "expected address and port"),
        ("syslog: {server: 'logs.example:514', ca_file: /etc/ca.pem}\n", "for protocol: tls"),
        ("syslog: {server: 'logs.example:514', protocol: tls, cert_file: /a.pem}\n", "need each other"),
        ("syslog: {protocol: udp}\n", "protocol"),
        ("events: {rotate_size: 100MB}\n", "expected a size"),
        ("events: {rotate_size: 100}\n", "1KiB at least"),
        ("events: {rotate_interval: 1ms}\n", "1s at least"),
        ("events: {keep: 0}\n", "keep"),
    ],
)
def test_faults_of_sinks_and_endpoint(tmp_path: Path, text: str, words: str) -> None:
    """One readable line with what is wrong and where, status 78."""
    status, _, err = check(write(tmp_path, text.replace("FOLDER", str(tmp_path))))
    assert status == 78
    assert words in err
    assert err.count("\n") == 1


def test_what_the_service_may_not_do() -> None:
    """As another user: a file that may not be written, a folder in which none may be made, a port below 1024."""
    if os.geteuid():
        pytest.skip("needs root, to become somebody else")
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    if subprocess.run([*nobody, sys.executable, "-c", ""], capture_output=True, check=False).returncode:
        pytest.skip("this Python lies where others may not go")
    with tempfile.TemporaryDirectory() as name:  # one that others may enter
        folder = Path(name)
        folder.chmod(0o755)
        closed = folder / "closed"
        closed.mkdir(mode=0o755)
        file = write(folder, f"events: {{file: {closed}/events.json}}\nhttp: {{listen: '127.0.0.1:80'}}\n")
        status, _, err = check(file, *nobody)
        assert status == 78
        assert "no file may be made in" in err
        (closed / "events.json").touch()
        status, _, err = check(file, *nobody)
        assert status == 78
        assert f"{closed}/events.json may not be written" in err
    first = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    assert ("port 80 may not be opened" in err) == (first > 80)


def test_evidence_is_part_of_it(tmp_path: Path) -> None:
    """A folder that can be made is named and not made; one that cannot, and a key that is none, are faults with a place."""
    file = write(tmp_path, f"evidence: {{directory: {tmp_path}/e}}\nhttp: {{listen: '127.0.0.1:0'}}\n")
    status, out, err = check(file)
    assert (status, err, out.rstrip().endswith(f"evidence to {tmp_path}/e")) == (0, "", True)
    assert not (tmp_path / "e").exists()
    (tmp_path / "key").write_bytes(b"k")
    file = write(tmp_path, f"evidence: {{directory: {tmp_path}/absent/e}}\n")
    status, _, err = check(file)
    assert (status, "evidence.directory: there is no folder" in err) == (78, True)
    file = write(tmp_path, f"evidence: {{signing_key_file: {tmp_path}/key}}\n")
    status, _, err = check(file)
    assert (status, "openssl genpkey" in err) == (78, True)
