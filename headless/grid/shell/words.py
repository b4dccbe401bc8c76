"""A typed line as commands: split at ``;``, ``|`` and line ends as a shell does, never inside quotes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from headless.grid.errnos import EINVAL
from headless.grid.messages import GridError

__all__ = ["Step", "Unfinished", "read_steps", "split_line"]

ENDS = ";\n"
REFUSED = ("&&", ">", "<", "2>")  # at the begin of a word: who types these means more than a word
BLANK = " \t\r"


class Unfinished(GridError):
    """A quote is open at the end, or the last character is a backslash: there must be more to come."""


@dataclass(frozen=True)
class Step:
    """One command.

    Attributes:
        words: of the grid's command; empty where only the shell is meant.
        shell: the command that takes the grid's text, or runs alone; empty for none.
        line: in the file it stands in, from 1.
    """

    words: tuple[str, ...]
    shell: str = ""
    line: int = 1


def split_line(text: str, line: int = 1) -> list[Step]:
    """Read commands; ``#`` where a word could begin starts a comment.

    Args:
        text: one line or more.
        line: the number of its first.

    Raises:
        Unfinished: it ends within a quote.
        GridError: EINVAL: a pipe stands where no command was.
    """
    scanner = _Scanner(text, line)
    steps = []
    while (step := scanner.next_step()) is not None:
        if step.words or step.shell:
            steps.append(step)
    return steps


def read_steps(lines: Iterable[str]) -> Iterator[Step]:
    """Commands as their lines come; a command with an open quote goes on in the next line.

    Raises:
        GridError: EINVAL, with the line's number: a quote stays open, or a pipe stands alone.
    """
    kept, first = "", 1
    for number, text in enumerate(lines, 1):
        first = first if kept else number
        kept += text
        try:
            steps = split_line(kept.removesuffix("\n"), first)
        except Unfinished:
            continue
        kept = ""
        yield from steps
    if kept:
        split_line(kept.removesuffix("\n"), first)


class _Scanner:
    """A walk over the characters."""

    def __init__(self, text: str, line: int) -> None:
        self._text = text
        self._at = 0
        self._line = line

    def next_step(self) -> Step | None:
        """The next command, which may be empty; ``None`` at the end."""
        self._skip_blanks()
        if self._at >= len(self._text):
            return None
        line = self._line
        if self._peek() == "!":
            self._at += 1
            return Step((), self._take_shell(), line)
        words = []
        while (word := self._take_word()) is not None:
            words.append(word)
        shell = ""
        if self._peek() == "|":
            self._at += 1
            shell = self._take_shell()
            if not words or not shell or shell.startswith("|"):
                raise GridError(EINVAL, f"line {line}: a pipe needs a command on each side")
        else:
            self._take_end()
        return Step(tuple(words), shell, line)

    def _peek(self) -> str:
        return self._text[self._at] if self._at < len(self._text) else ""

    def _skip_blanks(self) -> None:
        while self._peek() and self._peek() in BLANK:
            self._at += 1
        if self._peek() == "#":
            while self._peek() not in ("", "\n"):
                self._at += 1

    def _take_end(self) -> None:
        self._line += self._peek() == "\n"
        self._at += 1

    def _take_word(self) -> str | None:
        """The next word without its quotes; ``None`` where the command ends."""
        self._skip_blanks()
        if self._peek() == "" or self._peek() in ENDS + "|":
            return None
        if self._text.startswith(REFUSED, self._at):
            raise GridError(EINVAL, f"line {self._line}: of a shell's signs only ; | ! and quotes mean something here")
        word = ""
        while (sign := self._peek()) and sign not in ENDS + "|" + BLANK:
            word += self._take_piece(sign)
        return word

    def _take_piece(self, sign: str) -> str:
        """One character, or what stands in quotes, with what a shell would make of backslashes there."""
        if sign == "'":
            return self._take_quoted(sign)[1:-1]
        if sign == '"':
            return _unescape(self._take_quoted(sign)[1:-1])
        if sign == "\\":
            return self._take_escaped()[1:].replace("\n", "")
        self._at += 1
        return sign

    def _take_quoted(self, quote: str) -> str:
        """With its quotes."""
        begin, line = self._at, self._line
        self._at += 1
        while (sign := self._peek()) != quote:
            if not sign:
                raise Unfinished(EINVAL, f"line {line}: {quote} is not closed: {self._text[begin : begin + 20]!r}")
            if sign == "\\" and quote == '"':
                self._at += 1
            self._line += self._peek() == "\n"
            self._at += 1
        self._at += 1
        return self._text[begin : self._at]

    def _take_escaped(self) -> str:
        """A backslash and what it protects."""
        piece = self._text[self._at : self._at + 2]
        if len(piece) < 2:
            raise Unfinished(EINVAL, f"line {self._line}: nothing comes after the last backslash")
        self._line += piece[1] == "\n"
        self._at += 2
        return piece

    def _take_shell(self) -> str:
        """All up to the command's end as it is: quotes and backslashes are the shell's to read."""
        begin = self._at
        while (sign := self._peek()) and sign not in ENDS:
            if sign in "'\"":
                self._take_quoted(sign)
            elif sign == "\\":
                self._take_escaped()
            else:
                self._at += 1
        command = self._text[begin : self._at].strip()
        self._take_end()
        return command


def _unescape(text: str) -> str:
    """In double quotes a backslash protects only these."""
    result, protected = "", False
    for sign in text:
        if protected:
            result += {"\n": ""}.get(sign, sign) if sign in '"\\$`\n' else "\\" + sign
            protected = False
        elif sign == "\\":
            protected = True
        else:
            result += sign
    return result
