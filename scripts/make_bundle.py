"""Packs everything that an installation without a network needs: wheels, their hashes, how to.

    python scripts/make_bundle.py [--out FOLDER]

In: this checkout, a package index (the last time that one is needed).
Out: build/sniffer-VERSION-bundle-PYTHON-MACHINE.tar.gz for the Python that runs this; its path on stdout.
Never: a file whose hash requirements.txt does not have.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import shutil
import sys
import tempfile
from pathlib import Path

from packing import MACHINE, PYTHON, ROOT, SCRATCH, archive, clean_copy, epoch, run, version

INSTALL = """\
sniffer {version}, with all that it needs, for {python} on {machine} (glibc).

    {python} -m venv /opt/sniffer
    /opt/sniffer/bin/python -m pip install --no-index --find-links wheels --require-hashes -r requirements.txt
    /opt/sniffer/bin/sniffer version

No network is used; pip refuses a file that is not the one this bundle was made with.  An upgrade is the same with a new
bundle, then: systemctl restart sniffer.  To remove it: rm -r /opt/sniffer.

sniffer.service and sniffer.yaml are examples; the first lines of each say what to do with it.  docs/install.md has more.
"""


def requirements(wheels: Path) -> str:
    """One line for each wheel, with its version and its hash."""
    lines = []
    for wheel in sorted(wheels.iterdir()):
        name, number = wheel.name.split("-")[:2]
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        lines.append(f"{re.sub(r'[-_.]+', '-', name).lower()}=={number} --hash=sha256:{digest}\n")
    return "".join(lines)


def bundle_name() -> str:
    """Name of the bundle, without what follows the last dot."""
    return f"sniffer-{version()}-bundle-{PYTHON}-{MACHINE}"


def make(out: Path) -> Path:
    """Make the bundle in a folder; return its path."""
    with tempfile.TemporaryDirectory(prefix=SCRATCH) as scratch:
        sources, folder = Path(scratch) / "sources", Path(scratch) / bundle_name()
        wheels = folder / "wheels"
        clean_copy(sources)
        pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--wheel-dir", wheels)
        run(*pip, sources)
        (folder / "requirements.txt").write_text(requirements(wheels), encoding="ascii")
        text = INSTALL.format(version=version(), python=PYTHON, machine=MACHINE)
        (folder / "INSTALL").write_text(text, encoding="ascii")
        for example in ("systemd/sniffer.service", "sniffer.yaml"):
            shutil.copy(ROOT / "deploy" / example, folder)
        out.mkdir(parents=True, exist_ok=True)
        target = out / f"{bundle_name()}.tar.gz"
        archive(folder, target, epoch())
    return target


def main() -> None:
    """Entry."""
    parser = argparse.ArgumentParser(description="Packs what an installation without a network needs.")
    parser.add_argument("--out", type=Path, default=ROOT / "build", help="folder; default: build")
    print(make(parser.parse_args().out))


if __name__ == "__main__":
    main()
