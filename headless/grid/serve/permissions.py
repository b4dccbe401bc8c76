"""Who may do what with an entry: bits for its owner, its group and others, as JAliEn and Unix have it."""

from headless.grid.errnos import EACCES, EPERM
from headless.grid.messages import GridError
from headless.grid.serve.call import Session
from headless.grid.serve.entries import Entry

__all__ = ["check_access", "check_owner", "may"]

BITS = {"r": 4, "w": 2, "x": 1}


def may(session: Session, entry: Entry, what: str) -> bool:
    """Whether a session may read (``r``), write (``w``) or pass through (``x``) an entry; letters may be joined.

    The owner's bits count for the owner alone, the group's for whoever has the group among its roles, and
    administrators may do everything.
    """
    if session.user.is_admin:
        return True
    bits = entry.mode & 7
    if entry.owner == session.user.name:
        bits = entry.mode >> 6 & 7
    elif entry.group in session.user.roles:
        bits = entry.mode >> 3 & 7
    return all(bits & BITS[letter] for letter in what)


def check_access(session: Session, entry: Entry, what: str) -> None:
    """Refuse what :func:`may` says no to.

    Raises:
        GridError: EACCES.
    """
    if not may(session, entry, what):
        raise GridError(EACCES, f"{entry.path}: it belongs to {entry.owner}, mode {entry.mode:03o}")


def check_owner(session: Session, entry: Entry) -> None:
    """Refuse what only the owner may do, and administrators.

    Raises:
        GridError: EPERM.
    """
    if not session.user.is_admin and entry.owner != session.user.name:
        raise GridError(EPERM, f"{entry.path}: it belongs to {entry.owner}")
