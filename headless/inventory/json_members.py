"""A large JSON object of objects, read value by value, so that it is never in memory as a whole."""

import io
import json
from collections.abc import Iterator
from typing import Any

__all__ = ["iterate_values"]

CHUNK = 1 << 20
"""So many characters are read at a time."""
DECODER = json.JSONDecoder()


def iterate_values(data: bytes) -> Iterator[tuple[str, str, Any]]:
    """The values of an object's objects, each with the two names that lead to it.

    Raises:
        ValueError: it is no JSON, or something else.
        RecursionError: it is nested too deep.
    """
    reader = _Reader(data)
    for outer in reader.iterate_names():
        for inner in reader.iterate_names():
            yield outer, inner, reader.take_value()
    reader.demand_end()


class _Reader:
    """What is left to be read."""

    def __init__(self, data: bytes) -> None:
        self._file = io.TextIOWrapper(io.BytesIO(data), "utf-8")
        self._text = ""
        self._place = 0

    def iterate_names(self) -> Iterator[str]:
        """An object's names; the value of each is to be taken before the next."""
        self._expect("{")
        if self._accept("}"):
            return
        while True:
            name = self.take_value()
            if not isinstance(name, str):
                raise ValueError("a name is expected")
            self._expect(":")
            yield name
            if self._accept("}"):
                return
            self._expect(",")

    def take_value(self) -> Any:
        """One whole value."""
        self._peek()
        while True:
            try:
                value, end = DECODER.raw_decode(self._text, self._place)
            except ValueError:
                if not self._fill():
                    raise
                continue
            # Only a number may go on after what could be its end.
            if end < len(self._text) or not isinstance(value, int | float) or not self._fill():
                self._place = end
                return value

    def demand_end(self) -> None:
        """See to it that nothing follows."""
        if self._peek():
            raise ValueError("something follows the end")

    def _accept(self, letter: str) -> bool:
        if self._peek() != letter:
            return False
        self._place += 1
        return True

    def _expect(self, letter: str) -> None:
        if not self._accept(letter):
            raise ValueError(f"{letter!r} is expected")

    def _peek(self) -> str:
        """The next character that is no space; empty at the end."""
        while True:
            while self._place < len(self._text):
                if self._text[self._place] not in " \t\n\r":
                    return self._text[self._place]
                self._place += 1
            if not self._fill():
                return ""

    def _fill(self) -> bool:
        # Twice as much as before where a value is long: it is decoded anew each time.
        rest = self._text[self._place :]
        more = self._file.read(max(CHUNK, len(rest)))
        if more:
            self._text, self._place = rest + more, 0
        return bool(more)
