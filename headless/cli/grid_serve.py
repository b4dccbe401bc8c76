"""``headless grid serve``: run a small grid."""

import os
import posixpath

import click

from headless.cli.grid_hints import show_server
from headless.config import read_environment
from headless.errors import ParameterError
from headless.log import set_up_log

__all__ = ["default_grid_state", "serve"]


@click.command(name="serve")
@click.option("--state", metavar="FOLDER", help="where the catalogue, the PKI and the jobs are kept")
@click.option("--listen", metavar="HOST:PORT", default="127.0.0.1:8097", show_default=True, help="where to listen")
@click.option("--database", metavar="URL", default="", help="postgresql://... instead of SQLite in the state folder")
@click.option("--base", metavar="FOLDER", default="/grid/user", show_default=True, help="of all users' homes, as LFN")
@click.option(
    "--max-sessions", type=click.IntRange(1), default=4000, show_default=True, help="at a time; more get status 503"
)
@click.option(
    "--idle",
    type=click.FloatRange(0.1),
    metavar="S",
    default=900,
    show_default=True,
    help="seconds without a command after which a session ends",
)
@click.option(
    "--session-time",
    type=click.FloatRange(0.1),
    metavar="S",
    default=172800,
    show_default=True,
    help="seconds after which any session ends, at the latest with its certificate",
)
@click.option(
    "--rate-limit",
    type=click.IntRange(0),
    metavar="POINTS",
    default=0,
    show_default=True,
    help="a login costs a certificate 10 points, a command 1; they halve in 5 minutes; above the limit each point"
    " delays a command by a millisecond, 2 s at most. JAliEn has 100, too few for cp of many files; 0: no limit",
)
@click.option(
    "--delay",
    type=click.FloatRange(0),
    metavar="MS",
    default=0,
    help="milliseconds to wait before each command, to see how clients bear a far server",
)
@click.option(
    "--with-storage",
    "storages",
    metavar="[NAME=]FOLDER",
    multiple=True,
    help="run an XRootD that keeps files in this folder; NAME is VO::SITE::NAME; may be repeated. NAME=root://HOST:PORT"
    " is one that runs elsewhere, with the key of 'headless grid pki storage'",
)
@click.option(
    "--storage-port",
    type=click.IntRange(0, 65535),
    default=0,
    metavar="PORT",
    help="of the first storage, the others follow; left out: any free one. XRootD listens on all of the host's"
    " addresses: only access envelopes, and your firewall, keep others out",
)
@click.option(
    "--envelope-lifetime",
    type=click.FloatRange(1, 31_536_000),
    default=86400.0,
    show_default=True,
    metavar="SECONDS",
    help="for which files may be read and written with leave once given; an upload must end within it",
)
@click.option(
    "--scrub-days",
    type=click.IntRange(0),
    default=30,
    show_default=True,
    metavar="DAYS",
    help="after so many days each replica is read again, and compared with its MD5 sum; 0: only once, after its commit",
)
@click.option("--max-files", type=click.IntRange(0), default=1_000_000, show_default=True, help="a user's quota")
@click.option("--max-bytes", type=click.IntRange(0), default=1 << 40, show_default=True, help="a user's quota")
@click.option(
    "--jobs",
    type=click.Choice(("off", "role", "all")),
    default="role",
    show_default=True,
    help="whose jobs are run: nobody's, those of users with the role 'jobs', everybody's",
)
@click.option("--max-jobs", type=click.IntRange(0), default=0, help="how many run at once; left out: one a processor")
@click.option(
    "--run-as",
    metavar="OS-USER",
    default="",
    help="who jobs run as; left out: the server's own user, unless it is root",
)
@click.option("--ready-fd", type=int, hidden=True)
def serve(
    state: str | None,
    listen: str,
    database: str,
    base: str,
    max_sessions: int,
    idle: float,
    session_time: float,
    rate_limit: int,
    delay: float,
    storages: tuple[str, ...],
    storage_port: int,
    envelope_lifetime: float,
    scrub_days: int,
    max_files: int,
    max_bytes: int,
    jobs: str,
    max_jobs: int,
    run_as: str,
    ready_fd: int | None,
) -> None:
    """Run a small grid: catalogue, storage, jobs, behind JAliEn's protocol.

    \b
    Exit status: 0 stopped as told, 1 the address is not to be had, 2 a setting or the state folder is of no use.
    """
    from headless.execution.notify import Notifier
    from headless.grid.serve.service import run_grid
    from headless.grid.serve.settings import GridSettings
    from headless.grid.serve.stores import is_url, parse_storage

    environment = read_environment()
    folder = os.path.abspath(state or default_grid_state(environment.state_folder))
    set_up_log(file=None, has_journal=environment.has_journal)
    if posixpath.normpath(base) != base or not base.startswith("/") or base == "/":
        raise ParameterError(f"--base {base!r}: give an absolute path, such as /grid/user")
    own = [parse_storage(text, number) for number, text in enumerate(storages, 1)]
    settings = GridSettings(
        state=folder,
        listen=listen,
        database=database,
        base=base,
        max_sessions=max_sessions,
        idle_s=idle,
        session_s=session_time,
        rate_limit=rate_limit,
        delay_s=delay / 1000,
        storages=tuple((name, place if is_url(place) else os.path.abspath(place)) for name, place in own),
        storage_port=storage_port,
        envelope_lifetime_s=envelope_lifetime,
        scrub_days=scrub_days,
        max_files=max_files,
        max_bytes=max_bytes,
        jobs=jobs,
        max_jobs=max_jobs,
        run_as=run_as,
    )
    run_grid(settings, Notifier(environment.notify_socket, ready_fd), show_server)


def default_grid_state(user_folder: str) -> str:
    """Where a grid keeps its things if nothing is said."""
    return os.path.join(user_folder, "grid")
