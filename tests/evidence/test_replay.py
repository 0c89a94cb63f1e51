"""Bundles judged again, from themselves alone."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import frames as build
import pytest
from evidence.making import (
    ACCEPTED,
    EVERYTHING,
    SUBMIT,
    Stage,
    exhibits_of,
    files_of,
    session,
    ticking,
    write_all,
)
from loadscript import script

from sniffer.errors import ConfigError, InputError
from sniffer.evidence import manifest as manifests
from sniffer.evidence.exhibit import Bounds
from sniffer.evidence.replay import replay
from sniffer.evidence.store import Limits, Store
from sniffer.learned import Lesson

if TYPE_CHECKING:
    from sniffer.evidence.exhibit import Exhibit
    from sniffer.ruleset import RuleSet

ROOT = Path(__file__).parents[2]
STORIES = {
    "dns-only-suspect": 13,
    "farm-bitcoin-stratum": 6,
    "one-sided-mirror": 3,
    "tls-pool-by-name": 4,
    "xmrig-behind-vlan": 9,
}
rewrap = script("scripts/rewrap.py")


def store_in(folder: Path) -> Store:
    """A store in a folder of a test."""
    return Store(folder / "e", Limits(free_share=0.0), wall=ticking())


def bundle_of(exhibit: Exhibit, ruleset: RuleSet, folder: Path) -> Path:
    """The bundle of an exhibit, carried out of its folder of evidence."""
    (done,) = write_all(store_in(folder), [exhibit], ruleset)
    return (folder / "e" / done.name).rename(folder / "carried")


def changed(bundle: Path, name: str, data: bytes) -> None:
    """Put another file into a bundle, and a manifest that fits it."""
    (bundle / name).write_bytes(data)
    files = {
        file.name: file.read_bytes() for file in bundle.iterdir() if not file.name.startswith("manifest")
    }
    old = manifests.decode((bundle / manifests.NAME).read_bytes())
    fields = {field: getattr(old, field) for field in old.__struct_fields__}
    text = manifests.encode(manifests.Manifest(**{**fields, "files": manifests.list_files(files)}))
    (bundle / manifests.NAME).write_bytes(text)
    (bundle / manifests.DIGEST).write_bytes(manifests.digest_line(text))


@pytest.mark.parametrize("name", STORIES)
def test_every_story_comes_out_again(name: str, ruleset: RuleSet, tmp_path: Path) -> None:
    """Every bundle of every story, however sure its verdicts are, gives the same verdicts again where it was copied to."""
    exhibits = exhibits_of(ROOT / "pcaps" / name / "traffic.pcap", ruleset, EVERYTHING)
    assert len(exhibits) == STORIES[name]
    for done, exhibit in zip(write_all(store_in(tmp_path), exhibits, ruleset), exhibits, strict=True):
        copy = shutil.copytree(tmp_path / "e" / done.name, tmp_path / "copy" / done.name)
        found = replay(copy)
        assert found.is_reproduced, found
        assert len(found.outcomes) == len(exhibit.verdicts)
        assert found.packets == len(exhibit.frames)


def test_benign_traffic_makes_none(ruleset: RuleSet) -> None:
    """The story in which nobody mines leaves no evidence, whatever is asked for."""
    assert exhibits_of(ROOT / "pcaps" / "busy-benign" / "traffic.pcap", ruleset, EVERYTHING) == []


@pytest.mark.parametrize("name", sorted(rewrap.WRAPPINGS))
def test_every_wrapping_comes_out_again(name: str, ruleset: RuleSet, tmp_path: Path) -> None:
    """Tags, PPPoE and tunnels: the frames are kept with all of it, and the verdict comes out of them again."""
    capture = tmp_path / "wrapped.pcap"
    packets = rewrap.read(ROOT / "pcaps" / "xmrig-behind-vlan" / "traffic.pcap")
    if rewrap.WRAPPINGS[name].inner == 4:  # IPv6 cannot be said in IPv4
        packets = [packet for packet in packets if packet.data[0] >> 4 == 4]
    rewrap.write(capture, rewrap.wrapped(packets, name), rewrap.WRAPPINGS[name].link)
    exhibits = exhibits_of(capture, ruleset)
    miners = {exhibit.verdicts[0].host for exhibit in exhibits}
    assert (len(exhibits), len(miners)) in {(9, 3), (6, 2)}
    for done in write_all(store_in(tmp_path), exhibits, ruleset):
        assert replay(tmp_path / "e" / done.name).is_reproduced


def test_a_tag_that_the_kernel_took_out(ruleset: RuleSet, tmp_path: Path) -> None:
    """A tag that came beside the frame stands in it again, so that the bundle tells of the same VLAN."""
    batch = session().batch()
    batch.frames["vlan"], batch.frames["vlan_protocol"] = 77, 0x8100
    (one,) = Stage(ruleset).read(batch).finish()
    assert all(frame.data[12:16] == bytes.fromhex("8100004d") for frame in one.frames)
    assert {frame.length - len(frame.data) for frame in one.frames} == {0}
    assert b'"vlan":[77]' in one.verdicts[0].line
    assert replay(bundle_of(one, ruleset, tmp_path)).is_reproduced


def test_a_session_joined_in_the_middle(ruleset: RuleSet, tmp_path: Path) -> None:
    """Without the handshake, and with the first frames forgotten, it comes out again."""
    talk = build.Conversation()
    for number in range(100):
        talk.send(0, SUBMIT.replace('"id":4', f'"id":{number}'))
        talk.send(1, ACCEPTED.replace('"id":4', f'"id":{number}'))
    got = Stage(ruleset, Bounds(flow_packets=30)).read(talk.batch()).finish()
    assert got[0].cut
    for number, one in enumerate(got):
        assert one.handshake == ()
        (tmp_path / str(number)).mkdir()
        assert replay(bundle_of(one, ruleset, tmp_path / str(number))).is_reproduced


LOGIN = '{"id":1,"jsonrpc":"2.0","method":"login","params":{"login":"x","pass":"x","agent":"XMRig/6.26.0"}}\n'
LOGGED_IN = '{"id":1,"jsonrpc":"2.0","error":null,"result":{"id":"a","status":"OK"}}\n'
SILENT = b"\x17\x03\x03\x00\x50" + bytes(80)  # a record of TLS that names nobody


@pytest.mark.parametrize(
    ("name", "talk", "rule"),
    [
        ("donate.v2.xmrig.com", [(0, LOGIN), (1, LOGGED_IN)], "developer-fee-session"),
        ("xmr-eu1.nanopool.org", [(0, SILENT), (1, SILENT)] * 5, "pool-address"),
    ],
)
def test_a_server_known_by_its_address(
    name: str, talk: list[tuple[int, str | bytes]], rule: str, ruleset: RuleSet, tmp_path: Path
) -> None:
    """A name that DNS gave to the server before the flow began is part of the bundle, and of its replay."""
    conversation = build.Conversation(server=("203.0.113.9", 8_443)).open()
    for side, said in talk:
        conversation.send(side, said)
    stage = Stage(ruleset, EVERYTHING)
    stage.engine.process(build.batch(conversation.frames[:1]))
    stage.engine.learn(Lesson(bytes([203, 0, 113, 9]), name, 3_600 * 10**9))
    (one,) = stage.read(build.batch(conversation.frames[1:])).finish()
    assert one.known_as == name
    assert rule in [verdict.rule for verdict in one.verdicts]
    bundle = bundle_of(one, ruleset, tmp_path)
    assert replay(bundle).is_reproduced
    text = (bundle / "verdict.json").read_bytes()
    changed(bundle, "verdict.json", text.replace(b'"known_as": "' + name.encode(), b'"known_as": "'))
    assert not replay(bundle).is_reproduced


def test_one_direction_by_design(ruleset: RuleSet, tmp_path: Path) -> None:
    """What was said without waiting for answers is judged without waiting for answers."""
    talk = build.Conversation()
    for _ in range(3):
        talk.send(0, SUBMIT, answered=False)
    got = Stage(ruleset, Bounds(confidence=2, one_sided=True), one_sided=True).read(talk.batch()).finish()
    assert got[0].verdicts[0].confidence == "probable"
    assert replay(bundle_of(got[0], ruleset, tmp_path)).is_reproduced


def test_other_packets_do_not_say_the_same(ruleset: RuleSet, tmp_path: Path) -> None:
    """A bundle whose packets were replaced, with hashes that fit, does not give its verdict again."""
    (one,) = Stage(ruleset).read(session().batch()).finish()
    bundle = bundle_of(one, ruleset, tmp_path)
    (other,) = Stage(ruleset).read(session(client=("10.0.0.8", 40_000)).batch()).finish()
    changed(bundle, "packets.pcapng", files_of(other, ruleset)["packets.pcapng"])
    found = replay(bundle)
    assert not found.is_reproduced
    assert found.outcomes[0].found == ()
    assert found.others


def test_other_rules_do_not_say_the_same(ruleset: RuleSet, tmp_path: Path) -> None:
    """The rules are those of the bundle: if their text is another, so is the answer."""
    (one,) = Stage(ruleset).read(session().batch()).finish()
    bundle = bundle_of(one, ruleset, tmp_path)
    text = (bundle / "rules.yaml").read_bytes()
    changed(bundle, "rules.yaml", text.replace(b"equals: mining.subscribe", b"equals: mining.configure"))
    found = replay(bundle)
    assert not found.outcomes[0].is_reproduced
    assert any(outcome.is_reproduced for outcome in found.outcomes)
    changed(bundle, "rules.yaml", b"nonsense: [")
    with pytest.raises(ConfigError):
        replay(bundle)


def test_a_damaged_bundle_is_refused(ruleset: RuleSet, tmp_path: Path) -> None:
    """What was changed is not judged; the fault names the file, and the status is that of input."""
    (one,) = Stage(ruleset).read(session().batch()).finish()
    bundle = bundle_of(one, ruleset, tmp_path)
    data = bytearray((bundle / "packets.pcapng").read_bytes())
    data[100] ^= 1
    (bundle / "packets.pcapng").write_bytes(data)
    with pytest.raises(InputError, match=r"packets\.pcapng: was changed"):
        replay(bundle)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("verdict.json", b"{}"),
        ("verdict.json", b"[" * 10_000),
        ("packets.pcapng", b""),
        ("packets.pcapng", b"no capture at all"),
    ],
)
def test_nonsense_with_hashes_that_fit(name: str, data: bytes, ruleset: RuleSet, tmp_path: Path) -> None:
    """A bundle from a stranger may hold anything: it is an error of the input, never a traceback."""
    (one,) = Stage(ruleset).read(session().batch()).finish()
    bundle = bundle_of(one, ruleset, tmp_path)
    changed(bundle, name, data)
    with pytest.raises(InputError):
        replay(bundle)


def test_odd_numbers_of_a_stranger(ruleset: RuleSet, tmp_path: Path) -> None:
    """Ports and addresses that cannot be are an error of the input as well."""
    (one,) = Stage(ruleset).read(session().batch()).finish()
    bundle = bundle_of(one, ruleset, tmp_path)
    text = (bundle / "verdict.json").read_bytes()
    for old, new in (
        (b'"source_port": 40000', b'"source_port": 99999'),
        (b'"source": "10.0.0.7"', b'"source": "x"'),
    ):
        assert old in text
        changed(bundle, "verdict.json", text.replace(old, new))
        with pytest.raises(InputError):
            replay(bundle)


def test_there_is_nothing(tmp_path: Path) -> None:
    """A folder that is none, or holds no bundle, is told."""
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(InputError):
            replay(path)
