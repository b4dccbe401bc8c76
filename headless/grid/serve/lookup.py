"""Entries as a session may see them: the way to each is checked, folder by folder."""

import fnmatch
import itertools
import re
from collections.abc import Iterator, Mapping

from sqlalchemy import Connection

from headless.grid.errnos import E2BIG, ENOENT, ENOTDIR
from headless.grid.messages import GridError
from headless.grid.serve.call import Session
from headless.grid.serve.entries import Entry, find_chain, find_entry, insert_folder, list_children
from headless.grid.serve.paths import list_ancestors, resolve
from headless.grid.serve.permissions import check_access, may

__all__ = ["PAGE", "expand", "look_up", "look_up_or_none", "make_parents", "page_children", "require_folder"]

PAGE = 1000  # rows that are in memory at a time
MAX_NAMES = 100_000  # that are looked through for one word, in all folders
WILD = re.compile(r"[*?]")


def look_up(connection: Connection, session: Session, path: str) -> Entry:
    """The entry at a path.

    Raises:
        GridError: ENOENT; ENOTDIR: something above it is no folder; EACCES: a folder above it is closed.
    """
    entry = look_up_or_none(connection, session, path)
    if entry is None:
        raise GridError(ENOENT, path)
    return entry


def look_up_or_none(connection: Connection, session: Session, path: str) -> Entry | None:
    """The same, where ``None`` is an answer; the folder above must be there.

    Raises:
        GridError: as :func:`look_up`, but for the path itself.
    """
    chain = find_chain(connection, path)
    for above in list_ancestors(path):
        if above not in chain:
            raise GridError(ENOENT, path)
        _pass(session, chain[above])
    return chain.get(path)


def _pass(session: Session, folder: Entry) -> None:
    if not folder.is_folder:
        raise GridError(ENOTDIR, folder.path)
    check_access(session, folder, "x")


def require_folder(connection: Connection, session: Session, path: str, what: str) -> Entry:
    """The folder at a path, in which ``what`` (letters of :func:`may`) is allowed.

    Raises:
        GridError: ENOENT, ENOTDIR, EACCES.
    """
    entry = look_up(connection, session, path)
    if not entry.is_folder:
        raise GridError(ENOTDIR, path)
    check_access(session, entry, what)
    return entry


def make_parents(connection: Connection, session: Session, path: str, chain: Mapping[str, Entry] | None = None) -> None:
    """Make the folders above a path that are not there; within ``Catalogue.write``. A new entry may then go there.

    Args:
        connection: of the transaction.
        session: whose folders they become.
        path: of the new entry.
        chain: as :func:`find_chain` has just found it; ``None`` to look now.

    Raises:
        GridError: ENOTDIR, EACCES: the last of those that are there does not allow it.
    """
    if chain is None:
        chain = find_chain(connection, path)
    last = None
    for above in list_ancestors(path):
        if above in chain:
            last = chain[above]
            _pass(session, last)
            continue
        if last is not None:
            check_access(session, last, "w")
            last = None  # what we make is ours
        insert_folder(connection, above, session.user.name, session.role)
    if last is not None:
        check_access(session, last, "wx")


def page_children(connection: Connection, folder: str) -> Iterator[Entry]:
    """All entries of a folder, by name, read in pages."""
    after = ""
    while page := list_children(connection, folder, after, PAGE):
        yield from page
        after = page[-1].name


def expand(connection: Connection, session: Session, text: str) -> list[str]:
    """The paths that a word stands for: ``*`` and ``?`` in names match, as in a shell; hidden names only if asked for.

    Raises:
        GridError: ENOENT: nothing matches; E2BIG: too much does; EINVAL, ENAMETOOLONG: it is no path.
    """
    path = resolve(session, text)
    if not WILD.search(path) or find_entry(connection, path) is not None:
        return [path]
    found, looked = ["/"], itertools.count(1)
    for name in path.split("/")[1:]:
        found = [child for folder in found for child in _step(connection, session, folder, name, looked)]
    if not found:
        raise GridError(ENOENT, text)
    return found


def _step(connection: Connection, session: Session, folder: str, name: str, looked: Iterator[int]) -> Iterator[str]:
    prefix = folder.rstrip("/") + "/"
    if not WILD.search(name):
        if find_entry(connection, prefix + name) is not None:
            yield prefix + name
        return
    entry = find_entry(connection, folder)
    if entry is None or not entry.is_folder or not may(session, entry, "rx"):
        return
    matches = re.compile(fnmatch.translate(name.replace("[", "[[]"))).match
    for child in page_children(connection, folder):
        if next(looked) > MAX_NAMES:
            raise GridError(E2BIG, f"{folder}: more than {MAX_NAMES} names to look through: use find")
        if matches(child.name) and (name.startswith(".") or not child.name.startswith(".")):
            yield prefix + child.name
