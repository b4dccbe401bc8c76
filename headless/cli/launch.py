"""The launcher's command line: ``headless OPTIONS -- ARGUMENTS``."""

from collections.abc import Sequence
from typing import Any

import click

import headless
from headless.cli.session import (
    FILE,
    channel_options,
    check_utf8,
    choose_verbosity,
    login_options,
    measure_strength,
    name_sources,
    parse_optional,
    parse_seconds,
    read_file_defaults,
    read_session,
    read_wait,
    reconnect_option,
    talk_options,
)
from headless.config import Environment, read_environment
from headless.errors import ParameterError
from headless.launcher.run import run_job
from headless.launcher.settings import LaunchSettings, check_name
from headless.launcher.talk import Talk

__all__ = ["launch", "run_launch"]

OVERLAPS = ("allow", "skip", "wait", "replace")  # of headless.job, which a launch that does not wait need not import
JOB_OPTIONS = ("module", "py_file", "py_code")
PATH_OPTIONS = ("py_file", "secret", "output", "result", "ca_file", "cert", "key")
EPILOG = """\
Exactly one of -m, -f and -c says what to run; arguments for the job come after --. Every option can also be given as
a variable (HEADLESS_SERVICE, HEADLESS_AUTH_TYPE ...) or in a file (~/.config/headless/config.toml, then
/etc/headless/config.toml): service = "host:7443".

\b
Exit status:
  0    the job ended well (without --timeout: it was accepted)
  1    socket or connection error: nothing is known to run
  2    parameter error: options, secret file, unknown module
  3    time out: the job is still running on the server, and goes on
  4    the job ran and failed: non-zero status, exception or signal
  5    refused: login or permission
  6    not started: another run of this job is active
  7    the job was stopped before its end
  8    the outcome is unknown
  70   a bug in headless
  128+N  the launcher was ended by signal N

\b
Commands (headless COMMAND --help):
  serve       run a server
  server      the embedded server: status, stop
  user        users of a server, and what they may run
  jobs        look back at a server's jobs: list, show, logs; attach, cancel, rerun
  audit       the server's audit log: show it, check that it is intact
  schedule    print a line for cron, units for systemd, a task for Windows
  grid        files and jobs of the ALICE grid; a small grid of one's own
  inventory   what is installed on which host: reported, collected, compared
  completion  print a completion script for a shell
"""


@click.command(
    name="headless",
    epilog=EPILOG,
    context_settings={
        "auto_envvar_prefix": "HEADLESS",
        "help_option_names": ["-h", "--help"],
        "token_normalize_func": lambda text: text.replace("_", "-"),
        "max_content_width": 120,
        "allow_extra_args": True,
    },
    options_metavar="OPTIONS [-- ARGUMENTS]",
)
@login_options
@click.option(
    "-t",
    "--timeout",
    metavar="SECONDS",
    help="How long to wait for the job's end; -1: as long as it takes; left out: start the job and do not wait.",
)
@click.option("-m", "--module", metavar="ID", help="Run this module of the server.")
@click.option("-f", "--py-file", type=FILE, metavar="FILE", help="Run this Python script.")
@click.option("-c", "--py-code", metavar="CODE", help="Run this Python code.")
@click.option(
    "-o", "--output", type=FILE, metavar="FILE", help="Write the job's standard output there; -: to standard output."
)
@click.option(
    "--result", type=FILE, metavar="FILE", help="Write the job's result there, as JSON; -: to standard output."
)
@click.option(
    "--in",
    "inputs",
    metavar="LFN=PATH",
    multiple=True,
    allow_from_autoenv=False,
    help="Fetch this file of the grid into the job's folder first, with the job's own credentials; may be repeated.",
)
@click.option(
    "--out",
    "outputs",
    metavar="PATH=LFN",
    multiple=True,
    allow_from_autoenv=False,
    help="Store this file of the job's folder on the grid when the job has ended well; may be repeated.",
)
@click.option("--stdin", is_flag=True, help="Hand standard input over to the job.")
@click.option("--name", metavar="NAME", help="The job's name; left out: the module's, or the script's file name.")
@click.option(
    "--overlap",
    metavar="POLICY",
    help="While another run of this name is active: allow (run both), skip (exit 6), wait (run after it),"
    " replace (stop it first); left out: what the module says, else allow.",
)
@click.option("--wait-for", metavar="SECONDS", help="Longest time in the line of --overlap wait; then exit 6.")
@click.option(
    "--not-after",
    metavar="SECONDS|TIME",
    help="Do not start later than this: seconds from now, or a time with its offset (2026-10-25T02:30:00Z);"
    " then exit 6.",
)
@click.option(
    "--splay", metavar="SECONDS", help="Wait before the start, always the same for one host and job, at most this long."
)
@click.option("--max-runtime", metavar="SECONDS", help="Stop the job if it runs for longer; then exit 7.")
@click.option("--grace", metavar="SECONDS", help="Time between TERM and KILL when the job is stopped.")
@click.option("--exit-code", metavar="job", help="'job': exit with the job's own status instead of 4.")
@channel_options
@reconnect_option
@click.option(
    "--check", is_flag=True, help="Check everything, log in, ask whether the job would be allowed; run nothing."
)
@talk_options
@click.version_option(headless.__version__, message="headless %(version)s")
@click.pass_context
def launch(context: click.Context, /, **values: Any) -> int:
    """Run one job on a server, and exit with what became of it.

    \b
    headless -s HOST:7443 -u batch -p ~/.headless.secret -m nightly-report -t -1
    """
    talk: Talk = context.obj
    talk.verbosity = choose_verbosity(context, values)
    if context.args:
        raise ParameterError(f"unexpected argument {context.args[0]!r}: arguments for the job come after --")
    environment = read_environment()
    arguments: tuple[str, ...] = context.meta["headless.arguments"]
    _drop_weaker(context, values)
    try:
        settings = _build_settings(values, environment, arguments)
    except ParameterError as exc:
        raise ParameterError(f"{exc}{name_sources(context)}") from exc
    if not values["check"]:
        return run_job(settings, environment, talk)
    from headless.cli.check import run_check

    return run_check(context, values, settings, environment, talk)


