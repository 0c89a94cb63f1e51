"""The configuration file: every key, its default and what it means.

In: YAML through :mod:`sniffer.strictyaml`.  Out: a frozen :class:`Config`, or ConfigError with every fault at once.
Never: environment overrides, secrets (those come from files), a key that does nothing.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import secrets
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from sniffer.errors import ConfigError, Problem, printable
from sniffer.owners.keys import BEHIND_NAT, Kind
from sniffer.strictyaml import Document, load_file, validate

if TYPE_CHECKING:
    from sniffer.engine import EngineSettings
    from sniffer.owners.files import Sources

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
DURATION: Final = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(ms|s|m|h|d)")
SIZES: Final = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
SIZE: Final = re.compile(r"(\d{1,9})\s?(KiB|MiB|GiB)")
LISTEN: Final = re.compile(r"(?:\[([0-9a-fA-F:]+)\]|([A-Za-z0-9.-]*)):(\d{1,5})")

PRIVATE: Final = (
    "10.0.0.0/8",  # RFC 1918
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",  # carrier-grade NAT, RFC 6598
    "169.254.0.0/16",  # link-local, RFC 3927
    "fc00::/7",  # unique local, RFC 4193
    "fe80::/10",  # link-local, RFC 4291
)
"""What the word ``private`` stands for in a list of networks."""

MAX_RING: Final = 1_024  # MiB; offsets in a ring have 32 bits
MIN_KEY: Final = 16
MAX_KEY: Final = 4_096


# ── kinds of values ──────────────────────────────────────────────────────────────────────────────────────


def read_duration(value: Any) -> float:
    """Seconds from ``"10m"``, ``"1.5h"`` or a plain number of seconds.

    Raises:
        ValueError: neither.
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return float(value)
    found = DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ValueError('expected a duration such as "30s", "10m" or "24h"')
    return float(found[1]) * UNITS[found[2]]


def read_size(value: Any) -> int:
    """Bytes from ``"100MiB"`` or a plain number of bytes.

    Raises:
        ValueError: neither.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    found = SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ValueError('expected a size such as "512KiB", "100MiB" or "1GiB"')
    return int(found[1]) * SIZES[found[2]]


def parse_listen(listen: str) -> tuple[str, int]:
    """Split ``HOST:PORT``; ``[::1]:9478`` for IPv6, ``:9478`` for every address, port 0 for any free one.

    Raises:
        ValueError: it is not that.
    """
    host, colon, port = listen.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > 65_535:
        raise ValueError(f"not HOST:PORT: {printable(listen, 80)}")
    if host.startswith("[") and host.endswith("]"):
        return host[1:-1], int(port)
    if ":" in host:
        raise ValueError(f"an IPv6 address needs brackets: {printable(listen, 80)}")
    return host, int(port)


def parse_server(text: str) -> tuple[str, int]:
    """Split ``HOST:PORT`` of a server; ``[2001:db8::1]:514`` for IPv6.

    Raises:
        ValueError: it is not that.
    """
    found = LISTEN.fullmatch(text)
    if found is None or not (found[1] or found[2]) or not 1 <= int(found[3]) <= 65_535:
        raise ValueError('expected address and port such as "syslog.example:6514" or "[2001:db8::1]:514"')
    return found[1] or found[2], int(found[3])


def read_networks(value: Any) -> tuple[Network, ...]:
    """Networks from one entry of a list: ``"10.0.0.0/8"``, a single address, or the word ``private``.

    Raises:
        ValueError: neither, or bits set behind the prefix.
    """
    if value == "private":
        return tuple(ipaddress.ip_network(network) for network in PRIVATE)
    if not isinstance(value, str):
        raise ValueError(NETWORK_WANTED)  # noqa: TRY004  # pydantic makes a sentence of a ValueError only
    try:
        return (ipaddress.ip_network(value.strip()),)
    except ValueError as error:
        raise ValueError(f"{NETWORK_WANTED}: {error}") from None


def read_ring(value: Any) -> int | Literal["auto"]:
    """Size of a ring: a number of MiB, or the word ``auto``.

    Raises:
        ValueError: neither.
    """
    if value == "auto":
        return "auto"
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_RING:
        raise ValueError(f'expected "auto", or MiB from 1 to {MAX_RING}')
    return value


def flatten(entries: tuple[tuple[Network, ...], ...]) -> tuple[Network, ...]:
    """One list from the networks of all entries."""
    return tuple(network for entry in entries for network in entry)


NETWORK_WANTED: Final = 'expected a network such as "10.0.0.0/8", or "private"'
NetworkEntry: TypeAlias = Annotated[
    Network,
    PlainValidator(read_networks),
    WithJsonSchema({"type": "string", "examples": ["10.0.0.0/8", "private"]}),
]
NetworkList: TypeAlias = Annotated[tuple[NetworkEntry, ...], AfterValidator(flatten)]
Duration: TypeAlias = Annotated[
    float,
    BeforeValidator(read_duration),
    WithJsonSchema({"type": ["string", "number"], "examples": ["30s", "10m", "24h"]}),
]
Size: TypeAlias = Annotated[
    int,
    BeforeValidator(read_size),
    WithJsonSchema({"type": ["string", "integer"], "examples": ["512KiB", "100MiB", "1GiB"]}),
]
RingSize: TypeAlias = Annotated[
    int | Literal["auto"],
    PlainValidator(read_ring),
    WithJsonSchema(
        {"anyOf": [{"const": "auto"}, {"type": "integer", "minimum": 1, "maximum": MAX_RING}]},
    ),
]
Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[ -~]+$")]
InterfaceName: TypeAlias = Annotated[str, Field(min_length=1, max_length=15, pattern=r"^[!-.0-~]+$")]


class Section(BaseModel):
    """A part of the file: no unknown keys, no change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# ── sections ─────────────────────────────────────────────────────────────────────────────────────────────


