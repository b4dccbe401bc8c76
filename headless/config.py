"""Where settings come from: the environment and the launcher's files. Nothing else reads ``os.environ``.

Order, the first wins: option, variable ``HEADLESS_...``, the user's file, the system's file, default.
"""

import os
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from headless.errors import ParameterError

__all__ = [
    "COMPLETION_VARIABLE",
    "Environment",
    "read_completion",
    "read_environment",
    "read_launcher_files",
    "read_variables",
]

COMPLETION_VARIABLE = "_HEADLESS_COMPLETE"  # the name is click's rule


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What the environment says, read once.

    Attributes:
        home: the user's home folder.
        config_files: where the launcher's settings may stand, the strongest first.
        config_folder: the user's own, for secret files.
        state_folder: for what must stay (XDG_STATE_HOME).
        runtime_folder: for sockets (XDG_RUNTIME_DIR); empty where there is none, as under cron.
        credentials: the folder of systemd's LoadCredential=, or empty.
        is_in_unit: whether this process belongs to a systemd service, whose end ends all its processes.
        notify_socket: of systemd, or empty.
        listen_fds: how many sockets systemd hands over to this process.
        has_journal: whether standard error goes to the journal.
    """

    home: str
    config_files: tuple[str, ...]
    config_folder: str
    state_folder: str
    runtime_folder: str
    credentials: str
    is_in_unit: bool
    notify_socket: str
    listen_fds: int
    has_journal: bool


def read_environment() -> Environment:
    """Read the environment of this process."""
    environ = os.environ
    home = os.path.expanduser("~")
    if not os.path.isabs(home):
        raise ParameterError(f"the home folder is {home!r}, which is no absolute path: set HOME")
    if sys.platform == "win32":
        config = os.path.join(environ.get("APPDATA", home), "headless")
        state = os.path.join(environ.get("LOCALAPPDATA", home), "headless")
        system = os.path.join(environ.get("PROGRAMDATA", "C:\\ProgramData"), "headless")
    else:
        config = os.path.join(_read_folder("XDG_CONFIG_HOME", os.path.join(home, ".config")), "headless")
        state = os.path.join(_read_folder("XDG_STATE_HOME", os.path.join(home, ".local", "state")), "headless")
        system = "/etc/headless"
    return Environment(
        home=home,
        config_files=(os.path.join(config, "config.toml"), os.path.join(system, "config.toml")),
        config_folder=config,
        state_folder=state,
        runtime_folder=_read_folder("XDG_RUNTIME_DIR", ""),
        credentials=environ.get("CREDENTIALS_DIRECTORY", ""),
        is_in_unit="INVOCATION_ID" in environ and _is_service_cgroup(),
        notify_socket=environ.get("NOTIFY_SOCKET", ""),
        listen_fds=_read_listen_fds(environ),
        has_journal=_has_journal(environ.get("JOURNAL_STREAM", "")),
    )


def read_completion() -> str:
    """What a shell's completion asks for; empty in all other runs."""
    return os.environ.get(COMPLETION_VARIABLE, "")


def read_variables(prefixes: tuple[str, ...]) -> dict[str, str]:
    """The variables whose names begin so; those that are empty count as unset."""
    return {name: value for name, value in os.environ.items() if name.startswith(prefixes) and value}


def read_launcher_files(files: Collection[str], known: Collection[str]) -> dict[str, tuple[Any, str]]:
    """Read the launcher's settings: for each name its value and the file it stands in.

    Args:
        files: the strongest first; those that do not exist are passed over.
        known: the names that may stand there, with underscores; dashes are taken for them.

    Raises:
        ParameterError: a file is unreadable or not TOML, or holds an unknown name.
    """
    values: dict[str, tuple[Any, str]] = {}
    for path in files:
        if not os.path.exists(path):
            continue
        for name, value in _read_toml(path).items():
            key = name.replace("-", "_")
            if key not in known:
                raise ParameterError(f"{path}: unknown setting {name!r}{_suggest(key, known)}")
            values.setdefault(key, (value, path))
    return values


def _read_toml(path: str) -> dict[str, Any]:
    import tomllib  # 10 ms that a launch without a file does not pay

    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except OSError as exc:
        raise ParameterError(f"{path} cannot be read: {exc.strerror}") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ParameterError(f"{path}: not valid TOML: {exc}") from exc


def _suggest(name: str, known: Collection[str]) -> str:
    import difflib

    close = difflib.get_close_matches(name, known, 1)
    return f": did you mean {close[0]!r}?" if close else ""


def _read_folder(variable: str, default: str) -> str:
    """The XDG specification: a relative path counts as unset."""
    value = os.environ.get(variable, "")
    return value if os.path.isabs(value) else default


def _read_listen_fds(environ: Mapping[str, str]) -> int:
    """sd_listen_fds(3): they are for us only if LISTEN_PID is our own process id."""
    count = environ.get("LISTEN_FDS", "")
    return int(count) if count.isdigit() and environ.get("LISTEN_PID") == str(os.getpid()) else 0


def _has_journal(stream: str) -> bool:
    """systemd.exec(5): JOURNAL_STREAM holds device and inode of what standard error was connected to."""
    try:
        status = os.fstat(2)
    except OSError:
        return False
    return stream == f"{status.st_dev}:{status.st_ino}"


def _is_service_cgroup() -> bool:
    """INVOCATION_ID is inherited by every terminal of a desktop too: the cgroup's name tells a service from a scope."""
    try:
        with open("/proc/self/cgroup", encoding="utf-8") as file:
            return any(line.rstrip().endswith(".service") for line in file)
    except OSError:
        return False
