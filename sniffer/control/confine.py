"""A worker gives up what it does not need before it reads the first packet.

In: nothing.  Out: no capabilities, no way to gain any.  Never: a failure that stops the worker; what the kernel does
not offer is left as it is (the systemd unit confines the service as a whole).

A worker has its sockets by descriptor already, so it needs no privilege.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Final

PR_SET_NO_NEW_PRIVS: Final = 38
PR_CAP_AMBIENT: Final = 47
PR_CAP_AMBIENT_CLEAR_ALL: Final = 4
CAPABILITY_VERSION_3: Final = 0x20080522


def confine() -> bool:
    """Drop all capabilities for good (capabilities(7)); return whether that worked."""
    if sys.platform != "linux":
        return False
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        done = libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
        libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
        header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
        nothing = (ctypes.c_uint32 * 6)()
        done = bool(done and libc.capset(header, nothing) == 0)
    except (OSError, AttributeError):
        return False
    return done


def capabilities() -> int:
    """Effective capabilities of this process, as the kernel's bit mask; -1 where that cannot be known."""
    try:
        with open(f"/proc/{os.getpid()}/status", encoding="ascii") as status:  # noqa: PTH123
            return next(int(line.split()[1], 16) for line in status if line.startswith("CapEff"))
    except (OSError, StopIteration, ValueError):
        return -1
