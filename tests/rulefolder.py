"""Small rule folders for tests.

In: the text of rules.  Out: a folder with it and a few lists, loaded or refused.
Never: the shipped rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sniffer.errors import ConfigError, Problem
from sniffer.ruleset import RuleSet, load_rules

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

LISTS = {
    "lists/ports.yaml": 'name: own-ports\ntype: ports\nvalues: [4000, "5000-5002"]\n',
    "lists/agents.yaml": "name: own-agents\nvalues: [xmrig/6]\n",
    "lists/networks.yaml": 'name: own-networks\ntype: networks\nvalues: [10.0.0.0/8, "2001:db8::/32"]\n',
    "lists/domains.yaml": "name: own-domains\ntype: domains\nvalues: [private.example.org]\n",
    "lists/benign.yaml": "benign: [good.pool.example]\n",
    "lists/patterns.yaml": "host_patterns:\n- {base: '*', left: '^(www|api)$', strength: weak}\n",
    "pools/pool.yaml": """
category: pool
pools:
- name: Example pool
  country: "NO"
  endpoints:
  - {suffix: pool.example, strength: weak, coins: [BTC]}
  - {suffix: stratum.pool.example, strength: strong, ports_plain: [3333]}
  - {host: old.pool.example, strength: strong, status: defunct}
""",
}
RULE = """
- id: a-rule
  title: A rule
  severity: high
  confidence: confirmed
  match: {match}
  examples:
    hits: [{{client: x}}]
    misses: [{{client: y}}]
"""
NAMES = [f"p{i}.pool{i % 977}.invalid" for i in range(100_000)]


def write(folder: Path, files: dict[str, str]) -> Path:
    """Write files and the lists above below a folder."""
    for name, text in {**LISTS, **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def many_pools(folder: Path, count: int) -> Path:
    """A folder with so many pool endpoints."""
    (folder / "pools").mkdir(parents=True)
    (folder / "rules.yaml").write_text(RULE.format(match='{fact: dns.query, in: "@pool"}'))
    for first in range(0, count, 2_500):
        entries = "".join(
            f"  - host: {name}\n    strength: strong\n" for name in NAMES[first : min(count, first + 2_500)]
        )
        (folder / "pools" / f"{first}.yaml").write_text(
            f"category: pool\npools:\n- name: Example\n  endpoints:\n{entries}"
        )
    return folder


def load_match(folder: Path, match: str) -> RuleSet:
    """A set of one rule that asks ``match``, in flow style."""
    return load_rules([write(folder, {"rules.yaml": RULE.format(match=match)})])


def refused(folder: Path, tenants: Collection[str] | None = None) -> list[Problem]:
    """What is wrong with a folder of rules as it is."""
    with pytest.raises(ConfigError) as caught:
        load_rules([folder], tenants)
    return caught.value.problems


def problems(folder: Path, files: dict[str, str]) -> list[Problem]:
    """What is wrong with a folder of these files and the lists above."""
    return refused(write(folder, files))


def match_problems(folder: Path, match: str) -> list[Problem]:
    """What is wrong with a condition."""
    return problems(folder, {"rules.yaml": RULE.format(match=match)})
