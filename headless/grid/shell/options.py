"""Words behind a command, told apart: flags, options with a value, and the rest."""

from collections.abc import Collection
from dataclasses import dataclass, field

from headless.grid.errnos import EINVAL
from headless.grid.messages import GridError

__all__ = ["Words", "read_number", "read_words"]


@dataclass
class Words:
    """What was given.

    Attributes:
        flags: that stood there.
        values: of the options, all of each in their order.
        rest: the other words.
    """

    flags: set[str] = field(default_factory=set)
    values: dict[str, list[str]] = field(default_factory=dict)
    rest: list[str] = field(default_factory=list)

    def last(self, option: str, default: str = "") -> str:
        """The value that was given last."""
        return self.values.get(option, [default])[-1]


def read_words(
    command: str, args: list[str], flags: Collection[str] = (), options: Collection[str] = (), *, most: int = 1 << 30
) -> Words:
    """Tell them apart.

    Args:
        command: for the errors.
        args: its words.
        flags: known ones, without a value; they may be bare words.
        options: known ones, with a value.
        most: how many other words it takes.

    Raises:
        GridError: EINVAL: an option is not known or has no value, or there are words too many.
    """
    words, left = Words(), iter(args)
    for word in left:
        if word in flags:
            words.flags.add(word)
        elif word in options:
            value = next(left, None)
            if value is None:
                raise GridError(EINVAL, f"{command} {word}: its value is missing")
            words.values.setdefault(word, []).append(value)
        elif word.startswith("-") and word != "-":
            raise GridError(EINVAL, f"{command}: unknown option {word}: see {command} -h")
        else:
            words.rest.append(word)
    if len(words.rest) > most:
        raise GridError(EINVAL, f"{command}: {words.rest[most]!r} is too much: see {command} -h")
    return words


def read_number(command: str, option: str, text: str, least: int, most: int) -> int:
    """A whole number.

    Raises:
        GridError: EINVAL: it is none, or too small or large.
    """
    if not (text.isascii() and text.isdigit() and len(text) < 18 and least <= int(text) <= most):
        raise GridError(EINVAL, f"{command} {option}: {text!r} is of no use: give a number, {least} to {most}")
    return int(text)
