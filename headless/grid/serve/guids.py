"""Commands about contents: lfn2guid, guid2lfn, guidinfo, md5sum."""

import uuid
from functools import partial

from sqlalchemy import Connection, select

from headless.grid.errnos import EACCES, EINVAL, EISDIR, ENODATA, ENOENT
from headless.grid.messages import GridError, Row
from headless.grid.serve.arguments import parse_arguments
from headless.grid.serve.call import Call, Command, Rows, Session
from headless.grid.serve.entries import Entry, read_entry
from headless.grid.serve.lookup import expand, look_up
from headless.grid.serve.schema import entries, replicas

__all__ = ["COMMANDS"]


async def _lfn2guid(call: Call) -> Rows:
    (word,) = parse_arguments(call.options).require_words(1, 1)
    (entry,) = await _find(call, word)
    return [
        {
            "lfn": entry.path,
            "type": entry.kind,
            "guid": entry.guid,
            "message": f"{entry.path:<80}  {entry.guid.upper()}",
        }
    ]


async def _find(call: Call, word: str) -> list[Entry]:
    return await call.grid.catalogue.read(partial(_look_up_all, session=call.session, word=word))


def _look_up_all(connection: Connection, session: Session, word: str) -> list[Entry]:
    return [look_up(connection, session, path) for path in expand(connection, session, word)]


async def _guid2lfn(call: Call) -> Rows:
    rows: list[Row] = []
    for word in parse_arguments(call.options).require_words():
        try:
            entry = await call.grid.catalogue.read(partial(_find_by_guid, session=call.session, text=word))
        except GridError as exc:
            rows.append({"guid": word, "error": str(exc), "message": str(exc)})
            call.fail(exc)
        else:
            message = f"{entry.guid.upper():<36}  {entry.path}"
            rows.append({"guid": entry.guid, "lfn": entry.path, "message": message})
    return rows


def _find_by_guid(connection: Connection, session: Session, text: str) -> Entry:
    """The first path with this content that the session may see."""
    guid = _parse_guid(text)
    rows = connection.execute(select(entries).where(entries.c.guid == guid).order_by(entries.c.path)).all()
    for entry in map(read_entry, rows):
        try:
            return look_up(connection, session, entry.path)
        except GridError as exc:
            if exc.exit_code != EACCES:
                raise
    raise GridError(ENOENT, f"no path of yours has the guid {guid}")


def _parse_guid(text: str) -> str:
    try:
        return str(uuid.UUID(text)).lower()
    except ValueError as exc:
        raise GridError(EINVAL, f"{text!r} is no guid") from exc


async def _guidinfo(call: Call) -> Rows:
    rows: list[Row] = []
    for word in parse_arguments(call.options).require_words():
        try:
            rows.append(await call.grid.catalogue.read(partial(_describe, session=call.session, text=word)))
        except GridError as exc:
            call.fail(exc)
    return rows


def _describe(connection: Connection, session: Session, text: str) -> Row:
    entry = _find_by_guid(connection, session, text)
    lines = [
        f"GUID: {entry.guid}",
        f"Owner: {entry.owner}:{entry.group}",
        f"Permissions: {entry.mode:03o}",
        f"Size: {entry.size}",
        f"MD5: {entry.md5}",
        f"Created: {entry.created_ms}",
    ]
    query = select(replicas.c.storage, replicas.c.pfn).where(replicas.c.guid == entry.guid)
    lines += [f"  {row.storage}: {row.pfn}" for row in connection.execute(query.order_by(replicas.c.storage))]
    return {"guid": entry.guid, "lfn": entry.path, "size": str(entry.size), "md5": entry.md5} | {
        "message": "\n".join(lines)
    }


async def _md5sum(call: Call) -> Rows:
    rows: list[Row] = []
    for word in parse_arguments(call.options).require_words():
        try:
            for entry in await _find(call, word):
                rows.append({"md5": _check_md5(entry), "lfn": entry.path, "message": f"{entry.md5}\t{entry.name}"})
        except GridError as exc:
            call.fail(exc)
    return rows


def _check_md5(entry: Entry) -> str:
    if entry.is_folder:
        raise GridError(EISDIR, entry.path)
    if not entry.md5:
        raise GridError(ENODATA, f"{entry.path}: its checksum is not known")
    return entry.md5


COMMANDS = {
    "lfn2guid": Command(_lfn2guid, "lfn2guid PATH: the guid of a path's content"),
    "guid2lfn": Command(_guid2lfn, "guid2lfn GUID...: the paths of contents"),
    "guidinfo": Command(_guidinfo, "guidinfo GUID...: all that is known of contents"),
    "md5sum": Command(_md5sum, "md5sum PATH...: the checksums of files, as the catalogue has them"),
}
