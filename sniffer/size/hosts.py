"""How big a host is, and a tenant: the sums of their sessions, as metric lines.

In: work of all workers, packet time.  Out: metric lines in Prometheus text format 0.0.4, figures of an address.
Never: a label from the wire other than an inside address; a family with more host series than the limit; a power that
leaves out what could not be estimated: then the central and the high figure are absent.

Estimates are renewed host by host, a few at each turn, so that no turn takes long however many sessions there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from sniffer.sinks.exposition import escaped, head
from sniffer.sinks.hosts import DAY, SERIES_LIMIT, HostKey
from sniffer.size.algorithms import known
from sniffer.size.bands import band
from sniffer.size.figures import Bounds, Figures
from sniffer.size.sessions import DOUBT, ENOUGH, LEAP, NOTHING, SESSION_LIMIT, Joules, SessionBook
from sniffer.size.work import BUCKET

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sniffer.sinks.networks import HostNames
    from sniffer.size.sessions import Session
    from sniffer.size.work import Work

VERDICTS: Final = ("submitted", "accepted", "rejected")
BOUNDS: Final = ("low", "central", "high")
UNKNOWN: Final = "unknown"  # nothing tells the algorithm
OTHER: Final = "other"  # a message names one that we do not know
NAMES: Final = {*known(), UNKNOWN}  # that become labels: whoever invents names makes no series
ROUND: Final = 480  # turns in which every host is renewed once: four minutes, less than a bucket
FEWEST: Final = 200  # sessions looked at in each turn, if there are as many
PART: Final = 2_000  # sessions that are finished at a time
MAX_LAST: Final = 200_000  # addresses of which it is known whose mining was seen last
MAX_OF_HOST: Final = 4_096  # sessions of one address: whoever invents accounts makes no turn long


class Estimate(NamedTuple):
    """What one session does: hashes a second, with the band and the power that follow."""

    algorithm: str
    hashes: float
    variance: float  # 0 where the machines state it themselves
    watts: Joules


class HostSize:
    """One host, or all that are outside."""

    __slots__ = (
        "accepted",
        "devices",
        "estimates",
        "ip",
        "is_last",
        "key",
        "lines",
        "rejected",
        "sessions",
        "submitted",
        "tenant",
        "watts",
    )

    def __init__(self, key: HostKey, ip: str) -> None:
        self.key, self.ip, self.tenant = key, ip, key[1]
        self.is_last = False  # nobody else's mining was seen here since
        self.sessions: list[Session] = []  # oldest first
        self.submitted = self.accepted = self.rejected = 0
        self.devices = 0
        self.estimates: tuple[tuple[str, float, float], ...] = ()  # algorithm, hashes a second, variance
        self.watts = NOTHING
        self.lines: tuple[str, str, str] | None = None  # hashrate, power, machines, as they were last told


class SizeBook:
    """Sessions, and what they come to by host and by tenant.

    Args:
        names: which addresses are inside, and how they are written.
        limit: host series at most of one family.
        overhead: watts at the meter for a watt in a machine: cooling, supplies.
        expire_after: seconds of packet time without a message after which a session goes.
        sessions: at most.
        samples: whether somebody fetches the samples of sessions.
    """

    def __init__(
        self,
        names: HostNames,
        *,
        limit: int = SERIES_LIMIT,
        overhead: float = 1.0,
        expire_after: float = DAY,
        sessions: int = SESSION_LIMIT,
        samples: bool = False,
    ) -> None:
        self.sessions = SessionBook(limit=sessions, samples=samples)
        self.now = 0  # packet time, nanoseconds since 1970, as far as it is known
        self._names, self._overhead = names, overhead
        self._shown = max(
            limit // len(VERDICTS), 1
        )  # hosts: the largest family has a series for each verdict
        self._expire_after = int(expire_after * 1e9)
        self._hosts: dict[HostKey, HostSize] = {}
        self._last: dict[
            bytes, str
        ] = {}  # the tenant whose mining was seen last, by network; the hosts may have gone
        self._due: list[HostKey] = []  # to be renewed in this round
        self._due_sessions: list[Session] = []  # to be written down
        self._energy: dict[str, list[float]] = {}  # joules at the meter by tenant, as BOUNDS
        self._power: dict[str, list[float]] = {}  # watts, likewise

    def declare_tenants(self, names: Iterable[str]) -> None:
        """Have series at 0 for tenants."""
        for name in names:
            self._energy.setdefault(name, [0.0, 0.0, 0.0])
            self._power.setdefault(name, [0.0, 0.0, 0.0])

    def add(self, work: Work) -> None:
        """Enter work."""
        session, gone = self.sessions.add(work)
        if gone is not None:
            self._forget(gone)
        host: HostSize = session.owner or self._settle(session)
        if not host.is_last:
            self._take_over(host)
        host.submitted += work.submitted
        host.accepted += work.accepted
        host.rejected += work.rejected

    def _settle(self, session: Session) -> HostSize:
        """Give a new session to its host."""
        key = self._key(session)
        host = self._hosts.get(key)
        if host is None:
            host = self._hosts[key] = HostSize(key, self._names.written(session.key.host))
        host.sessions.append(session)
        session.owner, session.label = host, host.ip
        if len(host.sessions) > MAX_OF_HOST:
            self.sessions.drop(host.sessions[0])
            self._forget(host.sessions[0])
        return host

    def _take_over(self, host: HostSize) -> None:
        """From now on this tenant's mining is what was seen last at the address."""
        network, tenant = host.key
        if network not in self._last and len(self._last) >= MAX_LAST:
            self._give_up(next(iter(self._last)))
        self._give_up(network)
        self._last[network], host.is_last = tenant, True

    def _give_up(self, network: bytes) -> None:
        tenant = self._last.pop(network, None)
        if tenant is not None and (host := self._hosts.get((network, tenant))) is not None:
            host.is_last = False

    def tenant_of(self, host: bytes) -> str | None:
        """Whose mining was seen last at an address; None: nobody's, or so long ago that others took the room."""
        return self._last.get(self._network(host))

    def turn(self, now: int, *, everything: bool = False) -> None:
        """Renew some estimates.

        Args:
            now: packet time, nanoseconds since 1970; a little earlier than before is as before.
            everything: renew all of them.
        """
        passed = now - self.now
        if abs(passed) > LEAP * BUCKET:
            self.now = now
        elif passed > 0:
            self.now = now
            self.sessions.clock += passed
        for session in self.sessions.expire(self._expire_after):
            self._forget(session)
        left = max(len(self.sessions) // ROUND, FEWEST)
        if everything or not self._due:
            self._due = list(self._hosts)
            self._sum_power()
        while self._due and (left > 0 or everything):
            host = self._hosts.get(self._due.pop())
            if host is not None:
                left -= len(host.sessions)
                self._renew(host, self.now)

    def settle(self, now: int) -> Iterator[tuple[bytes, Figures]]:
        """Nothing more will come: how big each inside address was, at the end of the five minutes of its last message.

        Args:
            now: packet time, nanoseconds since 1970; nothing was seen after it.

        Yields:
            What the address is counted by, packed, and its figures; one that changed hands comes more than once.
        """
        for key, host in self._hosts.items():
            if key[0]:
                last = max(session.last for session in host.sessions)
                self._renew(host, max(min(now, (last // BUCKET + 1) * BUCKET), last))
                yield key[0], figures_of(host)

    # ── hosts ────────────────────────────────────────────────────────────────────────────────────────────

    def _key(self, session: Session) -> HostKey:
        network = self._network(session.key.host)
        return network, session.key.tenant if network else ""

    def _network(self, host: bytes) -> bytes:
        """What an address is counted by, packed; b"" for all that are outside."""
        return self._names.network(host) if self._names.is_inside(host) else b""

    def _tell(self, session: Session) -> None:
        if session.finished is not None and session.is_due():
            self._due_sessions.append(session)

    def take(self) -> list[Session]:
        """Sessions that are due to be written down since the last call; none where nobody asks for samples."""
        due, self._due_sessions = self._due_sessions, []
        return due

    def finish(self) -> Iterator[list[Session]]:
        """Nothing more will come: everything that has changed is due, with the buckets that go on.

        Yields:
            The sessions to be written down, as by :meth:`take`, a part at a time.
        """
        for number, session in enumerate(self.sessions, 1):
            if number % PART == 0:
                yield self.take()
            session.told = -1
            self._tell(session)
            if session.finished is not None and (sample := session.sample(self.now)):
                session.finished.add(session, sample)
        yield self.take()

    def _forget(self, session: Session) -> None:
        host: HostSize = session.owner
        self._collect(session, host.tenant)
        host.sessions.remove(session)
        self._tell(session)
        if not host.sessions:
            del self._hosts[host.key]

    def _sum_power(self) -> None:
        """Sum the power of tenants afresh, so that what is added and taken away leaves no dust."""
        self._power = {tenant: [0.0, 0.0, 0.0] for tenant in self._power}
        for host in self._hosts.values():
            sums = self._power.setdefault(host.tenant, [0.0, 0.0, 0.0])
            for place, watts in enumerate(host.watts):
                sums[place] += watts or 0.0

    def _collect(self, session: Session, tenant: str) -> None:
        sums = self._energy.setdefault(tenant, [0.0, 0.0, 0.0])
        for place, joules in enumerate(session.collect()):
            sums[place] += joules * self._overhead

    def _renew(self, host: HostSize, now: int) -> None:
        rates: dict[str, tuple[float, float]] = {}
        low, central, high, devices = 0.0, 0.0, 0.0, 0
        complete, is_certain = True, True
        for session in host.sessions:
            session.advance(now)
            self._tell(session)
            self._collect(session, host.tenant)
            devices += session.devices(now)
            estimate = estimate_of(session, now)
            if estimate is None:
                complete = complete and not session.unknown
                continue
            hashes, variance = rates.get(estimate.algorithm, (0.0, 0.0))
            rates[estimate.algorithm] = hashes + estimate.hashes, variance + estimate.variance
            watts = estimate.watts
            low += watts.low or 0.0
            central += watts.central or 0.0
            high += watts.high or 0.0
            complete = complete and watts.high is not None
            is_certain = is_certain and watts.central is not None
        factor, before = self._overhead, host.watts
        host.devices = devices
        host.estimates = tuple((algorithm, *sums) for algorithm, sums in rates.items())
        host.watts = Joules(
            low * factor if low else None,
            central * factor if central and complete and is_certain else None,
            high * factor if high and complete else None,
        )
        host.lines = None
        power = self._power.setdefault(host.tenant, [0.0, 0.0, 0.0])
        for place, (old, new) in enumerate(zip(before, host.watts, strict=True)):
            power[place] += (new or 0.0) - (old or 0.0)

    # ── what is shown ────────────────────────────────────────────────────────────────────────────────────

    def figures(self, network: bytes, tenant: str) -> Figures | None:
        """How big an inside address is; None: it was not seen mining.

        Args:
            network: what it is counted by, packed (:meth:`HostNames.network`).
            tenant: whose it is, "" if nobody's.
        """
        host = self._hosts.get((network, tenant))
        return None if host is None else figures_of(host)

    def _exported(self) -> list[HostSize]:
        """The hosts that may have series: those that worked last."""
        if len(self._hosts) <= self._shown:
            return list(self._hosts.values())
        hosts: dict[HostSize, None] = {}
        for session in self.sessions.latest():
            hosts[session.owner] = None
            if len(hosts) == self._shown:
                break
        return list(hosts)

    def render(self) -> bytes:
        """All families of this book in Prometheus text format 0.0.4."""
        hosts = self._exported()
        lines = [host.lines or lines_of(host) for host in hosts]
        for host, each in zip(hosts, lines, strict=True):
            host.lines = each
        out: list[str] = []
        head(
            out,
            "host_shares_total",
            "counter",
            "Shares handed in, and the pool's verdicts, by the address that mines.",
        )
        for host in hosts:
            labels = f'ip="{host.ip}",tenant="{escaped(host.tenant)}"'
            out += [
                f'sniffer_host_shares_total{{{labels},verdict="{verdict}"}} {getattr(host, verdict)}'
                for verdict in VERDICTS
            ]
        head(
            out,
            "host_hashrate_hashes_per_second",
            "gauge",
            "Hashes a second over the last hour, by shares or as the machines state themselves.",
        )
        out += [each[0] for each in lines if each[0]]
        head(out, "host_power_watts", "gauge", "Power at the meter that the hashrate stands for.")
        out += [each[1] for each in lines if each[1]]
        head(out, "host_devices", "gauge", "Machines that mine behind the address, at least.")
        out += [each[2] for each in lines if each[2]]
        self._render_tenants(out)
        head(
            out,
            "shares_total",
            "counter",
            "Shares handed in, and the pools' verdicts; never falls when a host goes.",
        )
        out += [
            f'sniffer_shares_total{{verdict="{verdict}"}} {getattr(self.sessions, verdict)}'
            for verdict in VERDICTS
        ]
        head(
            out,
            "mining_bytes_total",
            "counter",
            "Bytes of connections that mine, on the wire, up: from those that mine.",
        )
        out.append(f'sniffer_mining_bytes_total{{direction="up"}} {self.sessions.bytes_up}')
        out.append(f'sniffer_mining_bytes_total{{direction="down"}} {self.sessions.bytes_down}')
        head(out, "sessions", "gauge", "Mining sessions that are kept: host, server and account.")
        out.append(f"sniffer_sessions {len(self.sessions)}")
        head(out, "sessions_evicted_total", "counter", "Mining sessions that made room for newer ones.")
        out.append(f"sniffer_sessions_evicted_total {self.sessions.evicted}")
        return ("\n".join(out) + "\n").encode()

    def _render_tenants(self, out: list[str]) -> None:
        says = "at the meter of a tenant's hosts, as far as it can be estimated."
        for name, kind, what, sums_of, digits in (
            ("tenant_power_watts", "gauge", "Power", self._power, ".6g"),
            ("tenant_energy_joules_total", "counter", "Energy", self._energy, ".0f"),
        ):
            head(out, name, kind, f"{what} {says}")
            out += [
                f'sniffer_{name}{{tenant="{escaped(tenant)}",bound="{bound}"}} {sums[place]:{digits}}'
                for tenant, sums in sums_of.items()
                if tenant
                for place, bound in enumerate(BOUNDS)
            ]


def estimate_of(session: Session, now: int) -> Estimate | None:
    """What a session does: as its machines state, unless enough shares speak against them; None: not known."""
    rate, stated = session.rate(now), session.stated_rate(now)
    if rate is not None and stated is not None and rate.shares >= ENOUGH:
        low, high = band(rate.hashes, rate.variance)
        if not low / DOUBT <= stated <= high * DOUBT:
            stated = None
    if stated is not None:
        hashes, variance, low, high = stated, 0.0, stated, stated
    elif rate is not None:
        hashes, variance = rate.hashes, rate.variance
        low, high = band(hashes, variance)
    else:
        return None
    costs = session.costs
    watts = NOTHING
    if costs is not None:
        central = None if costs.central is None else costs.central * hashes
        watts = Joules(costs.low * low, central, costs.high * high)
    algorithm = session.known.algorithm or UNKNOWN
    return Estimate(algorithm if algorithm in NAMES else OTHER, hashes, variance, watts)


def figures_of(host: HostSize) -> Figures:
    """What is known of one host."""
    return Figures(
        submitted=host.submitted,
        accepted=host.accepted,
        rejected=host.rejected,
        devices=host.devices,
        hashrate={algorithm: _with_band(hashes, variance) for algorithm, hashes, variance in host.estimates},
        watts=Bounds(*(None if watts is None else _digits(watts) for watts in host.watts)),
    )


def _with_band(hashes: float, variance: float) -> Bounds:
    low, high = band(hashes, variance) if variance else (hashes, hashes)
    return Bounds(_digits(low), _digits(hashes), _digits(high))


def _digits(number: float) -> float:
    """As many digits as the metrics have."""
    return float(f"{number:.6g}")


def lines_of(host: HostSize) -> tuple[str, str, str]:
    """Metric lines of one host: hashrate, power, machines."""
    labels = f'ip="{host.ip}",tenant="{escaped(host.tenant)}"'
    return (
        "\n".join(
            f'sniffer_host_hashrate_hashes_per_second{{{labels},algorithm="{escaped(algorithm)}"}} {hashes:.6g}'
            for algorithm, hashes, _ in host.estimates
        ),
        "\n".join(
            f'sniffer_host_power_watts{{{labels},bound="{bound}"}} {watts:.6g}'
            for bound, watts in zip(BOUNDS, host.watts, strict=True)
            if watts is not None
        ),
        f"sniffer_host_devices{{{labels}}} {host.devices}" if host.devices else "",
    )
