"""Files below a folder of the grid, page by page; nothing that the server says of paths is believed."""

import posixpath
import re
from collections.abc import Iterator, Sequence
from contextlib import closing

from headless.grid.copy.access import parse_known
from headless.grid.copy.filters import Filters, Found, compile_glob
from headless.grid.copy.lost import Lost
from headless.grid.copy.naming import check_relative
from headless.grid.copy.places import WILD
from headless.grid.copy.pool import SessionPool
from headless.grid.copy.remote_sweep import is_temporary
from headless.grid.errnos import ENOENT, EPROTO
from headless.grid.messages import GridError, Row

__all__ = ["look_at_grid", "match_grid", "walk_grid"]

PAGE = 2000


def look_at_grid(pool: SessionPool, lfn: str) -> tuple[str, Found | None]:
    """What is at an LFN: ``f`` with the file, ``d``, or nothing at all.

    Raises:
        GridError: the server does not say.
    """
    reply = pool.run("stat", "-nomsg", lfn)
    if reply.code == ENOENT:
        return "", None
    if reply.code or not reply.rows:
        raise GridError(reply.code or EPROTO, f"{lfn}: {reply.error or 'the server says nothing of it'}")
    row = reply.rows[0]
    if row.get("type") == "d":
        return "d", None
    known = parse_known(row)
    return "f", Found(lfn, posixpath.basename(lfn), known.size, md5=known.md5)


def walk_grid(pool: SessionPool, folder: str, filters: Filters) -> Iterator[Found | Lost]:
    """All files below a folder that the server finds, in its order.

    Raises:
        GridError: it cannot be listed.
    """
    words = ["-nomsg", "-f"] + (["-a"] if filters.hidden else []) + (["-j", filters.made_by] if filters.made_by else [])
    rows = pool.ask("find", *words, "-l", str(PAGE), "-o", "0", folder, "*").rows
    yield from _read_all(rows, folder)
    if len(rows) < PAGE:
        return
    # The server finds a page's end again only in the session that had it.
    with closing(pool.clone()) as session:
        offset = 0
        while len(rows) == PAGE:
            offset += PAGE
            rows = session.ask("find", *words, "-l", str(PAGE), "-o", str(offset), folder, "*").rows
            yield from _read_all(rows, folder)


def _read_all(rows: Sequence[Row], folder: str) -> Iterator[Found | Lost]:
    return (found for row in rows if (found := _read_found(row, folder)) is not None)


def _read_found(row: Row, folder: str) -> Found | Lost | None:
    lfn = row.get("lfn", "")
    if row.get("type", "f") not in ("f", "c") or is_temporary(posixpath.basename(lfn)):
        return None
    prefix = folder.rstrip("/") + "/"
    if not lfn.startswith(prefix):
        return Lost(lfn or folder, EPROTO, f"the server lists {lfn[:200]!r} below {folder}: it is not copied")
    relative = lfn.removeprefix(prefix)
    try:
        check_relative(relative)
    except GridError as exc:
        return Lost(lfn, exc.exit_code, str(exc))
    known = parse_known(row)
    changed = row.get("ctime", "")
    return Found(
        lfn, relative, known.size, int(changed) / 1000 if re.fullmatch(r"[0-9]{1,15}", changed) else 0,
        row.get("owner", ""), row.get("gowner", ""), row.get("jobid", ""), known.md5,
    )  # fmt: skip


def match_grid(pool: SessionPool, pattern: str) -> list[str]:
    """The LFNs that a pattern stands for, as in a shell: a wildcard stands for no slash, nor for a dot that hides.

    Raises:
        GridError: a folder cannot be listed.
    """
    found = ["/"]
    for name in pattern.strip("/").split("/"):
        if WILD.search(name):
            found = [child for folder in found for child in _match_names(pool, folder, name)]
        else:
            found = [posixpath.join(folder, name) for folder in found]
    return found


def _match_names(pool: SessionPool, folder: str, pattern: str) -> Iterator[str]:
    matches = compile_glob(pattern).match
    reply = pool.run("ls", "-nomsg", *(["-a"] if pattern.startswith(".") else []), folder)
    if reply.code not in (0, ENOENT, 20):
        raise GridError(reply.code, f"{folder}: {reply.error}")
    for row in reply.rows:
        name = row.get("name", "").rstrip("/")
        if name and "/" not in name and name not in (".", "..") and matches(name) and not is_temporary(name):
            yield posixpath.join(folder, name)
