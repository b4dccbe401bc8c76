"""Become a storage's XRootD: change the user, ask to die with the parent, execute. Run by ``python -I``.

    storage_child.py PARENT-PID UID GID PROGRAM ARGUMENT...

Changing the user clears the wish to die with the parent (prctl(2)), so neither xrootd's own ``-R`` nor the grid's
process can do it in the right order. Only the standard library: it is executed by its path.
"""

import ctypes
import os
import signal
import sys

if sys.platform == "win32":
    raise ImportError("a grid of one's own runs on POSIX systems only")

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(arguments: list[str]) -> None:
    """Never returns.

    Raises:
        OSError: the user cannot be had, or the program not be run.
    """
    parent, uid, gid = (int(word) for word in arguments[:3])
    if os.geteuid() == 0:
        os.setgroups([gid])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":  # elsewhere the next server ends what this one leaves behind
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before it could be asked for
        os._exit(127)
    os.umask(0o022)
    os.execv(arguments[3], arguments[3:])  # noqa: S606  # no shell is wanted


if __name__ == "__main__":
    main(sys.argv[1:])