class Sensor(Section):
    """Who we are and what the mirror shows."""

    name: Name = Field(
        default_factory=lambda: socket.gethostname()[:64] or "sniffer", description="sensor name in events"
    )
    one_sided: bool = Field(
        default=False, description="the mirror shows one direction only, by design: do not wait for answers"
    )


class Capture(Section):
    """How frames are taken from an interface."""

    interfaces: tuple[InterfaceName, ...] = Field(
        default=(), max_length=16, description="mirror ports to listen on"
    )
    workers: int = Field(
        default=1,
        ge=1,
        le=64,
        description="processes among which the packets of each interface are shared out",
    )
    fanout: Literal["hash", "queue"] = Field(
        default="hash", description="how: by the hash of a flow's two ends, or by the card's receive queue"
    )
    ring_mib: RingSize = Field(
        default="auto",
        description="kernel ring of each interface and worker, MiB; auto: by speed and free memory",
    )
    block_kib: Literal[64, 128, 256, 512, 1024, 2048, 4096] = Field(
        default=1_024, description="block of the ring, KiB: the most that is handed over at once"
    )
    promiscuous: bool = Field(
        default=True, description="take frames addressed to others, as a mirror port delivers"
    )
    snaplen: int = Field(default=262_144, ge=128, le=262_144, description="bytes kept of each frame")
    filter: Literal["auto", "none"] = Field(
        default="none",
        description="auto: the kernel drops what no rule can want, and the part of a host's traffic that is mining is not"
        " measured; none: everything is read",
    )
    timestamps: Literal["kernel", "hardware"] = Field(
        default="kernel", description="whose time packets have; hardware: the card's, where it makes stamps"
    )

    @field_validator("interfaces")
    @classmethod
    def _once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) != len(names):
            raise ValueError("an interface is named twice")
        return names


class Networks(Section):
    """Whose addresses are monitored."""

    inside: NetworkList | None = Field(
        default=None,
        max_length=65_536,
        description='monitored networks; "private" stands for all private ranges; unset: every address',
    )


class Rules(Section):
    """Where rules come from."""

    directories: tuple[Path, ...] = Field(
        default=(), description="folders with rule files; unset: the shipped rules"
    )


class Hosts(Section):
    """The table of offending addresses."""

    series_limit: int = Field(
        default=10_000, ge=1, le=100_000, description="most series by address; more go to _overflow"
    )
    expire_after: Duration = Field(
        default=86_400.0, ge=60, description="an address without hits for so long is dropped"
    )
    hold_seconds: float = Field(
        default=0.0,
        ge=0,
        le=3_600,
        description="hold a new counter at 0 so long, for increase() to see its first hits",
    )
    ipv6_prefix: int = Field(
        default=64, ge=1, le=128, description="IPv6 addresses count by prefixes of this length"
    )


class Sizes(Section):
    """What is made of shares: hashrate, power, energy."""

    overhead: float = Field(
        default=1.0,
        ge=1.0,
        le=3.0,
        description="watts at the meter for a watt in a machine: cooling, supplies (1.03 to 1.10 is usual)",
    )


