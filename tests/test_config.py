"""The configuration: what it takes, what it refuses and where, that every key is in the example."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
import yaml

from sniffer.config import PRIVATE, Config, Events, load_config, privacy_key, read_duration
from sniffer.errors import ConfigError

ROOT = Path(__file__).parents[1]


def write(folder: Path, text: str) -> Path:
    """A configuration file."""
    file = folder / "sniffer.yaml"
    file.write_text(text)
    return file


def faults(folder: Path, text: str) -> list[tuple[int, int, str]]:
    """Line, column and code of every fault."""
    with pytest.raises(ConfigError) as caught:
        load_config(write(folder, text))
    assert caught.value.exit_status == 78
    return [(problem.line, problem.column, problem.code) for problem in caught.value.problems]


def test_needs_no_file() -> None:
    """Without a file, everything has its default."""
    config = load_config(None)
    assert config.capture.ring_mib == "auto"
    assert config.http.listen == "127.0.0.1:9478"
    assert config.networks.inside is None
    assert config.events.file is None
    assert config.sensor.name


def test_the_example_says_the_defaults() -> None:
    """deploy/sniffer.yaml, read as it is, changes nothing."""
    assert load_config(ROOT / "deploy" / "sniffer.yaml") == Config()


def test_the_example_names_every_key() -> None:
    """No key is missing from deploy/sniffer.yaml, commented out or not."""
    text = (ROOT / "deploy" / "sniffer.yaml").read_text()
    for section, field in Config.model_fields.items():
        assert f"\n{section}:" in text
        model = field.annotation
        for key in getattr(model, "model_fields", {}):
            assert f"  {key}:" in text or f"  # {key}:" in text, f"{section}.{key}"


def test_every_key_is_explained() -> None:
    """The JSON Schema describes each key, for editors."""
    schema = Config.model_json_schema()
    for name, part in schema["$defs"].items():
        for key, value in part["properties"].items():
            assert value.get("description"), f"{name}.{key}"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("250ms", 0.25), ("30s", 30), ("10m", 600), ("24h", 86_400), ("1.5d", 129_600), (5, 5), (0, 0)],
)
def test_durations(text: str | int, seconds: float) -> None:
    """Durations are numbers with a unit, or seconds."""
    assert read_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "10", "m", "-5s", "1h30m", "10 minutes", -1, True, None, [], "9" * 30 + "s"]
)
def test_no_durations(text: object) -> None:
    """Anything else is refused."""
    with pytest.raises(ValueError, match="duration"):
        read_duration(text)


def test_private_stands_for_all_private_networks(tmp_path: Path) -> None:
    """The word takes its place among other networks."""
    file = write(tmp_path, 'networks: {inside: [private, 203.0.113.0/24, "2001:db8::/32", 198.51.100.7]}\n')
    inside = load_config(file).networks.inside
    assert inside is not None
    expected = (*PRIVATE, "203.0.113.0/24", "2001:db8::/32", "198.51.100.7/32")
    assert [str(network) for network in inside] == list(expected)


def test_an_empty_section_is_fine(tmp_path: Path) -> None:
    """A section whose keys are all commented out counts as absent."""
    assert load_config(write(tmp_path, "hosts:\n  # series_limit: 5\nhttp:\n")) == Config()


def test_tenants(tmp_path: Path) -> None:
    """A tenant has a name, networks and perhaps a contact."""
    text = "tenants:\n- {name: a, networks: [10.1.0.0/16]}\n- {name: b, networks: [10.1.2.0/24], contact: noc@b.example}\n"
    tenants = load_config(write(tmp_path, text)).tenants
    assert [(tenant.name, tenant.networks, tenant.contact) for tenant in tenants] == [
        ("a", (ipaddress.ip_network("10.1.0.0/16"),), ""),
        ("b", (ipaddress.ip_network("10.1.2.0/24"),), "noc@b.example"),
    ]


BAD = [
    ("capture: {ring_mib: 0}", [(1, 11, "value")]),
    ("capture: {ring_mib: 2048}", [(1, 11, "value")]),
    ('capture: {ring_mib: "5"}', [(1, 11, "value")]),
    ("capture: {ring_mib: true}", [(1, 11, "value")]),
    ("capture: {filter: tcp}", [(1, 11, "value")]),
    ("capture: {timestamps: card}", [(1, 11, "value")]),
    ("capture: {block_kib: 100}", [(1, 11, "value")]),
    ("capture: {promiscuous: 1}", [(1, 11, "type")]),
    ("capture: {interfaces: [eth0, eth0]}", [(1, 11, "value")]),
    ("capture: {interfaces: [a-name-of-16-chars]}", [(1, 24, "range")]),
    ("capture: {interfaces: [../../x]}", [(1, 24, "value")]),
    ("capture: {snaplen: 64}", [(1, 11, "range")]),
    ("networks: {inside: [10.0.0.1/8]}", [(1, 21, "value")]),
    ("networks: {inside: [10]}", [(1, 21, "value")]),
    ("networks: {inside: private}", [(1, 12, "type")]),
    ("hosts: {series_limit: 100001}", [(1, 9, "range")]),
    ("hosts: {expire_after: 5s}", [(1, 9, "range")]),
    ("hosts: {ipv6_prefix: 129}", [(1, 9, "range")]),
    ("events: {repeat_interval: 0s}", [(1, 10, "range")]),
    ("events: {personal_data: encrypt}", [(1, 10, "value")]),
    ("http: {listen: somewhere}", [(1, 8, "value")]),
    ("http: {listen: '127.0.0.1:70000'}", [(1, 8, "value")]),
    ("log: {level: loud}", [(1, 7, "value")]),
    ("sensor: {name: ''}", [(1, 10, "range")]),
    ("tenants: [{name: a, networks: [10.0.0.0/8]}, {name: a, networks: [10.1.0.0/16]}]", [(1, 1, "value")]),
    ("tenants: [{name: a, networks: [10.0.0.0/8]}, {name: b, networks: [10.0.0.0/8]}]", [(1, 1, "value")]),
    ("tenants: [{name: a}]", [(1, 11, "missing_key")]),
    ("tenants: [{name: a, networks: []}]", [(1, 21, "range")]),
    ("kafka: {brokers: [a]}", [(1, 1, "unknown_key")]),
    ("kafka: {}", [(1, 1, "unknown_key")]),
    ("hosts: {serie_limit: 5}", [(1, 9, "unknown_key")]),
    ("- a\n- b", [(1, 1, "type")]),
    ("hosts: {expire_after: x}\nlog: {format: xml}", [(1, 9, "value"), (2, 7, "value")]),
]


@pytest.mark.parametrize(("text", "expected"), BAD, ids=[text[:40] for text, _ in BAD])
def test_faults_have_a_place(tmp_path: Path, text: str, expected: list[tuple[int, int, str]]) -> None:
    """Each fault is told with line, column and code, all at once."""
    assert faults(tmp_path, text) == expected


def test_an_unknown_key_comes_with_a_suggestion(tmp_path: Path) -> None:
    """A slip of the pen is recognised."""
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, "hosts:\n  serieslimit: 5\n"))
    assert "series_limit" in str(caught.value)


def test_settings_cannot_be_changed() -> None:
    """What is loaded is what runs."""
    with pytest.raises(ValueError, match="frozen"):
        Config().sensor.one_sided = True  # type: ignore[misc]


def test_show_can_be_loaded_again(tmp_path: Path) -> None:
    """What `config show` prints is a configuration."""
    text = yaml.safe_dump(Config().model_dump(mode="json"))
    assert load_config(write(tmp_path, text.replace("inside: null", "inside: [private]"))).networks.inside


def test_keys_of_hashes(tmp_path: Path) -> None:
    """Clear text has no key; without a file each start has another; a file holds it."""
    assert privacy_key(Events(personal_data="clear")) is None
    assert privacy_key(Events()) != privacy_key(Events())
    file = tmp_path / "key"
    file.write_bytes(b"k" * 32)
    assert privacy_key(Events(key_file=file)) == b"k" * 32


@pytest.mark.parametrize("key", [b"", b"short", b"x" * 5_000, None])
def test_bad_key_files(tmp_path: Path, key: bytes | None) -> None:
    """A key that is missing, too short or too long is a fault of the configuration."""
    file = tmp_path / "key"
    if key is not None:
        file.write_bytes(key)
    with pytest.raises(ConfigError, match="key_file"):
        privacy_key(Events(key_file=file))


def test_the_engine_gets_its_part(tmp_path: Path) -> None:
    """One-sidedness and the repeat interval reach the engine."""
    settings = load_config(
        write(tmp_path, "sensor: {one_sided: true}\nevents: {repeat_interval: 30s}\n")
    ).engine()
    assert settings.one_sided
    assert settings.repeat_interval == 30_000_000_000
