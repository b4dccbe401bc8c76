"""``headless jobs list``, ``show`` and ``logs``: they change nothing."""

import os
import re
import sys
from typing import Any

import click

from headless.cli.job_text import format_job, format_table
from headless.cli.session import parse_optional, reconnect_option
from headless.cli.session_command import SessionCommand, read_options, session_options
from headless.config import read_environment
from headless.errors import ParameterError
from headless.job import JobState
from headless.launcher.follow import Follow
from headless.launcher.history import list_jobs, open_session, parse_job_id, resolve_job_id
from headless.launcher.logs import OutputReader
from headless.launcher.settings import SessionSettings, check_name, parse_timeout
from headless.protocol.names import USER

__all__ = ["list_command", "logs", "parse_span", "show"]

STATES = (*(state.value for state in JobState), "live", "final")
UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
MAX_SPAN_S = 1e10
MAX_LISTED = 100_000
DESCRIPTORS = {"stdout": 1, "stderr": 2}


@click.command(name="list", cls=SessionCommand)
@click.option("--state", type=click.Choice(STATES), help="Only jobs in this state; live and final stand for several.")
@click.option("--name", metavar="NAME", help="Only jobs of this name.")
@click.option("--by", metavar="USER", help="Only jobs that this user has started.")
@click.option("--since", metavar="TIME", help="Only jobs accepted so long ago at most: 90s, 30m, 12h, 2d, 1w.")
@click.option(
    "--limit", type=click.IntRange(1, MAX_LISTED), default=50, metavar="NUMBER", help="Most jobs to list.  [50]"
)
@click.option("--json", "as_json", is_flag=True, help="As JSON: times in seconds since 1970.")
@session_options
@click.pass_context
def list_command(
    context: click.Context,
    /,
    *,
    state: str | None,
    name: str | None,
    by: str | None,
    since: str | None,
    limit: int,
    as_json: bool,
    **session: Any,
) -> None:
    """List jobs, the last one first; nothing at all if there are none.

    --user says who logs in, as everywhere; --by whose jobs are wanted, which only the server's owner can choose.

    \b
    Exit status: 0 done, 1 the server cannot be reached, 2 parameter error, 5 refused.
    """
    environment = read_environment()
    settings = SessionSettings(**read_options(context, session, environment))
    conditions: dict[str, Any] = {"state": state or ""}
    conditions["name"] = check_name(name, "--name") if name else ""
    if by is not None and not re.fullmatch(USER, by):
        raise ParameterError(f"--by {by!r} is no user's name")
    conditions["user"] = by or ""
    if since is not None:
        conditions["since"] = parse_span("--since", since)
    with open_session(settings, environment, context.obj) as (link, _):
        jobs, has_more = list_jobs(link, conditions, limit)
    if as_json:
        _print_json(jobs)
    else:
        _print(format_table(jobs, _measure_terminal()))
    if has_more:
        context.obj.info(f"there are more than these {limit} jobs: see --limit")


@click.command(cls=SessionCommand)
@click.argument("job", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="As JSON: times in seconds since 1970, output in base 64.")
@session_options
@click.pass_context
def show(context: click.Context, /, *, job: str, as_json: bool, **session: Any) -> None:
    """Show all that is known of a job; of one that failed also its last lines.

    \b
    Exit status: 0 done, 1 the server cannot be reached, 2 unknown job, 5 refused.
    """
    environment = read_environment()
    settings = SessionSettings(**read_options(context, session, environment))
    wanted = parse_job_id(job)
    with open_session(settings, environment, context.obj) as (link, _):
        body = link.call("job.show", {"job_id": resolve_job_id(link, wanted)})
    if as_json:
        _print_json(body)
    else:
        _print(format_job(body))


@click.command(cls=SessionCommand)
@click.argument("job", metavar="ID")
@click.option("--stderr", "only_stderr", is_flag=True, help="Its standard error, not its standard output.")
@click.option("--both", is_flag=True, help="Both, each to ours of the same name.")
@click.option("-f", "--follow", is_flag=True, help="Go on until the job's end.")
@click.option("--offset", type=click.IntRange(0, 1 << 53), default=0, metavar="BYTES", help="Where to begin.  [0]")
@click.option("-t", "--timeout", default="-1", metavar="SECONDS", help="How long to follow; -1: to the end.  [-1]")
@session_options
@reconnect_option
@click.pass_context
def logs(
    context: click.Context,
    /,
    *,
    job: str,
    only_stderr: bool,
    both: bool,
    follow: bool,
    offset: int,
    timeout: str,
    **session: Any,
) -> None:
    """Write what a job has printed to standard output, byte for byte.

    Where bytes were cut stands a line such as "[headless: 4096 bytes were cut here]".

    \b
    Exit status: 0 done, however the job ended; 1 the server cannot be reached, 2 unknown job,
    3 --timeout is over and the job goes on, 5 refused, 8 the connection was lost for good meanwhile.
    """
    environment = read_environment()
    settings = SessionSettings(**read_options(context, session, environment))
    wanted, timeout_s = parse_job_id(job), parse_timeout(timeout)
    reconnect_for_s = parse_optional(session, "reconnect_for") or 0.0
    if only_stderr and both:
        raise ParameterError("give --stderr or --both, not both of them")
    streams = ("stdout", "stderr") if both else ("stderr",) if only_stderr else ("stdout",)
    if sys.stdout is None or (both and sys.stderr is None):
        raise ParameterError("standard output is closed: there is nowhere to write to")

    def write(stream: str, data: bytes) -> None:
        _write_all(DESCRIPTORS[stream] if both else 1, data)

    with open_session(settings, environment, context.obj) as (link, _):
        job_id = resolve_job_id(link, wanted)
        watch = Follow(link, context.obj, job_id, timeout_s, reconnect_for_s)
        OutputReader(link, job_id, dict.fromkeys(streams, offset), write).read(watch, to_end=follow)


def parse_span(option: str, text: str) -> float:
    """Read a span of time: a number with a unit (s, m, h, d, w), seconds without.

    Raises:
        ParameterError: it is none.
    """
    found = re.fullmatch(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)([smhdw]?)", text)
    seconds = float(found[1]) * UNITS[found[2]] if found else -1.0
    if not 0 <= seconds <= MAX_SPAN_S:
        raise ParameterError(f"{option} {text!r}: give a number with s, m, h, d or w behind it, such as 2d")
    return seconds


def _measure_terminal() -> int | None:
    """The width of standard output if that is a terminal."""
    try:
        return os.get_terminal_size(1).columns or None
    except OSError:
        return None


def _print(text: str) -> None:
    """Print what a server has told, in whatever encoding standard output has."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    click.echo(text.encode(encoding, errors="backslashreplace"), nl=False)


def _print_json(value: Any) -> None:
    import json

    click.echo(json.dumps(value, indent=1))


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
