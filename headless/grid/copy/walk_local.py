"""Files below a folder of this machine, one after the other: no list of them all is ever made."""

import errno
import os
import stat
import sys
from collections.abc import Iterator

from headless.grid.copy.filters import Found
from headless.grid.copy.local import is_temporary
from headless.grid.copy.lost import Lost

if sys.platform == "win32":
    raise ImportError("copying to and from the grid is for POSIX systems only")

__all__ = ["match_local", "walk_local"]


def walk_local(folder: str) -> Iterator[Found | Lost]:
    """All files below a folder, folder by folder, by name.

    Links to files are taken for the files. Links to folders are not followed, for they may lead anywhere, also back;
    they are passed over, as are devices, pipes and sockets; each is told.
    """
    waiting = [folder]
    while waiting:
        below = waiting.pop()
        try:
            with os.scandir(below) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as exc:
            yield Lost(below, exc.errno or errno.EIO, exc.strerror or "cannot be read")
            continue
        inner = []
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                inner.append(entry.path)
            elif not is_temporary(entry.name):
                yield _look(folder, entry.path)
        waiting += reversed(inner)


def _look(folder: str, path: str) -> Found | Lost:
    try:
        status = os.stat(path)
    except OSError as exc:
        return Lost(
            path, exc.errno or errno.EIO, exc.strerror or "cannot be read", relative=os.path.relpath(path, folder)
        )
    if not stat.S_ISREG(status.st_mode):
        what = "a link to a folder" if stat.S_ISDIR(status.st_mode) else "a device, pipe or socket"
        return Lost(path, 0, f"passed over: it is {what}", is_skipped=True, relative=os.path.relpath(path, folder))
    user, group = _name_owner(status.st_uid, status.st_gid)
    return Found(path, os.path.relpath(path, folder), status.st_size, status.st_mtime, user, group)


def _name_owner(uid: int, gid: int) -> tuple[str, str]:
    import grp
    import pwd

    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = str(uid)
    try:
        group = grp.getgrgid(gid).gr_name
    except KeyError:
        group = str(gid)
    return user, group


def match_local(pattern: str) -> list[str]:
    """The paths that a pattern stands for, by name."""
    import glob

    return sorted(glob.glob(pattern))
