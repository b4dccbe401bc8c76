"""The claim on a job: a file that says for ever that the job has begun, and by its lock that its supervisor lives.

POSIX locks belong to the process, not to a descriptor: the job's processes do not inherit it, and it ends with the
supervisor whatever kills that. Only the standard library.
"""

import contextlib
import enum
import errno
import fcntl
import os
import struct
import sys

if sys.platform == "win32":
    raise ImportError("jobs run on POSIX systems only: give --service HOST:PORT of a server")

from headless.execution.files import sync_folder

__all__ = ["CLAIM", "Claim", "read_claim", "sync_claim", "take_claim"]

CLAIM = "claim"
FLOCK = "hhqqi"  # struct flock of fcntl(2): type, whence, start, length, process id


class Claim(enum.Enum):
    """What a job's claim says."""

    NONE = "none"  # the job has never begun
    HELD = "held"  # its supervisor lives
    FREE = "free"  # it has begun, and its supervisor is gone


def take_claim(folder: str) -> bool:
    """Claim the job of this folder for this process, until it ends; False if the job has begun already.

    The file is locked before it gets its name, so nobody ever sees a claim that is free while its owner lives. It must
    not be opened again by this process: closing it would drop the lock. :func:`sync_claim` it before anything is run.

    Raises:
        OSError: there is no room, or no such folder. Nothing is claimed.
    """
    path = os.path.join(folder, CLAIM)
    temporary = f"{path}.{os.getpid()}.{os.urandom(4).hex()}.tmp"
    descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.link(temporary, path)
    except FileExistsError:
        os.close(descriptor)
        return False
    except BaseException:
        os.close(descriptor)
        raise
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
    return True


def sync_claim(folder: str) -> None:
    """Have the claim survive a power cut, and the folder it is in: what has begun must never begin again.

    Raises:
        OSError: the disk does not do it.
    """
    sync_folder(folder)
    sync_folder(os.path.join(folder, os.pardir))


def read_claim(folder: str) -> Claim:
    """What the claim on this folder's job says.

    The lock is asked for, never taken: a supervisor that starts at this moment must not find it held.

    Raises:
        OSError: it cannot be read just now, such as for want of a descriptor.
    """
    try:
        descriptor = os.open(os.path.join(folder, CLAIM), os.O_RDWR | os.O_CLOEXEC)
    except OSError as exc:
        if exc.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
            return Claim.NONE
        raise
    try:
        question = struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        answer = fcntl.fcntl(descriptor, fcntl.F_GETLK, question)
        return Claim.FREE if struct.unpack(FLOCK, answer)[0] == fcntl.F_UNLCK else Claim.HELD
    finally:
        os.close(descriptor)
