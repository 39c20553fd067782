"""A child that ends when the process that started it is gone, however that ended: `kill -9` of the demo leaves nothing behind."""

from __future__ import annotations

import os
import signal

# the parent's process id, in the environment of a child that must not outlive it
PARENT_VARIABLE = "TRADEWIND_ENDS_WITH"
PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Ask the kernel for SIGTERM, which ends a command in order, when the parent that the environment names dies.

    The kernel watches the thread that made the child: whoever sets the variable starts children from a thread that lasts.
    """
    parent = os.environ.pop(PARENT_VARIABLE, "")
    if not parent.isdigit():
        return
    import ctypes

    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):
        raise SystemExit(0)