def run_launch(argv: Sequence[str], talk: Talk) -> int:
    """Run a launch; return its exit code.

    Args:
        argv: without the program's name.
        talk: gets its verbosity as soon as that is known.

    Raises:
        HeadlessError, click.ClickException: it could not be done, or the job did not end well.
    """
    if not argv:
        raise ParameterError("no job given: use -m MODULE, -f FILE or -c CODE; see 'headless --help'")
    place = argv.index("--") if "--" in argv else len(argv)
    options, arguments = _spell_out(argv[:place]), tuple(argv[place + 1 :])
    if "--quiet" in options:
        talk.verbosity = -1
    defaults, origins = read_file_defaults(launch, read_environment())
    with launch.make_context("headless", options, default_map=defaults, obj=talk) as context:
        context.meta["headless.arguments"] = arguments
        context.meta["headless.origins"] = origins
        status = launch.invoke(context)
    return status if isinstance(status, int) else 0


def _spell_out(words: Sequence[str]) -> list[str]:
    """Put long options for short ones, each in one word with its value.

    click would look for every short option among the long ones first, and for names that resemble it: 0.5 ms each.
    What is no option of ours is left to click.
    """
    options = {name: option for option in launch.params if isinstance(option, click.Option) for name in option.opts}
    spelled = []
    rest = list(reversed(words))
    while rest:
        word = rest.pop()
        is_short = word[:1] == "-" and word[1:2] not in ("", "-")
        name, value = (word[:2], word[2:]) if is_short else (word.replace("_", "-"), "")
        option = options.get(name)
        if option is None or (is_short and (option.is_flag or option.count) and value[:1] == "-"):
            spelled.append(word)
            continue
        long = max(option.opts, key=len)
        if option.is_flag or option.count:
            spelled.append(long)
            rest += [f"-{value}"] if value else []
        elif value or rest:
            spelled.append(f"{long}={value or rest.pop()}")
        else:
            spelled.append(long)
    return spelled


def _drop_weaker(context: click.Context, values: dict[str, Any]) -> None:
    """What to run is one setting: a module in a file does not stand beside code on the command line."""
    given = {name: measure_strength(context, name) for name in JOB_OPTIONS}
    strongest = max(given.values())
    for name in JOB_OPTIONS:
        if given[name] < strongest:
            values[name] = None


def _build_settings(values: dict[str, Any], environment: Environment, arguments: tuple[str, ...]) -> LaunchSettings:
    _check_texts(values, arguments)
    return LaunchSettings(
        **read_session(values, environment),
        **read_wait(values),
        module=None if values["module"] is None else check_name(values["module"], "--module"),
        script=values["py_file"],
        code=values["py_code"],
        name=check_name(values["name"], "--name") if values["name"] else "",
        arguments=arguments,
        stdin=values["stdin"],
        overlap=values["overlap"],
        wait_for_s=parse_optional(values, "wait_for"),
        start_within_s=None if values["not_after"] is None else _parse_not_after(values["not_after"]),
        max_runtime_s=None if values["max_runtime"] is None else parse_seconds("--max-runtime", values["max_runtime"]),
        grace_s=parse_optional(values, "grace"),
        splay_s=parse_optional(values, "splay") or 0.0,
        inputs=values["inputs"],
        outputs=values["outputs"],
    )


def _parse_not_after(text: str) -> float:
    import datetime

    from headless.launcher.not_after import parse_not_after

    return parse_not_after(text, datetime.datetime.now(datetime.UTC))


def _check_texts(values: dict[str, Any], arguments: tuple[str, ...]) -> None:
    """What is wrong with single values: nothing to run, something empty (an unset variable of a shell), not UTF-8."""
    jobs = [name for name in JOB_OPTIONS if values[name] is not None]
    if len(jobs) != 1:
        what = "no job given" if not jobs else "more than one job given"
        raise ParameterError(f"{what}: use one of -m MODULE, -f FILE and -c CODE")
    for name in JOB_OPTIONS:
        if values[name] == "":
            raise ParameterError(f"--{name.replace('_', '-')} is empty: give it a value or leave it out")
    if values["overlap"] not in (None, *OVERLAPS):
        raise ParameterError(f"--overlap {values['overlap']!r}: use {', '.join(OVERLAPS)}")
    texts = [text for name, text in values.items() if name not in PATH_OPTIONS and isinstance(text, str)]
    check_utf8([*texts, *values["inputs"], *values["outputs"], *arguments])
    if values["inputs"] or values["outputs"]:
        from headless.protocol.staging import parse_inputs, parse_outputs

        parse_inputs(values["inputs"])
        parse_outputs(values["outputs"])
