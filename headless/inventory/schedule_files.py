"""What makes cron or systemd report by itself, each day at the host's own time."""

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from headless.errors import ParameterError
from headless.inventory.slot import build_slot
from headless.schedule.cron import build_cron_file
from headless.schedule.expression import parse_expression
from headless.schedule.systemd import Credential, build_service, build_timer

__all__ = ["NOBODY", "READ", "SECRET", "build_command", "build_cron", "build_units", "find_program", "find_user"]

NAME = "headless-inventory"
DESCRIPTION = "Report the installed packages"
NOT_PASSED_ON = ("cron", "systemd", "user", "mailto")
READ = ("input", "encrypt", "sign", "sign-certificate", "config", "token-file", "ca-file", "certificate", "key")
"""The options that name files to be read."""
SECRET = ("sign", "token-file", "certificate", "key")
"""Those of them that may hold what is for one's own eyes."""
NOBODY = "nobody"
"""Whose files are anybody's: a secret of his is none, so systemd hands it to his service."""
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
    service = build_service(
        _hand_over(words) if user == NOBODY else words,
        description=DESCRIPTION,
        user=find_user(words, user),
        limit_s=LIMIT_S,
        needs_network="--to" in words,
        state=NAME,
        writable=_find_writable(words),
    )
    expression = parse_expression(build_slot(site, host, interval_s))
    timer = build_timer(expression, description=DESCRIPTION, random_delay_s=0)
    units = {f"{NAME}.service": service, f"{NAME}.timer": timer}
    return "\n".join(f"# /etc/systemd/system/{name}\n{text}" for name, text in units.items())


def find_user(words: Sequence[str], user: str) -> str:
    """The user of a service; empty: one that systemd makes for it.

    Systemd warns of nobody, whose processes and files are anybody's. What is to be written outside the state folder
    needs a user that has a name before it starts.
    """
    return "" if user == NOBODY and not _find_writable(words) else user


def _find_writable(words: Sequence[str]) -> list[str]:
    given = list(pairwise(words))
    spools = [value for word, value in given if word == "--spool"]
    return spools + [os.path.dirname(value) for word, value in given if word == "--output"]


def _hand_over(words: Sequence[str]) -> list[str | Credential]:
    """Have systemd read the secrets, as root, and pass them on: then nobody else need be able to."""
    options = {f"--{name}": name for name in SECRET}
    before = ("", *words)
    return [
        Credential(options[option], word) if option in options and os.path.isabs(word) else word
        for option, word in zip(before, words, strict=False)
    ]
