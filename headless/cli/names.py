"""The names of alien.py's programs: a link of such a name to ``headless`` is ``headless grid`` with that command."""

import os
from collections.abc import Sequence

__all__ = ["expand_name"]

ALONE = ("alien.py", "alien_cmd")
BEGINNINGS = ("alien_", "alien-")


def expand_name(program: str, arguments: Sequence[str]) -> tuple[str, ...]:
    """What a call of a program by this name means.

    Args:
        program: path that the process was started by.
        arguments: without it.
    """
    name = os.path.basename(program)
    if name in ALONE:
        return ("grid", *arguments)
    command = name[len(BEGINNINGS[0]) :]
    if name.startswith(BEGINNINGS) and command[:1].isalnum() and command.replace("_", "").replace("-", "").isalnum():
        return ("grid", command, *arguments)
    return tuple(arguments)
