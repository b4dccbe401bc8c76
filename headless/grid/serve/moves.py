"""Commands that give entries another path: mv, and moveDirectory for administrators."""

from sqlalchemy import Connection, LargeBinary, cast, func, literal, select, update

from headless.grid.errnos import EEXIST, EINVAL, ENAMETOOLONG, ENOTDIR, EPERM
from headless.grid.messages import GridError
from headless.grid.serve.arguments import parse_arguments
from headless.grid.serve.call import Call, Command, Rows, Session
from headless.grid.serve.changes import check_parent, expand_words
from headless.grid.serve.entries import Entry, find_entry, now_ms, split_below
from headless.grid.serve.lookup import look_up, look_up_or_none
from headless.grid.serve.paths import MAX_PATH, resolve, split
from headless.grid.serve.permissions import check_access
from headless.grid.serve.schema import entries

__all__ = ["COMMANDS"]

BACKUP = "_backup"


async def _mv(call: Call) -> Rows:
    words = parse_arguments(call.options, "f").require_words(2)
    target = resolve(call.session, words[-1])
    sources = await expand_words(call, words[:-1])
    for source in sources:
        try:
            await _move_one(call, source, target, len(sources) > 1)
        except GridError as exc:
            call.fail(exc)
    return []


async def _move_one(call: Call, source: str, target: str, must_be_folder: bool) -> None:
    await call.grid.catalogue.write(lambda connection: _move(connection, call.session, source, target, must_be_folder))


def _move(connection: Connection, session: Session, source: str, target: str, must_be_folder: bool) -> None:
    entry = look_up(connection, session, source)
    there = look_up_or_none(connection, session, target)
    if there is not None and there.is_folder and source != target:
        target = f"{target.rstrip('/')}/{entry.name}"
        there = look_up_or_none(connection, session, target)
    elif must_be_folder:
        raise GridError(ENOTDIR, target)
    for path in (source, target):
        check_parent(connection, session, path)
    if entry.is_folder:
        check_access(session, entry, "w")
    _check_place(entry, target, there)
    if there is not None:
        _back_up(connection, there)
    _rename(connection, entry, target)


def _check_place(entry: Entry, target: str, there: Entry | None) -> None:
    if target == entry.path or target.startswith(entry.path + "/"):
        raise GridError(EINVAL, f"{entry.path} cannot move into itself")
    if there is not None and there.is_folder:
        raise GridError(EEXIST, target)
    if there is not None and entry.is_folder:
        raise GridError(ENOTDIR, target)


def _back_up(connection: Connection, entry: Entry) -> None:
    """A file in the way is kept under another name, as JAliEn does; an earlier backup is not lost for it."""
    path = entry.path + BACKUP
    if find_entry(connection, path) is not None:
        raise GridError(EEXIST, f"{path}: remove this backup, or {entry.path}, first")
    _rename(connection, entry, path)


def _rename(connection: Connection, entry: Entry, target: str) -> None:
    parent, name = split(target)
    if entry.is_folder:
        _rename_below(connection, entry.path, target)
    values = {"path": target, "parent": parent, "name": name, "modified_ms": now_ms()}
    connection.execute(update(entries).where(entries.c.path == entry.path).values(values))


def _rename_below(connection: Connection, source: str, target: str) -> None:
    is_sqlite = connection.dialect.name == "sqlite"  # which counts bytes only in what is no text
    size = func.length(cast(entries.c.path, LargeBinary)) if is_sqlite else func.octet_length(entries.c.path)
    parts = split_below(connection, source)
    longest = max(connection.execute(select(func.max(size)).where(part)).scalar() or 0 for part in parts)
    if longest - len(source.encode()) + len(target.encode()) > MAX_PATH:
        raise GridError(ENAMETOOLONG, f"{target}: what is in it would have paths of more than {MAX_PATH} bytes")
    start = len(source) + 1
    values = {
        "path": literal(target) + func.substr(entries.c.path, start),
        "parent": literal(target) + func.substr(entries.c.parent, start),
    }
    for part in split_below(connection, source):
        connection.execute(update(entries).where(part).values(values))


async def _move_directory(call: Call) -> Rows:
    if not call.session.user.is_admin:
        raise GridError(EPERM, "moveDirectory is for administrators: use mv")
    source, target = (resolve(call.session, word) for word in parse_arguments(call.options).require_words(2, 2))
    await _move_one(call, source, target, False)
    return []


COMMANDS = {
    "mv": Command(
        _mv,
        "mv SOURCE... TARGET: give a file or folder another path, or move some into a folder\n"
        "A file that is in the way is kept as TARGET_backup.",
    ),
    "moveDirectory": Command(_move_directory, "moveDirectory SOURCE TARGET: the same, for administrators"),
}
