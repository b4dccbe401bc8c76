"""A launch as a task of the Windows Task Scheduler ([MS-TSCH] section 2.5)."""

import ntpath
import re
from collections.abc import Sequence
from subprocess import list2cmdline
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from headless.errors import ParameterError
from headless.schedule.checks import check_words
from headless.schedule.expression import CronExpression
from headless.schedule.triggers import build_triggers

__all__ = ["LOGON_TYPES", "build_task", "encode_task"]

LOGON_TYPES = ("S4U", "Password")
"""Who may run a task with nobody logged on: without a stored password, or with one."""

_NAMESPACE = "http://schemas.microsoft.com/windows/2004/02/mit/task"
_PATH_LIMIT = 260  # [MS-TSCH] section 2.5.1.4
_DECLARATION = '<?xml version="1.0"?>\n'
# %NAME% becomes a variable's value, $(NAME) a parameter's ([MS-TSCH] section 2.5.9), $$ a single $. There is no escape.
_REPLACED = re.compile(r"%[^%\s]+%|\$[($]")


def build_task(
    expression: CronExpression,
    argv: Sequence[str],
    *,
    description: str,
    limit_s: int | None,
    working_folder: str,
    user: str | None = None,
    logon_type: str = "S4U",
    random_delay_s: int = 30,
) -> str:
    """Build the XML of a task. A start while the task still runs is ignored.

    The text is ASCII and declares no encoding: so it stays right in whatever encoding a shell writes it to a file.

    Args:
        expression: when.
        argv: the program, as an absolute Windows path, and its arguments.
        description: one line for people.
        limit_s: seconds after which the Task Scheduler ends it, to be above its own limit; ``None`` for no limit.
        working_folder: an absolute Windows path.
        user: the account; ``None`` leaves it to the command that imports the task.
        logon_type: one of ``LOGON_TYPES``.
        random_delay_s: each start is put off by up to so many seconds; 0 for none.

    Raises:
        ParameterError: the Task Scheduler cannot say this, or would change a value.
    """
    _check(argv, working_folder, description)
    task = Element("Task", {"version": "1.2", "xmlns": _NAMESPACE})
    SubElement(SubElement(task, "RegistrationInfo"), "Description").text = description
    SubElement(task, "Triggers").extend(build_triggers(expression, random_delay_s=random_delay_s))
    principal = SubElement(SubElement(task, "Principals"), "Principal", {"id": "Author"})
    if user is not None:
        check_words([user])
        SubElement(principal, "UserId").text = user
    SubElement(principal, "LogonType").text = logon_type
    SubElement(principal, "RunLevel").text = "LeastPrivilege"
    task.append(_build_settings(limit_s))
    command = SubElement(SubElement(task, "Actions", {"Context": "Author"}), "Exec")
    SubElement(command, "Command").text = argv[0]
    SubElement(command, "Arguments").text = list2cmdline(argv[1:])
    SubElement(command, "WorkingDirectory").text = working_folder
    indent(task)
    text: str = tostring(task, encoding="us-ascii").decode()
    return f"{_DECLARATION}{text}\n"


def encode_task(text: str) -> bytes:
    """Encode a task's text as Windows writes such files: UTF-16 with its mark, declared, lines ending in CR LF."""
    declared = text.replace(_DECLARATION, '<?xml version="1.0" encoding="UTF-16"?>\n', 1)
    return b"\xff\xfe" + declared.replace("\n", "\r\n").encode("utf-16-le")


def _build_settings(limit_s: int | None) -> Element:
    """Build the settings. The limit is the Task Scheduler's own, it does not hold for a start by hand."""
    settings = Element("Settings")
    for tag, text in (
        ("MultipleInstancesPolicy", "IgnoreNew"),
        ("DisallowStartIfOnBatteries", "false"),
        ("StopIfGoingOnBatteries", "false"),
        ("AllowHardTerminate", "true"),
        ("StartWhenAvailable", "true"),
        ("RunOnlyIfNetworkAvailable", "false"),
        ("Enabled", "true"),
        ("ExecutionTimeLimit", "PT0S" if limit_s is None else f"PT{limit_s}S"),
    ):
        SubElement(settings, tag).text = text
    return settings


def _check(argv: Sequence[str], working_folder: str, description: str) -> None:
    check_words([*argv, working_folder, description])
    for path in (argv[0], working_folder):
        if not ntpath.splitdrive(path)[0] or not ntpath.isabs(path):
            raise ParameterError(f"'{path}' is no absolute Windows path: give one as in C:\\Tools\\headless.exe")
        if len(path) > _PATH_LIMIT:
            raise ParameterError(f"'{path}' is longer than the {_PATH_LIMIT} characters that a task takes")
    for text in (argv[0], list2cmdline(argv[1:]), working_folder):
        replaced = _REPLACED.search(text)
        if replaced:
            raise ParameterError(
                f"the Task Scheduler would replace '{replaced[0]}', and knows no way to prevent it: "
                "put the arguments into a script and schedule that"
            )
