"""Commands that show entries of the catalogue: ls, stat, type."""

import json
import socket
import time
from collections.abc import AsyncIterator
from functools import partial

from sqlalchemy import Connection, select

from headless.grid.messages import GridError, Row
from headless.grid.serve.arguments import Arguments, parse_arguments
from headless.grid.serve.call import Call, Command, Page, Rows
from headless.grid.serve.entries import Entry, list_children
from headless.grid.serve.lookup import PAGE, expand, look_up
from headless.grid.serve.paths import resolve
from headless.grid.serve.permissions import check_access
from headless.grid.serve.schema import replicas

__all__ = ["COMMANDS", "format_line", "show_permissions", "show_size", "show_time"]

UNITS = ("B", "KB", "MB", "GB", "TB", "PB")


def show_permissions(entry: Entry) -> str:
    """As ``ls -l`` has them: ``drwxr-xr-x``."""
    letters = "".join(
        letter if entry.mode >> shift & 1 else "-" for shift, letter in zip(range(8, -1, -1), "rwxrwxrwx", strict=True)
    )
    return ("d" if entry.is_folder else "c" if entry.kind == "c" else "-") + letters


def show_size(size: float) -> str:
    """A number of bytes for people."""
    unit = 0
    while size >= 1024 and unit < len(UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size:.0f} B" if unit == 0 else f"{size:.4g} {UNITS[unit]}"


def show_time(milliseconds: int) -> str:
    """As ``ls -l`` has it, in the server's time zone."""
    return time.strftime("%b %d %H:%M", time.localtime(milliseconds / 1000))


def format_line(entry: Entry, name: str, *, is_human: bool) -> str:
    """The line of ``ls -l``, whose columns scripts count."""
    size = show_size(entry.size) if is_human else str(entry.size)
    return (
        f"{show_permissions(entry)}   {entry.owner:>8} {entry.group:>8} {size:>12} {show_time(entry.modified_ms)}    "
        + name
    )


async def _ls(call: Call) -> Rows:
    return _list(call, parse_arguments(call.options, "laFcbHn"))


async def _list(call: Call, arguments: Arguments) -> AsyncIterator[Page]:
    for word in arguments.words or [call.session.directory]:
        try:
            for path in await call.grid.catalogue.read(partial(expand, session=call.session, text=word)):
                async for page in _list_path(call, arguments, path):
                    yield page
        except GridError as exc:
            call.fail(exc)


async def _list_path(call: Call, arguments: Arguments, path: str) -> AsyncIterator[Page]:
    entry = await call.grid.catalogue.read(lambda connection: look_up(connection, call.session, path))
    if not entry.is_folder:
        yield [_show_line(entry, arguments.flags)]
        return
    check_access(call.session, entry, "r")
    has_hidden, after = "a" in arguments.flags, ""
    while children := await call.grid.catalogue.read(partial(list_children, folder=path, after=after, limit=PAGE)):
        yield [_show_line(child, arguments.flags) for child in children if has_hidden or not child.name.startswith(".")]
        after = children[-1].name


def _show_line(entry: Entry, flags: frozenset[str]) -> Row:
    mark = "/" if "F" in flags and entry.is_folder else ""
    name, path = (entry.name or "/") + mark * (entry.path != "/"), entry.path + mark * (entry.path != "/")
    shown = path if "c" in flags else name
    if "b" in flags:
        return {"guid": entry.guid, "message": f"{entry.guid.upper():<36}    {shown}"}
    if "l" not in flags:
        return {"name": name, "path": path, "message": shown}
    return {
        "permissions": show_permissions(entry),
        "user": entry.owner,
        "group": entry.group,
        "size": str(entry.size),
        "ctime": str(entry.modified_ms),
        "name": name,
        "path": path,
        "message": format_line(entry, shown, is_human="H" in flags),
    }


async def _stat(call: Call) -> Rows:
    arguments = parse_arguments(call.options, "v")
    arguments.require_words()
    return _each(call, arguments, "v" in arguments.flags)


async def _each(call: Call, arguments: Arguments, is_verbose: bool) -> AsyncIterator[Page]:
    for word in arguments.words:
        try:
            yield [await call.grid.catalogue.read(partial(_read_stat, call=call, word=word, is_verbose=is_verbose))]
        except GridError as exc:
            call.fail(exc)


def _read_stat(connection: Connection, call: Call, word: str, is_verbose: bool) -> Row:
    entry = look_up(connection, call.session, resolve(call.session, word))
    row = _show_stat(entry)
    if is_verbose:
        row |= {"hostIndex": "0", "tableName": "grid_entries", "host": socket.gethostname()}
        query = select(replicas.c.storage, replicas.c.pfn).where(replicas.c.guid == entry.guid)
        found = dict(connection.execute(query).all())
        row["replicas"] = json.dumps(found)
        row["message"] += "".join(f"\n  {name}: {pfn}" for name, pfn in sorted(found.items()))
    return row


def _show_stat(entry: Entry) -> dict[str, str]:
    lfn = entry.path if entry.path == "/" or not entry.is_folder else entry.path + "/"
    row = {
        "lfn": lfn,
        "type": entry.kind,
        "owner": entry.owner,
        "gowner": entry.group,
        "perm": f"{entry.mode:03o}",
        "ctime": str(entry.modified_ms),
    }
    lines = [
        f"File: {lfn}",
        f"Type: {entry.kind}",
        f"Owner: {entry.owner}:{entry.group}",
        f"Permissions: {entry.mode:03o}",
        f"Last change: {_show_moment(entry.modified_ms)}",
    ]
    if entry.expires_ms is not None:
        row["expiretime"] = str(entry.expires_ms)
        lines.append(f"Expires: {_show_moment(entry.expires_ms)}")
    if entry.job_id is not None:
        row["jobid"] = str(entry.job_id)
        lines.append(f"Job ID: {entry.job_id}")
    if not entry.is_folder:
        row |= {"size": str(entry.size), "md5": entry.md5, "guid": entry.guid, "mtime": str(entry.created_ms)}
        lines += [
            f"Size: {entry.size} ({show_size(entry.size)})",
            f"MD5: {entry.md5}",
            f"GUID: {entry.guid}",
            f"\tGUID created on {_show_moment(entry.created_ms)}",
        ]
    row["message"] = "\n".join(lines)
    return row


def _show_moment(milliseconds: int) -> str:
    shown = time.strftime("%a %b %d %H:%M:%S %Z %Y", time.localtime(milliseconds / 1000))
    return f"{shown} ({milliseconds})"


async def _type(call: Call) -> Rows:
    arguments = parse_arguments(call.options, "z")
    (word,) = arguments.require_words(1, 1)
    entry = await call.grid.catalogue.read(
        lambda connection: look_up(connection, call.session, resolve(call.session, word))
    )
    return [{"lfn": entry.path, "type": entry.kind_name, "message": entry.kind_name}]


COMMANDS = {
    "ls": Command(
        _ls,
        "ls [-l] [-a] [-F] [-c] [-b] [-H] [PATH...]: list folders and files; * and ? match names\n"
        "  -l  long format\n  -a  hidden names too\n  -F  a slash behind folders' names\n"
        "  -c  whole paths\n  -b  guids\n  -H  sizes for people",
    ),
    "stat": Command(_stat, "stat [-v] PATH...: all that is known of files and folders\n  -v  their replicas too"),
    "type": Command(_type, "type PATH: file, directory or collection"),
}
