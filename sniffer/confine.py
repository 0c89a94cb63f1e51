"""What processes give up: a worker before it reads the first packet, the parent before it listens, the writer of the history.

In: nothing.  Out: no capabilities (but those that are kept), no way to gain any, no new machine code.
Never: a failure that stops the worker; what the kernel does not offer is left as it is (the systemd unit confines the
service as a whole).

A worker has its sockets by descriptor already, so it needs no privilege; its kernels are compiled and loaded, so no
memory needs to become executable any more (Linux 6.3; a kernel called with new types would end the process, which is
why every ``warm_up`` has to cover all of its own).

The writer of the history opens its file whenever it has to, so it keeps what lets root do that in somebody else's folder; a
service that is not root has no such capability.

The parent keeps its one capability, to open a ring again when an interface comes back.  It compiles nothing and is sealed
from the start; its workers are not, as they have to load their kernels (Linux 6.6).
"""

from __future__ import annotations

import ctypes
import sys
from typing import Final, NamedTuple

PR_SET_NO_NEW_PRIVS: Final = 38
PR_CAP_AMBIENT: Final = 47
PR_CAP_AMBIENT_CLEAR_ALL: Final = 4
PR_SET_MDWE: Final = 65
PR_MDWE_REFUSE_EXEC_GAIN: Final = 1
PR_MDWE_NO_INHERIT: Final = 2
CAPABILITY_VERSION_3: Final = 0x20080522
FILES: Final = 1 << 0 | 1 << 1 | 1 << 3  # CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER


class Confined(NamedTuple):
    """What was achieved."""

    powerless: bool = False  # no capability but those that were kept, and none to be gained
    sealed: bool = False  # no memory becomes executable


def confine(keep: int = 0) -> Confined:
    """Drop all capabilities for good (capabilities(7)) and seal the process against new code (prctl(2)).

    Args:
        keep: a bit for each capability that stays, if it is there.
    """
    if sys.platform != "linux":
        return Confined()
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
        header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
        sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable: the lower 32, then the others
        libc.capget(header, sets)  # where it fails, nothing is kept
        left = (ctypes.c_uint32 * 6)(sets[0] & keep, sets[1] & keep)
        bound = libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
        powerless = bound and libc.capset(header, left) == 0
    except (OSError, AttributeError):
        return Confined()
    return Confined(powerless, _seal(PR_MDWE_REFUSE_EXEC_GAIN))


def seal_parent() -> bool:
    """Seal this process against new code, not those that it starts; return whether the kernel did it."""
    return sys.platform == "linux" and _seal(PR_MDWE_REFUSE_EXEC_GAIN | PR_MDWE_NO_INHERIT)


def _seal(how: int) -> bool:
    try:
        return bool(ctypes.CDLL(None, use_errno=True).prctl(PR_SET_MDWE, how, 0, 0, 0) == 0)
    except (OSError, AttributeError):
        return False
