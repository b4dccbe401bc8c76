"""What a hook does, as it stands in the settings: five lists of actions, checked when they are read."""

import difflib
import enum
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from headless.errors import ParameterError

__all__ = ["HOOKS", "Action", "ActionKind", "Hooks", "parse_actions", "parse_hooks"]

HOOKS = ("on_failure", "on_success", "on_start", "on_skip", "on_lost")
TIMEOUT_S = 10.0
TIMEOUT_LIMIT_S = 300.0
RETRIES = 3
RETRIES_LIMIT = 20
ACTIONS_LIMIT = 20  # of one list: each is a row in the journal at every end
ADDRESS = re.compile(r"[^\s\x00-\x1f\x7f<>()\[\]\\,;:\"-][^\s\x00-\x1f\x7f<>()\[\]\\,;:\"]{0,253}")
CONTROL = re.compile(r"[\x00-\x20\x7f]")


class ActionKind(enum.StrEnum):
    """How something is told; the word is the key in the settings."""

    COMMAND = "command"  # a program, with the facts in its environment and as JSON on its standard input
    WEBHOOK = "webhook"  # a POST of JSON
    PING = "ping"  # a check of the kind of healthchecks.io
    MAIL = "mail"  # through sendmail(8)


@dataclass(frozen=True)
class Action:
    """One thing to do.

    Attributes:
        kind: how.
        target: the program and its arguments, or the one URL or mail address; a URL may be a secret.
        timeout_s: seconds that one try may take.
        retries: how often it is tried again.
        repeat: whether every failure of a streak is told, not only the first.
    """

    kind: ActionKind
    target: tuple[str, ...] = field(repr=False)
    timeout_s: float = TIMEOUT_S
    retries: int = RETRIES
    repeat: bool = False

    @property
    def is_repeated(self) -> bool:
        """Whether it is told of everything: a check that was not pinged would be late."""
        return self.repeat or self.kind is ActionKind.PING

    @property
    def label(self) -> str:
        """For the log: of a URL the host only, as its path or query may be all that protects it."""
        if self.kind in (ActionKind.WEBHOOK, ActionKind.PING):
            return f"{self.kind} {urlsplit(self.target[0]).hostname}"
        return f"{self.kind} {self.target[0]}"


@dataclass(frozen=True)
class Hooks:
    """The actions of each event; ``None`` where the settings do not say anything."""

    on_failure: tuple[Action, ...] | None = None
    on_success: tuple[Action, ...] | None = None
    on_start: tuple[Action, ...] | None = None
    on_skip: tuple[Action, ...] | None = None
    on_lost: tuple[Action, ...] | None = None

    def override(self, other: "Hooks") -> "Hooks":
        """These, with each list that ``other`` has, an empty one too, in the place of ours: server and module."""
        return replace(self, **{name: value for name in HOOKS if (value := getattr(other, name)) is not None})


def parse_hooks(values: Mapping[str, Any], origin: str) -> Hooks:
    """Check hooks as they stand in settings.

    Args:
        values: of keys among ``HOOKS``; each a table or a list of tables.
        origin: the file's name, for messages.

    Raises:
        ParameterError: another key, or a value that cannot be; the message names both.
    """
    for name in values:
        if name not in HOOKS:
            raise ParameterError(f"{origin}: unknown setting {name!r}{_suggest(name, HOOKS)}")
    return Hooks(**{name: parse_actions(value, origin, name) for name, value in values.items()})


def parse_actions(value: Any, origin: str, name: str) -> tuple[Action, ...]:
    """Check one list of actions.

    Args:
        value: a table, or a list of tables.
        origin: the file's name, for messages.
        name: of the setting.

    Raises:
        ParameterError: as :func:`parse_hooks`.
    """
    place = f"{origin}: setting {name!r}"
    tables = [value] if isinstance(value, dict) else value
    if not isinstance(tables, list | tuple) or not all(isinstance(table, dict) for table in tables):
        raise ParameterError(f'{place} must be a list of tables like {{mail = "ops@example.org"}}')
    if len(tables) > ACTIONS_LIMIT:
        raise ParameterError(f"{place} has {len(tables)} actions, at most {ACTIONS_LIMIT} can be")
    return tuple(_parse_action(table, place) for table in tables)


def _parse_action(table: dict[str, Any], place: str) -> Action:
    kinds = [key for key in table if key in list(ActionKind)]
    for key in table:
        known = (*ActionKind, "timeout", "retries", "repeat")
        if key not in known:
            raise ParameterError(f"{place}: unknown key {key!r}{_suggest(key, known)}")
    if len(kinds) != 1:
        raise ParameterError(f"{place}: each table has exactly one of {', '.join(ActionKind)}")
    kind = ActionKind(kinds[0])
    return Action(
        kind,
        _PARSERS[kind](table[kind], f"{place}: {kind}"),
        timeout_s=float(_parse_number(table, "timeout", TIMEOUT_S, TIMEOUT_LIMIT_S, place)),
        retries=int(_parse_number(table, "retries", RETRIES, RETRIES_LIMIT, place)),
        repeat=_parse_bool(table, "repeat", place),
    )


def _parse_command(value: Any, place: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
        raise ParameterError(f'{place} is a list of texts like ["/usr/local/bin/tell", "ops"]: no shell reads it')
    if not value[0].startswith("/"):
        raise ParameterError(f"{place}: give the program with its whole path, not {value[0]!r}")
    if any("\0" in item for item in value):
        raise ParameterError(f"{place} holds a NUL")
    return tuple(value)


def _parse_url(value: Any, place: str) -> tuple[str, ...]:
    # The value is not shown: it may be a secret.
    if not isinstance(value, str) or CONTROL.search(value):
        raise ParameterError(f"{place} is a URL like https://example.org/path")
    try:
        parts = urlsplit(value)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_url = False
    if not is_url:
        raise ParameterError(f"{place} is a URL like https://example.org/path")
    return (value,)


def _parse_mail(value: Any, place: str) -> tuple[str, ...]:
    if not isinstance(value, str) or not ADDRESS.fullmatch(value) or value.count("@") > 1:
        raise ParameterError(f"{place} is one address like ops@example.org; for more of them, give more tables")
    return (value,)


_PARSERS = {
    ActionKind.COMMAND: _parse_command,
    ActionKind.WEBHOOK: _parse_url,
    ActionKind.PING: _parse_url,
    ActionKind.MAIL: _parse_mail,
}


def _parse_number(table: dict[str, Any], key: str, default: float, limit: float, place: str) -> float:
    value = table.get(key, default)
    is_whole = type(value) is int
    if not (is_whole or (type(value) is float and key == "timeout")):
        raise ParameterError(f"{place}: {key} is a {'number of seconds' if key == 'timeout' else 'whole number'}")
    if not (0 if key == "retries" else 0.001) <= value <= limit:
        raise ParameterError(
            f"{place}: {key} is at most {limit:g}, and not below {'0' if key == 'retries' else '0.001'}"
        )
    return float(value)


def _parse_bool(table: dict[str, Any], key: str, place: str) -> bool:
    value = table.get(key, False)
    if not isinstance(value, bool):
        raise ParameterError(f"{place}: {key} is true or false")
    return value


def _suggest(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    return f": did you mean {str(close[0])!r}?" if close else f": known are {', '.join(known)}"
