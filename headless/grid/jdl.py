"""JDL, the language in which a grid's jobs are described, as values. No I/O.

A field is ``Name = value;``; a value is a text, a list of texts, a number, or an expression that only a broker of jobs
understands::

    Executable = "/grid/user/t/tester/bin/fit.sh";
    InputData = {"LF:/grid/user/t/tester/run1.root"};   # comments: # and // to the line's end, /* */
    TTL = 3600;

Names are the same in any case. Source: JAliEn's ``JDL`` (March 2024) for what is in use; unlike there, arguments of a
submit (``$1``) are put into values, never into the text, so that none can add a field.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Never

from headless.grid.errnos import EINVAL
from headless.grid.messages import GridError

__all__ = ["MAX_SIZE", "TAG", "Expression", "Jdl", "Value", "fill_arguments", "format_jdl", "parse_jdl"]

MAX_SIZE = 130 * 1024
"""Bytes of a JDL: as many as a request may have."""

TAG = "HeadlessSubmitId"
"""A field of ours: the name of one submit. A second submit with it is the same job's."""

MAX_FIELDS = 1000
MAX_ITEMS = 20_000  # of one list

_BLANK = re.compile(r"(?:\s+|#[^\n]*|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_BARE = re.compile(r'[^\s,{}";#]+')
_NUMBER = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{1,9})?")
_EXPRESSION = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^";])*', re.DOTALL)
_ARGUMENT = re.compile(r"\$([1-9][0-9]{0,3})")


@dataclass(frozen=True)
class Expression:
    """What is neither text, list nor number, as it was written: ``other.TTL > 3600``."""

    text: str


Value = str | int | float | tuple[str, ...] | Expression


@dataclass(frozen=True)
class Jdl:
    """A job's description.

    Attributes:
        fields: by name, in the order and the spelling of the text; of two alike the later one counts.
    """

    fields: Mapping[str, Value]

    def find(self, name: str) -> Value | None:
        """A field's value, however its name is spelled; ``None`` if there is none."""
        return next((value for key, value in self.fields.items() if key.lower() == name.lower()), None)

    def read_text(self, name: str, default: str = "") -> str:
        """A field that is one text; a number or an expression is taken as it was written.

        Raises:
            GridError: EINVAL: it is a list of more or less than one.
        """
        value = self.find(name)
        if isinstance(value, tuple):
            if len(value) != 1:
                raise GridError(EINVAL, f"{name} in the JDL is a list: give one text")
            return value[0]
        return default if value is None else _show(value)

    def read_list(self, name: str) -> tuple[str, ...]:
        """A field that is a list; one text is a list of one."""
        value = self.find(name)
        if value is None or isinstance(value, tuple):
            return value or ()
        return (_show(value),)

    def read_number(self, name: str, default: float) -> float:
        """A field that is a number, also one in quotes.

        Raises:
            GridError: EINVAL: it is none.
        """
        text = self.read_text(name, str(default)).strip()
        if not _NUMBER.fullmatch(text):
            raise GridError(EINVAL, f"{name} in the JDL is {text[:40]!r}: give a number")
        return float(text)

    def replace(self, fields: Mapping[str, Value]) -> "Jdl":
        """The same with other fields, which take the place of those that are spelled alike."""
        names = {name.lower() for name in fields}
        kept = {name: value for name, value in self.fields.items() if name.lower() not in names}
        return Jdl({**kept, **fields})


def parse_jdl(text: str) -> Jdl:
    """Read a JDL.

    Raises:
        GridError: EINVAL: it is none; the message says in which line.
    """
    if len(text.encode(errors="replace")) > MAX_SIZE:
        raise GridError(EINVAL, f"the JDL has more than {MAX_SIZE} bytes")
    fields: dict[str, Value] = {}
    spellings: dict[str, str] = {}
    for name, value in _Scanner(text).scan():
        fields.pop(spellings.get(name.lower(), name), None)
        spellings[name.lower()] = name
        fields[name] = value
        if len(fields) > MAX_FIELDS:
            raise GridError(EINVAL, f"the JDL has more than {MAX_FIELDS} fields")
    if not fields:
        raise GridError(EINVAL, "the JDL is empty")
    return Jdl(fields)


