"""What a module says of its own jobs: the file ``NAME.toml`` beside ``NAME.py``, read whenever one of them starts."""

import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from headless.errors import ParameterError, Refused
from headless.job import Overlap
from headless.server.hooks.actions import HOOKS, Hooks, parse_hooks
from headless.server.limits import parse_limits

__all__ = ["Policy", "read_policy"]

KEYS = ("overlap", "wait_for", "grace", "limits", *HOOKS)


@dataclass(frozen=True)
class Policy:
    """Defaults and limits for the jobs of one module.

    Attributes:
        overlap: if the launcher does not say; empty for the server's default, which is to allow it.
        wait_for: seconds in a line, if the launcher does not say; -1 for as long as it takes.
        grace: seconds between TERM and KILL, if the launcher does not say; -1 for the server's.
        limits: by name (``limits.LIMITS``).
        hooks: what is told of its jobs; each list takes the place of the server's.
    """

    overlap: str = ""
    wait_for: float = -1.0
    grace: float = -1.0
    limits: Mapping[str, float] = field(default_factory=dict)
    hooks: Hooks = field(default_factory=Hooks)


def read_policy(script: str) -> Policy:
    """Read the settings of a module; a missing file says nothing.

    Args:
        script: absolute path of the module's file; empty for a job that is no module.

    Raises:
        ParameterError: the file is of no use.
        Refused: everybody could write it.
    """
    if not script:
        return Policy()
    path = script.removesuffix(".py") + ".toml"
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_mode & stat.S_IWOTH:
                raise Refused(f"{path} is refused: everybody may write it: chmod o-w {path}")
            values = tomllib.load(file)
    except FileNotFoundError:
        return Policy()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise ParameterError(f"module settings {path} are of no use: {exc}") from exc
    return _parse_policy(values, path)


def _parse_policy(values: dict[str, Any], path: str) -> Policy:
    for name in values:
        if name not in KEYS:
            raise ParameterError(f"{path}: unknown setting {name!r}: known are {', '.join(KEYS)}")
    if values.get("overlap", "allow") not in list(Overlap):
        raise ParameterError(f"{path}: 'overlap' is one of {', '.join(Overlap)}")
    for name in ("wait_for", "grace"):
        value = values.get(name, 0)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
            raise ParameterError(f"{path}: {name!r} is a number of seconds")
    if not isinstance(values.setdefault("limits", {}), dict):
        raise ParameterError(f"{path}: 'limits' is a table")
    return Policy(
        overlap=values.get("overlap", ""),
        wait_for=float(values.get("wait_for", -1)),
        grace=float(values.get("grace", -1)),
        limits=parse_limits(values["limits"], path),
        hooks=parse_hooks({name: values[name] for name in HOOKS if name in values}, path),
    )
