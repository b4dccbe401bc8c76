"""A copy of a collector's state, made while it runs, that a collector can be started on."""

import os
import shutil
import sqlite3
import sys
from contextlib import closing, suppress

from headless.errors import ParameterError
from headless.inventory.collect.collector import INVENTORY
from headless.inventory.collect.settings import CollectorSettings
from headless.inventory.collect.spool import DONE

if sys.platform == "win32":
    raise ImportError("the collector runs on POSIX systems only")

__all__ = ["back_up"]

LOCK_LIMIT_S = 60.0


def back_up(settings: CollectorSettings, folder: str) -> None:
    """Copy a state folder; a database elsewhere is not copied.

    A report is in the spool first, then in the inventory and among the kept bodies, and then no more in the spool. So
    that is copied first, and the inventory last: what a part does not have yet, a later one has, or both have it, and
    to store a report again changes nothing.

    Args:
        settings: of the collector.
        folder: is made, for us alone; under another name until all is in it.

    Raises:
        ParameterError: it is there, or cannot be written.
    """
    new = f"{folder.rstrip('/')}.new"
    if os.path.lexists(folder):
        raise ParameterError(f"{folder} is there already: name a folder that is not")
    try:
        os.mkdir(new, 0o700)
        try:
            _copy_spool(settings.spool, os.path.join(new, "spool"))
            for path in (settings.access, settings.remembered, os.path.join(settings.state, "database")):
                with suppress(FileNotFoundError):
                    shutil.copy2(path, new)
            _copy_database(settings.kept, new)
            if not settings.database:
                _copy_database(os.path.join(settings.state, INVENTORY), new)
            _give_away(new, os.stat(settings.state))
            os.sync()
            os.rename(new, folder)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise
    except FileExistsError as exc:
        raise ParameterError(f"{new} is there already: another backup makes it, or was killed: then remove it") from exc
    except (OSError, sqlite3.Error) as exc:
        raise ParameterError(f"no backup was made: {exc}") from exc


def _copy_spool(folder: str, to: str) -> None:
    os.mkdir(to, 0o700)
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
        if name.endswith(DONE):
            with suppress(FileNotFoundError):  # processed meanwhile: what is copied later has it
                shutil.copy2(os.path.join(folder, name), to)


def _copy_database(path: str, to: str) -> None:
    if not os.path.exists(path):
        return
    copy = os.path.join(to, os.path.basename(path))
    os.close(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with closing(sqlite3.connect(path, timeout=LOCK_LIMIT_S)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)


def _give_away(folder: str, owner: os.stat_result) -> None:
    """What root copies is the collector's, as the state is."""
    if os.geteuid() == 0:
        for place, _, files in os.walk(folder):
            for path in (place, *(os.path.join(place, name) for name in files)):
                os.chown(path, owner.st_uid, owner.st_gid)
