"""``headless grid pki``: the certificates of a grid of one's own."""

import asyncio
import os

import click

from headless.cli.grid_serve import default_grid_state
from headless.config import read_environment

__all__ = ["pki"]


@click.group(name="pki")
@click.option("--state", metavar="FOLDER", help="of the grid")
@click.pass_context
def pki(context: click.Context, state: str | None) -> None:
    """Make the certificates of a grid of one's own: its authority, its host's, its users'."""
    context.obj = os.path.abspath(state or default_grid_state(read_environment().state_folder))


@pki.command()
@click.pass_obj
def init(state: str) -> None:
    """Make the certificate authority."""
    from headless.grid.serve.pki import Authority

    Authority.make(os.path.join(state, "pki"))


@pki.command()
@click.argument("name")
@click.option("--out", metavar="FOLDER", required=True, help="where usercert.pem and userkey.pem go")
@click.option("--role", multiple=True, help="a role beside the user's own; admin may do everything")
@click.pass_obj
def user(state: str, name: str, out: str, role: tuple[str, ...]) -> None:
    """Make a user and its certificate."""
    from headless.execution.files import write_atomically
    from headless.grid.serve.catalogue import Catalogue
    from headless.grid.serve.people import add_user
    from headless.grid.serve.pki import DAY, USER_DAYS, Authority, name_user
    from headless.grid.serve.settings import GridSettings

    authority = Authority.open(os.path.join(state, "pki"))
    subject = name_user(name)
    certificate, key = authority.issue(subject, USER_DAYS * DAY, [])
    settings = GridSettings(state=state)

    async def register() -> None:
        catalogue = Catalogue.open("", state)
        await catalogue.write(
            lambda connection: add_user(connection, name, list(role), settings.base, subject.rfc4514_string())
        )
        await catalogue.close()

    asyncio.run(register())
    os.makedirs(out, 0o700, exist_ok=True)
    write_atomically(os.path.join(out, "userkey.pem"), key, mode=0o400)
    write_atomically(os.path.join(out, "usercert.pem"), certificate, mode=0o644)
