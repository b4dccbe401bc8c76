"""A launch as a systemd service and its timer."""

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass

from headless.errors import ParameterError
from headless.schedule.calendar import build_calendars
from headless.schedule.checks import check_name, check_user, check_words
from headless.schedule.expression import CronExpression

__all__ = ["HARDENING", "Credential", "build_service", "build_timer"]

HARDENING = """\
# Everything below is sandbox. Relax single lines with `systemctl edit`; each comment says when.
NoNewPrivileges=yes
# Empty: no privilege even for root. List those that a job of root needs, as in CAP_DAC_OVERRIDE.
CapabilityBoundingSet=
# Read-only but for /dev, /proc and the private /tmp. Add ReadWritePaths= for what has to be written.
ProtectSystem=strict
# Homes can be read (a program or a script may lie there). Set to yes if nothing is read there.
ProtectHome=read-only
PrivateTmp=yes
# For a job that talks to hardware: PrivateDevices=no and a DeviceAllow= for each device.
PrivateDevices=yes
DevicePolicy=closed
PrivateMounts=yes
ProtectProc=invisible
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
# Set to no for a job that starts containers.
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
# Set to no for code that compiles at run time (numba, LuaJIT, Java).
MemoryDenyWriteExecute=yes
RemoveIPC=yes
UMask=0077
# Add AF_NETLINK for tools that list network interfaces or routes.
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
SystemCallArchitectures=native
# Add groups, as in @mount, if the journal shows a job ended by SIGSYS or an unexpected EPERM.
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
"""

_PLAIN = re.compile(r"[A-Za-z0-9_@+=:,./-]+")


@dataclass(frozen=True)
class Credential:
    """A file that systemd reads as root and passes on to the service alone (``LoadCredential=``).

    In an argv it stands for the path under which the service sees it.
    """

    name: str
    path: str


def build_service(
    argv: Sequence[str | Credential],
    *,
    description: str,
    user: str,
    limit_s: int | None,
    working_folder: str = "/",
    needs_network: bool = False,
    state: str | None = None,
    writable: Sequence[str] = (),
) -> str:
    """Build the service that runs ``argv`` once. systemd does not start it again while it is active.

    Args:
        argv: the program, as an absolute path, and its arguments.
        description: one line for people.
        user: the OS user it runs as; empty: one that systemd makes for it.
        limit_s: seconds after which systemd ends it, to be above its own limit; ``None`` for no limit.
        working_folder: an absolute path.
        needs_network: start after the network is up.
        state: for a command with an embedded server, the name of its folders under /var/lib and /run; ``None`` for
            none.
        writable: absolute paths it may write to, on top of the private ones.

    Raises:
        ParameterError: a path is not absolute, or a value cannot stand in a unit.
    """
    credentials = [word for word in argv if isinstance(word, Credential)]
    paths = [working_folder, *writable, *(credential.path for credential in credentials)]
    _check(argv, paths, description)
    lines = ["[Unit]", f"Description={_percent(description)}"]  # no page: pip installs none, and systemd looks for it
    if needs_network:
        lines += ["Wants=network-online.target", "After=network-online.target"]
    lines += [
        "",
        "[Service]",
        "Type=oneshot",
        f"ExecStart={' '.join(_argument(word) for word in argv)}",
        f"User={check_user(user)}" if user else "DynamicUser=yes",
        f"WorkingDirectory={_percent(working_folder)}",
        "# Above the command's own time limit, which is the one to change first.",
        f"TimeoutStartSec={'infinity' if limit_s is None else limit_s}",
        "# How long SIGTERM may take to have effect before SIGKILL.",
        "TimeoutStopSec=30",
    ]
    for credential in credentials:
        lines += [
            "# Read by systemd as root; the service sees a copy that no other user can read.",
            f"LoadCredential={credential.name}:{_percent(credential.path)}",
        ]
    if state is not None:
        lines += _state_lines(check_name(state))
    if writable:
        lines.append("ReadWritePaths=" + " ".join(_quote(path) for path in writable))
    return "\n".join(lines) + "\n\n" + HARDENING


def build_timer(expression: CronExpression, *, description: str, random_delay_s: int = 30) -> str:
    """Build the timer that starts the service of the same name.

    Args:
        expression: when.
        description: one line for people.
        random_delay_s: each start is put off by up to so many seconds, so that not all hosts start at once; below a
            minute it never changes the order of two starts.

    Raises:
        ParameterError: the description cannot stand in a unit.
    """
    check_words([description])
    calendars = "\n".join(f"OnCalendar={calendar}" for calendar in build_calendars(expression))
    return f"""\
[Unit]
Description={_percent(description)}

[Timer]
# cron: {expression.text}
{calendars}
# A start missed while the machine was off is made up for, once.
Persistent=true
RandomizedDelaySec={random_delay_s}
AccuracySec=1s

[Install]
WantedBy=timers.target
"""


def _state_lines(name: str) -> list[str]:
    """Folders of its own for what is kept: under ProtectSystem=strict no other can be written to."""
    return [
        "# For what is kept: a spool, or the embedded server's state; its job runs in this unit's sandbox, too.",
        f"StateDirectory={name}",
        "StateDirectoryMode=0700",
        f"RuntimeDirectory={name}",
        "RuntimeDirectoryMode=0700",
        f"Environment=XDG_STATE_HOME=%S/{name} XDG_RUNTIME_DIR=%t/{name}",
    ]


def _check(argv: Sequence[str | Credential], paths: Sequence[str], description: str) -> None:
    check_words([*(word for word in argv if isinstance(word, str)), *paths, description])
    program = argv[0]
    if not isinstance(program, str) or "$" in program:
        # In the program's own path systemd makes no '$' of '$$'.
        raise ParameterError(f"systemd cannot start {program!r}: its path has a '$'")
    for path in (program, *paths):
        if not posixpath.isabs(path):
            raise ParameterError(f"'{path}' is no absolute path: systemd knows no folder to start from")
    for value in (description, *paths):
        if value != value.strip() or value.endswith("\\"):
            raise ParameterError(f"{value!r} cannot stand in a unit: it ends in a blank or a backslash")


def _percent(text: str) -> str:
    """Keep systemd from reading ``%`` as the start of a specifier."""
    return text.replace("%", "%%")


def _quote(word: str) -> str:
    """Quote one word of a list (systemd.syntax(7), "Quoting")."""
    if _PLAIN.fullmatch(word):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{_percent(escaped)}"'


def _argument(word: str | Credential) -> str:
    """Write one word of a command line, where ``$`` would start a variable (systemd.service(5), "Command lines")."""
    if isinstance(word, Credential):
        return f"${{CREDENTIALS_DIRECTORY}}/{word.name}"
    return _quote(word.replace("$", "$$"))
