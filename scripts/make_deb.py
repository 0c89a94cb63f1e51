"""Makes the Debian package: the program with a Python environment of its own, ready without a network.

    python scripts/make_deb.py BUNDLE [--out FOLDER]

In: a bundle of scripts/make_bundle.py, deploy/, docs/.
Out: build/sniffer_VERSION_ARCHITECTURE.deb, for the Debian whose Python is the one that runs this; its path on stdout.
The same bundle and the same SOURCE_DATE_EPOCH give the same bytes.
Never: a path of the machine that builds; work for pip, a compiler or a network on the machine that installs.
"""

from __future__ import annotations

import argparse
import compileall
import gzip
import hashlib
import os
import py_compile
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from packing import PYTHON, ROOT, SCRATCH, epoch, level, run, stop, version

DEBIAN_PYTHON: Final = "python3.11"  # of Debian 12, which is what the package is tested on
HOME: Final = "opt/sniffer"  # the same as by hand (docs/install.md), so that there is one unit for both
SUMMARY: Final = "recognises cryptocurrency mining on a mirror port"
CONTROL: Final = """\
Package: sniffer
Version: {version}
Section: net
Priority: optional
Architecture: {architecture}
Maintainer: {maintainer}
Installed-Size: {size}
Depends: python3 (>= 3.11), python3 (<< 3.12), libc6 (>= 2.34), libgcc-s1, libstdc++6, zlib1g
Recommends: logrotate
Suggests: prometheus
Description: {summary}
 A daemon that reads a mirror port of an ISP or an industrial park,
 recognises cryptocurrency mining in the traffic by rules in YAML, and
 exports hits per IP address as Prometheus metrics. It is passive: it never
 sends a packet to anyone it observes.
 .
 The package carries the Python packages that it needs. It does not start
 the service: first name the mirror port in /etc/sniffer/sniffer.yaml.
"""
LAUNCHER: Final = """\
#!/{home}/bin/python3
import sys

from sniffer.cli import main

sys.exit(main())
"""
MAINTAINER: Final = "{name} <{address}>".format(
    name=os.environ.get("DEBFULLNAME", "The sniffer authors"),
    address=os.environ.get("DEBEMAIL", "sniffer@localhost"),
)
"""Who answers for the package, by the variables that Debian's own tools ask."""


def environment(bundle: Path, stage: Path) -> None:
    """Install the bundle as if into /opt/sniffer, for the interpreter of Debian."""
    home = stage / HOME
    with tempfile.TemporaryDirectory(prefix=SCRATCH) as scratch:
        run("tar", "-xzf", bundle, "-C", scratch)
        (folder,) = Path(scratch).iterdir()
        run(
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-compile"),
            *("--ignore-installed", "--no-warn-script-location", "--require-hashes"),
            *("--find-links", folder / "wheels", "--requirement", folder / "requirements.txt"),
            *("--prefix", home),
        )
    packages = home / "lib" / PYTHON / "site-packages"
    if not (packages / "sniffer").is_dir():
        stop(f"pip did not install into {packages}: run this in a virtual environment (make deb does)")
    prune(packages)
    # pip has written scripts for the interpreter that ran it.
    shutil.rmtree(home / "bin")
    (home / "bin").mkdir()
    (home / "bin" / "python3").symlink_to(f"/usr/bin/{DEBIAN_PYTHON}")
    (home / "bin" / "sniffer").write_text(LAUNCHER.format(home=HOME), encoding="ascii")
    (home / "bin" / "sniffer").chmod(0o755)
    (home / "pyvenv.cfg").write_text(
        "home = /usr/bin\ninclude-system-site-packages = false\n", encoding="ascii"
    )
    level(packages, epoch())
    # The service may not write here, and would translate every module at each start.  Such files are believed whatever
    # the time of the source, and are the same from build to build.
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    if not compileall.compile_dir(
        packages, quiet=1, stripdir=str(stage), prependdir="/", invalidation_mode=mode
    ):
        stop(f"{packages}: some module cannot be translated, see above")


def prune(packages: Path) -> None:
    """Take out what nothing runs: tests, compilers' sources, what pip notes of where packages came from."""
    for name in ("numba", "numpy", "llvmlite"):
        for folder in sorted((packages / name).rglob("tests")):
            shutil.rmtree(folder)
    for name in ("numba/cuda", "numpy/f2py/src"):
        shutil.rmtree(packages / name, ignore_errors=True)
    for pattern in ("*.dist-info/RECORD", "*.dist-info/direct_url.json", "numpy/**/*.a", "numpy/**/*.pyi"):
        for file in packages.glob(pattern):
            file.unlink()


