"""All that this machine says of itself: each source by itself, so that one that cannot be read hides no other."""

import sys

from headless.inventory.gather.apk import read_apk
from headless.inventory.gather.dpkg import read_dpkg
from headless.inventory.gather.python import read_python
from headless.inventory.gather.rows import Gathered, NoSource, Row, Unreadable

if sys.platform == "win32":
    raise ImportError("reports are made on POSIX systems only")

from headless.inventory.gather.rpm import read_rpm
from headless.inventory.gather.system import read_system

__all__ = ["gather"]

SOURCES = ("rpm", "dpkg", "apk", "python")


def gather(root: str = "", host: str = "", folders: list[str] | None = None, *, plain: bool = False) -> Gathered:
    """Gather.

    Args:
        root: the folder that holds the system; empty for this machine's own.
        host: its name, if that is known better.
        folders: more folders of Python distributions.
        plain: only what pakiti-client lists too.
    """
    rows: list[Row] = []
    missing: list[tuple[str, str]] = []
    for name in SOURCES:
        try:
            rows += _read(name, root, folders, plain)
        except NoSource:
            continue
        except Unreadable as exc:
            missing.append((name, " ".join(str(exc).split())))
    return Gathered(read_system(root, host), rows, missing)


def _read(name: str, root: str, folders: list[str] | None, plain: bool) -> list[Row]:
    if name == "rpm":
        return read_rpm(root)
    if name == "dpkg":
        return read_dpkg(root, plain=plain)
    return read_apk(root) if name == "apk" else read_python(root, folders)
