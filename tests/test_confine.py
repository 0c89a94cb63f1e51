"""Confinement, in a process of its own: it cannot be taken back."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="capabilities are Linux's")


CONFINE = "import mmap, os, socket\nfrom sniffer.confine import confine\ndone = confine()\n"


def run(code: str, first: str = CONFINE) -> str:
    """What a process says that confines itself and then runs some code."""
    code = first + code
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.strip()


def test_no_capability_is_left() -> None:
    """Effective, permitted and ambient capabilities are empty, and none can come back."""
    wanted = "('CapEff', 'CapPrm', 'CapAmb', 'NoNewPrivs')"
    told = run(
        f"print(done.powerless, [l.split()[1] for l in open('/proc/self/status') if l.split(':')[0] in {wanted}])"
    )
    assert told == f"True {['0' * 16] * 3 + ['1']}"


def test_what_is_kept_is_all_there_is() -> None:
    """Of what root may do, the writer of the history keeps three things about files; nobody else gets them."""
    told = run(
        "print([l.split()[1][-4:] for l in open('/proc/self/status') if l.split(':')[0] in ('CapEff', 'CapPrm', 'CapInh')])",
        "import os\nfrom sniffer.confine import FILES, confine\nhad = os.geteuid() == 0\nconfine(FILES)\nprint(had)\n",
    )
    is_root, sets = told.splitlines()
    assert sets == str(["0000", "000b", "000b"] if is_root == "True" else ["0000"] * 3)


def test_no_new_packet_socket() -> None:
    """A confined process cannot open what it was given by descriptor."""
    told = run(
        "try: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)\nexcept PermissionError: print('refused')"
    )
    assert told == "refused"


def test_no_new_code() -> None:
    """Where the kernel can seal a process, memory cannot be writable and executable."""
    told = run(
        "try: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC); print(done.sealed, 'given')\n"
        "except PermissionError: print(done.sealed, 'refused')"
    )
    assert told in ("True refused", "False given")


def test_the_parent_is_sealed_and_its_children_are_not() -> None:
    """After sealing, no memory of the parent becomes executable; a process that it starts may load kernels."""
    attempt = "import mmap; mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)"
    told = run(
        "from sniffer.confine import seal_parent\nimport subprocess, sys\n"
        "sealed = seal_parent()\n"
        f"try:\n    {attempt}; print(sealed, 'given')\n"
        "except PermissionError: print(sealed, 'refused')\n"
        f"print(subprocess.run([sys.executable, '-c', {attempt!r}]).returncode)",
        first="",
    )
    assert told in ("True refused\n0", "False given\n0")


def test_the_daemon_seals_itself_before_it_listens() -> None:
    """By the time that the parent's loop begins, no memory becomes executable, if the kernel can do that."""
    kernel = run("from sniffer.confine import seal_parent\nprint(seal_parent())", first="")
    told = run(
        "import mmap\n"
        "from sniffer.config import load_config\nfrom sniffer.control import daemon\n"
        "def loop(coroutine):\n"
        "    coroutine.close()\n"
        "    try: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC); print(False)\n"
        "    except PermissionError: print(True)\n"
        "daemon.asyncio.run = loop\n"
        "daemon.run_daemon(load_config(None), daemon.Options(replay='-'))",
        first="",
    )
    assert told.splitlines()[-1] == kernel