class Tenant(Section):
    """A customer, by networks."""

    name: Name = Field(description="label value of the tenant")
    networks: NetworkList = Field(min_length=1, description="networks of the tenant; the longest prefix wins")
    contact: str = Field(default="", max_length=256, description="whom to tell; goes into events")
    site: str = Field(default="", max_length=64, description="where it is")
    district: str = Field(default="", max_length=64, description="by which reports rank")
    kind: Kind | None = Field(default=None, description="what it is")


class Ownership(Section):
    """Whose an address is, beside tenants: files of tenants, and logs of who held which address when."""

    files: tuple[Path, ...] = Field(
        default=(), max_length=64, description="files of tenants, *.csv or *.yaml; read again with the rules"
    )
    mappings: tuple[Path, ...] = Field(
        default=(),
        max_length=16,
        description="logs of RADIUS accounting, DHCP, NAT: JSON or CSV lines; read, then followed",
    )
    nat: NetworkList = Field(
        default=(),
        max_length=4_096,
        description="outside addresses of our own NAT: whom no mapping explains is unknown",
    )
    max_mappings: int = Field(
        default=100_000,
        ge=1,
        le=1_000_000,
        description="entries of mappings kept, in each process; the oldest make room",
    )
    read_back: Size = Field(
        default=64 << 20,
        ge=0,
        le=1 << 40,
        description="at the start so much is read of the end of each log; 0: all of it",
    )


class Events(Section):
    """Event lines (Suricata EVE JSON)."""

    file: str | None = Field(
        default=None, min_length=1, description='file that lines are appended to; "-" is stdout; unset: none'
    )
    repeat_interval: Duration = Field(
        default=600.0,
        ge=1,
        le=86_400,
        description="a reminder line of a live (flow, rule) comes every so often",
    )
    personal_data: Literal["hash", "clear", "leave_out"] = Field(
        default="hash",
        description="user, worker and password: as keyed hashes, as they are, or not at all",
    )
    key_file: Path | None = Field(
        default=None, description="file with the key of those hashes; unset: a new key at each start"
    )

    rotate_size: Size = Field(
        default=0,
        ge=0,
        le=1 << 40,
        description="the file gives way to a new one before it grows beyond; 0: it may grow",
    )
    rotate_interval: Duration = Field(
        default=0,
        ge=0,
        le=366 * 86_400,
        description="and when a span of so long begins (UTC: 24h at midnight); 0: never",
    )
    keep: int = Field(default=7, ge=1, le=1_000, description="old files that stay: FILE.1 is the youngest")

    @field_validator("rotate_size")
    @classmethod
    def _not_tiny(cls, size: int) -> int:
        if 0 < size < 1_024:
            raise ValueError("expected 0, or 1KiB at least")
        return size

    @field_validator("rotate_interval")
    @classmethod
    def _not_short(cls, seconds: float) -> float:
        if 0 < seconds < 1:
            raise ValueError("expected 0, or 1s at least")
        return seconds

    @property
    def repeat_nanoseconds(self) -> int:
        """:attr:`repeat_interval` as the pipeline counts time."""
        return int(self.repeat_interval * 1_000_000_000)


class History(Section):
    """Sessions, detections, work and cases of weeks, in an SQLite file."""

    file: Path | None = Field(default=None, description="the file; unset: no history")
    keep: Duration = Field(
        default=30 * 86_400.0, ge=86_400, le=3_660 * 86_400, description="rows older than this are removed"
    )
    detail: Duration = Field(
        default=2 * 86_400.0,
        ge=3_600,
        le=366 * 86_400,
        description="five-minute rows older than this become rows of an hour",
    )
    max_size: Size = Field(
        default=1 << 30,
        ge=16 << 20,
        le=1 << 40,
        description="the file and its log stay below: the oldest detail goes first, then the oldest rows",
    )
    interval: Duration = Field(default=60.0, ge=1, le=3_600, description="rows are written every so often")


class Cases(Section):
    """When a host that mines counts as stopped or moved; cases are kept in the history."""

    stop_after: Duration = Field(
        default=86_400.0, ge=3_600, le=366 * 86_400, description="silent for so long: it has stopped"
    )
    moved_within: Duration = Field(
        default=14 * 86_400.0,
        ge=3_600,
        le=366 * 86_400,
        description="a new address may take an old one's place within so long of its silence",
    )


