"""``toXml``: collections for an analysis. The server writes those of LFNs; those of local files are written here."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from xml.sax.saxutils import quoteattr

from headless.grid.errnos import EINVAL, EIO
from headless.grid.messages import GridError, Reply
from headless.grid.shell.options import Words, read_words
from headless.grid.shell.shell import Shell

if sys.platform == "win32":
    raise ImportError("the grid's client is for POSIX systems only")

__all__ = ["make_collection"]

START = '<?xml version="1.0" ?>\n<alien>\n\t<collection name="tempCollection">\n'
END = "\t</collection>\n</alien>\n"
MAX_LIST = 64 << 20  # bytes


def make_collection(shell: Shell, name: str, args: list[str]) -> Reply:
    """Files by their names, or by a list (``-l``), local with ``-local``; to a file here with ``-x file:PATH``."""
    words = read_words(name, args, ("-local", "-i", "-a"), ("-x", "-l"))
    output, given = words.last("-x"), words.last("-l")
    if "-a" in words.flags and not output:
        raise GridError(EINVAL, "toXml -a: give the collection to append to with -x")
    if "-local" in words.flags:
        return _make_local(shell, words, output)
    if given.startswith("file:"):
        words.rest += _read_list(given.removeprefix("file:"))
        given = ""
    if "-a" in words.flags and output.startswith("file:"):
        raise GridError(EINVAL, "toXml -a: only a collection of the grid can be appended to")
    options: list[str] = [flag for flag in ("-i", "-a") if flag in words.flags]
    options += ["-l", given] if given else []
    options += ["-x", output] if output and not output.startswith("file:") else []
    reply = shell.send("toXml", *options, *words.rest)
    if reply.code or not output.startswith("file:"):
        return reply
    return _write(shell, output, reply.text + "\n")


def _make_local(shell: Shell, words: Words, output: str) -> Reply:
    if "-a" in words.flags or output.startswith("alien:"):
        raise GridError(EINVAL, "toXml -local: give a file of this machine behind -x, and no -a")
    listed = _read_list(words.last("-l").removeprefix("file:")) if words.last("-l") else []
    paths = [path.removeprefix("file:") for path in (*words.rest, *listed)]
    if not paths:
        raise GridError(EINVAL, "toXml -local: give files, or a list of them with -l")
    events: list[str] = []
    for path in paths:
        try:
            events.append(_describe(len(events) + 1, path))
        except OSError as exc:
            if "-i" not in words.flags:
                raise GridError(exc.errno or EIO, f"toXml: {path} cannot be read: {exc.strerror}") from exc
    text = START + "".join(events) + END
    return _write(shell, output, text) if output else shell.answer(text.rstrip("\n"))


def _describe(number: int, path: str) -> str:
    """One file, as the event of that number.

    Raises:
        OSError: it cannot be read.
    """
    from headless.grid.copy.hashing import hash_file

    whole = os.path.realpath(os.path.expanduser(path))
    with open(whole, "rb") as file:
        status, md5 = os.fstat(file.fileno()), hash_file(file.fileno())
    place = f"file://{whole}"
    values = dict.fromkeys(("aclId", "dir", "entryId", "expiretime", "guid", "guidtime", "jobid"), "") | {
        "name": os.path.basename(whole),
        "broken": "0",
        "ctime": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(status.st_ctime)),
        "gowner": _name(Path(whole).group, status.st_gid),
        "lfn": place,
        "md5": md5,
        "owner": _name(Path(whole).owner, status.st_uid),
        "perm": f"{status.st_mode & 0o777:03o}",
        "replicated": "0",
        "size": str(status.st_size),
        "turl": place,
        "type": "f",
    }
    attributes = " ".join(f"{key}={quoteattr(value)}" for key, value in values.items())
    return f'\t\t<event name="{number}">\n\t\t\t<file {attributes}/>\n\t\t</event>\n'


def _name(ask: Callable[[], str], number: int) -> str:
    try:
        return ask()
    except (KeyError, NotImplementedError):
        return str(number)


def _read_list(path: str) -> list[str]:
    """The names in a file, parted by blanks or lines; ``#`` begins a comment line."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read(MAX_LIST).splitlines()
    except OSError as exc:
        raise GridError(exc.errno or EIO, f"toXml: {path} cannot be read: {exc.strerror}") from exc
    return [word for line in lines if not line.lstrip().startswith("#") for word in line.split()]


def _write(shell: Shell, path: str, text: str) -> Reply:
    from headless.execution.files import write_atomically

    path = os.path.abspath(path.removeprefix("file:"))
    try:
        write_atomically(path, text.encode("utf-8", "surrogateescape"), mode=0o644)
    except OSError as exc:
        raise GridError(exc.errno or EIO, f"toXml: {path} cannot be written: {exc.strerror}") from exc
    return shell.answer({"path": path, "message": text.rstrip("\n")})
