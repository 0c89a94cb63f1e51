"""Rules and captures that the tests of the control plane share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import frames as build
import pytest
from authority import Authority

from sniffer.control.reload import Loaded, load
from sniffer.paths import shipped_rules

if TYPE_CHECKING:
    from pathlib import Path

SUBMIT = '{"params":["w.1","bf","00000001","504e86ed","b2957c02"],"id":4,"method":"mining.submit"}\n'

OWN_RULE = """
- id: own-submit
  title: Own
  severity: high
  confidence: confirmed
  match: {fact: stratum.method, equals: mining.submit}
  sees: what it says
  misses: everything else
  references: [none]
  examples:
    hits: [{facts: {stratum.method: mining.submit}}]
    misses: [{facts: {stratum.method: EXAMPLE}}]
"""
"""A rule set of one; EXAMPLE stands for the method that it must miss."""


@pytest.fixture(scope="session")
def shipped() -> Loaded:
    """The rules that ship with the program."""
    return load([shipped_rules()])


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One that has signed ``server.pem`` for this machine; its ``tls.yml`` asks for nothing but TLS."""
    one = Authority(tmp_path_factory.mktemp("tls"))
    one.issue("server")
    (one.folder / "tls.yml").write_text("tls_server_config: {cert_file: server.pem, key_file: server.key}\n")
    return one


@pytest.fixture
def miner(tmp_path: Path) -> Path:
    """A capture in which 10.0.0.7 submits three shares within a second."""
    talk = build.Conversation().open()
    for _ in range(3):
        talk.send(0, SUBMIT)
    file = tmp_path / "miner.pcap"
    file.write_bytes(build.pcap(talk.frames))
    return file
