"""The command toXml: files as an XML collection."""

from collections.abc import AsyncIterator

from headless.grid.errnos import EISDIR, EOPNOTSUPP
from headless.grid.messages import GridError
from headless.grid.serve.arguments import parse_arguments
from headless.grid.serve.call import Call, Command, Page, Rows
from headless.grid.serve.changes import expand_words
from headless.grid.serve.lookup import look_up
from headless.grid.serve.permissions import check_access
from headless.grid.serve.small_files import store_pages
from headless.grid.serve.xml import XML_END, XML_START, format_event

__all__ = ["COMMANDS"]


async def _to_xml(call: Call) -> Rows:
    arguments = parse_arguments(call.options, "ai", "x")
    if "a" in arguments.flags:
        raise GridError(EOPNOTSUPP, "toXml -a: what is stored is never changed: make a new collection of all files")
    shown = _show(call, await expand_words(call, arguments.require_words()), "i" in arguments.flags)
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


COMMANDS = {
    "toXml": Command(
        _to_xml,
        "toXml [-i] [-x LFN] PATH...: files as an XML collection\n  -i  leave out what is not there"
        "\n  -x  store it there",
    )
}
