"""Folders that sinks make files in.

In: a folder.  Out: why no file can be made in it, and what to do.
Never: a file made to find that out.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def look_at(folder: Path) -> tuple[str, str]:
    """What is wrong and the remedy; both empty, if nothing is."""
    if not folder.is_dir():
        return f"there is no folder {folder}", "make it, or name another"
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"no file may be made in {folder}", "give the service's user the right to write there"
    return "", ""
