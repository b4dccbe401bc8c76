"""``grep``: the server's where it reads files; else files are fetched, and this machine's grep reads them."""

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field

from headless.grid.errnos import EINVAL, ENOENT, EOPNOTSUPP
from headless.grid.messages import GridError, Reply
from headless.grid.shell.files import fetched
from headless.grid.shell.shell import Shell
from headless.grid.shell.table import COMMANDS, HELP

__all__ = ["search"]

FLAGS = frozenset("ivnclLwxoqsHhEFGPa")
VALUES = frozenset("emABC")
NO_MATCH = 1  # grep(1): its own codes


@dataclass
class _Asked:
    options: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)


def search(shell: Shell, name: str, args: list[str]) -> Reply:
    """Lines of files. Ends as grep(1) does: 0 if there is such a line, 1 if there is none; else the errno."""
    if HELP.intersection(args):  # a server takes them anywhere
        return shell.answer(COMMANDS[name][2])
    reply = shell.send(name, *args)
    if reply.code != EOPNOTSUPP:
        return reply
    asked = _parse(args)
    if shutil.which("grep") is None:
        raise GridError(ENOENT, "grep: there is no program grep here")
    if len(asked.files) > 1:
        asked.options.insert(0, "-H")  # a -h behind it is stronger
    codes = [_search(shell, asked.options, lfn) for lfn in asked.files]
    if bad := [code for code in codes if code not in (0, NO_MATCH)]:
        raise GridError(EINVAL, f"grep: this machine's grep ended with {bad[0]}")
    code = min(codes)
    return shell.answer(code=code, error="grep: no line matches" if code else "")


def _search(shell: Shell, options: list[str], lfn: str) -> int:
    with fetched(shell, lfn) as path, open(path, "rb") as file:
        words = ["grep", *options, f"--label={lfn}", "--", "-"]
        done = subprocess.run(words, stdin=file, stdout=subprocess.PIPE, check=False)  # noqa: S603  # the user's
    shell.output.write_bytes(done.stdout)
    return done.returncode


def _parse(args: list[str]) -> _Asked:
    """Known options only: what another one's value is, and what a file, nobody could tell.

    Raises:
        GridError: EINVAL: one is not known, or no file is named.
    """
    asked, left, has_pattern, is_open = _Asked(), iter(args), False, True
    for word in left:
        if is_open and word == "--":
            is_open = False
        elif is_open and word.startswith("-") and len(word) > 1:
            asked.options += _parse_option(word, left)
            has_pattern = has_pattern or word[1] == "e"
        elif has_pattern:
            asked.files.append(word)
        else:
            asked.options += ["-e", word]
            has_pattern = True
    if not asked.files:
        raise GridError(EINVAL, "grep: give a pattern and LFNs")
    return asked


def _parse_option(word: str, left: Iterator[str]) -> list[str]:
    if word[1] in VALUES:
        value = word[2:] or next(left, None)
        if value is None:
            raise GridError(EINVAL, f"grep {word}: its value is missing")
        return [word[:2], value]
    if set(word[1:]) - FLAGS:
        raise GridError(EINVAL, f"grep: unknown option {word}: see grep -h")
    return [word]
