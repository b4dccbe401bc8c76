"""The collector's settings: one TOML file."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from headless.errors import ParameterError
from headless.inventory.amount import MOST_PACKAGES
from headless.inventory.collect.feeds import LOCAL, Feed, parse_feed

__all__ = ["NAMES", "CollectorSettings", "parse_collector", "read_collector"]

MIB = 1 << 20


@dataclass(frozen=True, kw_only=True)
class CollectorSettings:
    """What the collector goes by. Paths in the file are relative to its folder.

    Attributes:
        state: folder of the spool, the kept envelopes, the access file, and of the inventory if it is in SQLite.
        database: URL of another database: ``postgresql://``, ``mysql://``.
        keys: files that hold a certificate and its key each, PEM: what is sealed for one of them is opened.
        max_report: bytes of a body, and of what is within.
        max_packages: of a report.
        max_spool: bytes that may wait to be processed.
        retention_days: for which bodies are kept once they are processed.
        shrink: the share of a host's packages that must still be there for a report to be believed without a look.
        feeds: by name.
        given_keys: those of ``keys`` that were given as options to ``serve``, and are remembered in the state folder;
            ``None``: this is no such process.
        given_networks: likewise those of its feed, where the settings have none.
    """

    state: str
    database: str = ""
    keys: tuple[str, ...] = ()
    max_report: int = 8 * MIB
    max_packages: int = MOST_PACKAGES
    max_spool: int = 4096 * MIB
    retention_days: int = 14
    shrink: float = 0.5
    feeds: Mapping[str, Feed] = field(default_factory=dict)
    given_keys: tuple[str, ...] | None = None
    given_networks: tuple[str, ...] = ()

    @property
    def spool(self) -> str:
        """The folder of what is not processed yet."""
        return os.path.join(self.state, "spool")

    @property
    def kept(self) -> str:
        """The file of what was processed."""
        return os.path.join(self.state, "envelopes.db")

    @property
    def access(self) -> str:
        """The file of who may see what."""
        return os.path.join(self.state, "access.json")

    @property
    def remembered(self) -> str:
        """The file of the keys and networks that were given to ``serve`` as options."""
        return os.path.join(self.state, "served.json")

    @property
    def lock(self) -> str:
        """The file that is locked by the process that takes out of the spool."""
        return os.path.join(self.state, "collector.lock")


KINDS: dict[str, tuple[type, ...]] = {
    "state": (str,),
    "database": (str,),
    "keys": (list,),
    "max_report": (int,),
    "max_packages": (int,),
    "max_spool": (int,),
    "retention_days": (int,),
    "shrink": (int, float),
    "feeds": (dict,),
}
NAMES = frozenset(KINDS)
"""The settings that a file may have."""


def read_collector(path: str, state: str = "") -> CollectorSettings:
    """Read a settings file.

    Args:
        path: of the file; empty for none.
        state: a state folder that wins over the file's.

    Raises:
        ParameterError: it cannot be read, or a setting is not what it must be.
    """
    values: dict[str, Any] = {}
    if path:
        try:
            with open(path, "rb") as file:
                values = tomllib.load(file)
        except OSError as exc:
            raise ParameterError(f"{path} cannot be read: {exc.strerror}") from exc
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
            raise ParameterError(f"{path}: not valid TOML: {exc}") from exc
    if state:
        values["state"] = os.path.abspath(state)
    return parse_collector({name: value for name, value in values.items() if name in NAMES}, path)


def parse_collector(values: Mapping[str, Any], origin: str) -> CollectorSettings:
    """Check settings.

    Args:
        values: of a file, those of ``KINDS`` only: what serving needs beside is read by others.
        origin: the file, for messages and relative paths.

    Raises:
        ParameterError: a setting is not what it must be.
    """
    for name, value in values.items():
        if not isinstance(value, KINDS[name]) or isinstance(value, bool):
            raise ParameterError(f"{origin}: setting {name!r} is of a wrong type")
    if not values.get("state"):
        raise ParameterError("no state folder: give it with --state, or as 'state' in the settings")
    folder = os.path.dirname(os.path.abspath(origin))
    given = dict(values)
    given["state"] = os.path.join(folder, given["state"])
    given["keys"] = tuple(os.path.join(folder, path) for path in given.get("keys", ()))
    given["feeds"] = {name: _parse_feed(name, table, origin) for name, table in given.get("feeds", {}).items()}
    given["feeds"].setdefault(LOCAL, Feed(name=LOCAL, path="", sites=("*",)))
    settings = CollectorSettings(**given)
    limits = (settings.max_report, settings.max_packages, settings.max_spool, settings.retention_days)
    if not 0 <= settings.shrink <= 1 or min(limits) < 1:
        raise ParameterError(f"{origin}: 'shrink' is from 0 to 1, and what limits something is at least 1")
    return settings


def _parse_feed(name: str, table: Any, origin: str) -> Feed:
    folder = os.path.dirname(os.path.abspath(origin))
    if not isinstance(table, dict):
        raise ParameterError(f"{origin}: feed {name!r} is no table")
    signers = table.get("signers", [])
    if isinstance(signers, list) and all(isinstance(path, str) for path in signers):
        table = {**table, "signers": [os.path.join(folder, path) for path in signers]}
    try:
        return parse_feed(name, table)
    except ParameterError as exc:
        raise ParameterError(f"{origin}: {exc}") from None
