"""What a storage holds after an upload, compared with what was read here: its own checksum, or the bytes themselves."""

import errno

from headless.grid.copy.access import Replica
from headless.grid.copy.content import Content
from headless.grid.copy.replicas import ask_replicas
from headless.grid.copy.storage import read_back
from headless.grid.copy.told import Told, ask_told, is_same_sum
from headless.grid.copy.work import Work
from headless.grid.messages import GridError

__all__ = ["DoubtfulError", "ask_stored", "check_registered", "check_stored"]


class DoubtfulError(GridError):
    """What is registered cannot be trusted, and could not be withdrawn."""


def ask_stored(work: Work, replica: Replica, content: Content) -> Told | None:
    """What a storage holds; ``None`` where the envelope lets nobody know, for it is for writing only.

    A storage that computes no checksum of a kind that is known here has the file read back.

    Raises:
        GridError: the file is not there, or the storage is gone.
    """
    if told := ask_told(work, replica, content.kinds):
        return told
    try:
        with work.slots:
            return "md5", read_back(replica.address, work.check)
    except GridError as exc:
        if exc.exit_code in (errno.EACCES, errno.EPERM):
            return None
        raise


def check_stored(stored: Told, content: Content) -> None:
    """See that what is stored is what was read here, all of it.

    Args:
        stored: see :func:`ask_stored`.
        content: finished.

    Raises:
        GridError: EBADMSG: it is not.
    """
    kind, found = stored
    if not is_same_sum(found, right := content.read_sum(kind)):
        raise GridError(errno.EBADMSG, f"what was stored has the {kind} {found}, and should have {right}")


def check_registered(work: Work, lfn: str, replica: Replica, content: Content) -> GridError | None:
    """The same with leave to read, which is given for what is registered; what is wrong is withdrawn.

    Returns:
        Why it was withdrawn; ``None`` if all is well.

    Raises:
        DoubtfulError: it is wrong, or cannot be verified, and is still registered.
    """
    try:
        found = [row for row in ask_replicas(work, lfn, replica.storage) if row.storage == replica.storage]
        stored = ask_stored(work, found[0], content) if found else None
        if stored is None:
            raise GridError(errno.EACCES, "the storage neither tells a checksum nor lets the file be read")
        check_stored(stored, content)
    except GridError as exc:
        if not _withdraw(work, lfn, replica):
            said = f"{lfn} is registered at {replica.storage} and may be wrong: {exc}: remove it"
            raise DoubtfulError(exc.exit_code, said) from exc
        return exc
    return None


def _withdraw(work: Work, lfn: str, replica: Replica) -> bool:
    """Take a replica out of the catalogue; a file's last one goes with the file."""
    if work.pool.run("deleteMirror", "-nomsg", lfn, replica.storage).code == 0:
        return True
    rows = work.pool.run("whereis", "-nomsg", lfn).rows
    is_last = [row.get("seName") for row in rows] == [replica.storage]
    return is_last and work.pool.run("rm", "-nomsg", "-f", lfn).code == 0
