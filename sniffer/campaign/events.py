"""Event lines of many sensors as a history: hits, addresses, tenants; no hashes, no energy, no cases.

In: files of EVE JSON lines, read with DuckDB (``pip install 'sniffer[duckdb]'``).  Out: what a report asks of a history.
Never: a share or a rate: alerts do not carry them; the content of a line that is no alert of ours.

A line counts its (flow, rule) since it began, so hits of a period are the highest count less what came before its first line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Self

from sniffer.errors import InputError, UsageError, printable
from sniffer.history.query import Total
from sniffer.history.rows import Tenant

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sniffer.history.query import By, Case, Point
    from sniffer.history.rows import Health

SECOND: Final = 1_000_000_000
MAX_NAMES: Final = 8
MAX_LINE: Final = 1 << 20  # bytes
OFFLINE: Final[dict[str, str | bool | int | float | list[str]]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
"""Nothing is fetched from anywhere, whatever a line holds."""

COLUMNS: Final = {
    "timestamp": "VARCHAR",
    "event_type": "VARCHAR",
    "sensor": "VARCHAR",
    "flow_id": "BIGINT",
    "alert": "STRUCT(rule VARCHAR)",
    "mining": (
        'STRUCT(host_ip VARCHAR, server_ip VARCHAR, server_port BIGINT, protocol VARCHAR, "user" VARCHAR, coin VARCHAR,'
        " pool VARCHAR, confidence VARCHAR, count BIGINT)"
    ),
    "tenant": "STRUCT(name VARCHAR, site VARCHAR, district VARCHAR, kind VARCHAR)",
}
LOAD: Final = """
CREATE TABLE lines AS
SELECT coalesce(sensor, '') AS sensor, coalesce(flow_id, 0) AS flow, coalesce(alert.rule, '') AS rule, mining.host_ip AS host,
    concat_ws(' ', mining.server_ip, mining.server_port, mining.protocol, mining."user") AS peer,
    coalesce(tenant.name, '') AS tenant, coalesce(tenant.site, '') AS site, coalesce(tenant.district, '') AS district,
    coalesce(tenant.kind, '') AS kind, coalesce(mining.coin, '') AS coin, coalesce(mining.pool, '') AS pool,
    coalesce(mining.confidence IN ('confirmed', 'probable') AND NOT starts_with(mining.protocol, 'pool-'), false) AS mines,
    greatest(coalesce(mining.count, 1), 1) AS count, epoch_ns(try_cast(timestamp AS TIMESTAMP)) AS seen
FROM read_ndjson(?, columns = {columns}, ignore_errors = true, maximum_object_size = {longest})
WHERE event_type = 'alert' AND mining.host_ip IS NOT NULL AND try_cast(timestamp AS TIMESTAMP) IS NOT NULL
"""
TOTALS: Final = """
WITH flows AS (
    SELECT host, tenant, max(site) AS site, max(district) AS district, max(kind) AS kind, max(coin) AS coin, max(pool) AS pool,
        max(peer) AS peer, bool_or(mines) AS mines, min(seen) FILTER (WHERE seen >= $since) AS first, max(seen) AS last,
        max(count) - coalesce(max(count) FILTER (WHERE seen < $since), 0) AS hits
    FROM lines WHERE seen < $until GROUP BY sensor, flow, rule, host, tenant HAVING max(seen) >= $since
)
SELECT {key} AS key, count(DISTINCT host) FILTER (WHERE mines), count(DISTINCT (host, peer, tenant)) FILTER (WHERE mines), min(first), max(last),
    sum(hits)::BIGINT, list_sort(list(DISTINCT tenant)), list_sort(list(DISTINCT pool) FILTER (WHERE pool != '')),
    list_sort(list(DISTINCT coin) FILTER (WHERE coin != ''))
FROM flows GROUP BY key ORDER BY key
"""
KEYS: Final = {name: name for name in ("tenant", "site", "district", "kind", "pool", "coin", "host")}


class Events:
    """Lines that were read.

    Args:
        files: of EVE JSON lines, also compressed (.gz).

    Raises:
        UsageError: DuckDB is not installed.
        InputError: a file cannot be read.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        try:
            import duckdb  # noqa: PLC0415  # an extra
        except ModuleNotFoundError:
            raise UsageError(
                "--events needs DuckDB, which is not installed", remedy="pip install 'sniffer[duckdb]'"
            ) from None
        self._base = duckdb.connect(":memory:", config=OFFLINE)
        load = LOAD.format(columns=COLUMNS, longest=MAX_LINE)
        for file in files:
            if not file.is_file():
                raise InputError("there is no such file", where=str(file), remedy="name files of event lines")
        try:
            self._base.execute(load, [[str(file) for file in files]])
        except duckdb.Error as fault:
            first = str(fault).partition("\n")[0]
            raise InputError(f"event lines cannot be read: {printable(first)}", where=str(files[0])) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._base.close()

    def _all(self, question: str, values: dict[str, int] | None = None) -> list[tuple[Any, ...]]:
        return list(self._base.execute(question, values or {}).fetchall())

    def period(self) -> tuple[int, int] | None:
        """Seconds of the first and behind the last line."""
        ((first, last),) = self._all("SELECT min(seen), max(seen) FROM lines")
        return None if first is None else (first // SECOND, last // SECOND + 1)

    def hours_since(self) -> int:
        """There is no work, and no day of it."""
        return 0

    def totals(self, since: int, until: int, by: By) -> list[Total]:
        """Hits, addresses and sessions by key."""
        return self._totals(KEYS[by], since, until)

    def total(self, since: int, until: int) -> Total:
        """The same of everything."""
        found = self._totals("''", since, until)
        return found[0] if found else _total("", 0, 0, 0, 0, 0, [], [], [])

    def _totals(self, key: str, since: int, until: int) -> list[Total]:
        period = {"since": since * SECOND, "until": until * SECOND}
        return [_total(*row) for row in self._all(TOTALS.format(key=key), period)]

    def series(self, since: int, until: int, step: int, by: By | None = None) -> list[Point]:  # noqa: ARG002
        """Lines know no work."""
        return []

    def cases(self, since: int, until: int) -> list[Case]:  # noqa: ARG002
        """Nor cases."""
        return []

    def health(self, since: int, until: int) -> list[Health]:  # noqa: ARG002
        """Nor what a sensor watched."""
        return []

    def tenants(self) -> list[Tenant]:
        """Owners, as the lines name them."""
        rows = self._all("SELECT tenant, max(site), max(district), max(kind) FROM lines GROUP BY tenant")
        return [Tenant(name, site, district, kind, "") for name, site, district, kind in rows if name]


def _total(
    key: str, hosts: int, sessions: int, first: int, last: int, hits: int, *names: list[str] | None
) -> Total:
    tenants, pools, coins = (tuple((one or [])[:MAX_NAMES]) for one in names)
    return Total(
        key=key, tenants=tenants, pools=pools, coins=coins, hosts=hosts, sessions=sessions, devices=hosts, first=first, last=last,
        submitted=0, accepted=0, rejected=0, bytes_up=0, bytes_down=0, joules_low=None, joules=None, joules_high=None,
        powered=0.0, parts=(), hits=hits, bytes=0, mining_bytes=0,
    )  # fmt: skip
