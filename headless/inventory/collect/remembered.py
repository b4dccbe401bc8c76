"""The keys that ``serve`` was given as options: a command that does its work while it does not run needs them too.

What is remembered is where they are; a key that is no longer there is named, and done without.
"""

import dataclasses
import json
import os

from headless.errors import ParameterError
from headless.inventory.collect.settings import CollectorSettings
from headless.inventory.writing import replace_file

__all__ = ["recall_keys", "remember_keys"]


def remember_keys(settings: CollectorSettings) -> None:
    """Remember the keys that were given, in place of those of the time before.

    Raises:
        ParameterError: the file cannot be written.
    """
    if settings.given_keys is None:
        return
    path = settings.remembered_keys
    try:
        if settings.given_keys or os.path.lexists(path):
            replace_file(path, json.dumps(settings.given_keys).encode() + b"\n")
    except OSError as exc:
        raise ParameterError(f"{path} cannot be written: {exc.strerror}") from exc


def recall_keys(settings: CollectorSettings) -> tuple[CollectorSettings, list[str]]:
    """The settings with the keys that are remembered, and those of them that cannot be read.

    Raises:
        ParameterError: the file is not what it must be.
    """
    path = settings.remembered_keys
    try:
        with open(path, encoding="utf-8") as file:
            paths = json.load(file)
    except FileNotFoundError:
        return settings, []
    except (OSError, ValueError) as exc:
        raise ParameterError(f"{path} cannot be read: {exc}: remove it, and give the keys in the settings") from exc
    new = [key for key in paths if key not in settings.keys]
    lost = [key for key in new if not os.access(key, os.R_OK)]
    keys = (*settings.keys, *(key for key in new if key not in lost))
    return dataclasses.replace(settings, keys=keys), lost
