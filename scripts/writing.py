"""What the scripts have in common that write files of this tree: they write them, or say whether they are up to date.

In: texts by path below this checkout.  Out: the files, a line for each that changed, how many there are; an exit status.
Never: a file written under ``--check``, or one that is as it should be; a file after a fault of what it is made of.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sniffer.errors import SnifferError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROOT = Path(__file__).parent.parent


def make_parser(about: str | None) -> argparse.ArgumentParser:
    """A command line that has ``--check``.

    Args:
        about: what the script says of itself.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only say whether the files are up to date")
    return parser


def write(texts: Mapping[str, str], *, check: bool) -> int:
    """Write the files that differ, or name them.

    Returns:
        The status to end with: 1 when a check found some.
    """
    stale = 0
    for name, text in texts.items():
        path = ROOT / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale += 1
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        print(f"{name}: {'not up to date' if check else 'written'}")
    print(f"{len(texts)} files, {stale} {'stale' if check else 'written'}")
    return 1 if check and stale else 0


def main(about: str | None, make: Callable[[], Mapping[str, str]]) -> int:
    """A script that makes all of its files of what stands in this tree.

    Args:
        about: what the script says of itself.
        make: texts by path.
    """
    arguments = make_parser(about).parse_args()
    try:
        texts = make()
    except SnifferError as error:
        print("\n".join(error.lines()), file=sys.stderr)
        return error.exit_status
    return write(texts, check=arguments.check)
