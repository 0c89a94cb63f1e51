"""Rules: what facts mean.

In: YAML and facts.  Out: matches with reasons.  Never: packets, flows, I/O beyond reading the rule files.

``operators.py`` has room for a new operator, ``conditions.py`` for a new way to join clauses, ``lists.py`` for a new
kind of named list.
"""

from sniffer.ruleset.load import load_rules, restore
from sniffer.ruleset.matcher import RuleSet

__all__ = ["RuleSet", "load_rules", "restore"]
