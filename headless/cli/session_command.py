"""Commands over a session of the launcher's kind: the same options, variables and files."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from headless.cli.launch import launch
from headless.cli.session import (
    SESSION_NAMES,
    channel_options,
    check_utf8,
    choose_verbosity,
    login_options,
    name_sources,
    read_file_defaults,
    read_session,
    talk_options,
)
from headless.config import Environment, read_environment
from headless.errors import ParameterError

__all__ = ["SessionCommand", "read_options", "session_options"]

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])


def session_options(command: _Decorated) -> _Decorated:
    """Add all options of a session."""
    return login_options(channel_options(talk_options(command)))


class SessionCommand(click.Command):
    """A command with :func:`session_options`, whose defaults come from the launcher's files."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """As click does, with what the launcher's files say of the session.

        Raises:
            ParameterError: a file is of no use.
        """
        if extra.get("resilient_parsing"):  # a shell's completion: nothing is run
            return super().make_context(info_name, args, parent, **extra)
        if parent is not None and ("-q" in args or "--quiet" in args):
            parent.obj.verbosity = -1
        defaults, origins = read_file_defaults(launch, read_environment(), SESSION_NAMES)
        context = super().make_context(info_name, args, parent, default_map=defaults, **extra)
        context.meta["headless.origins"] = origins
        return context


def read_options(context: click.Context, values: Mapping[str, Any], environment: Environment) -> dict[str, Any]:
    """The attributes of ``SessionSettings``; from now on as much is said as the options want.

    Args:
        context: of a :class:`SessionCommand`; its object is the ``Talk``.
        values: of the session's options.
        environment: to read files from.

    Raises:
        ParameterError: a value is of no use, with where such values come from.
    """
    context.obj.verbosity = choose_verbosity(context, values)
    try:
        check_utf8(values[name] for name in ("service", "user", "auth_type") if values[name])
        return read_session(values, environment)
    except ParameterError as exc:
        raise ParameterError(f"{exc}{name_sources(context)}") from exc