class Syslog(Section):
    """Event lines to a syslog server (RFC 5424 messages, counted by octets)."""

    server: str | None = Field(default=None, description="address and port; unset: none")
    protocol: Literal["tcp", "tls"] = Field(
        default="tcp", description="tls: encrypted, and the server's certificate is verified"
    )
    ca_file: Path | None = Field(
        default=None,
        description="who may sign the server's certificate (PEM); unset: whom this machine trusts",
    )
    server_name: Name | None = Field(
        default=None, description="name in the server's certificate; unset: the one in server"
    )
    cert_file: Path | None = Field(default=None, description="our own certificate (PEM), if the server asks")
    key_file: Path | None = Field(default=None, description="its key (PEM), without a passphrase")
    facility: Literal[
        "user", "daemon", "security", "audit", "alert", "local0", "local1", "local2", "local3", "local4",
        "local5", "local6", "local7",
    ] = Field(default="local0", description="facility of each message; its severity is the rule's")  # fmt: skip
    hostname: Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[!-~]+$")] | None = Field(
        default=None, description="host name in messages; unset: this machine's"
    )

    @field_validator("server")
    @classmethod
    def _place(cls, text: str | None) -> str | None:
        if text is not None:
            parse_server(text)
        return text

    @model_validator(mode="after")
    def _belongs_together(self) -> Syslog:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file need each other")
        if self.protocol != "tls" and (self.ca_file or self.cert_file or self.server_name):
            raise ValueError("certificates are for protocol: tls")
        return self


class Evidence(Section):
    """Packets and verdicts of flows that mine, as bundles that can be checked (docs/evidence.md)."""

    directory: Path | None = Field(
        default=None, description="folder of the bundles, made if it is not there; unset: none are kept"
    )
    confidence: Literal["confirmed", "probable", "suspected"] = Field(
        default="confirmed", description="how sure a hit must be for its flow to be kept"
    )
    severity: Literal["low", "medium", "high", "critical"] = Field(
        default="low", description="and how severe its rule, at least"
    )
    flow_bytes: Size = Field(
        default=256 << 10, ge=4 << 10, le=8 << 20, description="most bytes of a bundle's packets and messages"
    )
    flow_packets: int = Field(default=500, ge=4, le=10_000, description="most packets of a bundle")
    after: Duration = Field(
        default=30.0, ge=0, le=3_600, description="a flow is kept on for so long after the hit"
    )
    watch_bytes: Size = Field(
        default=32 << 20,
        ge=16 << 20,
        le=1 << 30,
        description="memory of each worker for flows that may come to be kept",
    )
    host_bundles: int = Field(
        default=24, ge=1, le=100_000, description="most bundles of one address in a day"
    )
    bundles_per_second: int = Field(default=10, ge=1, le=10, description="most bundles in a second")
    bytes_per_second: Size = Field(default=8 << 20, ge=1 << 20, le=1 << 30, description="and most bytes")
    total_bytes: Size = Field(
        default=1 << 30,
        ge=1 << 20,
        le=1 << 44,
        description="most bytes on the disk; when they are used up, nothing more is kept",
    )
    free_percent: float = Field(
        default=10.0, ge=5, le=90, description="percent of the disk that must stay free"
    )
    keep: Duration = Field(
        default=30 * 86_400.0, ge=60, le=10 * 366 * 86_400, description="a bundle is purged after so long"
    )
    signing_key_file: Path | None = Field(
        default=None,
        description="Ed25519 key (PEM or 32 bytes) that signs bundles; unset: they are not signed",
    )


class Http(Section):
    """The metrics endpoint."""

    listen: str = Field(default="127.0.0.1:9478", description="address and port")
    reload: bool = Field(default=False, description="allow POST /-/reload")
    web_config_file: Path | None = Field(
        default=None,
        description="TLS and passwords, in the format of the Prometheus exporters (web.config.file); unset: neither",
    )

    @field_validator("listen")
    @classmethod
    def _address(cls, text: str) -> str:
        found = LISTEN.fullmatch(text)
        if found is None or int(found[3]) > 65_535:
            raise ValueError('expected address and port such as "127.0.0.1:9478" or "[::1]:9478"')
        return text


class Metrics(Section):
    """The metrics as a file, beside the endpoint."""

    textfile: Path | None = Field(
        default=None, description="file for node_exporter's textfile collector (*.prom); unset: none"
    )
    interval: Duration = Field(default=15.0, ge=1, le=3_600, description="the file is written every so often")

    @field_validator("textfile")
    @classmethod
    def _is_collected(cls, file: Path | None) -> Path | None:
        if file is not None and file.suffix != ".prom":
            raise ValueError("expected a name that ends in .prom: node_exporter reads no other")
        return file


class Log(Section):
    """The operation log on stderr."""

    format: Literal["auto", "json", "console"] = Field(
        default="auto", description="auto: console on a terminal, else JSON"
    )
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="least level that is written"
    )


