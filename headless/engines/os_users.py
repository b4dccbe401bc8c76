"""Users of the operating system, as jobs run as them; and the way to their folders."""

import os
import pwd
import stat
import sys

from headless.engines.base import OsUser

if sys.platform == "win32":
    raise ImportError("jobs run on POSIX systems only: give --service HOST:PORT of a server")

__all__ = ["find_closed_folder", "read_os_user"]


def read_os_user(name: str) -> OsUser:
    """An OS user with its groups.

    Raises:
        KeyError: there is none of that name.
    """
    entry = pwd.getpwnam(name)
    groups = tuple(os.getgrouplist(name, entry.pw_gid))
    return OsUser(name, entry.pw_uid, entry.pw_gid, groups, entry.pw_dir)


def find_closed_folder(path: str) -> str | None:
    """The first folder on the way to ``path``, itself included, that not everybody may pass through; else ``None``."""
    parts = path.split(os.sep)
    for count in range(1, len(parts) + 1):
        folder = os.sep.join(parts[:count]) or os.sep
        if not os.stat(folder).st_mode & stat.S_IXOTH:
            return folder
    return None
