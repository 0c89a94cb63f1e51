"""``sniffer evidence`` as it is typed."""

from __future__ import annotations

import json
import shutil
import time
from typing import TYPE_CHECKING

import pytest
from commandline import sniffer as run
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from evidence.making import Stage, files_of, session

from sniffer.evidence.store import Limits, Store, bundle_names

if TYPE_CHECKING:
    from pathlib import Path

    from sniffer.ruleset import RuleSet


@pytest.fixture(scope="module")
def pristine(ruleset: RuleSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two bundles, signed, and the key beside them."""
    folder = tmp_path_factory.mktemp("pristine")
    key = Ed25519PrivateKey.generate()
    (folder / "key").write_bytes(key.private_bytes_raw())
    (folder / "public").write_bytes(key.public_key().public_bytes_raw())
    store = Store(folder / "e", Limits(free_share=0.0), key=key)
    for port in (40_000, 40_001):
        (one,) = Stage(ruleset).read(session(client=("10.0.0.7", port)).batch()).finish()
        store.write(files_of(one, ruleset))
    return folder


@pytest.fixture
def folder(pristine: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return shutil.copytree(pristine, tmp_path / "copy") / "e"


def accesses(folder: Path) -> list[tuple[str, list[str]]]:
    """Commands in the access log, and what they were about."""
    lines = map(json.loads, (folder / "access.jsonl").read_text().splitlines())
    return [(line["command"], line.get("bundles", [])) for line in lines]


def test_list(folder: Path) -> None:
    """Every bundle is a line with address, server, confidence and rules; the same as JSON; looking is noted."""
    told = run("evidence", "list", "--directory", folder)
    assert told.returncode == 0
    for name in bundle_names(folder):
        assert name in told.stdout
    assert "10.0.0.7" in told.stdout
    rows = json.loads(run("evidence", "list", "--directory", folder, "--json").stdout)
    assert [row["sequence"] for row in rows] == [1, 2]
    assert (rows[0]["server_port"], rows[0]["confidence"], rows[0]["signed"]) == (3333, "confirmed", True)
    (folder / bundle_names(folder)[0] / "verdict.json").write_bytes(b"{}")
    assert "damaged" in run("evidence", "list", "--directory", folder).stdout
    assert accesses(folder) == [("list", [])] * 3


def test_verify(folder: Path) -> None:
    """What is whole has status 0; a flipped bit is named by bundle and file, with status 1."""
    told = run("evidence", "verify", "--directory", folder)
    assert (told.returncode, told.stderr) == (0, "")
    assert "as they were written" in told.stdout
    assert "compared with no key" in told.stdout
    good = run("evidence", "verify", "--directory", folder, "--key", folder.parent / "public")
    assert (good.returncode, "the key that was given" in good.stdout) == (0, True)
    name = bundle_names(folder)[1]
    file = folder / name / "packets.pcapng"
    data = bytearray(file.read_bytes())
    data[77] ^= 4
    file.write_bytes(data)
    bad = run("evidence", "verify", "--directory", folder)
    assert bad.returncode == 1
    assert f"fault: {name}/packets.pcapng: was changed" in bad.stdout
    one = json.loads(run("evidence", "verify", name, "--directory", folder, "--json").stdout)
    assert one["findings"] == [
        {"bundle": name, "file": "packets.pcapng", "what": "was changed: its hash is another"}
    ]
    assert accesses(folder)[-1] == ("verify", [name])


def test_verify_by_the_configuration(folder: Path) -> None:
    """Folder and key come from the configuration file where it has them."""
    config = folder.parent / "sniffer.yaml"
    config.write_text(f"evidence: {{directory: {folder}, signing_key_file: {folder.parent / 'key'}}}\n")
    told = run("evidence", "verify", "--config", config)
    assert (told.returncode, "the key that was given" in told.stdout) == (0, True)
    (folder.parent / "key").write_bytes(bytes(32))
    assert run("evidence", "verify", "--config", config).returncode == 1


def test_replay(folder: Path) -> None:
    """A bundle by its number, by its name, and a copy by its path: every verdict comes out again; it is noted where it lies."""
    name = bundle_names(folder)[0]
    by_number = run("evidence", "replay", "1", "--directory", folder)
    assert by_number.returncode == 0
    assert by_number.stdout.endswith("every verdict comes out again\n")
    copy = shutil.copytree(folder / name, folder.parent / "carried")
    told = json.loads(run("evidence", "replay", copy, "--json").stdout)
    assert told["reproduced"]
    assert {one["host"] for one in told["verdicts"]} == {"10.0.0.7"}
    assert accesses(folder) == [("replay", [name])]
    (copy / "packets.pcapng").write_bytes(b"")
    bad = run("evidence", "replay", copy)
    assert (bad.returncode, bad.stderr.count("\n")) == (66, 1)
    assert "packets.pcapng" in bad.stderr


def test_purge(folder: Path) -> None:
    """Bundles go by name for a reason, or by age; the chain verifies afterwards, and who did it is noted."""
    first, second = bundle_names(folder)
    refused = run("evidence", "purge", "1", "--directory", folder)
    assert (refused.returncode, "--reason" in refused.stderr) == (2, True)
    assert (
        run("evidence", "purge", "1", "--directory", folder, "--reason", "a mistake").stdout
        == "1 bundles purged\n"
    )
    assert bundle_names(folder) == [second]
    assert run("evidence", "purge", "--directory", folder).stdout == "0 bundles purged\n"
    time.sleep(1.1)
    assert (
        run("evidence", "purge", "--directory", folder, "--older-than", "1s").stdout == "1 bundles purged\n"
    )
    told = run("evidence", "verify", "--directory", folder)
    assert (told.returncode, told.stdout.startswith("0 bundles, 2 purged")) == (0, True)
    assert ("purge", [first]) in accesses(folder)


@pytest.mark.parametrize(
    ("arguments", "status", "word"),
    [
        (("list",), 2, "--directory"),
        (("list", "--directory", "/nowhere"), 66, "--directory"),
        (("replay", "9", "--directory", "E"), 66, "evidence list"),
        (("purge", "9", "--directory", "E", "--reason", "x"), 66, "no such bundle"),
        (("purge", "--directory", "E", "--older-than", "soon"), 2, "duration"),
        (("purge", "1", "--directory", "E", "--older-than", "1d", "--reason", "x"), 2, "exclude each other"),
        (("verify", "--directory", "E", "--key", "/nowhere"), 78, "cannot be read"),
    ],
)
def test_faults_say_what_to_do(folder: Path, arguments: tuple[str, ...], status: int, word: str) -> None:
    """One line each, with the status for its kind."""
    told = run("evidence", *(str(folder) if one == "E" else one for one in arguments))
    assert (told.returncode, told.stdout, told.stderr.count("\n")) == (status, "", 1)
    assert word in told.stderr
