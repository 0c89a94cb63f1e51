"""The names that the shipped rules list, as a dataset of Suricata.

    python bench/pools.py OUT

In: the shipped rules.  Out: a line for each name, in base64, as Suricata reads datasets of strings.
Never: a name below a listed one: Suricata compares whole names, which is less than the rules ask.
"""

from __future__ import annotations

import base64
import sys
from pathlib import Path

from sniffer.paths import shipped_rules
from sniffer.ruleset import load_rules


def main() -> int:
    """Write the names."""
    names = sorted({endpoint.domain for endpoint in load_rules([shipped_rules()]).endpoints})
    lines = [base64.b64encode(name.encode()).decode() for name in names]
    Path(sys.argv[1]).write_text("\n".join(lines) + "\n", encoding="ascii")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
