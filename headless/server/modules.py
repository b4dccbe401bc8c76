"""Which modules there are: scripts in the module folders, the first folder that has a name wins."""

import difflib
import os
import re
import stat
from collections.abc import Callable, Sequence

from headless.errors import ParameterError, Refused

__all__ = ["Modules"]

IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")


class Modules:
    """The module folders. They are looked at whenever a name is asked for: a new file needs no reload."""

    def __init__(self, folders: Sequence[str]) -> None:
        """Args:
        folders: absolute paths, in the order in which they are searched.
        """
        self._folders = tuple(folders)

    def list_names(self) -> list[str]:
        """The ids of all modules, sorted; a file ``a_b.py`` is the module ``a-b``."""
        names = set()
        for folder in self._folders:
            try:
                entries = os.listdir(folder)
            except OSError:
                continue
            names |= {entry[:-3].replace("_", "-") for entry in entries if _is_module_file(entry)}
        return sorted(names)

    def find(self, name: str, is_allowed: Callable[[str], bool]) -> str:
        """Return the absolute path of a module's script.

        Args:
            name: its id; dashes and underscores are the same.
            is_allowed: whether a name may be told to the asker, in a suggestion.

        Raises:
            ParameterError: there is none of that name; the nearest names are told.
            Refused: its file can be written by everybody, so it is nobody's module.
        """
        if IDENTIFIER.fullmatch(name):
            for folder in self._folders:
                for file in (f"{name.replace('-', '_')}.py", f"{name.replace('_', '-')}.py", f"{name}.py"):
                    path = os.path.join(folder, file)
                    if _is_module_file(file) and _is_there(name, path):
                        return path
        close = difflib.get_close_matches(name, filter(is_allowed, self.list_names()), 3)
        hint = f": did you mean {' or '.join(close)}?" if close else ""
        raise ParameterError(f"unknown module {name!r}{hint}")


def _is_module_file(entry: str) -> bool:
    return entry.endswith(".py") and not entry.startswith(("_", "."))


def _is_there(name: str, path: str) -> bool:
    """Whether it is a file; refuse it if everybody can change it or, in a folder like /tmp, put one there."""
    try:
        modes = {place: os.stat(place).st_mode for place in (path, os.path.dirname(path))}
    except OSError:
        return False
    if not stat.S_ISREG(modes[path]):
        return False
    for place, mode in modes.items():
        if mode & stat.S_IWOTH:
            raise Refused(f"module {name!r} is refused: everybody may write {place}: chmod o-w {place}")
    return True
