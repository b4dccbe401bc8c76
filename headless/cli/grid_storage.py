"""``headless grid storage``: the storages of a grid of one's own, while its server is stopped."""

import asyncio
import os

import click

from headless.cli.grid_serve import default_grid_state
from headless.config import read_environment
from headless.errors import JobFailed, ParameterError

__all__ = ["storage"]


@click.group(name="storage")
@click.option("--state", metavar="FOLDER", help="of the grid")
@click.option("--database", metavar="URL", default="", help="as for 'headless grid serve'")
@click.pass_context
def storage(context: click.Context, state: str | None, database: str) -> None:
    """Look after the storages of a grid of one's own."""
    context.obj = (os.path.abspath(state or default_grid_state(read_environment().state_folder)), database)


@storage.command()
@click.argument("place", metavar="NAME=FOLDER")
@click.option("-n", "--dry-run", is_flag=True, help="only tell what would be lost")
@click.pass_obj
def replace(where: tuple[str, str], place: str, dry_run: bool) -> None:
    """A storage's disk is lost for good: go on with FOLDER, on a new disk, which is empty.

    Its replicas are made again from other storages as soon as the server runs; 'headless grid listTransfer -u %' tells
    administrators how far that is. Files that no other storage holds are listed on standard output, one LFN a line: the
    catalogue keeps them, reading them ends with 61, 'rm' removes them, 'cp -f' replaces them. The server must be
    stopped; with its next start it takes the empty folder, that once.

    \b
    Exit status: 0 all are held by other storages, 2 the server runs, or a name or folder is of no use,
    4 some files are not: they are listed.
    """
    from headless.grid.serve.stores import is_url, parse_storage

    state, database = where
    name, sign, _ = place.partition("=")
    if not sign or is_url(parse_storage(place, 1)[1]):
        raise ParameterError(
            f"{place}: give NAME=FOLDER, as for --with-storage; a storage elsewhere is begun anew there"
        )
    folder = os.path.abspath(parse_storage(place, 1)[1])
    again, lost = _replace(state, database, name, folder, is_dry=dry_run)
    _tell(name, folder, again, lost, is_dry=dry_run)


def _tell(name: str, folder: str, again: int, lost: int, *, is_dry: bool) -> None:
    from headless.grid.serve.storage_replace import find_mount

    click.echo(f"{name}: {folder} is on the file system that is mounted at {find_mount(folder)}", err=True)
    click.echo(f"{name}: replicas {'that can be' if is_dry else 'to be'} made again: {again}", err=True)
    if lost:
        raise JobFailed(f"{name}: files that no other storage holds, see the list: {lost}")


def _replace(state: str, database: str, name: str, folder: str, *, is_dry: bool) -> tuple[int, int]:
    from headless.execution.lock import lock_folder
    from headless.grid.serve.envelopes import Envelopes
    from headless.grid.serve.pki import Authority
    from headless.grid.serve.storage_replace import check_new_disk

    authority = Authority.open(os.path.join(state, "pki"))  # else this is no grid's folder
    if not database and not os.path.exists(os.path.join(state, "catalogue.db")):
        raise ParameterError(f"{state} has no catalogue: give the --database of the server")
    lock = lock_folder(state)
    if lock is None:
        raise ParameterError(f"the server of {state} runs: stop it first")
    try:
        check_new_disk(name, folder, Envelopes.open(authority.folder).derive_key_text(name))
        return asyncio.run(_replace_in_catalogue(state, database, name, is_dry=is_dry))
    finally:
        os.close(lock)


async def _replace_in_catalogue(state: str, database: str, name: str, *, is_dry: bool) -> tuple[int, int]:
    from headless.grid.serve.catalogue import Catalogue
    from headless.grid.serve.storage_replace import list_lost, replace_storage

    catalogue = Catalogue.open(database, state)
    try:
        again = await catalogue.write(lambda connection: replace_storage(connection, name, is_dry=is_dry))
        return again, await catalogue.read(lambda connection: list_lost(connection, name, click.echo))
    finally:
        await catalogue.close()
