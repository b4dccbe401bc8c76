"""Files that are for one's own eyes: a token's, a key's."""

import os
import stat
import sys
from collections.abc import Iterable, Iterator

__all__ = ["find_exposed"]


def find_exposed(paths: Iterable[str | None]) -> Iterator[str]:
    """A line for each of these files that everybody on this machine can read; what is no file is passed over."""
    for path in dict.fromkeys(paths):
        if not path or sys.platform == "win32":  # where the mode says nothing of who can read it
            continue
        try:
            mode = os.stat(path).st_mode
        except (OSError, ValueError):
            continue
        if stat.S_ISREG(mode) and mode & stat.S_IROTH:
            yield f"{path}: everybody on this machine can read it: chmod 600 {path}"
