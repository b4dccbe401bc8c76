"""Commands that make and remove: mkdir, rmdir, touch, rm."""

import posixpath
import uuid
from collections.abc import Callable, Sequence
from functools import partial

from sqlalchemy import Connection, select, update

from headless.grid.errnos import EBUSY, EEXIST, EISDIR, ENOENT, ENOTDIR, ENOTEMPTY
from headless.grid.messages import GridError
from headless.grid.serve.arguments import parse_arguments
from headless.grid.serve.call import Call, Command, Rows, Session
from headless.grid.serve.entries import (
    EMPTY_MD5,
    Entry,
    has_children,
    insert_file,
    insert_folder,
    now_ms,
    read_entry,
    remove_entries,
    select_below,
)
from headless.grid.serve.lookup import expand, look_up, look_up_or_none, make_parents, require_folder
from headless.grid.serve.paths import resolve, split
from headless.grid.serve.permissions import check_access, may
from headless.grid.serve.schema import entries
from headless.grid.serve.settings import GridSettings
from headless.grid.serve.usage import check_quota

__all__ = ["COMMANDS", "Change", "check_parent", "expand_words", "for_each"]

BATCH = 5000  # entries that are removed in one transaction; others write between

Change = Callable[[Connection, Session, str], None]


async def for_each(call: Call, words: Sequence[str], change: Change) -> Rows:
    """Change the path of each word, in a transaction of its own; what fails is noted, and the others go on."""
    for word in words:
        try:
            await _change(call, word, change)
        except GridError as exc:
            call.fail(exc)
    return []


async def _change(call: Call, word: str, change: Change) -> None:
    path = resolve(call.session, word)
    await call.grid.catalogue.write(lambda connection: change(connection, call.session, path))


async def expand_words(call: Call, words: Sequence[str], *, may_be_missing: bool = False) -> list[str]:
    """The paths of all words, wildcards replaced; what matches nothing is noted as failed, unless it may be missing."""
    return await call.grid.catalogue.read(lambda connection: _expand(connection, call, words, may_be_missing))


def _expand(connection: Connection, call: Call, words: Sequence[str], may_be_missing: bool) -> list[str]:
    found: list[str] = []
    for word in words:
        try:
            found += expand(connection, call.session, word)
        except GridError as exc:
            if exc.exit_code != ENOENT or not may_be_missing:
                call.fail(exc)
    return found


def check_parent(connection: Connection, session: Session, path: str) -> None:
    """The folder of a path lets names be made, renamed and removed in it.

    Raises:
        GridError: EBUSY: it is the root; ENOENT, ENOTDIR, EACCES.
    """
    if path == "/":
        raise GridError(EBUSY, "/: the root stays")
    require_folder(connection, session, split(path)[0], "wx")


async def _mkdir(call: Call) -> Rows:
    arguments = parse_arguments(call.options, "p")
    change = _make_folders if "p" in arguments.flags else _make_folder
    return await for_each(call, arguments.require_words(), change)


def _make_folder(connection: Connection, session: Session, path: str) -> None:
    if look_up_or_none(connection, session, path) is not None:
        raise GridError(EEXIST, path)
    check_parent(connection, session, path)
    insert_folder(connection, path, session.user.name, session.role)


def _make_folders(connection: Connection, session: Session, path: str) -> None:
    try:
        entry = look_up_or_none(connection, session, path)
    except GridError as exc:
        if exc.exit_code != ENOENT:
            raise
        entry = None
    if entry is None:
        make_parents(connection, session, path)
        insert_folder(connection, path, session.user.name, session.role)
    elif not entry.is_folder:
        raise GridError(ENOTDIR, path)


async def _rmdir(call: Call) -> Rows:
    arguments = parse_arguments(call.options, "p")
    words = list(arguments.require_words())
    if "p" in arguments.flags:
        words = [above for word in words for above in _list_upwards(word)]
    return await for_each(call, words, _remove_folder)


