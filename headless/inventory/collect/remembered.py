"""The keys and the networks that ``serve`` was given as options: a command that does its work while it does not run
needs them too.

Of the keys it is remembered where they are; one that is no longer there is named, and done without.
"""

import dataclasses
import json
import os

from headless.errors import ParameterError
from headless.inventory.collect.feeds import LOCAL, build_default_feed
from headless.inventory.collect.settings import CollectorSettings
from headless.inventory.writing import replace_file

__all__ = ["recall", "remember"]


def remember(settings: CollectorSettings) -> None:
    """Remember what was given, in place of what was the time before.

    Raises:
        ParameterError: the file cannot be written.
    """
    if settings.given_keys is None:
        return
    path = settings.remembered
    given = {"keys": settings.given_keys, "networks": settings.given_networks}
    try:
        if any(given.values()) or os.path.lexists(path):
            replace_file(path, json.dumps(given).encode() + b"\n", is_synced=True)
    except OSError as exc:
        raise ParameterError(f"{path} cannot be written: {exc.strerror}") from exc


def recall(settings: CollectorSettings) -> tuple[CollectorSettings, list[str]]:
    """The settings with what is remembered, and those of the keys that cannot be read.

    Raises:
        ParameterError: the file is not what it must be.
    """
    path = settings.remembered
    try:
        with open(path, encoding="utf-8") as file:
            given = json.load(file)
        paths, networks = tuple(map(os.fspath, given["keys"])), tuple(given["networks"])
    except FileNotFoundError:
        return settings, []
    except (OSError, ValueError, TypeError, KeyError) as exc:
        raise ParameterError(
            f"{path} cannot be read: {exc}: remove it, and give keys and feeds in the settings"
        ) from exc
    new = [key for key in paths if key not in settings.keys]
    lost = [key for key in new if not os.access(key, os.R_OK)]
    keys = (*settings.keys, *(key for key in new if key not in lost))
    feeds = dict(settings.feeds)
    if networks and set(feeds) == {LOCAL}:
        feed = build_default_feed(networks)
        feeds[feed.name] = feed
    return dataclasses.replace(settings, keys=keys, feeds=feeds), lost
