"""Writes sniffer/size/efficiency.csv, what miners draw for a hash, from the reference table.

    python scripts/make_efficiency.py [REFERENCE] [--check]

In: miner_efficiency.csv in REFERENCE (default ../shared/reference).
Out: the same rows with hashes and joules in plain units, the kind of machine, and whether the row was verified; the same
bytes for the same table.  ``--check`` writes nothing and says whether the file is up to date.
Never: a row that the table does not have.
"""

from __future__ import annotations

import csv
import io
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from writing import make_parser, write  # noqa: E402 -- from this checkout

UNITS = {"kH/s": 1e3, "MH/s": 1e6, "GH/s": 1e9, "TH/s": 1e12, "kSol/s": 1e3}
NAMES = {
    "aleo-zksnark": "aleo", "blake256-decred": "blake256", "blake2b-handshake": "blake2b+sha3",
    "blake2s-kadena": "blake2s", "blake3-alph": "blake3", "equihash200_9": "equihash",
}  # fmt: skip
KINDS = (
    ("cpu", re.compile(r"^(Core|EPYC|Ryzen|Xeon|Office PC)")),
    ("hobby", re.compile(r"^NerdMiner")),
    ("gpu", re.compile(r"^(RTX|GTX|RX|A100|Tesla|Arc|.*(?:Radeon|GeForce))|HD \d{4}")),
)
TABLE = "sniffer/size/efficiency.csv"


def table(reference: Path) -> str:
    """The text of our table."""
    with (reference / "miner_efficiency.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ("algorithm", "model", "kind", "hashes_per_second", "joules_per_hash", "year", "verified", "source")
    )
    found = []
    for row in rows:
        unit = UNITS[row["unit"]]
        kind = next((name for name, pattern in KINDS if pattern.search(row["model"])), "asic")
        verified = "no" if "UNVERIFIED" in row["source"] else "yes"
        algorithm = NAMES.get(row["algorithm"], row["algorithm"])
        rate, cost = float(row["hashrate"]) * unit, float(row["j_per_unit"]) / unit
        source = row["source"]
        found.append(
            (algorithm, row["model"], kind, f"{rate:.6g}", f"{cost:.4g}", row["year"], verified, source)
        )
    writer.writerows(sorted(found))
    return out.getvalue()


def main() -> int:
    """Write or compare."""
    parser = make_parser(__doc__)
    parser.add_argument("reference", nargs="?", type=Path, default=ROOT.parent / "shared" / "reference")
    options = parser.parse_args()
    return write({TABLE: table(options.reference)}, check=options.check)


if __name__ == "__main__":
    sys.exit(main())
