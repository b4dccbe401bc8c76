"""The command du: how much is below a folder."""

from collections.abc import Sequence

from sqlalchemy import true

from headless.grid.messages import GridError, Row
from headless.grid.serve.arguments import parse_arguments
from headless.grid.serve.call import Call, Command, Rows
from headless.grid.serve.changes import expand_words
from headless.grid.serve.listing import show_size
from headless.grid.serve.lookup import look_up
from headless.grid.serve.permissions import check_access
from headless.grid.serve.schema import entries
from headless.grid.serve.walk import walk

__all__ = ["COMMANDS"]


async def _du(call: Call) -> Rows:
    arguments = parse_arguments(call.options, "ncsh")
    words: Sequence[str] = arguments.require_words()
    rows: list[Row] = []
    for path in await expand_words(call, words):
        try:
            rows.append(await _measure(call, path, "n" in arguments.flags))
        except GridError as exc:
            call.fail(exc)
    return rows


async def _measure(call: Call, path: str, is_plain: bool) -> Row:
    entry = await call.grid.catalogue.read(lambda connection: look_up(connection, call.session, path))
    files, folders, size = int(not entry.is_folder), 0, entry.size
    if entry.is_folder:
        check_access(call.session, entry, "rx")
        columns = [entries.c.path, entries.c.parent, entries.c.kind, entries.c.size]
        async for page in walk(call, path, columns, true()):
            below = sum(row.kind == "d" for row in page)
            folders += below
            files += len(page) - below
            size += sum(row.size for row in page)
    shown = str(size) if is_plain else show_size(size)
    lines = [path, f"  Folders: {folders}", f"  Files: {files}, of {shown} size"]
    return {"entry": path, "folders": str(folders), "files": str(files), "size": str(size), "message": "\n".join(lines)}


COMMANDS = {"du": Command(_du, "du [-n] PATH...: how many files are below folders, and their size\n  -n  in bytes")}