def _list_upwards(word: str) -> list[str]:
    """``a/b`` and ``a``: a path and what is above it, as far as it was typed."""
    found = []
    while word.rstrip("/"):
        word = word.rstrip("/")
        found.append(word)
        word = posixpath.dirname(word)
    return found


def _remove_folder(connection: Connection, session: Session, path: str) -> None:
    entry = look_up(connection, session, path)
    if not entry.is_folder:
        raise GridError(ENOTDIR, path)
    check_parent(connection, session, path)
    if has_children(connection, path):
        raise GridError(ENOTEMPTY, path)
    remove_entries(connection, [entry])


async def _touch(call: Call) -> Rows:
    change = partial(_touch_path, settings=call.grid.settings)
    return await for_each(call, parse_arguments(call.options).require_words(), change)


def _touch_path(connection: Connection, session: Session, path: str, settings: GridSettings) -> None:
    entry = look_up_or_none(connection, session, path)
    if entry is None:
        check_parent(connection, session, path)
        check_quota(connection, settings, session.user.name, 0, booked_for=path)
        insert_file(connection, path, session.user.name, session.role, 0, EMPTY_MD5, str(uuid.uuid4()))
        return
    check_access(session, entry, "w")
    connection.execute(update(entries).where(entries.c.path == path).values(modified_ms=now_ms()))


async def _rm(call: Call) -> Rows:
    arguments = parse_arguments(call.options, "rfivR")
    may_be_missing = "f" in arguments.flags
    for path in await expand_words(call, arguments.require_words(), may_be_missing=may_be_missing):
        try:
            await _remove(call, path, bool(arguments.flags & {"r", "R"}))
        except GridError as exc:
            if exc.exit_code != ENOENT or not may_be_missing:
                call.fail(exc)
    return []


async def _remove(call: Call, path: str, is_recursive: bool) -> None:
    """In parts, the deepest first: whoever is interrupted leaves a smaller tree, and no orphan in it."""
    is_first = True
    while await call.grid.catalogue.write(
        lambda connection: _remove_part(connection, call.session, path, is_recursive, is_first)  # noqa: B023
    ):
        is_first = False


def _remove_part(connection: Connection, session: Session, path: str, is_recursive: bool, is_first: bool) -> bool:
    """Remove an entry, or the next part of what is below it; whether there is more."""
    entry = look_up(connection, session, path)
    check_parent(connection, session, path)
    if entry.is_folder:
        if not is_recursive:
            raise GridError(EISDIR, f"{path}: -r removes folders")
        if is_first:
            _check_tree(connection, session, entry)
        query = select(entries).where(select_below(path)).order_by(entries.c.path.desc()).limit(BATCH)
        part = [read_entry(row) for row in connection.execute(query)]
        remove_entries(connection, part)
        if len(part) == BATCH:
            return True
    remove_entries(connection, [entry])
    return False


def _check_tree(connection: Connection, session: Session, folder: Entry) -> None:
    """Before anything goes: a tree with another's closed folder in it stays whole."""
    if session.user.is_admin:
        return
    query = select(entries).where(select_below(folder.path), entries.c.kind == "d")
    rows = connection.execute(query, execution_options={"yield_per": 1000})
    closed = next((entry for entry in (folder, *map(read_entry, rows)) if not may(session, entry, "wx")), None)
    rows.close()
    if closed is not None:
        check_access(session, closed, "wx")


COMMANDS = {
    "mkdir": Command(_mkdir, "mkdir [-p] FOLDER...: make folders\n  -p  those above too; no error if it is there"),
    "rmdir": Command(_rmdir, "rmdir [-p] FOLDER...: remove empty folders\n  -p  those above too, as far as typed"),
    "touch": Command(_touch, "touch PATH...: make empty files, or note a change"),
    "rm": Command(
        _rm,
        "rm [-r] [-f] PATH...: remove files; * and ? match names\n"
        "  -r  folders, with all that is in them\n  -f  no error for what is not there",
    ),
}
