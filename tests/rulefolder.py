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


def write(folder: Path, files: dict[str, str]) -> Path:
    """Write files and the lists above below a folder."""
    for name, text in {**LISTS, **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def load_match(folder: Path, match: str) -> RuleSet:
    """A set of one rule that asks ``match``, in flow style."""
    return load_rules([write(folder, {"rules.yaml": RULE.format(match=match)})])


def problems(folder: Path, files: dict[str, str]) -> list[Problem]:
    """What is wrong with a folder of rules."""
    with pytest.raises(ConfigError) as caught:
        load_rules([write(folder, files)])
    return caught.value.problems


def match_problems(folder: Path, match: str) -> list[Problem]:
    """What is wrong with a condition."""
    return problems(folder, {"rules.yaml": RULE.format(match=match)})
