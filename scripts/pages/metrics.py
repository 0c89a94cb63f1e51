"""docs/metrics.md: every metric family with its labels, and the values of the closed ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

from pages import WRITTEN, cell
from sniffer.control.outlets import SINKS
from sniffer.gate.labels import HELLOS, LAYER_NAMES
from sniffer.gate.reasons import LAYERS, PASSING, REASONS
from sniffer.model import Confidence, Severity
from sniffer.oddities import ODDITIES
from sniffer.sinks.hosts import HostBook
from sniffer.sinks.metrics import Health, SinkHealth, WorkerHealth, render
from sniffer.size.hosts import BOUNDS, VERDICTS, SizeBook
from sniffer.size.work import Work
from sniffer.totals import Totals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric

NOW = 0.0


def families() -> list[Metric]:
    """What a daemon shows that has had one hit."""
    health = Health(
        rules={"a-rule": None},
        workers={"0": WorkerHealth()},
        interfaces={"eth1": True},
        reopens={"eth1": 0},
        sinks={name: SinkHealth() for name in SINKS},
    )
    book = HostBook(tenants=["a-tenant"])
    book.declare([("a-rule", Severity.HIGH, Confidence.CONFIRMED)])
    book.hit(b"\x0a\0\0\1", "a-rule", Severity.HIGH, Confidence.CONFIRMED, 1, 1, NOW, "a-tenant")
    sizes = SizeBook(book.names)
    sizes.add(
        Work(
            host=b"\x0a\0\0\1",
            server=bytes(4),
            server_port=3333,
            protocol="stratum-v1",
            account="",
            tenant="a-tenant",
            flow=1,
            first=1,
            last=1,
            counted=1,
            hashes=1e15,
            squares=1e30,
            known_since=1,
            algorithm="sha256d",
        )
    )
    sizes.turn(10**10, everything=True)
    text = render(health, Totals(), book, sizes, now=NOW).decode()
    return [one for one in text_string_to_metric_families(text) if one.name.startswith("sniffer_")]


def lines() -> Iterator[str]:
    """The page."""
    yield from ("# Metrics", "", WRITTEN, "")
    yield "What `/metrics` shows. Families with a closed set of label values show all of them from the start, with 0. Counters"
    yield "never fall while the daemon lives, whatever becomes of a worker. Times are seconds since 1970."
    yield from ("", "| family | type | labels | says |", "| --- | --- | --- | --- |")
    for family in families():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = ", ".join(f"`{label}`" for label in family.samples[0].labels) if family.samples else ""
        yield f"| `{name}` | {family.type} | {labels} | {cell(family.documentation)} |"
    yield from ("", "## Values of labels", "")
    yield "- `ip`: an inside address (IPv6: its network of `hosts.ipv6_prefix` bits); `_overflow` for hits beyond `hosts.series_limit`;"
    yield "  `_outside` for hits whose miner is in no network of `networks.inside`."
    yield f"- `severity`: {', '.join(f'`{one.label}`' for one in Severity)}."
    yield f"- `confidence`: {', '.join(f'`{one.label}`' for one in Confidence)}."
    yield "- `rule`: the id of a rule ([rules-reference.md](rules-reference.md)); `tenant`: a name of the configuration or its files, `unknown behind NAT`, or empty."
    yield f"- `verdict`: {', '.join(f'`{one}`' for one in VERDICTS)}; `direction`: `up` from the side that mines, `down` to it."
    yield f"- `bound`: {', '.join(f'`{one}`' for one in BOUNDS)}; `algorithm`: [size.md](size.md), `unknown` where nothing tells it."
    yield f"- `sink`: {', '.join(f'`{one}`' for one in SINKS)} ([events.md](events.md)),"
    yield "  `history` ([history.md](history.md)), `evidence` ([evidence.md](evidence.md)), `textfile` ([endpoint.md](endpoint.md)): all of them, also what is off."
    yield "- `fact`: [facts.md](facts.md) has the list."
    yield f"- `layer` of `sniffer_undecoded_packets_total`: {', '.join(f'`{one}`' for one in LAYERS)}."
    yield f"- `layer` of `sniffer_wrapped_packets_total`: {', '.join(f'`{one}`' for one in LAYER_NAMES if one)}."
    yield f"- `name` of `sniffer_tls_hellos_total`: {', '.join(f'`{one}`' for one in HELLOS)}."
    yield from ("", "### `reason` of `sniffer_gate_skipped_total`", "")
    yield from ("| reason | says |", "| --- | --- |")
    for reason in REASONS[PASSING:]:
        says = f"{reason.says} (undecoded: {reason.layer})" if reason.layer else reason.says
        yield f"| `{reason.name}` | {cell(says)} |"
    yield from ("", "### `kind` of `sniffer_oddities_total`", "", "| kind | says |", "| --- | --- |")
    for kind, says in ODDITIES.items():
        yield f"| `{kind}` | {cell(says)} |"
