"""``headless jobs attach``, ``cancel``, ``rerun`` and ``prune``: they wait for jobs or change something."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from headless.cli.jobs_look import parse_span
from headless.cli.session import FILE, read_wait, reconnect_option
from headless.cli.session_command import SessionCommand, read_options, session_options
from headless.config import read_environment
from headless.launcher.history import (
    cancel_job,
    open_session,
    parse_job_id,
    prune_jobs,
    rerun_job,
    resolve_job_id,
)
from headless.launcher.settings import SessionSettings, WaitSettings, check_name, parse_timeout
from headless.launcher.sinks import open_sinks
from headless.launcher.wait import Wait

__all__ = ["attach", "cancel", "prune", "rerun"]

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])

WAITING = """\
\b
Exit status: that of a launch that waits: 0 the job ended well, 3 time out, 4 it failed, 7 it was stopped, 8 unknown;
1 the server cannot be reached, 2 unknown job, 5 refused.
"""


def _wait_options(timeout: str, output: str) -> Callable[[_Decorated], _Decorated]:
    def add(command: _Decorated) -> _Decorated:
        for decorate in (
            click.option("--exit-code", metavar="job", help="'job': exit with the job's own status instead of 4."),
            click.option("--result", type=FILE, metavar="FILE", help="Write its result there, as JSON; -: to stdout."),
            click.option("-o", "--output", type=FILE, metavar="FILE", help=output),
            click.option("-t", "--timeout", metavar="SECONDS", help=timeout),
        ):
            command = decorate(command)
        return command

    return add


@click.command(cls=SessionCommand, epilog=WAITING)
@click.argument("job", metavar="ID")
@_wait_options(
    "How long to wait for the job's end; left out, or -1: as long as it takes.",
    "Write the job's standard output there; left out: to standard output.",
)
@session_options
@reconnect_option
@click.pass_context
def attach(context: click.Context, /, *, job: str, **values: Any) -> int:
    """Wait for a job as its own launcher would: print its output from the beginning, exit with what became of it.

    Ctrl-C ends the waiting, not the job. A job that is over is told of as if it ended now.
    """
    if values["timeout"] is None:
        values["timeout"] = "-1"
    if values["output"] is None and values["result"] != "-":
        values["output"] = "-"
    environment = read_environment()
    settings = _read_wait(context, values)
    wanted, sinks = parse_job_id(job), open_sinks(settings)
    with open_session(settings, environment, context.obj) as (link, interrupts):
        job_id = resolve_job_id(link, wanted)
        interrupts.truth = f"job {job_id} goes on, if it is not over"
        return Wait(link, settings, context.obj, job_id, sinks).run()


@click.command(cls=SessionCommand)
@click.argument("job", metavar="ID")
@click.option("--wait/--no-wait", default=True, help="Return when the job is over, which is the default, or at once.")
@click.option(
    "-t", "--timeout", default="120", metavar="SECONDS", help="How long to wait; -1: until it is over.  [120]"
)
@session_options
@click.pass_context
def cancel(context: click.Context, /, *, job: str, wait: bool, timeout: str, **session: Any) -> None:
    """End a job with all its processes: TERM, after its grace KILL.

    One that is over is left alone. -v says how it ended.

    \b
    Exit status: 0 it is over (with --no-wait: its end was asked for), 1 the server cannot be reached, 2 unknown job,
    3 its end was asked for and it is not over in time, 5 refused, 8 the connection was lost meanwhile.
    """
    environment = read_environment()
    settings = SessionSettings(**read_options(context, session, environment))
    wanted, timeout_s = parse_job_id(job), parse_timeout(timeout)
    with open_session(settings, environment, context.obj) as (link, interrupts):
        job_id = resolve_job_id(link, wanted)
        interrupts.truth = f"the end of job {job_id} may have been asked for"
        context.obj.info(cancel_job(link, settings, context.obj, job_id, timeout_s if wait else None))


@click.command(cls=SessionCommand, epilog=WAITING)
@click.argument("job", metavar="ID")
@_wait_options(
    "How long to wait for the new job's end; -1: as long as it takes; left out: do not wait.",
    "Write the new job's standard output there; -: to standard output.",
)
@session_options
@reconnect_option
@click.pass_context
def rerun(context: click.Context, /, *, job: str, **values: Any) -> int:
    """Start what a job was once more, as a new job.

    Without --timeout the new job's id is printed; with it, -v tells it. What a job was given on standard input is not
    kept: such a one cannot be started so.
    """
    environment = read_environment()
    settings = _read_wait(context, values)
    wanted, sinks = parse_job_id(job), open_sinks(settings)
    with open_session(settings, environment, context.obj) as (link, interrupts):
        new_id = rerun_job(link, settings, context.obj, resolve_job_id(link, wanted), interrupts)
        context.obj.info(f"job {new_id} accepted")
        if settings.timeout_s is None:
            click.echo(new_id)
            return 0
        return Wait(link, settings, context.obj, new_id, sinks).run()


@click.command(cls=SessionCommand)
@click.option("--older", required=True, metavar="TIME", help="Forget jobs that ended longer ago: 90s, 30m, 12h, 30d.")
@click.option(
    "--keep", type=click.IntRange(0, 1 << 53), default=0, metavar="NUMBER", help="But so many of a name.  [0]"
)
@click.option("--name", metavar="NAME", help="Only jobs of this name.")
@session_options
@click.pass_context
def prune(context: click.Context, /, *, older: str, keep: int, name: str | None, **session: Any) -> None:
    """Have the server forget jobs that are over, with their output. -v says how many.

    \b
    Exit status: 0 done, 1 the server cannot be reached, 2 parameter error, 5 refused.
    """
    environment = read_environment()
    settings = SessionSettings(**read_options(context, session, environment))
    conditions: dict[str, Any] = {"older": parse_span("--older", older), "keep": keep}
    conditions["name"] = check_name(name, "--name") if name else ""
    with open_session(settings, environment, context.obj) as (link, interrupts):
        interrupts.truth = "some jobs may have been removed"
        count = prune_jobs(link, conditions)
    context.obj.info("1 job was removed" if count == 1 else f"{count} jobs were removed")


def _read_wait(context: click.Context, values: dict[str, Any]) -> WaitSettings:
    return WaitSettings(**read_options(context, values, read_environment()), **read_wait(values))