def format_jdl(jdl: Jdl) -> str:
    """Write a JDL: a field a line, which :func:`parse_jdl` reads as the same."""
    return "".join(f"{name} = {_format(value)};\n" for name, value in jdl.fields.items())


def fill_arguments(jdl: Jdl, arguments: Sequence[str]) -> Jdl:
    """Put a submit's arguments in the places of ``$1``, ``$2`` ...

    Raises:
        GridError: EINVAL: the JDL wants more than there are.
    """

    def fill(match: re.Match[str]) -> str:
        number = int(match[1])
        if number > len(arguments):
            raise GridError(EINVAL, f"the JDL wants ${number}, and {len(arguments)} arguments were given")
        return arguments[number - 1]

    return Jdl({name: _map_texts(value, lambda text: _ARGUMENT.sub(fill, text)) for name, value in jdl.fields.items()})


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._place = 0

    def scan(self) -> Iterator[tuple[str, Value]]:
        """All fields, in order."""
        self._skip()
        while self._place < len(self._text):
            name = self._take(_NAME, "a field's name")[0]
            self._skip()
            if not self._accept("="):
                self._fail(f"'=' is missing after {name}")
            self._skip()
            yield name, self._scan_value()
            self._skip()
            if not self._accept(";") and self._place < len(self._text):
                self._fail(f"';' is missing after the value of {name}, or a quote is not closed")
            self._skip()

    def _scan_value(self) -> Value:
        if self._accept("{"):
            return tuple(self._scan_items())
        start = self._place
        if (found := _TEXT.match(self._text, start)) is not None:
            self._place = found.end()
            self._skip()
            if self._place == len(self._text) or self._text[self._place] == ";":
                return _unescape(found[1])
            self._place = start  # an expression that begins with a text
        return _read_bare(self._take(_EXPRESSION, "a value")[0].strip() or self._lack("a value"))

    def _scan_items(self) -> Iterator[str]:
        count = 0
        self._skip()
        while not self._accept("}"):
            count += 1
            if count > MAX_ITEMS:
                self._fail(f"a list has more than {MAX_ITEMS} items")
            if (found := _TEXT.match(self._text, self._place)) is not None:
                self._place = found.end()
                yield _unescape(found[1])
            else:
                yield self._take(_BARE, "an item of a list, or '}'")[0]
            self._skip()
            if not self._accept(",") and self._text[self._place : self._place + 1] != "}":
                self._fail("',' or '}' is missing in a list")
            self._skip()

    def _take(self, pattern: re.Pattern[str], what: str) -> re.Match[str]:
        found = pattern.match(self._text, self._place)
        if found is None:
            self._lack(what)
        self._place = found.end()
        return found

    def _accept(self, sign: str) -> bool:
        is_there = self._text.startswith(sign, self._place)
        self._place += len(sign) if is_there else 0
        return is_there

    def _skip(self) -> None:
        found = _BLANK.match(self._text, self._place)
        self._place = found.end() if found else self._place

    def _lack(self, what: str) -> Never:
        self._fail("a quote is not closed" if self._text.startswith('"', self._place) else f"{what} is missing")

    def _fail(self, reason: str) -> Never:
        line = self._text.count("\n", 0, self._place) + 1
        raise GridError(EINVAL, f"the JDL is not valid in line {line}: {reason}")


def _unescape(text: str) -> str:
    return re.sub(r'\\(["\\])', r"\1", text)


def _escape(text: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def _read_bare(text: str) -> Value:
    if not _NUMBER.fullmatch(text):
        return Expression(text)
    return float(text) if "." in text else int(text)


def _show(value: str | float | Expression) -> str:
    return value.text if isinstance(value, Expression) else str(value)


def _format(value: Value) -> str:
    if isinstance(value, tuple):
        return "{" + ", ".join(map(_escape, value)) + "}"
    return _escape(value) if isinstance(value, str) else _show(value)


def _map_texts(value: Value, change: Callable[[str], str]) -> Value:
    if isinstance(value, tuple):
        return tuple(map(change, value))
    if isinstance(value, Expression):
        return _read_bare(change(value.text))
    return change(value) if isinstance(value, str) else value
