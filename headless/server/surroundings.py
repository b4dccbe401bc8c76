"""What stands around a job: the OS user it runs as, and its clean environment."""

import pwd
import sys
from collections.abc import Mapping

from headless.engines.base import OsUser
from headless.engines.os_users import read_os_user
from headless.errors import Refused
from headless.server.login import Account

if sys.platform == "win32":
    raise ImportError("the server runs on POSIX systems only: give --service HOST:PORT of one")

__all__ = ["build_environment", "find_os_user"]

PATH = "/usr/local/bin:/usr/bin:/bin"
ROOT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def find_os_user(account: Account, server_uid: int) -> OsUser | None:
    """Who the account's jobs run as; ``None`` for the server's own user.

    Raises:
        Refused: a server that is not root cannot run as another user; one that is needs to be told which.
    """
    user = account.user
    if account.is_owner:
        return None
    if server_uid != 0:
        if user.run_as and user.run_as != _describe(server_uid)[0]:
            raise Refused(f"jobs of {user.name} run as {user.run_as}, and only a server that runs as root can do that")
        return None
    name = user.run_as or user.os_user or user.name
    try:
        os_user = read_os_user(name)
    except KeyError as exc:
        raise Refused(
            f"jobs of {user.name} would run as {name}, who is no user of this machine:"
            f" headless user allow {user.name} --run-as OS-USER"
        ) from exc
    if os_user.uid == 0 and not user.run_as:  # never by a name alone
        raise Refused(f"jobs of {user.name} would run as root: headless user allow {user.name} --run-as root says so")
    return os_user


def build_environment(
    user: OsUser | None, server_uid: int, settings: Mapping[str, str], job: Mapping[str, str]
) -> dict[str, str]:
    """The whole environment of a job: nothing of the server's own, what the settings say, what the job is.

    Args:
        user: who the job runs as; ``None`` for the server's own user.
        server_uid: of the server.
        settings: variables from the server's settings; they win over the defaults.
        job: ``HEADLESS_...`` variables; they win over everything.
    """
    if user is None:
        name, home = _describe(server_uid)
        uid = server_uid
    else:
        name, home, uid = user.name, user.home, user.uid
    return {
        "PATH": PATH if uid else ROOT_PATH,
        "HOME": home,
        "USER": name,
        "LOGNAME": name,
        "SHELL": "/bin/sh",
        "LANG": "C.UTF-8",
        **settings,
        **job,
    }


def _describe(uid: int) -> tuple[str, str]:
    """Name and home of an OS user; a container's may have neither."""
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return f"uid{uid}", "/"
    return entry.pw_name, entry.pw_dir
