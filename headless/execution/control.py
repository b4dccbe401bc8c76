"""How a job is cancelled: a durable request in its folder, and a pipe that wakes its supervisor. Only the stdlib."""

import contextlib
import json
import os
import sys

if sys.platform == "win32":
    raise ImportError("jobs run on POSIX systems only: give --service HOST:PORT of a server")

from headless.execution.files import write_atomically

__all__ = ["CANCEL", "CONTROL", "open_control", "read_cancel", "request_cancel"]

CANCEL = "cancel.json"  # the request, with its reason; the first one counts
CONTROL = "control"  # the pipe; what is written to it means: look again
REASON_LIMIT = 500  # characters


def request_cancel(folder: str, reason: str) -> None:
    """Ask the supervisor of this folder's job, or the one that comes, to end it. Safe to repeat.

    Args:
        folder: of the job.
        reason: one line.

    Raises:
        OSError: the request could not be written.
    """
    path = os.path.join(folder, CANCEL)
    if not os.path.exists(path):
        write_atomically(path, json.dumps({"reason": " ".join(reason.split())[:REASON_LIMIT]}).encode())
    try:
        pipe = os.open(os.path.join(folder, CONTROL), os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return  # no supervisor yet: it looks for the request once it has its pipe; or none any more
    try:
        with contextlib.suppress(OSError):  # a full pipe wakes as well
            os.write(pipe, b"!")
    finally:
        os.close(pipe)


def open_control() -> int:
    """Make the pipe in the current folder; return a descriptor that becomes readable with every request.

    Whoever opens it must look for a request afterwards: one may have been there before.

    Raises:
        OSError: there is no room.
    """
    with contextlib.suppress(FileExistsError):
        os.mkfifo(CONTROL, 0o600)
    # Open for writing too, so that it never comes to its end.
    return os.open(CONTROL, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)


def read_cancel() -> str | None:
    """The reason of the request in the current folder; ``None`` if there is no request."""
    try:
        with open(CANCEL, "rb") as file:
            return str(json.load(file)["reason"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        return "its request is damaged"  # it was asked for, whatever the disk has made of it
