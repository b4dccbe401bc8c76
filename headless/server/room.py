"""Room on the disk: a job is accepted only while there is enough of it to begin."""

import errno
import os
import sys

from headless.errors import Unavailable
from headless.execution.files import SPARE_ROOM, count_room

if sys.platform == "win32":
    raise ImportError("the server runs on POSIX systems only: give --service HOST:PORT of one")

__all__ = ["check_room"]

LEAST_ROOM = 2 * SPARE_ROOM  # bytes: with less, nothing of its output would be kept
LEAST_FILES = 64  # a job begins with ten


def check_room(state: str, size: int) -> None:
    """See whether the state folder's disk has room for one more job.

    The journal may have some where the jobs' folder has none: without this look a job would be accepted that cannot
    begin, and its launcher would wait, instead of being told.

    Args:
        state: the folder.
        size: bytes of the job's source, which the journal and the job's folder take.

    Raises:
        Unavailable: there is none, or the disk cannot be asked.
    """
    try:
        room, disk = count_room(state), os.statvfs(state)
    except OSError as exc:
        raise Unavailable(f"the server cannot accept jobs: {exc.strerror}") from exc
    # Some file systems (btrfs) count no files.
    if room < LEAST_ROOM + 2 * size or (disk.f_files and disk.f_ffree < LEAST_FILES):
        raise Unavailable(f"the server cannot accept jobs: {os.strerror(errno.ENOSPC)}")
