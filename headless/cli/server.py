"""``headless server``: the embedded server of this user."""

from typing import Any

import click

from headless.cli.group import OneLineGroup
from headless.config import read_environment
from headless.errors import ConnectionFailed, ParameterError

__all__ = ["server"]


@click.group(name="server", cls=OneLineGroup, context_settings={"help_option_names": ["-h", "--help"]})
def server() -> None:
    """The embedded server, which a launch without --service starts: look at it, stop it.

    \b
    Exit status: 0 done, 1 no embedded server is running.
    """


@server.command()
def status() -> None:
    """Show whether the embedded server runs, and what it does."""
    answer = _ask("server.status")
    for name, value in answer.items():
        shown = ", ".join(value) if isinstance(value, list) else value
        click.echo(f"{name:9} {shown}")


@server.command()
@click.option("--no-wait", is_flag=True, help="Return at once; the server ends soon after.")
def stop(no_wait: bool) -> None:
    """Stop the embedded server: it takes no more jobs, lets running ones end for up to 20 s, and ends.

    What still runs then goes on; the next server, which the next launch starts, finds it.
    """
    from headless.launcher.embedded import wait_for_end

    answer = _ask("server.stop")
    if answer["running"]:
        jobs = "1 running job" if answer["running"] == 1 else f"{answer['running']} running jobs"
        click.echo(f"stopping; {jobs} may end first, for up to 20 s, and go on after that")
    if not no_wait:
        wait_for_end(read_environment())


def _ask(method: str) -> dict[str, Any]:
    from headless.launcher.embedded import embedded_addresses
    from headless.launcher.link import Link
    from headless.launcher.talk import Talk
    from headless.transport.client import connect

    for address in embedded_addresses(read_environment()):
        try:
            connection = connect(address, None, 10.0, own=True)
        except (ConnectionFailed, ParameterError):
            continue
        link = Link(connection, Talk(0), 30.0)
        try:
            link.call("login.osuser", {})
            return link.call(method, {})
        finally:
            link.close()
    raise ConnectionFailed("no embedded server is running: a launch without --service starts one")
