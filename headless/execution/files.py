"""Files that are whole or not there: written under another name, synced, renamed. Only the standard library."""

import os
import shutil
import sys
from contextlib import suppress

__all__ = ["SPARE_ROOM", "count_room", "remove_tree", "sync_folder", "write_atomically", "write_synced"]

SPARE_ROOM = 512 * 1024
"""Bytes of a disk that no output takes: how a job ended must find room, and so must the tidying up."""


def write_atomically(
    path: str, data: bytes, *, durable: bool = True, mode: int = 0o600, is_exact: bool = False
) -> None:
    """Write a file under a temporary name in its own folder and rename it.

    Args:
        path: of the file; whatever is there is replaced.
        data: its content.
        durable: whether the content must survive a power cut once this returns.
        mode: permissions of the new file, from its first byte on; the umask takes away from them.
        is_exact: the umask does not: it is for others, who read it.

    Raises:
        OSError: it could not be written; what was there before still is.
    """
    # The process id alone is not enough: after a crash in a container the next one may have it again.
    temporary = f"{path}.{os.getpid()}.{os.urandom(4).hex()}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(temporary, flags, mode)
    try:
        try:
            if is_exact:
                os.chmod(temporary, mode)
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            if durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    if durable:
        sync_folder(os.path.dirname(path) or ".")


def write_synced(path: str, data: bytes) -> None:
    """Write a new file, for its owner alone, whose content survives a power cut once this returns.

    Raises:
        OSError: it is there already, or cannot be written; part of it may have been made.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o600)
    with open(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)


def sync_folder(folder: str) -> None:
    """Have the names in a folder on disk; on Windows that is the system's own business.

    Raises:
        OSError: as open(2) and fsync(2) do.
    """
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def count_room(place: str | int) -> int:
    """How many bytes this process may still write on the disk of a path, or of an open file.

    Raises:
        OSError: as statvfs(3) does.
    """
    if sys.platform == "win32":
        return shutil.disk_usage(place).free
    disk = os.statvfs(place)
    return (disk.f_bfree if os.geteuid() == 0 else disk.f_bavail) * disk.f_frsize


def remove_tree(folder: str) -> None:
    """Remove a folder and all that is in it, also folders that their owner has made read-only. Never raises.

    Whatever could use the folder must have ended. What cannot be removed stays.
    """
    shutil.rmtree(folder, ignore_errors=True)
    # Not as root, whom no mode stops: it must not change the mode of what somebody puts in a folder's place.
    if sys.platform != "win32" and os.geteuid() != 0 and os.path.isdir(folder):
        with suppress(OSError):
            os.chmod(folder, 0o700)
        for path, folders, _ in os.walk(folder):
            for place in (os.path.join(path, name) for name in folders):
                with suppress(OSError):
                    if not os.path.islink(place):
                        os.chmod(place, 0o700)
        shutil.rmtree(folder, ignore_errors=True)
