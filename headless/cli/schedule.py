"""``headless schedule``: the same launch as a cron line, a systemd timer or a Windows task."""

import getpass
import ntpath
import os
import posixpath
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import click

from headless.cli.group import OneLineGroup
from headless.cli.scheduled import Launch, parse_launch
from headless.errors import ParameterError
from headless.schedule.checks import check_name
from headless.schedule.cron import build_cron_file
from headless.schedule.expression import parse_expression
from headless.schedule.systemd import Credential, build_service, build_timer
from headless.schedule.windows import LOGON_TYPES, build_task, encode_task

__all__ = ["schedule"]

_Command = TypeVar("_Command", bound=Callable[..., None])

_WINDOWS_PROGRAM = r"C:\Program Files\headless\headless.exe"
_EPILOG = "Exit status: 0 printed or written; 2 a parameter that cannot be converted, or a file that exists."


@click.group(
    name="schedule", cls=OneLineGroup, context_settings={"help_option_names": ["-h", "--help"]}, epilog=_EPILOG
)
def schedule() -> None:
    """Print what makes cron, systemd or Windows start a launch by itself.

    After -- stand the launcher's own options, just as on a command line, then a second -- and the job's arguments.
    Nothing is installed; each command says in its output where it belongs.
    """


def _common(command: _Command) -> _Command:
    """Add what the three commands share."""
    for decorate in (
        click.argument("options", nargs=-1, type=click.UNPROCESSED, metavar="-- OPTIONS..."),
        click.option("--force", is_flag=True, help="Overwrite what --output names."),
        click.option("--program", metavar="PATH", help="The launcher. [default: this program]"),
        click.option("--working-folder", metavar="FOLDER", help="Where the launcher starts."),
        click.option("--name", metavar="NAME", help="The entry's name. [default: after the module]"),
        click.option("--at", required=True, metavar="EXPRESSION", help="When, as for cron: '17 3 * * *'."),
    ):
        command = decorate(command)
    return command


_random_delay = click.option(
    "--random-delay",
    default=30,
    show_default=True,
    type=click.IntRange(0, 3600),
    metavar="SECONDS",
    help="Put each start off by up to so much.",
)


@schedule.command(epilog=_EPILOG)
@_common
@click.option("--user", metavar="NAME", help="The OS user it runs as. [default: who runs this]")
@click.option("--mailto", default="root", show_default=True, help="Who gets the output; empty for nobody.")
@click.option("--lock", metavar="FILE", help="The lock file. [default: ~/.NAME.lock of the user]")
@click.option("--overlap", is_flag=True, help="No lock: let a launch start while one still waits.")
@click.option("--output", metavar="FILE", help="Write here, not to stdout.")
def cron(
    *,
    at: str,
    name: str | None,
    working_folder: str | None,
    program: str | None,
    force: bool,
    options: tuple[str, ...],
    user: str | None,
    mailto: str,
    lock: str | None,
    overlap: bool,
    output: str | None,
) -> None:
    """Print a file for /etc/cron.d.

    A launch that waits for its job (--timeout) is skipped, in silence, while the one before it still waits: flock
    ends with code 6. cron sets no time limit; that is the launcher's --timeout.
    """
    launch = _parse(options, working_folder, posixpath.isabs)
    text = build_cron_file(
        parse_expression(at),
        [_program(program), *launch.words],
        name=name or launch.name,
        user=user or _current_user(),
        mailto=mailto,
        working_folder=working_folder,
        lock=_lock(launch, lock, overlap=overlap),
    )
    _deliver(text, text.encode(), output, force=force)


@schedule.command(epilog=_EPILOG)
@_common
@click.option("--user", metavar="NAME", help="The OS user it runs as. [default: who runs this]")
@_random_delay
@click.option("--output", metavar="FOLDER", help="Write both units here, not to stdout.")
def systemd(
    *,
    at: str,
    name: str | None,
    working_folder: str | None,
    program: str | None,
    force: bool,
    options: tuple[str, ...],
    user: str | None,
    random_delay: int,
    output: str | None,
) -> None:
    """Print a service and its timer for /etc/systemd/system.

    The service never runs twice at a time, is ended above the launcher's own time limit, gets its secret file by
    LoadCredential=, and is sandboxed.
    """
    launch = _parse(options, working_folder, posixpath.isabs)
    if launch.service is None and not launch.waits:
        raise ParameterError(
            "give --service or --timeout among the options: without both, systemd would end the job together with "
            "the launcher that started it"
        )
    unit = check_name(name or launch.name)
    description = f"Start {launch.target} with headless"
    service = build_service(
        [_program(program), *_with_credential(launch)],
        description=description,
        user=user or _current_user(),
        limit_s=launch.limit_s,
        working_folder=working_folder or "/",
        needs_network=launch.needs_network,
        state=unit if launch.service is None else None,
        writable=[posixpath.dirname(path) or path for path in launch.outputs],
    )
    timer = build_timer(parse_expression(at), description=description, random_delay_s=random_delay)
    units = {f"{unit}.service": service, f"{unit}.timer": timer}
    if output is None:
        parts = (f"# /etc/systemd/system/{file_name}\n{text}" for file_name, text in units.items())
        click.echo("\n".join(parts), nl=False)
    else:
        _write({Path(output, key): text.encode() for key, text in units.items()}, force=force)


