"""What makes cron or systemd report by itself, each day at the host's own time."""

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from headless.errors import ParameterError
from headless.inventory.slot import build_slot
from headless.schedule.cron import build_cron_file
from headless.schedule.expression import parse_expression
from headless.schedule.systemd import build_service, build_timer

__all__ = ["READ", "build_command", "build_cron", "build_units", "find_program"]

NAME = "headless-inventory"
DESCRIPTION = "Report the installed packages"
NOT_PASSED_ON = ("cron", "systemd", "user", "mailto")
READ = ("input", "encrypt", "sign", "sign-certificate", "config", "token-file", "ca-file", "certificate", "key")
"""The options that name files to be read."""
PATHS = (*READ, "output", "root", "spool", "python-path")
LIMIT_S = 1800


def build_command(program: str, values: Mapping[str, Any]) -> list[str]:
    """The command line that reports, with all that was given but the schedule itself; files by their absolute paths.

    Args:
        program: of headless.
        values: of the options, by their names with dashes.
    """
    words = [program, "inventory", "report"]
    for name, value in values.items():
        if name in NOT_PASSED_ON or value is None or value is False or value in ("", ()):
            continue
        if value is True:
            words.append(f"--{name}")
            continue
        for item in value if isinstance(value, tuple) else (str(value),):
            words += [f"--{name}", os.path.abspath(item) if name in PATHS and item != "-" else item]
    return words


def find_program() -> str:
    """The absolute path of this program.

    Raises:
        ParameterError: it is not known.
    """
    started = sys.argv[0]
    found = started if os.path.basename(started) == "headless" and os.path.isfile(started) else shutil.which("headless")
    if not found:
        raise ParameterError("no headless on PATH: start it by its whole path")
    return os.path.abspath(found)


def build_cron(words: Sequence[str], *, site: str, host: str, interval_s: int, user: str, mailto: str) -> str:
    """A file for /etc/cron.d."""
    return build_cron_file(
        parse_expression(build_slot(site, host, interval_s)),
        words,
        name=NAME,
        user=user,
        mailto=mailto,
        working_folder="/",
    )


def build_units(words: Sequence[str], *, site: str, host: str, interval_s: int, user: str) -> str:
    """A service and its timer, each under a comment that names its place."""
    writable = [words[place + 1] for place, word in enumerate(words) if word == "--spool"]
    writable += [os.path.dirname(words[place + 1]) for place, word in enumerate(words) if word == "--output"]
    service = build_service(
        words,
        description=DESCRIPTION,
        # Systemd warns of nobody, whose processes and files are anybody's. What is to be written outside the state
        # folder needs a user that has a name before it starts.
        user="" if user == "nobody" and not writable else user,
        limit_s=LIMIT_S,
        needs_network="--to" in words,
        state=NAME,
        writable=writable,
    )
    expression = parse_expression(build_slot(site, host, interval_s))
    timer = build_timer(expression, description=DESCRIPTION, random_delay_s=0)
    units = {f"{NAME}.service": service, f"{NAME}.timer": timer}
    return "\n".join(f"# /etc/systemd/system/{name}\n{text}" for name, text in units.items())
