"""``headless grid``: the grid's files and jobs; and a grid of one's own."""

import importlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from headless.errors import ParameterError
from headless.extras import tell_install
from headless.grid.errnos import EINVAL

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

__all__ = ["grid"]

# The module that holds each command of ours; any other word is a command of the grid.
OWN = {
    "serve": "headless.cli.grid_serve",
    "pki": "headless.cli.grid_pki",
    "storage": "headless.cli.grid_storage",
}

EPILOG = """\
\b
Of the environment:
  X509_USER_CERT, X509_USER_KEY      the user's certificate and key (~/.globus/usercert.pem, userkey.pem), or their text
  JALIEN_TOKEN_CERT, JALIEN_TOKEN_KEY  the token, made as needed ($TMPDIR/tokencert_UID.pem, tokenkey_UID.pem)
  X509_CERT_DIR, X509_CERT_FILE      the authorities (those of cvmfs, or /etc/grid-security/certificates)
  ALIENPY_USE_LOCAL_CAS              1: those of ~/.globus/certificates; or a folder
  ALIENPY_JCENTRAL, ALIENPY_JCENTRAL_PORT  the server; else JALIEN_HOST and JALIEN_WSPORT, a local proxy, or CERN's
  ALIENPY_TIMEOUT                    seconds without a sign of the server (20)
  HEADLESS_GRID_COMMAND_TIMEOUT      seconds that a command may take (600); 0: as long as it takes
  HEADLESS_GRID_NO_HOST_CHECK        1: take a server's certificate for any host of the known authorities
  EDITOR                             for edit; without a terminal only one that needs none
  ALIENPY_NETWORKSTACK, ALIENPY_NO_STAGGER, ALIENPY_CONNECT_TRIES, ALIENPY_CONNECT_TRIES_INTERVAL, ALIENPY_JSON,
  ALIENPY_TIMECONNECT, ALIENPY_DEBUG, ALIENPY_DEBUG_FILE, ALIENPY_DEBUG_APPEND, ALIENPY_NO_CWD_RESTORE,
  ALIENPY_NO_HISTORY, ALIENPY_PROMPT_DATE, ALIENPY_PROMPT_CWD, ALIEN_SITE

\b
Exit status: 0 if all went well, else the last failed command's errno:
  2    no such file or folder               28   the output cannot be written
  22   a bad parameter, certificate or key  61   the file is in the catalogue, and no storage has it any more
  77   its storages are away: later         107  no connection, or a server that is not to be trusted; what was sent
  110  no answer in time                         may have been done
  126  no certificate                       129  the server does not take the certificate
  127  the certificate is over
"""


class _Grid(click.Group):
    """Its own commands are imported when used; all else is typed at the grid."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(OWN)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in OWN:
            return None
        command: click.Command = getattr(importlib.import_module(OWN[cmd_name]), cmd_name)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """The grid's commands too; those that are known without a server."""
        from click.shell_completion import CompletionItem

        from headless.grid.shell.table import COMMANDS, SERVER

        names = sorted(name for name in {*COMMANDS, *SERVER} if name.startswith(incomplete) and name[0].isalpha())
        return super().shell_complete(ctx, incomplete) + list(map(CompletionItem, names))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] in OWN:
            return super().resolve_command(ctx, args)
        return args[0], _AtTheGrid(args[0]), args


class _AtTheGrid(click.Command):
    """Its words are the grid's: none is an option of ours, ``--`` neither."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.args = list(args)
        return ctx.args

    def invoke(self, ctx: click.Context) -> Any:
        options = ctx.parent.params if ctx.parent is not None else {}
        if options.get("file") is not None:
            raise click.UsageError("a file of commands, or a command: not both")
        return _run(options, ctx.args)


@click.group(
    name="grid",
    cls=_Grid,
    epilog=EPILOG,
    invoke_without_command=True,
    subcommand_metavar="[COMMAND ARGUMENTS]",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)
@click.option("-f", "--file", metavar="FILE", help="Run the commands in this file, one a line; -: standard input.")
@click.option("--stop-on-error", is_flag=True, help="End such a file at the first command that fails.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document a command: metadata and results.")
@click.option("--jsonl", "as_lines", is_flag=True, help="One JSON object a line for each row.")
@click.pass_context
def grid(ctx: click.Context, /, **options: Any) -> Any:
    """Files and jobs of the ALICE grid, and of any other that speaks JAliEn's protocol.

    \b
    headless grid COMMAND ARGUMENTS
    headless grid 'COMMAND; COMMAND'     split as a shell does, never inside quotes; COMMAND | COMMAND OF THIS MACHINE
    headless grid -f FILE                a file of commands
    headless grid                        at a terminal: a shell; else the commands of standard input
    headless grid help [COMMAND]         what there is; COMMAND -h is the same; -json behind any is for that one
    """
    return None if ctx.invoked_subcommand is not None else _run(options, [])


def _run(options: dict[str, Any], words: Sequence[str]) -> int:
    from dataclasses import replace

    from headless.grid.messages import GridError
    from headless.grid.settings import open_settings
    from headless.grid.shell.shell import Shell

    try:
        settings = open_settings()
    except ParameterError as exc:
        raise GridError(EINVAL, str(exc)) from exc
    if options["as_json"] or options["as_lines"]:
        settings = replace(settings, format="jsonl" if options["as_lines"] else "json")
    shell = Shell(settings)
    for note in settings.notes:
        shell.output.error(f"headless: {note}")
    try:
        return _run_in(shell, options, words)
    finally:
        shell.close()


def _run_in(shell: Any, options: dict[str, Any], words: Sequence[str]) -> int:
    if len(words) > 1:
        return int(shell.run_words(words))
    if words:
        return int(shell.run_line(words[0]))
    if options["file"] is None and sys.stdin is not None and sys.stdin.isatty():
        try:
            from headless.grid.shell.interactive import interact
        except ModuleNotFoundError as exc:
            raise ParameterError(f"the shell at a terminal needs more: {tell_install('grid')}") from exc
        return int(interact(shell))
    from headless.grid.shell.batch import run_file

    return int(run_file(shell, options["file"] or "-", stop_on_error=options["stop_on_error"]))
