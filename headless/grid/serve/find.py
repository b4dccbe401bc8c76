"""The command find: streamed, in the order of the paths; pages go on where the session's last one ended."""

import re
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, and_, not_, true
from sqlalchemy import Row as Record

from headless.grid.errnos import EOPNOTSUPP
from headless.grid.messages import GridError, Row
from headless.grid.serve.arguments import Arguments, parse_arguments
from headless.grid.serve.call import Call, Command, Page, Rows, Session
from headless.grid.serve.entries import Entry, read_entry
from headless.grid.serve.listing import format_line
from headless.grid.serve.lookup import require_folder
from headless.grid.serve.paths import resolve
from headless.grid.serve.patterns import build_match, build_regex
from headless.grid.serve.schema import entries
from headless.grid.serve.small_files import store_pages
from headless.grid.serve.walk import behind, walk
from headless.grid.serve.xml import XML_END, XML_START, format_event

__all__ = ["COMMANDS"]

MARKS = 8  # searches whose last page a session remembers
VERSION = re.compile(r"(?P<what>.*)_v(?P<version>\d{1,9})_s(?P<part>\d{1,9})(?P<end>\.[^.]*)?")  # of a file of the OCDB

Records = AsyncIterator[Sequence[Record[Any]]]  # in pages


@dataclass(frozen=True)
class _Search:
    """What is looked for.

    Attributes:
        folder: below which.
        condition: as far as the database can judge.
        matches: judges what lies behind the folder in a path, where a regular expression has to.
        columns: that are needed of each row.
        identity: tells this search from others.
    """

    folder: str
    condition: ColumnElement[bool]
    matches: Callable[[str], object] | None
    columns: Sequence[ColumnElement[Any]]
    identity: tuple[str, ...]


async def _find(call: Call) -> Rows:
    arguments = parse_arguments(call.options, "ascdwhrfyv", "jloxeS")
    _refuse(arguments)
    words = arguments.require_words(1, 2)
    folder = resolve(call.session, words[0])
    pattern = words[1] if len(words) > 1 else "*"
    resolve(call.session, pattern or "*")  # what no path holds, no pattern finds
    await call.grid.catalogue.read(lambda connection: require_folder(connection, call.session, folder, "rx"))
    search = _build_search(call, arguments, folder, pattern)
    if "c" in arguments.flags:
        return _count(_limit(call, search, arguments))
    if "x" in arguments.values:
        shown, name = _show_xml(_limit(call, search, arguments)), arguments.values["x"]
        return shown if name == "-" else await store_pages(call, name, shown)
    return _show(_limit(call, search, arguments), arguments.flags)


def _refuse(arguments: Arguments) -> None:
    if "S" in arguments.values:
        raise GridError(EOPNOTSUPP, "find -S: this grid knows no distances between sites")


def _build_search(call: Call, arguments: Arguments, folder: str, pattern: str) -> _Search:
    flags, is_sqlite = arguments.flags, not call.grid.settings.database
    conditions: list[ColumnElement[bool]] = []
    if "d" not in flags:
        conditions.append(entries.c.kind != "d")
    if "a" not in flags:
        conditions.append(not_(entries.c.name.startswith(".", autoescape=True)))
    if "j" in arguments.values:
        conditions.append(entries.c.job_id == arguments.number("j", 0))
    if "e" in arguments.values:
        conditions.append(not_(build_match(folder, arguments.values["e"], is_sqlite)))
    if "r" not in flags and pattern.strip("*%"):
        conditions.append(build_match(folder, pattern, is_sqlite))
    is_wide = flags & {"w", "f"} or "x" in arguments.values
    columns = list(entries.c) if is_wide else [entries.c.path, entries.c.parent, entries.c.name, entries.c.kind]
    given = [f"{letter}={value}" for letter, value in sorted(arguments.values.items()) if letter not in "lo"]
    return _Search(
        folder,
        and_(true(), *conditions),
        build_regex(pattern) if "r" in flags else None,
        columns,
        (folder, pattern, "".join(sorted(flags)), *given),
    )


async def _limit(call: Call, search: _Search, arguments: Arguments) -> Records:
    """The page that is asked for. Where it ends is kept: the next one begins there, and not at the beginning."""
    offset, left = arguments.number("o", 0), arguments.number("l", 1 << 62)
    rank, start = call.session.marks.get(search.identity, (0, ""))
    if rank > offset or "y" in arguments.flags:
        rank, start = 0, ""
    found = _match(call, search, start)
    if "y" in arguments.flags:
        found = _newest(found)
    if not left:
        return
    async for page in found:
        begin = max(0, offset - rank)
        shown = page[begin : begin + left]
        if shown:
            yield shown
        left -= len(shown)
        if not left:
            _remember(call.session, search.identity, rank + begin + len(shown), behind(shown[-1].path))
            return
        rank += len(page)


