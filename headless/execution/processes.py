"""Process trees of Linux: adopt what a job leaves behind, list it, name it, mark it.

Only the standard library, and only what a supervisor needs: it runs where nothing else of headless is installed.
"""

import ctypes
import functools
import os
import sys
from typing import Any

if sys.platform == "win32":
    raise ImportError("jobs run on POSIX systems only: give --service HOST:PORT of a server")

__all__ = [
    "JOB_ID",
    "MARK",
    "become_subreaper",
    "list_children",
    "list_descendants",
    "mark_process",
    "name_process",
    "open_libc",
]

PR_SET_NAME = 15  # linux/prctl.h
PR_SET_CHILD_SUBREAPER = 36
JOB_ID = "HEADLESS_JOB_ID"
MARK = "-" * 63
"""The value of ``JOB_ID`` that the warm interpreter is started with: room for a job's id."""


@functools.cache
def open_libc() -> Any:
    """The C library of this process."""
    return ctypes.CDLL(None, use_errno=True)


def become_subreaper() -> None:
    """Adopt all descendants whose own parent dies, also those that made a session of their own (prctl(2)).

    Elsewhere than on Linux this does nothing, and only direct children can be found again.
    """
    if sys.platform == "linux":
        open_libc().prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def name_process(name: str) -> None:
    """Set what ``ps -o comm`` and ``top`` show of this process; 15 bytes of it count."""
    if sys.platform == "linux":
        open_libc().prctl(PR_SET_NAME, name.encode()[:15], 0, 0, 0)


def mark_process(job_id: str) -> None:
    """Have ``/proc/PID/environ`` of this process, and of what it forks, name the job, so that it can be found.

    The file shows the memory that held the environment when the program was started, whatever the process has made
    of its environment since. So that memory is written to, in the room that :data:`MARK` has kept.
    """
    getenv = open_libc().getenv
    getenv.restype = ctypes.c_void_p
    address = getenv(JOB_ID.encode())
    if address and ctypes.string_at(address) == MARK.encode():
        ctypes.memmove(address, job_id.encode()[: len(MARK)].ljust(len(MARK), b"\0"), len(MARK))


def list_children() -> list[int]:
    """The process ids of this process's own children, quickly; none where the kernel does not tell."""
    try:
        with open("/proc/thread-self/children", "rb") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def list_descendants(*ancestors: int) -> list[int]:
    """The process ids of all living descendants of these processes, or of this one, in no order that counts."""
    parents: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            parents.setdefault(_read_parent(int(entry)), []).append(int(entry))
    found: list[int] = []
    waiting = list(ancestors) or [os.getpid()]
    while waiting:
        children = parents.pop(waiting.pop(), [])
        found += children
        waiting += children
    return found


def _read_parent(pid: int) -> int:
    """The parent's id from ``/proc/PID/stat``, 0 if the process is gone or already dead (proc(5))."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The command's name may hold blanks and parentheses: the fields begin after its last one.
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return 0
    # A process whose first thread has ended is a zombie, too, and lives as long as its other threads.
    return int(fields[1]) if fields[0] != b"Z" or int(fields[17]) > 1 else 0
