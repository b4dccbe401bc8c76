"""A control group of its own for each job (cgroups(7), version 2): nothing that the job starts can leave it unseen.

No controllers are needed: membership and ``cgroup.kill`` (Linux 5.14) are all. Where memory and process numbers can be
limited too, they are. Where there is no such group, the supervisor goes by the process tree. Only the standard library.
"""

import contextlib
import os
import sys
from collections.abc import Mapping

if sys.platform == "win32":
    raise ImportError("jobs run on POSIX systems only: give --service HOST:PORT of a server")

__all__ = [
    "CGROUP_PREFIX",
    "count_oom_kills",
    "find_base",
    "is_populated",
    "join_cgroup",
    "kill_cgroup",
    "make_cgroup",
    "remove_cgroup",
]

CGROUP_PREFIX = "headless-"
# The limits of EngineJob that a group can hold, and the files for them.
LIMIT_FILES = {"memory": "memory.max", "processes": "pids.max"}


def find_base(
    *, of_unit: bool = False, membership: str = "/proc/self/cgroup", mounts: str = "/proc/self/mountinfo"
) -> str:
    """The folder of the group that this process is in, if groups for jobs can be made in it; else an empty string.

    Args:
        of_unit: whether it must be a systemd service's, which is given to the service alone: a group of the whole
            system is not for us to fill, even where root could.
        membership: the process's list of groups.
        mounts: the process's list of mounts.
    """
    try:
        with open(membership, encoding="utf-8", errors="surrogateescape") as file:
            own = next((line[3:].rstrip("\n") for line in file if line.startswith("0::")), "")
        if of_unit and not own.endswith(".service"):
            return ""
        with open(mounts, encoding="utf-8", errors="surrogateescape") as file:
            found = [_parse_mount(line, own) for line in file] if own else []
    except OSError:
        return ""
    return next((path for path in found if path and _is_usable(path)), "")


def make_cgroup(path: str, limits: Mapping[str, int]) -> None:
    """Make a job's group, and set the limits in it that it can hold.

    Raises:
        OSError: it cannot be made.
    """
    os.mkdir(path)
    for name, file in LIMIT_FILES.items():
        if limits.get(name):
            with contextlib.suppress(OSError):  # this group has no such controller: the process's own limits hold
                _write(path, file, str(limits[name]))


def join_cgroup(path: str) -> None:
    """Move this process into a group; all that it starts from now on is in it.

    Raises:
        OSError: it may not.
    """
    _write(path, "cgroup.procs", "0")


def kill_cgroup(path: str) -> None:
    """KILL everything in a group and below it; processes that are being forked are not missed. Never raises."""
    with contextlib.suppress(OSError):
        _write(path, "cgroup.kill", "1")


def is_populated(path: str) -> bool:
    """Whether a living process is in the group, or below it."""
    return "populated 1" in _read(path, "cgroup.events")


def count_oom_kills(path: str) -> int:
    """How many of the group's processes the kernel has killed for the group's memory limit."""
    for line in _read(path, "memory.events").splitlines():
        if line.startswith("oom_kill "):
            return int(line.split()[1])
    return 0


def remove_cgroup(path: str) -> bool:
    """Remove a group, and those that were made in it; False if a process is in it. Never raises."""
    try:
        os.rmdir(path)
    except FileNotFoundError:
        return True
    except OSError:
        if is_populated(path):
            return False
        for folder, _, _ in os.walk(path, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(folder)
    return not os.path.exists(path)


def _parse_mount(line: str, own: str) -> str:
    """The folder of the group ``own`` by one line of mountinfo (proc(5)); empty if it is not in that mount."""
    fields, _, rest = line.partition(" - ")
    if rest.split(" ", 1)[0] != "cgroup2":
        return ""
    root, place = (_unescape(field) for field in fields.split(" ")[3:5])
    inner = own if root == "/" else own.removeprefix(root) if own == root or own.startswith(root + "/") else None
    if inner is None or "/.." in inner:
        return ""  # outside of what this namespace shows
    return os.path.normpath(place + "/" + inner)


def _unescape(field: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(code, character)
    return field


def _is_usable(path: str) -> bool:
    """Whether this process may make groups here and move its children into them; tried, not guessed."""
    probe = os.path.join(path, f"{CGROUP_PREFIX}probe.{os.getpid()}")
    try:
        os.mkdir(probe)
    except OSError:
        return False
    try:
        # Moving a process asks for the right to write in the group that it leaves, too (cgroups(7), delegation).
        files = [os.path.join(probe, "cgroup.kill"), os.path.join(probe, "cgroup.procs"), f"{path}/cgroup.procs"]
        return all(os.access(file, os.W_OK) for file in files) and _read(probe, "cgroup.type").strip() == "domain"
    finally:
        with contextlib.suppress(OSError):
            os.rmdir(probe)


def _read(path: str, name: str) -> str:
    try:
        with open(os.path.join(path, name), encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _write(path: str, name: str, text: str) -> None:
    descriptor = os.open(os.path.join(path, name), os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
