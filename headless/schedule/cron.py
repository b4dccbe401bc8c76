"""A launch as a file of /etc/cron.d."""

import re
import shlex
from collections.abc import Sequence

from headless.errors import ParameterError, Skipped
from headless.schedule.checks import check_name, check_user, check_words
from headless.schedule.expression import CronExpression

__all__ = ["COMMAND_LIMIT", "build_cron_file"]

COMMAND_LIMIT = 998
"""Most bytes of a command. Debian's cron takes no more, and drops the whole file with the line."""

_MAILTO = re.compile(r"[A-Za-z0-9@._+,-]*")


def build_cron_file(
    expression: CronExpression,
    argv: Sequence[str],
    *,
    name: str,
    user: str,
    mailto: str = "root",
    working_folder: str | None = None,
    lock: str | None = None,
) -> str:
    """Build a file for /etc/cron.d: the environment, and one line that starts ``argv``.

    Args:
        expression: when.
        argv: the program, as an absolute path, and its arguments.
        name: the file's name; also the default lock's.
        user: the OS user that cron runs the line as.
        mailto: who gets what the command prints; empty for nobody.
        working_folder: where to start; ``None`` is cron's own choice, the user's home.
        lock: the file that keeps a second run from starting while one is active; empty for ``~/.NAME.lock`` of the
            user; ``None`` for no lock.

    Raises:
        ParameterError: a value cannot stand in such a file, or the command is longer than cron takes.
    """
    if not _MAILTO.fullmatch(mailto):
        raise ParameterError(f"'{mailto}' is no address for cron's MAILTO")
    command = _build_command(argv, working_folder, _lock_word(check_name(name), lock))
    line = f"{expression.text} {check_user(user)} {command}"
    return (
        f"# /etc/cron.d/{name}: owned by root, mode 0644, or cron passes over it.\n"
        "SHELL=/bin/sh\n"
        "PATH=/usr/local/bin:/usr/bin:/bin\n"
        f'MAILTO="{mailto}"\n'
        f"{line}\n"
    )


def _build_command(argv: Sequence[str], working_folder: str | None, lock: str | None) -> str:
    """Build the command: quoted for the shell, then for cron. ``lock`` is a shell word, or ``None`` for no lock."""
    check_words([*argv, working_folder or "", lock or ""])
    command = shlex.join(argv)
    if lock is not None:
        # -o: what the command leaves behind does not keep the lock.
        command = f"/usr/bin/flock -n -o -E {Skipped.exit_code} {lock} {command}"
    if working_folder is not None:
        command = f"cd {shlex.quote(working_folder)} && {command}"
    command = _escape(command)
    length = len(command.encode())
    if length > COMMAND_LIMIT:
        raise ParameterError(
            f"the command has {length} bytes as a crontab line, cron takes at most {COMMAND_LIMIT}: "
            "put the command into a script and schedule that"
        )
    return command


def _lock_word(name: str, lock: str | None) -> str | None:
    """The lock file as a shell word. The home is the one folder of each user that others cannot write to."""
    if lock is None:
        return None
    return shlex.quote(lock) if lock else f'"$HOME"/.{name}.lock'


def _escape(command: str) -> str:
    r"""Keep cron from reading ``%`` as a line end, and keep every backslash.

    Cron takes the backslash out of ``\%``, and in most implementations out of ``\\`` too. All backslashes stand within
    single quotes here (shlex), so an empty pair of quotes between two letters parts them without changing the word.
    """
    parted = re.sub(r"\\(?=[\\%])", lambda match: r"\''", command)
    return parted.replace("%", r"\%")
