"""A command's options and words, told apart as JAliEn does it: ``-la``, ``-l 10``, ``--`` before odd names."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from headless.grid.errnos import EINVAL
from headless.grid.messages import GridError

__all__ = ["Arguments", "parse_arguments", "take_values"]


@dataclass(frozen=True)
class Arguments:
    """What was said.

    Attributes:
        flags: the options that take nothing, a letter each.
        values: those that take a value, by letter; the last one counts.
        words: all else, in order.
    """

    flags: frozenset[str]
    values: Mapping[str, str]
    words: Sequence[str]

    def number(self, letter: str, default: int) -> int:
        """A value that is a number, 0 or more.

        Raises:
            GridError: EINVAL.
        """
        text = self.values.get(letter)
        if text is None:
            return default
        if not (text.isascii() and text.isdecimal() and len(text) < 16):
            raise GridError(EINVAL, f"-{letter} {text!r}: give a number")
        return int(text)

    def require_words(self, least: int = 1, most: int | None = None) -> Sequence[str]:
        """The words, if there are as many as must be.

        Raises:
            GridError: EINVAL.
        """
        if len(self.words) < least:
            raise GridError(EINVAL, "Command requires an argument" if least == 1 else f"give {least} arguments")
        if most is not None and len(self.words) > most:
            raise GridError(EINVAL, f"{self.words[most]!r} is one argument too many")
        return self.words


def parse_arguments(options: Sequence[str], flags: str = "", values: str = "") -> Arguments:
    """Tell options and words apart. A single dash is a word.

    Args:
        options: as the request has them.
        flags: letters of options without a value.
        values: letters of options with one.

    Raises:
        GridError: EINVAL: an option that the command does not know, or one without its value.
    """
    found: set[str] = set()
    given: dict[str, str] = {}
    words: list[str] = []
    rest = iter(options)
    for option in rest:
        if option == "--":
            words += rest
        elif option.startswith("-") and len(option) > 1:
            letter = _take_flags(option, flags, values, found)
            if letter:
                given[letter] = option.partition(letter)[2] or next(rest, "")
                if not given[letter]:
                    raise GridError(EINVAL, f"-{letter} needs a value")
        else:
            words.append(option)
    return Arguments(frozenset(found), given, words)


def take_values(options: Sequence[str], names: Collection[str]) -> tuple[dict[str, str], list[str]]:
    """Take out the options whose names are words, ``-qos disk``; and what is left for :func:`parse_arguments`.

    Raises:
        GridError: EINVAL: one lacks its value.
    """
    given: dict[str, str] = {}
    left: list[str] = []
    rest = iter(options)
    for option in rest:
        if option in names:
            given[option] = next(rest, "")
            if not given[option]:
                raise GridError(EINVAL, f"{option} needs a value")
        else:
            left.append(option)
    return given, left


def _take_flags(option: str, flags: str, values: str, found: set[str]) -> str:
    """Note the flags of one option; return the letter whose value follows, or nothing."""
    for letter in option[1:]:
        if letter in values:
            return letter
        if letter not in flags:
            raise GridError(EINVAL, f"unknown option {option!r}: -h says which there are; put -- before odd names")
        found.add(letter)
    return ""
