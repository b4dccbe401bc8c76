"""A file's replicas for other programs: ``lfn2uri``, and ``pfn-status``, which asks the storages themselves."""

import os
import posixpath
import re
from datetime import UTC, datetime
from urllib.parse import urlsplit
from xml.sax.saxutils import escape, quoteattr

from headless.grid.errnos import EINVAL, EIO, ENOENT
from headless.grid.messages import GridError, Reply, Row
from headless.grid.shell.options import Words, read_words
from headless.grid.shell.shell import Shell

__all__ = ["show_addresses", "show_status"]

WRITE = {"write", "upload"}
STATUS = ("is_dir", "other", "offline", "is_readable", "is_writable", "posc_pending", "backup_exists")


def show_addresses(shell: Shell, name: str, args: list[str]) -> Reply:
    """``lfn2uri``: a URL with its envelope for each replica, or a metalink of them all, for ``xrdcp``."""
    from headless.grid.copy.specs import SPECS

    words = read_words(name, args, ("meta", "strict", "http", *WRITE), most=2)
    is_write = bool(words.flags & WRITE)
    if not words.rest or (is_write and len(words.rest) < 2) or (is_write and "meta" in words.flags):
        raise GridError(EINVAL, "lfn2uri: give LFN[@SPECS] [meta], or LFN[@SPECS] LOCAL_FILE write")
    found = re.fullmatch(rf"(.*?)[@,]({SPECS})", words.rest[0], re.DOTALL)
    lfn, specs = shell.resolve(found[1] if found else words.rest[0]), [found[2]] if found else []
    options = ["-u"] if "http" in words.flags else []
    options += ["-f"] if "strict" in words.flags else []
    way = [*_measure(words.rest[1]), "write"] if is_write else ["read"]
    rows = shell.query("access", *options, *way, lfn, *specs).rows
    if not rows:
        raise GridError(ENOENT, f"lfn2uri: the server names no replica of {lfn}")
    if "meta" in words.flags:
        return shell.answer(_write_metalink(lfn, words, rows))
    return shell.answer(*[{**row, "message": repr(_address(row))} for row in rows])


def _measure(path: str) -> list[str]:
    from headless.grid.copy.hashing import hash_file

    path = path.removeprefix("file:")
    try:
        with open(path, "rb") as file:
            return ["-s", str(os.fstat(file.fileno()).st_size), "-m", hash_file(file.fileno())]
    except OSError as exc:
        raise GridError(exc.errno or EIO, f"lfn2uri: {path} cannot be read: {exc.strerror}") from exc


def _address(row: Row, *, is_whole: bool = False) -> str:
    url, _, member = row.get("url", "").partition("#")
    unzip = f"xrdcl.unzip={member}&" if member and not is_whole else ""
    return f"{url}?{unzip}xrd.wantprot=unix&authz={row.get('envelope', '')}"


def _write_metalink(lfn: str, words: Words, rows: tuple[Row, ...]) -> Row:
    """A file here that only this user can read, for it holds envelopes."""
    from headless.execution.files import write_atomically

    path = os.path.abspath(posixpath.basename(lfn) + ".meta4")
    member = rows[0].get("url", "").partition("#")[2]
    name = words.rest[1].removeprefix("file:") if len(words.rest) > 1 else posixpath.basename(lfn)
    hashed = f'    <hash type="md5">{escape(rows[0]["md5"])}</hash>\n' if rows[0].get("md5") else ""
    urls = "".join(f"    <url>{escape(_address(row, is_whole=True))}</url>\n" for row in rows)
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<metalink xmlns="urn:ietf:params:xml:ns:metalink">\n'
        f"  <published>{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}</published>\n  <file name={quoteattr(name)}>\n"
        f"    <lfn>{escape(lfn)}</lfn>\n    <size>{escape(rows[0].get('size', ''))}</size>\n"
        f"{'' if member else hashed}{urls}  </file>\n</metalink>\n"
    )
    try:
        write_atomically(path, text.encode("utf-8", "surrogateescape"), mode=0o600)
    except OSError as exc:
        raise GridError(exc.errno or EIO, f"lfn2uri: {path} cannot be written: {exc.strerror}") from exc
    return {"lfn": lfn, "path": path, "message": f"{path}?xrdcl.unzip={member}" if member else path}


def show_status(shell: Shell, name: str, args: list[str]) -> Reply:
    """``pfn-status``: size and flags of replicas, as their storages tell them."""
    from headless.grid.shell.xrootd import set_up

    words = read_words(name, args, ("-v", "-verbose"))
    if not words.rest:
        raise GridError(EINVAL, "pfn-status: give a PFN (root://...) or an LFN")
    set_up()
    rows, code, error = [], 0, ""
    for lfn, pfn, address in [place for word in words.rest for place in _places(shell, word)]:
        title = f"LFN: {lfn}\n" if lfn else ""
        try:
            row = _ask(address)
            text = _write_status(pfn, row, is_long=bool(words.flags))
        except GridError as exc:
            code, error = exc.exit_code, f"{pfn}: {exc}"
            row, text = {"error": str(exc)}, f"{pfn}\t\tMessage: {exc}"
        rows.append({"lfn": lfn, "pfn": pfn, **row, "message": title + text})
    return shell.answer(*rows, code=code, error=error)


def _places(shell: Shell, word: str) -> list[tuple[str, str, str]]:
    """LFN, PFN and address of each replica; the address with leave to read, where the grid's server can give it."""
    if word.startswith(("root://", "roots://")):
        return [("", word, word)]
    lfn = shell.resolve(word)
    rows = shell.query("access", "read", lfn).rows
    return [(lfn, row.get("url", ""), _address(row, is_whole=True)) for row in rows]


def _ask(address: str) -> dict[str, str]:
    from headless.grid.shell.xrootd import LIMIT_S, raise_failed, set_up

    client, parts = set_up(), urlsplit(address)
    if not parts.netloc or parts.scheme not in ("root", "roots"):
        raise GridError(EINVAL, "this is no address of a storage that XRootD speaks to")
    query = f"?{parts.query}" if parts.query else "?xrd.wantprot=unix"
    status, info = client.FileSystem(f"{parts.scheme}://{parts.netloc}").stat(parts.path + query, timeout=LIMIT_S)
    raise_failed(status)
    flags = {key: str(int(bool(info.flags & getattr(client.flags.StatInfoFlags, key.upper())))) for key in STATUS}
    return {"size": str(info.size), "modtimestr": info.modtimestr, **flags}


def _write_status(pfn: str, row: dict[str, str], *, is_long: bool) -> str:
    text = f"{pfn}\t\tSize: {row['size']}\tR/W status:{row['is_readable']}/{row['is_writable']}"
    if not is_long:
        return text
    return (
        f"{text}\nIS DIR/OTHER/OFFLINE: {row['is_dir']}/{row['other']}/{row['offline']}\tModified: {row['modtimestr']}"
        f"\tPOSC pending: {row['posc_pending']}\t\tBACKUP: {row['backup_exists']}"
    )
