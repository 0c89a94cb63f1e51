"""Writes rules/pools, the benign list, the port list and the host patterns from the reference tables.

    python scripts/make_pools.py [REFERENCE] [--check]

In: pools.csv, pool_ports.csv, pool_host_patterns.csv, benign_domains.csv in REFERENCE (default ../shared/reference).
Out: YAML under rules/, the same bytes for the same tables.  ``--check`` writes nothing and says whether the files are
up to date.  Never: an endpoint that the benign list names.
"""

from __future__ import annotations

import csv
import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from writing import make_parser, write  # noqa: E402 -- from this checkout

HEADER = (
    "# yaml-language-server: $schema=../schema.json\n"
    "# Written by scripts/make_pools.py; change the tables it reads, not this file.\n"
)
ROLES = {
    "dev fee": "devfee",
    "management": "miner_management",
    "stratum proxy": "hashrate_market",
}
PORT_STRENGTHS = re.compile(r"^(strong|medium)")


def rows(reference: Path, name: str) -> list[dict[str, str]]:
    """Rows of one table."""
    with (reference / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def ports(text: str) -> list[int]:
    """Ports of a cell."""
    found = {int(part) for part in re.split(r"[;,\s]+", text) if part.isdecimal()}
    return sorted(port for port in found if 0 < port < 65_536)


def endpoint(row: dict[str, str]) -> dict[str, Any]:
    """One endpoint as it stands in a pool file; empty values are left out."""
    out: dict[str, Any] = {
        ("host" if row["match"] == "exact" else "suffix"): row["domain"].lower().rstrip(".")
    }
    out["strength"] = row["confidence"]
    out["status"] = row["status"] or "unknown"
    for key in ("ports_plain", "ports_tls"):
        if ports(row[key]):
            out[key] = ports(row[key])
    coins = [coin for coin in re.split(r"[;,\s]+", row["coins"]) if coin]
    if coins:
        out["coins"] = coins
    if row["source"]:
        out["seen_on"] = row["source"]
    return out


def pool_files(reference: Path, benign: set[str]) -> dict[str, Any]:
    """Pool files by path: one a category, pools by name."""
    categories: dict[str, dict[tuple[str, str], list[Any]]] = defaultdict(lambda: defaultdict(list))
    for row in rows(reference, "pools.csv"):
        if row["domain"].lower().rstrip(".") in benign:
            continue
        categories[row["category"]][row["pool"] or row["domain"], row["country"]].append(endpoint(row))
    out: dict[str, Any] = {}
    for category, pools in sorted(categories.items()):
        entries = []
        for (name, country), endpoints in sorted(pools.items()):
            entry: dict[str, Any] = {"name": name}
            if country:
                entry["country"] = country
            entry["endpoints"] = sorted(endpoints, key=lambda e: e.get("host", e.get("suffix")))
            entries.append(entry)
        out[f"pools/{category.replace('_', '-')}.yaml"] = {"category": category, "pools": entries}
    return out


def port_list(reference: Path) -> str:
    """The ports of mining, each with the strength of its evidence as a comment."""
    lines = [
        "name: stratum-ports",
        "type: ports",
        "title: ports on which mining pools listen and few others do",
        "values:",
    ]
    for row in rows(reference, "pool_ports.csv"):
        evidence = row["evidence_strength"]
        if row["proto"] == "tcp" and PORT_STRENGTHS.match(evidence) and "payload" not in evidence:
            port = f'"{row["port"]}"' if "-" in row["port"] else row["port"]
            meaning = row["meaning"].encode("ascii", "replace").decode()
            lines.append(f"- {port}  # {evidence}: {meaning}")
    return "\n".join(lines) + "\n"


def list_files(reference: Path, benign: set[str]) -> dict[str, Any]:
    """The benign list and the host patterns by path."""
    patterns = []
    for row in rows(reference, "pool_host_patterns.csv"):
        one = {"base": row["base_domain"], "left": row["left_label_regex"], "strength": row["confidence"]}
        if row["role"] in ROLES:
            one["category"] = ROLES[row["role"]]
        patterns.append(one)
    return {
        "lists/benign.yaml": {"benign": sorted(benign)},
        "lists/host-patterns.yaml": {"host_patterns": patterns},
    }


def as_yaml(data: Any) -> str:
    """Plain data as YAML, the same text for the same data."""
    return yaml.dump(
        data,
        Dumper=yaml.CSafeDumper,
        sort_keys=False,
        allow_unicode=False,
        width=110,
        default_flow_style=None,
    )


def main() -> int:
    """Write the files, or check them."""
    parser = make_parser(__doc__)
    parser.add_argument("reference", nargs="?", type=Path, default=ROOT / ".." / "shared" / "reference")
    arguments = parser.parse_args()
    if not (arguments.reference / "pools.csv").exists():
        print(
            f"error: {arguments.reference}: no pools.csv in this folder; name the folder of the tables",
            file=sys.stderr,
        )
        return 66
    benign = {row["domain"].lower().rstrip(".") for row in rows(arguments.reference, "benign_domains.csv")}
    data = {**pool_files(arguments.reference, benign), **list_files(arguments.reference, benign)}
    texts = {name: as_yaml(one) for name, one in data.items()}
    texts["lists/stratum-ports.yaml"] = port_list(arguments.reference)
    files = {f"rules/{name}": HEADER + text for name, text in texts.items()}
    return write(files, check=arguments.check)


if __name__ == "__main__":
    raise SystemExit(main())
