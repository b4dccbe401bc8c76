"""``headless inventory backup``: a copy of a collector's state."""

import os
import sys

import click

from headless.cli.inventory_admin import collector_options, read_settings

if sys.platform == "win32":
    raise ImportError("the collector runs on POSIX systems only")

__all__ = ["backup"]


@click.command()
@click.argument("folder", metavar="FOLDER")
@collector_options
def backup(folder: str, config: str, state: str) -> None:
    """Copy the collector's state to a new folder, also while it runs: what came before the command began is in it.

    To restore, move the state folder away, put the copy in its place, with its owner, and start the collector. The
    settings, keys and certificates are not in it, nor a database that is no SQLite: copy that after this, with its own
    tools (pg_dump, mariadb-dump; docs/operations.md has the lines).
    """
    from headless.inventory.collect.backup import back_up
    from headless.inventory.collect.collector import find_database

    settings = read_settings(config, state)
    back_up(settings, os.path.abspath(folder))
    if database := find_database(settings):
        click.echo(f"the inventory is not in it: it is in {database}: copy that now, with its own tools", err=True)
