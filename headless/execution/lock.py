"""A folder that one process has for itself, as long as it lives."""

import os
import sys

if sys.platform == "win32":
    raise ImportError("flock(2) is POSIX")

import fcntl

__all__ = ["LOCK", "lock_folder"]

LOCK = "lock"


def lock_folder(folder: str) -> int | None:
    """Take a folder for this process, as long as the returned descriptor is open; ``None``: another one has it.

    Raises:
        OSError: the lock's file cannot be made.
    """
    lock = os.open(os.path.join(folder, LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock
