"""Lets the traps of names use the builders and the twins of the gate."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "gate"))
