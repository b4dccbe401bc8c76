"""The names of alien.py's programs: a link of such a name to ``headless`` is ``headless grid`` with that command."""

import os
import re
from collections.abc import Sequence

__all__ = ["expand_name"]

ALONE = ("alien.py", "alien_cmd")
NAME = re.compile(r"alien[_-]([a-zA-Z0-9][\w-]*)")


def expand_name(program: str, arguments: Sequence[str]) -> tuple[str, ...]:
    """What a call of a program by this name means.

    Args:
        program: path that the process was started by.
        arguments: without it.
    """
    name = os.path.basename(program)
    if name in ALONE:
        return ("grid", *arguments)
    if found := NAME.fullmatch(name):
        return ("grid", found[1], *arguments)
    return tuple(arguments)
