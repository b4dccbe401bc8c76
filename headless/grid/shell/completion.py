"""Completion: commands for the first word, LFNs for the others, local files behind ``file:``."""

import glob
import os
import posixpath
from collections.abc import Iterable

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from headless.grid.messages import GridError
from headless.grid.shell.shell import Shell
from headless.grid.shell.table import COMMANDS

__all__ = ["GridCompleter", "find_candidates"]

SPECIAL = " \t\\'\";|#"


class GridCompleter(Completer):
    """Asks the server, in the shell's own session."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """What the word before the cursor could become."""
        word, is_first = _last_word(document.text_before_cursor)
        for candidate in find_candidates(self._shell, _unquote(word), is_first=is_first):
            yield Completion(_quote(candidate), start_position=-len(word), display=candidate)


def find_candidates(shell: Shell, word: str, *, is_first: bool) -> list[str]:
    """All that begins so; nothing where the server does not answer."""
    if word.startswith("file:"):
        path = word.removeprefix("file:")
        return [f"file:{name}{'/' * os.path.isdir(name)}" for name in sorted(glob.glob(glob.escape(path) + "*"))]
    try:
        if is_first:
            names = set(COMMANDS) | shell.session.commands
            return sorted(name for name in names if name.startswith(word))
        folder, part = posixpath.split(word)
        place = shell.resolve(folder + "/" if folder else ".")
        rows = shell.query("ls", "-a", "-F", place).rows
    except GridError:
        return []
    front = word[: len(word) - len(part)]
    return [front + row["name"] for row in rows if row.get("name", "").startswith(part)]


def _last_word(text: str) -> tuple[str, bool]:
    """The word that is being typed, as typed, and whether it is a command's."""
    begin, is_first, quote, at = 0, True, "", 0
    while at < len(text):
        sign = text[at]
        if sign == "\\" and quote != "'":
            at += 1
        elif quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        elif sign in ";|\n":
            begin, is_first = at + 1, True
        elif sign in " \t":
            is_first = is_first and not text[begin:at].strip()
            begin = at + 1
        at += 1
    return text[begin:], is_first


def _unquote(word: str) -> str:
    return word.replace("\\", "").lstrip("'\"")


def _quote(text: str) -> str:
    return "".join("\\" + sign if sign in SPECIAL else sign for sign in text)
