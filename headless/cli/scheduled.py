"""The launch that is to be scheduled: the launcher's own command line reads its options."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, TypeVar

import click

from headless.cli.launch import launch as launch_command
from headless.cli.session import parse_seconds
from headless.errors import ParameterError
from headless.launcher.settings import parse_timeout
from headless.transport.address import UnixAddress, parse_address

__all__ = ["Launch", "parse_launch"]

_Word = TypeVar("_Word")

_TARGETS = ("module", "py_file", "py_code")
# A launch that does not wait is done in seconds; this only ends one that hangs.
_START_LIMIT_S = 600
# What a launch may need beyond its --timeout: to connect, log in, and read the last output.
_MARGIN_S = 120


@dataclass(frozen=True, kw_only=True)
class Launch:
    """A launch as given. The values that are ``None`` were not given.

    ``timeout_s`` is in seconds, infinite for ``-1``; ``before_s`` is what ``--splay`` and ``--connect-for`` may take
    before it begins. ``words`` are all options and what follows ``--``.
    """

    words: tuple[str, ...]
    target: str
    service: str | None
    timeout_s: float | None
    before_s: float
    secret: str | None
    outputs: tuple[str, ...]
    _values: tuple[tuple[click.Option, Any], ...]
    _arguments: tuple[str, ...]

    @property
    def name(self) -> str:
        """A name for the scheduler's entry, from what is started."""
        return "headless-" + (re.sub(r"[^A-Za-z0-9_]+", "-", self.target).strip("-")[:80] or "job")

    @property
    def limit_s(self) -> int | None:
        """Seconds after which the scheduler may end the launcher: above its own limit; ``None`` for none."""
        if self.timeout_s is None:
            return _START_LIMIT_S + math.ceil(self.before_s)
        return None if math.isinf(self.timeout_s) else math.ceil(self.timeout_s + self.before_s) + _MARGIN_S

    @property
    def waits(self) -> bool:
        """Whether the launcher stays until the job's end (or its ``--timeout``)."""
        return self.timeout_s is not None

    @property
    def needs_network(self) -> bool:
        """Whether its server is reached over TCP."""
        return self.service is not None and not isinstance(parse_address(self.service), UnixAddress)

    def check_paths(self, is_absolute: Callable[[str], bool]) -> None:
        """Refuse files that are named relative to a folder: a scheduler starts in another one.

        Raises:
            ParameterError: there is one.
        """
        for option, value in self._values:
            if isinstance(option.type, click.Path) and value != "-" and not is_absolute(value):
                raise ParameterError(f"{max(option.opts, key=len)} {value}: give the whole path, or --working-folder")

    def replace_secret(self, replacement: _Word) -> list[str | _Word]:
        """The words with something else for the secret file; the options by their long names then."""
        words: list[str | _Word] = []
        for option, value in self._values:
            name = max(option.opts, key=len)
            if option.name == "secret":
                words += [name, replacement]
            elif option.count:
                words += [name] * value
            elif option.multiple:
                words += [word for text in value for word in (name, text)]
            else:
                words += [name] if option.is_flag else [name, value]
        return [*words, "--", *self._arguments] if self._arguments else words


def parse_launch(words: Sequence[str]) -> Launch:
    """Read the launcher's options, exactly as the launcher does.

    Args:
        words: what would stand after ``headless`` on a command line, the job's ``--`` and arguments included.

    Raises:
        ParameterError: the launcher would refuse them.
        click.UsageError: the same.
    """
    place = words.index("--") if "--" in words else len(words)
    context = click.Context(launch_command, **launch_command.context_settings)
    values, stray, _ = launch_command.make_parser(context).parse_args(list(words[:place]))
    if stray:
        raise ParameterError(f"'{stray[0]}' is no option: the job's own arguments stand after a second '--'")
    targets = [name for name in _TARGETS if name in values]
    if len(targets) != 1:
        raise ParameterError(
            "after '--' give the launcher's options with exactly one of -m MODULE, -f FILE, -c CODE, "
            f"{'several' if targets else 'none'} found"
        )
    service, timeout = values.get("service"), values.get("timeout")
    if service is not None:
        parse_address(service)
    options = {parameter.name: parameter for parameter in launch_command.params}
    return Launch(
        words=tuple(words),
        target=_title(targets[0], values[targets[0]]),
        service=service,
        timeout_s=None if timeout is None else _parse_limit(timeout),
        before_s=sum(_parse_wait(name, values.get(name, "0")) for name in ("splay", "connect_for")),
        secret=values.get("secret"),
        outputs=tuple(values[name] for name in ("output", "result") if values.get(name, "-") != "-"),
        _values=tuple(
            (option, value) for name, value in values.items() if isinstance(option := options[name], click.Option)
        ),
        _arguments=tuple(words[place + 1 :]),
    )


def _parse_wait(name: str, text: str) -> float:
    return 0.0 if text == "0" else parse_seconds(f"--{name.replace('_', '-')}", text)


def _parse_limit(text: str) -> float:
    seconds = parse_timeout(text)
    return math.inf if seconds < 0 else seconds


def _title(name: str, value: str) -> str:
    """What is started, as a short text: the module's id, the file's name, or ``code``."""
    if name == "py_code":
        return "code"
    return PurePath(value).stem if name == "py_file" else value