def _remember(session: Session, identity: tuple[str, ...], rank: int, bound: str) -> None:
    session.marks.pop(identity, None)
    session.marks[identity] = (rank, bound)
    if len(session.marks) > MARKS:
        del session.marks[next(iter(session.marks))]


async def _match(call: Call, search: _Search, start: str) -> Records:
    prefix = len(search.folder.rstrip("/"))
    async for page in walk(call, search.folder, search.columns, search.condition, start):
        yield page if search.matches is None else [row for row in page if search.matches(row.path[prefix:])]


async def _newest(found: Records) -> Records:
    """Of the versions of one file (``Run0_9_v3_s0.root``), which follow each other, the highest."""
    best: Record[Any] | None = None
    best_key: tuple[str, int, int] = ("", 0, 0)
    async for page in found:
        chosen = []
        for row in page:
            key = _read_version(row.path)
            if best is not None and key[0] != best_key[0]:
                chosen.append(best)
                best = None
            if best is None or key > best_key:
                best, best_key = row, key
        yield chosen
    if best is not None:
        yield [best]


def _read_version(path: str) -> tuple[str, int, int]:
    match = VERSION.fullmatch(path)
    return (match["what"], int(match["version"]), int(match["part"])) if match else (path, 0, 0)


async def _count(found: Records) -> AsyncIterator[Page]:
    count = 0
    async for page in found:
        count += len(page)
    yield [{"count": str(count), "message": str(count)}]


async def _show_xml(found: Records) -> AsyncIterator[Page]:
    yield [{"message": XML_START}]
    number = 0
    async for page in found:
        yield [{"message": format_event(count, read_entry(row))} for count, row in enumerate(page, number + 1)]
        number += len(page)
    yield [{"message": XML_END}]


async def _show(found: Records, flags: frozenset[str]) -> AsyncIterator[Page]:
    show = _show_all if "f" in flags else _show_plain
    if "w" in flags and "f" not in flags:
        show = partial(_show_line, is_human="h" in flags)
    async for page in found:
        yield [show(row) for row in page]


def _show_plain(row: Record[Any]) -> Row:
    lfn: str = row.path + "/" if row.kind == "d" else row.path
    return {"lfn": lfn, "message": lfn}


def _show_line(row: Record[Any], *, is_human: bool) -> Row:
    entry = read_entry(row)
    wide = _show_wide(entry)
    return {**wide, "message": format_line(entry, wide["lfn"], is_human=is_human)}


def _show_wide(entry: Entry) -> dict[str, str]:
    return {
        "lfn": entry.path + "/" * entry.is_folder,
        "perm": f"{entry.mode:03o}",
        "owner": entry.owner,
        "gowner": entry.group,
        "size": str(entry.size),
        "ctime": str(entry.modified_ms),
        "guid": entry.guid,
    }


def _show_all(row: Record[Any]) -> Row:
    """What JAliEn keeps of a path; what we have not is said as there, where it is not set."""
    entry = read_entry(row)
    wide = _show_wide(entry)
    return {
        **wide,
        "name": entry.name,
        "type": entry.kind,
        "md5": entry.md5,
        "guidtime": str(entry.created_ms),
        "expiretime": "" if entry.expires_ms is None else str(entry.expires_ms),
        "jobid": "0" if entry.job_id is None else str(entry.job_id),
        "aclId": "-1",
        "broken": "0",
        "dir": "-1",
        "entryId": "0",
        "replicated": "0",
        "message": wide["lfn"],
    }


COMMANDS = {
    "find": Command(
        _find,
        "find [OPTIONS] FOLDER [PATTERN]: what is below a folder and has PATTERN in its path; * and % stand for"
        " anything, ? for a character\n"
        "  -a  names with a dot in front too\n  -d  folders too\n  -c  only how many\n"
        "  -r  PATTERN is a regular expression (RE2), for the path from FOLDER on\n  -e PATTERN  leave these out\n"
        "  -w  long format; -wh sizes for people\n  -f  all that is known, for programs\n"
        "  -j ID  only what this job has made\n  -y  only the highest of a file's versions: NAME_v3_s0.root\n"
        "  -l N  at most so many\n  -o N  leave out the first ones\n"
        "  -x LFN  make an XML collection of what is found; -x - shows it\n"
        "  -s  need not be sorted",
    )
}
