"""``headless grid``: the grid's files and jobs; and a grid of one's own."""

import importlib
from typing import Any

import click

__all__ = ["grid"]

# The module that holds each command of ours; any other word is a command of the grid.
OWN = {"serve": "headless.cli.grid_serve", "pki": "headless.cli.grid_pki"}


class _Grid(click.Group):
    """Its own commands are imported when used; all else is typed at the grid."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(OWN)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in OWN:
            return None
        command: click.Command = getattr(importlib.import_module(OWN[cmd_name]), cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] in OWN:
            return super().resolve_command(ctx, args)
        return args[0], _at_the_grid, args


@click.group(
    name="grid",
    cls=_Grid,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)
def grid() -> None:
    """Files and jobs of the ALICE grid, and of any other that speaks JAliEn's protocol.

    \b
    headless grid COMMAND ARGUMENTS
    headless grid 'COMMAND; COMMAND'

    \b
    Exit status: 0 done, else the errno that the server, or the copying, gives.
    """


@click.command(name="command", context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def _at_the_grid(words: tuple[str, ...]) -> Any:
    from headless.grid.session import GridSession
    from headless.grid.settings import open_settings

    session = GridSession(open_settings())
    try:
        reply = session.run(words[0], "-nokeys", *words[1:])
    finally:
        session.close()
    if reply.text:
        click.echo(reply.text)
    if reply.code:
        click.echo(reply.error, err=True)
    return reply.code
