"""Rows of the history for tests: a farm of hosts that mine, and the pages that tell of them."""

from __future__ import annotations

from typing import Any

import msgspec

from sniffer.history.rows import (
    BUCKET,
    HOUR,
    SECOND,
    Detection,
    Health,
    Page,
    Sample,
    Session,
    Tenant,
    Traffic,
)

T0 = 1_789_948_800  # midnight UTC
WORTH = 65_536 * 2.0**32


def session(host: str = "192.0.2.7", **more: Any) -> Session:
    """One that has mined for ten minutes."""
    fields: dict[str, Any] = {
        "host": host,
        "server": "198.51.100.9",
        "server_port": 3333,
        "protocol": "stratum-v1",
        "account": "h:0123456789abcdef",
        "tenant": "north",
        "begun": T0 * SECOND,
        "first": T0 * SECOND,
        "last": (T0 + 600) * SECOND,
        "submitted": 100,
        "accepted": 98,
        "rejected": 2,
        "unknown": 1,
        "difficulty": 65_536.0,
        "stated": None,
        "devices": 1,
        "seen": "both",
        "algorithm": "sha256d",
        "coin": "btc",
        "pool": "antpool",
        "domain": "stratum.antpool.example",
        "agent": "cgminer/4.11.1",
        "hardware": "",
        "bytes_up": 10_000,
        "bytes_down": 20_000,
    }
    return Session(**{**fields, **more})


def sample(host: str = "192.0.2.7", start: int = T0, **more: Any) -> Sample:
    """The work of :func:`session` in one bucket."""
    fields: dict[str, Any] = {
        "host": host,
        "server": "198.51.100.9",
        "server_port": 3333,
        "protocol": "stratum-v1",
        "account": "h:0123456789abcdef",
        "tenant": "north",
        "begun": T0 * SECOND,
        "start": start,
        "seconds": 300.0,
        "shares": 10,
        "hashes": 10 * WORTH,
        "squares": 10 * WORTH**2,
        "unknown": 0,
        "stated": None,
        "joules_low": 90_000.0,
        "joules": 100_000.0,
        "joules_high": 110_000.0,
    }
    return Sample(**{**fields, **more})


def detection(host: str = "192.0.2.7", hour: int = T0, **more: Any) -> Detection:
    """Hits of an hour."""
    fields: dict[str, Any] = {
        "host": host,
        "tenant": "north",
        "rule": "stratum-v1-submit",
        "severity": "high",
        "confidence": "confirmed",
        "hour": hour,
        "hits": 12,
        "first": hour * SECOND,
        "last": (hour + 600) * SECOND,
        "begun": T0 * SECOND,
    }
    return Detection(**{**fields, **more})


def health(start: int = T0, **more: Any) -> Health:
    """A bucket without any trouble."""
    fields: dict[str, Any] = {
        "start": start, "seconds": 300.0, "packets": 1_000, "dropped": 0, "one_sided": 0.0, "hidden_tls": 0, "up": True,
    }  # fmt: skip
    return Health(**{**fields, **more})


def traffic(host: str = "192.0.2.7", hour: int = T0, **more: Any) -> Traffic:
    """Bytes of an hour."""
    return Traffic(
        **{"host": host, "tenant": "north", "hour": hour, "bytes": 10_000, "mining_bytes": 9_000, **more}
    )


NORTH = Tenant("north", "hall 1", "harbour", "data-centre", "noc@north.example")


def address(number: int) -> str:
    """One of many."""
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def farm_page(hosts: int, start: int, *, begun: int = T0, since: int = T0) -> Page:
    """A page at the end of a bucket in which so many hosts mined, with all kinds of rows."""
    seen = [(address(number), f"t{number % 20}", f"h:{number // 3:016x}") for number in range(hosts)]
    hour = start - start % HOUR
    age = (start - since) // BUCKET + 1
    return Page(
        (start + BUCKET) * SECOND,
        tuple(
            session(
                host, tenant=tenant, account=account, begun=begun * SECOND, first=since * SECOND,
                last=(start + BUCKET - 5) * SECOND, submitted=10 * age, accepted=10 * age,
            )
            for host, tenant, account in seen
        ),
        tuple(
            sample(host, start, tenant=tenant, account=account, begun=begun * SECOND) for host, tenant, account in seen
        ),
        tuple(
            detection(host, hour, tenant=tenant, begun=begun * SECOND, hits=start - hour + BUCKET, last=(start + BUCKET - 5) * SECOND) for host, tenant, _ in seen
        ),
        (NORTH,),
        (health(start),),
        tuple(traffic(host, hour, tenant=tenant, bytes=start - hour + BUCKET) for host, tenant, _ in seen),
    )  # fmt: skip


def changed(page: Page, **more: Any) -> Page:
    """A page with some fields replaced."""
    return msgspec.structs.replace(page, **more)
