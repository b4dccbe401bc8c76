"""The commands toXml and listFilesFromCollection: XML collections, made and read."""

import asyncio
from collections.abc import AsyncIterator, Mapping

from headless.grid.errnos import EINVAL, EISDIR, EOPNOTSUPP
from headless.grid.messages import GridError, Row
from headless.grid.serve.access import read_whole
from headless.grid.serve.arguments import parse_arguments
from headless.grid.serve.call import Call, Command, Page, Rows
from headless.grid.serve.changes import expand_words
from headless.grid.serve.lookup import look_up
from headless.grid.serve.paths import resolve
from headless.grid.serve.permissions import check_access
from headless.grid.serve.small_files import MAX_SIZE, store_pages
from headless.grid.serve.xml import XML_END, XML_START, format_event, parse_collection

__all__ = ["COMMANDS"]


async def _to_xml(call: Call) -> Rows:
    arguments = parse_arguments(call.options, "ai", "x")
    if "a" in arguments.flags:
        raise GridError(EOPNOTSUPP, "toXml -a: what is stored is never changed: make a new collection of all files")
    ignores_missing = "i" in arguments.flags
    paths = await expand_words(call, arguments.require_words(), may_be_missing=ignores_missing)
    if call.failure is not None:
        raise call.failure  # a collection that lacks something is not stored as if it were whole
    shown = _show(call, paths, ignores_missing)
    return await store_pages(call, arguments.values["x"], shown) if "x" in arguments.values else shown


async def _show(call: Call, paths: list[str], ignores_missing: bool) -> AsyncIterator[Page]:
    yield [{"message": XML_START}]
    number = 0
    for path in paths:
        try:
            yield [{"message": await _show_file(call, path, number + 1)}]
            number += 1
        except GridError:
            if not ignores_missing:
                raise
    yield [{"message": XML_END}]


async def _show_file(call: Call, path: str, number: int) -> str:
    entry = await call.grid.catalogue.read(lambda connection: look_up(connection, call.session, path))
    check_access(call.session, entry, "r")
    if entry.is_folder:
        raise GridError(EISDIR, f"{path}: give files")
    return format_event(number, entry)


async def _list_files(call: Call) -> Rows:
    arguments = parse_arguments(call.options, "zvt")
    path = resolve(call.session, arguments.require_words(1, 1)[0])
    data = await read_whole(call, path, MAX_SIZE)
    try:
        found = await asyncio.to_thread(parse_collection, data)
    except ValueError as exc:
        raise GridError(EINVAL, f"{path} is no XML collection: {exc}") from exc
    rows = [_show_listed(file, is_long="z" in arguments.flags) for file in found]
    if "t" in arguments.flags:
        sizes = [int(size) for file in found if (size := file.get("size", "0")).isdecimal() and len(size) < 19]
        rows.append({"message": f"{len(found)} files of {sum(sizes)} bytes"})
    return rows


def _show_listed(file: Mapping[str, str], *, is_long: bool) -> Row:
    row = {name: file.get(name, "") for name in ("guid", "lfn", *(("size", "md5") if is_long else ()))}
    more = f" (size = {row['size']}) (md5 = {row['md5']})" if is_long else ""
    return {**row, "message": f"{row['guid']} (from the file {row['lfn']}){more}"}


COMMANDS = {
    "listFilesFromCollection": Command(
        _list_files,
        "listFilesFromCollection [-z] [-t] LFN: the files of an XML collection, as they were when it was made"
        "\n  -z  with size and md5\n  -t  and how many they are",
    ),
    "toXml": Command(
        _to_xml,
        "toXml [-i] [-x LFN] PATH...: files as an XML collection\n  -i  leave out what is not there"
        "\n  -x  store it there",
    ),
}
