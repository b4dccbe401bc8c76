"""Users of the operating system, as jobs run as them."""

import os
import pwd
import sys

from headless.engines.base import OsUser

if sys.platform == "win32":
    raise ImportError("jobs run on POSIX systems only: give --service HOST:PORT of a server")

__all__ = ["read_os_user"]


def read_os_user(name: str) -> OsUser:
    """An OS user with its groups.

    Raises:
        KeyError: there is none of that name.
    """
    entry = pwd.getpwnam(name)
    groups = tuple(os.getgrouplist(name, entry.pw_gid))
    return OsUser(name, entry.pw_uid, entry.pw_gid, groups, entry.pw_dir)
