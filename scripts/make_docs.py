"""Writes the pages of docs/ that repeat what the program says of itself, and the JSON Schema of rules.

    python scripts/make_docs.py [--check]

In: the modules of scripts/pages/, one a page.
Out: files of docs/ and rules/schema.json, the same bytes for the same program.  ``--check`` writes nothing and says
whether the files are up to date.  Never: a sentence of its own.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

import writing  # noqa: E402 -- from this checkout
from pages import commands, events, facts, metrics, rules, settings  # noqa: E402
from sniffer.ruleset.schema import rules_schema  # noqa: E402

PAGES = {
    "docs/commands.md": commands,
    "docs/events.md": events,
    "docs/facts.md": facts,
    "docs/metrics.md": metrics,
    "docs/rules-reference.md": rules,
    "docs/settings.md": settings,
}


def files() -> dict[str, str]:
    """What is written, by path."""
    pages = {path: "\n".join(line.rstrip() for line in page.lines()) + "\n" for path, page in PAGES.items()}
    return {**pages, "rules/schema.json": json.dumps(rules_schema(), indent=1) + "\n"}


if __name__ == "__main__":
    raise SystemExit(writing.main(__doc__, files))
