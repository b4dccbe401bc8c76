"""The server's state folder: made, checked, and one server's at a time."""

import os
import sys

from headless.engines.local import DOORBELL
from headless.errors import ParameterError

if sys.platform == "win32":
    raise ImportError("the server runs on POSIX systems only: give --service HOST:PORT of one")

from headless.execution.lock import LOCK, lock_folder

__all__ = ["lock_state", "prepare_state"]

FOLDERS = ("jobs", "uploads")


def prepare_state(state: str) -> bool:
    """Make the state folder and what belongs in it.

    Returns:
        Whether what an earlier server had in the jobs' folder was removed by somebody.

    Raises:
        ParameterError: it cannot be made or written.
    """
    # As root, jobs of other users must be able to reach their working folders: the way is open, the files are not.
    mode = 0o711 if os.geteuid() == 0 else 0o700
    try:
        os.makedirs(os.path.dirname(state), exist_ok=True)
        _make_folder(state, mode)
        _check_state(state)
        # Not the folder itself: whoever has come since, such as "headless user", has made it anew.
        was_used = os.path.exists(os.path.join(state, LOCK))
        is_emptied = was_used and not os.path.lexists(os.path.join(state, "jobs", DOORBELL))
        for name in FOLDERS:
            _make_folder(os.path.join(state, name), mode)
    except OSError as exc:
        raise ParameterError(f"state folder {state} is of no use: {exc.strerror}") from exc
    return is_emptied


def _make_folder(path: str, mode: int) -> None:
    if not os.path.isdir(path):
        os.mkdir(path, 0o700)
        os.chmod(path, mode)  # whatever the umask is


def _check_state(state: str) -> None:
    """Refuse a folder that is not ours alone, before anything is written to it."""
    status = os.stat(state)
    if status.st_uid != os.geteuid():
        raise ParameterError(
            f"state folder {state} belongs to user {status.st_uid}: run this as that user or choose another folder"
        )
    if status.st_mode & 0o022:
        raise ParameterError(f"state folder {state} can be written by others: chmod go-w {state}")
    if not os.access(state, os.W_OK | os.X_OK):
        raise ParameterError(f"state folder {state} cannot be written")


def lock_state(state: str) -> int:
    """Take the state folder for this process, as long as the returned descriptor is open.

    Raises:
        ParameterError: another server has it.
    """
    lock = lock_folder(state)
    if lock is None:
        raise ParameterError(f"state folder {state} is in use by another server")
    return lock