class Config(Section):
    """The whole file."""

    sensor: Sensor = Field(default_factory=Sensor)
    capture: Capture = Field(default_factory=Capture)
    networks: Networks = Field(default_factory=Networks)
    rules: Rules = Field(default_factory=Rules)
    hosts: Hosts = Field(default_factory=Hosts)
    size: Sizes = Field(default_factory=Sizes)
    tenants: tuple[Tenant, ...] = Field(default=(), max_length=10_000)
    ownership: Ownership = Field(default_factory=Ownership)
    events: Events = Field(default_factory=Events)
    syslog: Syslog = Field(default_factory=Syslog)
    history: History = Field(default_factory=History)
    cases: Cases = Field(default_factory=Cases)
    evidence: Evidence = Field(default_factory=Evidence)
    http: Http = Field(default_factory=Http)
    metrics: Metrics = Field(default_factory=Metrics)
    log: Log = Field(default_factory=Log)

    def engine(self, *, paranoid: bool = False) -> EngineSettings:
        """What of this concerns the engine; ``paranoid``: each answer of the rules is found twice, and compared."""
        from sniffer.engine import EngineSettings  # noqa: PLC0415  # brings the compiler along

        return EngineSettings(
            one_sided=self.sensor.one_sided,
            repeat_interval=self.events.repeat_nanoseconds,
            paranoid=paranoid,
        )

    @property
    def sources(self) -> Sources:
        """Where tenants come from."""
        from sniffer.owners.files import InlineTenant, Sources  # noqa: PLC0415  # which needs this module
        from sniffer.owners.table import Owner  # noqa: PLC0415

        def texts(networks: tuple[Network, ...] | None) -> tuple[str, ...]:
            return tuple(map(str, networks or ()))

        return Sources(
            inline=tuple(
                InlineTenant(
                    Owner(one.name, one.site, one.district, one.kind or "", one.contact), texts(one.networks)
                )
                for one in self.tenants
            ),
            files=tuple(map(str, self.ownership.files)),
            nat=texts(self.ownership.nat),
            inside=texts(self.networks.inside),
        )

    @field_validator("tenants")
    @classmethod
    def _no_quarrel(cls, tenants: tuple[Tenant, ...]) -> tuple[Tenant, ...]:
        names: set[str] = set()
        owner: dict[Network, str] = {}
        for tenant in tenants:
            if tenant.name == BEHIND_NAT:
                raise ValueError(f"{BEHIND_NAT!r} is what addresses of our NAT are called")
            if tenant.name in names:
                raise ValueError(f"tenant {tenant.name!r} is named twice")
            names.add(tenant.name)
            for network in tenant.networks:
                if owner.setdefault(network, tenant.name) != tenant.name:
                    raise ValueError(f"{network} belongs to {owner[network]!r} and to {tenant.name!r}")
        return tenants


# ── loading ──────────────────────────────────────────────────────────────────────────────────────────────


def load_config(path: Path | str | None) -> Config:
    """Read a configuration file; without a path, the defaults.

    Raises:
        ConfigError: with every Problem of the file.
    """
    return read_config(path)[0]


def read_config(path: Path | str | None) -> tuple[Config, Document]:
    """The same, with the document that says where each setting stands.

    Raises:
        ConfigError: with every Problem of the file.
    """
    if path is None:
        return Config(), Document("(no configuration)", {})
    document = load_file(Path(path))
    if isinstance(document.data, dict):
        # A section whose keys are all commented out is an empty one.
        known = set(Config.model_fields) - {"tenants"}
        data = {key: {} if value is None and key in known else value for key, value in document.data.items()}
        document = dataclasses.replace(document, data=data)
    return validate(document, Config), document


def privacy_key(events: Events) -> bytes | None:
    """Key of the hashes that stand for user, worker and password; None means that there are none.

    Raises:
        ConfigError: the key file cannot be read or holds too little.
    """
    if events.personal_data != "hash":
        return None
    if events.key_file is None:
        return secrets.token_bytes(32)
    file = events.key_file
    remedy = "head -c 32 /dev/urandom > FILE, readable by the daemon only"
    try:
        with file.open("rb") as stream:
            key = stream.read(MAX_KEY + 1)
    except OSError as error:
        what = f"events.key_file cannot be read: {error.strerror}"
        raise ConfigError([Problem(str(file), 1, 1, "key_file", what, remedy)]) from None
    if not MIN_KEY <= len(key) <= MAX_KEY:
        what = f"events.key_file holds {len(key)} bytes, wanted {MIN_KEY} to {MAX_KEY}"
        raise ConfigError([Problem(str(file), 1, 1, "key_file", what, remedy)])
    return key
