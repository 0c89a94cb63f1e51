"""Where things lie that ship with the program.

In: nothing.  Out: folders.
Never: the working directory as a source of rules: a stray folder must not change what is detected.
"""

from __future__ import annotations

import sys
from pathlib import Path

from sniffer.errors import InputError


def shipped_rules() -> Path:
    """The folder of the shipped rules: beside the package in a checkout, under ``share`` when installed."""
    beside = Path(__file__).parent.parent / "rules"
    installed = Path(sys.prefix) / "share" / "sniffer" / "rules"
    for folder in (beside, installed):
        if folder.is_dir():
            return folder
    raise InputError(
        "the shipped rules are missing", where=str(installed), remedy="name a folder with --rules DIR"
    )