def system_files(stage: Path) -> None:
    """What lies outside of the environment: unit, configuration, manual page, completions, documents."""

    def put(source: Path, target: str) -> None:
        (stage / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, stage / target)

    def write(target: str, text: bytes) -> None:
        (stage / target).parent.mkdir(parents=True, exist_ok=True)
        (stage / target).write_bytes(text)

    deploy = ROOT / "deploy"
    put(deploy / "systemd" / "sniffer.service", "lib/systemd/system/sniffer.service")
    put(deploy / "sniffer.yaml", "etc/sniffer/sniffer.yaml")
    put(deploy / "logrotate" / "sniffer", "etc/logrotate.d/sniffer")
    (stage / "usr/bin").mkdir(parents=True)
    (stage / "usr/bin/sniffer").symlink_to(f"/{HOME}/bin/sniffer")
    with tempfile.TemporaryDirectory(prefix=SCRATCH) as scratch:
        page = Path(scratch) / "sniffer.1"
        run(sys.executable, ROOT / "scripts" / "make_man.py", page)
        write("usr/share/man/man1/sniffer.1.gz", gzip.compress(page.read_bytes(), mtime=0))
    for shell, target in (
        ("bash", "bash-completion/completions/sniffer"),
        ("zsh", "zsh/vendor-completions/_sniffer"),
        ("fish", "fish/vendor_completions.d/sniffer.fish"),
    ):
        write(f"usr/share/{target}", completion(shell))
    documents = "usr/share/doc/sniffer"
    copyright_text = (deploy / "debian" / "copyright").read_text(encoding="utf-8")
    _, holder, licence = (ROOT / "LICENSE").read_text(encoding="utf-8").split("\n\n", 2)
    indented = "".join(f" {line or '.'}\n" for line in licence.strip().splitlines())
    copyright_text = copyright_text.replace("HOLDER", holder.removeprefix("Copyright (c) ").strip())
    write(f"{documents}/copyright", copyright_text.replace("LICENCE\n", indented).encode())
    write(f"{documents}/changelog.gz", gzip.compress((ROOT / "CHANGELOG.md").read_bytes(), mtime=0))
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        put(page, f"{documents}/{'docs/' if page.parent != ROOT else ''}{page.name}")
    left_out = shutil.ignore_patterns("debian", "logrotate", "__pycache__", "node_modules", ".*")
    shutil.copytree(deploy, stage / documents / "examples", ignore=left_out)


def completion(shell: str) -> bytes:
    """The script that makes a shell complete our words, as the command line writes it."""
    done = subprocess.run(
        [sys.executable, "-c", "import sys; sys.argv[0] = 'sniffer'; from sniffer.cli import main; main()"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "_SNIFFER_COMPLETE": f"source_{shell}"},
        capture_output=True,
        check=True,
    )
    return done.stdout.strip() + b"\n"


def control_files(stage: Path, architecture: str, number: str) -> None:
    """What dpkg wants to know."""
    folder = stage / "DEBIAN"
    files = sorted(path for path in stage.rglob("*") if path.is_file() and not path.is_symlink())
    # Of a folder or a link one KiB, as Debian's policy says (5.6.20): what the machine's file system gives them is chance.
    others = sum(path.is_symlink() or not path.is_file() for path in stage.rglob("*"))
    size = sum(-(-path.stat().st_size // 1024) for path in files) + others
    sums = "".join(
        f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.relative_to(stage)}\n"  # noqa: S324  # dpkg's choice
        for path in files
        if path.relative_to(stage).parts[0] != "etc"
    )
    folder.mkdir()
    text = CONTROL.format(
        version=number, architecture=architecture, maintainer=MAINTAINER, size=size, summary=SUMMARY
    )
    (folder / "control").write_text(text, encoding="ascii")
    (folder / "md5sums").write_text(sums, encoding="utf-8")
    conffiles = "".join(
        f"/{path.relative_to(stage)}\n" for path in files if path.relative_to(stage).parts[0] == "etc"
    )
    (folder / "conffiles").write_text(conffiles, encoding="ascii")
    for script in ("postinst", "prerm", "postrm"):
        shutil.copyfile(ROOT / "deploy" / "debian" / script, folder / script)
        (folder / script).chmod(0o755)


def make(bundle: Path, out: Path, number: str) -> Path:
    """Make the package in a folder; return its path."""
    if PYTHON != DEBIAN_PYTHON:
        stop(
            f"the package is for {DEBIAN_PYTHON}, this is {PYTHON}: make deb PYTHON={DEBIAN_PYTHON} VENV=.venv-3.11"
        )
    if shutil.which("dpkg-deb") is None:
        stop("dpkg-deb is missing: build on Debian or install dpkg")
    asked = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True)
    architecture = asked.stdout.strip()
    with tempfile.TemporaryDirectory(prefix=SCRATCH) as scratch:
        stage = Path(scratch) / "sniffer"
        stage.mkdir()
        environment(bundle, stage)
        system_files(stage)
        control_files(stage, architecture, number)
        level(stage, epoch())
        out.mkdir(parents=True, exist_ok=True)
        target = out / f"sniffer_{number}_{architecture}.deb"
        run("dpkg-deb", "--root-owner-group", "-Zzstd", "-z9", "--build", stage, target)
    return target


def main() -> None:
    """Entry."""
    parser = argparse.ArgumentParser(description="Makes the Debian package.")
    parser.add_argument("bundle", type=Path, help="of scripts/make_bundle.py")
    parser.add_argument("--out", type=Path, default=ROOT / "build", help="folder; default: build")
    parser.add_argument("--version", default=version(), help="of the package; default: the program's")
    arguments = parser.parse_args()
    print(make(arguments.bundle, arguments.out, arguments.version))


if __name__ == "__main__":
    main()
