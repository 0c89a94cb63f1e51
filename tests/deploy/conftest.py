"""The bundle and the package, built once, and a Debian of its own to put them into."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLEAN = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": "/nonexistent"}
"""An environment in which nothing of the checkout can be found."""

PIP = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "HOME", "SSL_"))}


def script(name: str, *arguments: str | Path) -> Path:
    """Run one of the scripts that build; return the path that it tells."""
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / name, *map(str, arguments)],
        env={**CLEAN, **PIP, "SOURCE_DATE_EPOCH": "1790000000"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The offline bundle of this checkout."""
    return script("make_bundle.py", "--out", tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="session")
def package(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Debian package; skips where it cannot be built."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("dpkg-deb is not installed")
    if sys.version_info[:2] != (3, 11):
        pytest.skip("the package is for the Python of Debian 12")
    return script("make_deb.py", bundle, "--out", tmp_path_factory.mktemp("package"))


def mirror() -> str:
    """Where this machine has its Debian packages from, by its own configuration; empty: it does not say."""
    folder = Path("/etc/apt")
    for file in (folder / "sources.list", *sorted(folder.glob("sources.list.d/*"))):
        if file.suffix not in {".list", ".sources"} or not file.is_file():
            continue
        text = file.read_text(encoding="utf-8")
        found = re.search(r"^(?:URIs:|deb(?: +\[.*?\])?) +(\S+/debian)/?(?: |$)", text, re.MULTILINE)
        if found:
            return found[1]
    return ""


@pytest.fixture(scope="session")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Debian 12 with Python and nothing else, to chroot into; kept under build/ for the next time."""
    if os.geteuid():
        pytest.skip("chroot needs root")
    kept = ROOT / "build" / "bookworm.tar"
    folder = tmp_path_factory.mktemp("debian") / "root"
    if not kept.exists():
        if shutil.which("debootstrap") is None:
            pytest.skip("debootstrap is not installed")
        if not mirror():
            pytest.skip("apt has no Debian mirror")
        command = ["debootstrap", "--variant=minbase", "--include=python3", "bookworm", str(folder), mirror()]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode:
            pytest.skip(f"debootstrap: {made.stdout.strip().rpartition(chr(10))[2]}")
        kept.parent.mkdir(exist_ok=True)
        new = kept.with_suffix(".new")
        subprocess.run(["tar", "--numeric-owner", "-cf", new, "-C", folder.parent, "root"], check=True)
        new.rename(kept)
    else:
        subprocess.run(["tar", "-xpf", kept, "-C", folder.parent, "--numeric-owner"], check=True)
    for above in folder.parents[:3]:  # what pytest made for root alone
        above.chmod(above.stat().st_mode | 0o011)
    return folder
