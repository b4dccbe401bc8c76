"""Whether the user of a schedule can use what its line names: told when the line is made, not at night by mail."""

import os
import pwd
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from headless.inventory.certificates import holds_private_key
from headless.inventory.schedule_files import NOBODY, READ, SECRET

if sys.platform == "win32":
    raise ImportError("reports are made on POSIX systems only")

__all__ = ["find_obstacles"]


MADE = 61184
"""The first number of the users that systemd makes (systemd.exec(5), "DynamicUser=")."""


def find_obstacles(program: str, values: Mapping[str, Any], user: str, *, by_systemd: bool = False) -> Iterator[str]:
    """A line for each thing that will not work, as far as it can be known here.

    Args:
        program: of headless.
        values: of the options, by their names with dashes.
        user: who will run it; empty: one that systemd makes. What another one can use is known to root alone.
        by_systemd: it reads nobody's secrets for him; cron cannot.
    """
    if user and not _is_known(user):
        yield f"--user {user}: this machine has no such user: the file is for one that has"
    who = user or "the service's own user"
    is_nobodys = user in ("", NOBODY)
    for path in dict.fromkeys((program, sys.executable)):
        if not _can(user, "-x", path):
            yield f"{path}: {who} cannot run it"
    if _has_password(values.get("to") or ""):
        yield "--to: a password stands in the URL, and everybody can read it in the file: give --token-file instead"
    for option in READ:
        value = values.get(option) or ()
        for path in (value,) if isinstance(value, str) else value:
            if "-----BEGIN" in path or path == "-":  # the text itself, or standard input
                continue
            if not os.path.exists(path):
                yield f"--{option} {path}: no such file"
            elif is_nobodys and option in SECRET:
                if not by_systemd:
                    yield (
                        f"--{option} {path}: what nobody can read is no secret: make a user for the reports, give"
                        f" this file to that user (chmod 400), and name the user with --user"
                    )
            elif not _can(user, "-r", path):
                yield f"--{option} {path}: {who} cannot read it"
            elif option == "encrypt" and holds_private_key(path):
                yield f"--{option} {path}: a private key stands in it, which opens all reports"


def _has_password(url: str) -> bool:
    try:
        return urlsplit(url).password is not None
    except ValueError:
        return False


def _is_known(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


def _can(user: str, test: str, path: str) -> bool:
    """Whether a user can read (-r) or run (-x) a file: asked as that user, as folders and lists of access count too."""
    try:
        number, group = pwd.getpwnam(user)[2:4] if user else (MADE, MADE)
    except KeyError:
        return True  # not of this machine, where the line may not belong either
    if number == os.geteuid():
        return os.access(path, os.R_OK if test == "-r" else os.X_OK)
    if os.geteuid() != 0:
        return True
    try:
        ran = subprocess.run(  # noqa: S603  # the words go to test as they are
            ["/bin/sh", "-c", 'test "$0" "$1"', test, os.path.abspath(path)],
            user=number,
            group=group,
            extra_groups=os.getgrouplist(user, group) if user else (),
            cwd="/",
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return True  # a root that may not become another user
    return ran.returncode == 0