@schedule.command(epilog=_EPILOG)
@_common
@click.option("--user", metavar="ACCOUNT", help="The account, as in DOMAIN\\name. [default: who imports it]")
@click.option("--logon", default="S4U", show_default=True, type=click.Choice(LOGON_TYPES), help="How it logs on.")
@_random_delay
@click.option("--output", metavar="FILE", help="Write here in UTF-16, not to stdout.")
def windows(
    *,
    at: str,
    name: str | None,
    working_folder: str | None,
    program: str | None,
    force: bool,
    options: tuple[str, ...],
    user: str | None,
    logon: str,
    random_delay: int,
    output: str | None,
) -> None:
    """Print a task for the Windows Task Scheduler.

    Import it with: schtasks /Create /TN NAME /XML FILE. A start while the task still runs is ignored.
    """
    launch = _parse(options, working_folder, ntpath.isabs)
    if launch.service is None:
        raise ParameterError("give --service among the options: on Windows there is no embedded server")
    path = program or (_program(None) if sys.platform == "win32" else _WINDOWS_PROGRAM)
    text = build_task(
        parse_expression(at),
        [path, *launch.words],
        description=f"{check_name(name or launch.name)}: start {launch.target} with headless",
        limit_s=launch.limit_s,
        working_folder=working_folder or ntpath.dirname(path),
        user=user,
        logon_type=logon,
        random_delay_s=random_delay,
    )
    _deliver(text, encode_task(text), output, force=force)


def _parse(options: tuple[str, ...], working_folder: str | None, is_absolute: Callable[[str], bool]) -> Launch:
    launch = parse_launch(options)
    if working_folder is None:
        launch.check_paths(is_absolute)
    return launch


def _lock(launch: Launch, lock: str | None, *, overlap: bool) -> str | None:
    """The lock file; empty for the default one, ``None`` for no lock: a launch that does not wait needs none."""
    if overlap and lock is not None:
        raise ParameterError("give --lock or --overlap, not both")
    if lock is None and launch.waits and not overlap:
        return ""
    return lock


def _program(given: str | None) -> str:
    """The launcher's absolute path: as given, or where this very program lies."""
    if given is not None:
        if not os.path.isabs(given):
            raise ParameterError(f"--program '{given}' is no absolute path")
        return given
    started = Path(sys.argv[0])
    if started.stem == "headless" and started.is_file():
        return os.path.abspath(started)
    found = shutil.which("headless")
    if found is None:
        raise ParameterError("no headless on PATH: give its place with --program")
    return os.path.abspath(found)


def _current_user() -> str:
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError) as exc:
        raise ParameterError("this process has no user name: give one with --user") from exc


def _with_credential(launch: Launch) -> list[str | Credential]:
    """The launcher's options, with the secret file as a credential."""
    if launch.secret is None:
        return list(launch.words)
    return launch.replace_secret(Credential("secret", launch.secret))


def _deliver(text: str, data: bytes, output: str | None, *, force: bool) -> None:
    """Print the text, or write its bytes to the file."""
    if output is None:
        click.echo(text, nl=False)
    else:
        _write({Path(output): data}, force=force)


def _write(files: Mapping[Path, bytes], *, force: bool) -> None:
    """Write all files, each whole or not at all.

    Raises:
        ParameterError: one exists already and ``force`` is not set, then none is written; or one cannot be written.
    """
    for path in files:
        if path.exists() and not force:
            raise ParameterError(f"{path} exists: give --force to overwrite it")
    for path, data in files.items():
        temporary = path.with_name(f".{path.name}.new")
        try:
            temporary.write_bytes(data)
            temporary.replace(path)
        except OSError as exc:
            temporary.unlink(missing_ok=True)
            raise ParameterError(f"cannot write {path}: {exc.strerror}") from exc
