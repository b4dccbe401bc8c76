"""The launcher's options, read just far enough to schedule the same launch."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TypeVar

from headless.errors import ParameterError

__all__ = ["Launch", "parse_launch", "replace_secret"]

_Word = TypeVar("_Word")

_SHORT = {
    "-s": "--service",
    "-t": "--timeout",
    "-u": "--user",
    "-a": "--auth-type",
    "-p": "--secret",
    "-m": "--module",
    "-f": "--py-file",
    "-c": "--py-code",
}
_SHORT_FLAGS = {"-q": "--quiet", "-v": "--verbose"}
_TAKES_VALUE = frozenset(_SHORT.values()) | {"--result"}
_TARGETS = ("--module", "--py-file", "--py-code")

# A launch that does not wait is done in seconds; this only ends one that hangs.
_START_LIMIT_S = 600
# What a launch may need beyond its --timeout: to connect, log in, and read the last output.
_MARGIN_S = 120


@dataclass(frozen=True)
class _Option:
    """One option: its long name, its value, and the words that give it."""

    name: str
    value: str | None
    words: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Launch:
    """A launch as given. The values that are ``None`` were not given.

    ``timeout_s`` is in seconds, infinite for ``-1``. ``words`` are all options and what follows ``--``.
    """

    words: tuple[str, ...]
    target: str
    service: str | None
    timeout_s: float | None
    secret: str | None
    result: str | None

    @property
    def name(self) -> str:
        """A name for the scheduler's entry, from what is started."""
        return "headless-" + (re.sub(r"[^A-Za-z0-9_]+", "-", self.target).strip("-")[:80] or "job")

    @property
    def limit_s(self) -> int | None:
        """Seconds after which the scheduler may end the launcher: above its own limit; ``None`` for none."""
        if self.timeout_s is None:
            return _START_LIMIT_S
        return None if math.isinf(self.timeout_s) else math.ceil(self.timeout_s) + _MARGIN_S

    @property
    def waits(self) -> bool:
        """Whether the launcher stays until the job's end (or its ``--timeout``)."""
        return self.timeout_s is not None


def parse_launch(words: Sequence[str]) -> Launch:
    """Read the launcher's options; those that are not known here are taken over as they stand.

    Args:
        words: what would stand after ``headless`` on a command line, the job's ``--`` and arguments included.

    Raises:
        ParameterError: not exactly one of ``-m``, ``-f``, ``-c``; a value is missing; the time-out is no number; or
            a stray word stands where only the job's ``--`` may.
    """
    options, _ = _scan(words)
    values = {option.name: option.value for option in options}
    targets = [option for option in options if option.name in _TARGETS]
    if len(targets) != 1:
        raise ParameterError(
            "after '--' give the launcher's options with exactly one of -m MODULE, -f FILE, -c CODE, "
            f"{'several' if targets else 'none'} found"
        )
    return Launch(
        words=tuple(words),
        target=_title(targets[0]),
        service=values.get("--service"),
        timeout_s=_parse_timeout(values.get("--timeout")),
        secret=values.get("--secret"),
        result=values.get("--result"),
    )


def replace_secret(words: Sequence[str], replacement: _Word) -> list[str | _Word]:
    """Return the options with something else for the secret file, whichever way that is spelled."""
    options, rest = _scan(words)
    replaced: list[str | _Word] = []
    for option in options:
        replaced += ["--secret", replacement] if option.name == "--secret" else option.words
    return replaced + rest


def _scan(words: Sequence[str]) -> tuple[list[_Option], list[str]]:
    """Cut the words into options, and the rest from ``--`` on."""
    options: list[_Option] = []
    rest = list(words)
    while rest and rest[0] != "--":
        word = rest.pop(0)
        if word.startswith("--"):
            options.append(_long_option(word, rest))
        elif word.startswith("-") and word != "-":
            options += _short_options(word, rest)
        elif options and options[-1].name not in _TAKES_VALUE and options[-1].words == (options[-1].name,):
            # The value of an option that is not known here.
            options[-1] = _Option(options[-1].name, word, (*options[-1].words, word))
        else:
            raise ParameterError(f"'{word}' is no option: the job's own arguments stand after a second '--'")
    return options, rest


def _long_option(word: str, rest: list[str]) -> _Option:
    """Read ``--name``, ``--name=value`` or ``--name value``; the value is taken from ``rest``."""
    name, equals, value = word.partition("=")
    name = name.replace("_", "-")
    if equals:
        return _Option(name, value, (word,))
    if name not in _TAKES_VALUE:
        return _Option(name, None, (word,))
    value = _take(word, rest)
    return _Option(name, value, (word, value))


def _short_options(word: str, rest: list[str]) -> list[_Option]:
    """Read a word of short options such as ``-t5``, ``-vv`` or ``-qt 5``; a value may be taken from ``rest``."""
    options: list[_Option] = []
    for position, letter in enumerate(word[1:], start=1):
        short = f"-{letter}"
        if short in _SHORT:
            value = word[position + 1 :] or _take(short, rest)
            return [*options, _Option(_SHORT[short], value, (short, value))]
        if short not in _SHORT_FLAGS:
            raise ParameterError(f"'{word}' is no option of the launcher")
        options.append(_Option(_SHORT_FLAGS[short], None, (short,)))
    return options


def _take(option: str, rest: list[str]) -> str:
    if not rest or rest[0] == "--":
        raise ParameterError(f"the option {option} needs a value")
    return rest.pop(0)


def _parse_timeout(text: str | None) -> float | None:
    """Read the seconds of ``--timeout``: infinite for ``-1``, ``None`` for an option that was not given."""
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if seconds == -1:
        return math.inf
    if not 0 <= seconds < math.inf:
        raise ParameterError(f"the time-out '{text}' is not a number of seconds, nor -1 for no limit")
    return seconds


def _title(target: _Option) -> str:
    """What is started, as a short text: the module's id, the file's name, or ``code``."""
    if target.name == "--py-code":
        return "code"
    if target.name == "--py-file":
        return PurePath(target.value or "").stem
    return target.value or ""
