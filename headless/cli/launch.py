"""The launcher's command line: ``headless OPTIONS -- ARGUMENTS``."""

import os
import sys
from typing import Any

import click
from click.core import ParameterSource

import headless
from headless.config import Environment, read_environment, read_launcher_files
from headless.errors import ParameterError
from headless.launcher.run import check_job, run_job
from headless.launcher.settings import AUTH_TYPES, LaunchSettings, parse_timeout
from headless.launcher.talk import Talk
from headless.transport.address import Address, UnixAddress, parse_address

__all__ = ["launch", "run_launch"]

JOB_OPTIONS = ("module", "py_file", "py_code")
STRENGTH = {ParameterSource.COMMANDLINE: 3, ParameterSource.ENVIRONMENT: 2, ParameterSource.DEFAULT_MAP: 1}
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
  schedule    print a line for cron, units for systemd, a task for Windows
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
    },
    options_metavar="OPTIONS [-- ARGUMENTS]",
)
@click.option("-s", "--service", metavar="HOST:PORT", help="The server, or unix:/path; left out: a server of your own.")
@click.option(
    "-t",
    "--timeout",
    metavar="SECONDS",
    help="How long to wait for the job's end; -1: as long as it takes; left out: start the job and do not wait.",
)
@click.option("-u", "--user", metavar="NAME", help="Who logs in; left out: the OS user.")
@click.option(
    "-a",
    "--auth-type",
    metavar="TYPE",
    help="osuser, challenge or x509; left out: osuser on a unix socket, x509 with --cert, else challenge.",
)
@click.option("-p", "--secret", metavar="FILE", help="The secret file; made at the first run at a terminal.")
@click.option("-m", "--module", metavar="ID", help="Run this module of the server.")
@click.option("-f", "--py-file", metavar="FILE", help="Run this Python script.")
@click.option("-c", "--py-code", metavar="CODE", help="Run this Python code.")
@click.option("-o", "--output", metavar="FILE", help="Write the job's standard output there; -: to standard output.")
@click.option("--result", metavar="FILE", help="Write the job's result there, as JSON; -: to standard output.")
@click.option("--stdin", is_flag=True, help="Hand standard input over to the job.")
@click.option("--name", metavar="NAME", help="The job's name; left out: the module's, or the script's file name.")
@click.option("--exit-code", metavar="job", help="'job': exit with the job's own status instead of 4.")
@click.option("--ca-file", metavar="FILE", help="Check the server's certificate against these authorities.")
@click.option("--cert", metavar="FILE", help="Client certificate for x509, PEM.")
@click.option("--key", metavar="FILE", help="Key of the client certificate, PEM.")
@click.option(
    "--proxied", is_flag=True, help="A TLS proxy stands before the server: check its chain, do not bind to it."
)
@click.option("--connect-for", metavar="SECONDS", default="30", help="How long to try to connect and log in.  [30]")
@click.option(
    "--check", is_flag=True, help="Check everything, log in, ask whether the job would be allowed; run nothing."
)
@click.option("-q", "--quiet", is_flag=True, help="Print nothing at all, not even errors.")
@click.option("-v", "--verbose", count=True, help="Say more: information, -vv messages sent, -vvv also received.")
@click.version_option(headless.__version__, message="headless %(version)s")
@click.pass_context
def launch(context: click.Context, /, **values: Any) -> int:
    """Run one job on a server, and exit with what became of it.

    \b
    headless -s HOST:7443 -u batch -p ~/.headless.secret -m nightly-report -t -1
    """
    environment = read_environment()
    origins = context.meta.get("headless.origins", {})
    _drop_weaker(context, values)
    settings = _build_settings(values, environment, context.meta.get("headless.arguments", ()))
    talk = Talk(_verbosity(context, values))
    if not values["check"]:
        return run_job(settings, environment, talk)
    if not (context.get_parameter_source("quiet") is ParameterSource.COMMANDLINE and values["quiet"]):
        _show_settings(context, values, origins)
    check_job(settings, environment, talk)
    if not values["quiet"]:
        click.echo("logged in, and the job would be allowed; nothing was run")
    return 0


def run_launch(argv: list[str]) -> int:
    """Run a launch; return its exit code.

    Raises:
        HeadlessError, click.ClickException: it could not be done, or the job did not end well.
    """
    options, arguments = argv, []
    if "--" in argv:
        place = argv.index("--")
        options, arguments = argv[:place], argv[place + 1 :]
    if not argv:
        raise ParameterError("no job given: use -m MODULE, -f FILE or -c CODE; see 'headless --help'")
    known = {parameter.name or "" for parameter in launch.params} - {"help", "version"}
    found = read_launcher_files(read_environment().config_files, known)
    context_settings = {name: _as_option(name, value, path) for name, (value, path) in found.items()}
    with launch.make_context("headless", options, default_map=context_settings) as context:
        context.meta["headless.arguments"] = tuple(arguments)
        context.meta["headless.origins"] = {name: path for name, (_, path) in found.items()}
        status = launch.invoke(context)
    return status if isinstance(status, int) else 0


def _as_option(name: str, value: Any, path: str) -> Any:
    """A value of a file as it would stand on the command line."""
    option = next(parameter for parameter in launch.params if parameter.name == name)
    is_flag = getattr(option, "is_flag", False)
    if isinstance(value, bool) != is_flag or not isinstance(value, str | int | float | bool):
        raise ParameterError(f"{path}: setting {name!r} must be {'true or false' if is_flag else 'a text or a number'}")
    return value if is_flag or getattr(option, "count", False) else str(value)


def _drop_weaker(context: click.Context, values: dict[str, Any]) -> None:
    """What to run is one setting: a module in a file does not stand beside code on the command line."""
    given = {
        name: STRENGTH.get(context.get_parameter_source(name) or ParameterSource.DEFAULT, 0) for name in JOB_OPTIONS
    }
    strongest = max(given.values())
    for name in JOB_OPTIONS:
        if given[name] < strongest or values[name] == "":
            values[name] = None if given[name] < strongest else values[name]


def _build_settings(values: dict[str, Any], environment: Environment, arguments: tuple[str, ...]) -> LaunchSettings:
    jobs = [name for name in JOB_OPTIONS if values[name] is not None]
    if len(jobs) != 1:
        what = "no job given" if not jobs else "more than one job given"
        raise ParameterError(f"{what}: use one of -m MODULE, -f FILE and -c CODE")
    service = None if values["service"] is None else parse_address(values["service"])
    if values["exit_code"] not in (None, "job"):
        raise ParameterError(f"--exit-code {values['exit_code']!r}: the only choice is 'job'")
    return LaunchSettings(
        service=service,
        timeout_s=None if values["timeout"] is None else parse_timeout(values["timeout"]),
        user=values["user"] or "",
        auth_type=_choose_auth_type(values, service),
        secret=_choose_secret(values, environment),
        ca_file=values["ca_file"] or "",
        certificate=values["cert"] or "",
        key=values["key"] or "",
        is_proxied=values["proxied"],
        module=values["module"],
        script=values["py_file"],
        code=values["py_code"],
        name=values["name"] or "",
        arguments=arguments,
        stdin=values["stdin"],
        output=values["output"],
        result=values["result"],
        job_status=values["exit_code"] == "job",
        connect_for_s=_parse_seconds(values["connect_for"]),
    )


def _choose_auth_type(values: dict[str, Any], service: Address | None) -> str:
    given = values["auth_type"]
    is_local = service is None or isinstance(service, UnixAddress)
    if given is None:
        return "osuser" if is_local else "x509" if values["cert"] else "challenge"
    if given not in AUTH_TYPES:
        raise ParameterError(f"--auth-type {given!r}: use {', '.join(AUTH_TYPES)}")
    if given == "osuser" and not is_local:
        raise ParameterError("--auth-type osuser works over a unix socket only: use challenge or x509 for HOST:PORT")
    if given == "x509" and (is_local or not values["cert"]):
        raise ParameterError("--auth-type x509 needs --service HOST:PORT and --cert FILE")
    return str(given)


def _choose_secret(values: dict[str, Any], environment: Environment) -> str:
    """Option, variable and files come first; then systemd's credential ``headless``; then the user's own folder."""
    given: str | None = values["secret"]
    if given:
        return os.path.expanduser(given)
    credential = os.path.join(environment.credentials, "headless") if environment.credentials else ""
    if credential and os.path.exists(credential):
        return credential
    return os.path.join(environment.config_folder, "secret")


def _parse_seconds(text: str) -> float:
    seconds = parse_timeout(text)
    if seconds < 0:
        raise ParameterError("--connect-for needs a number of seconds")
    return seconds


def _verbosity(context: click.Context, values: dict[str, Any]) -> int:
    sources = {name: context.get_parameter_source(name) for name in ("quiet", "verbose")}
    if values["quiet"] and values["verbose"]:
        if sources["quiet"] == sources["verbose"]:
            raise ParameterError("--quiet and --verbose do not go together")
        strengths = {name: STRENGTH.get(source or ParameterSource.DEFAULT, 0) for name, source in sources.items()}
        return -1 if strengths["quiet"] > strengths["verbose"] else int(values["verbose"])
    return -1 if values["quiet"] else int(values["verbose"])


def _show_settings(context: click.Context, values: dict[str, Any], origins: dict[str, str]) -> None:
    """Print what was resolved and where each value comes from."""
    words = {ParameterSource.COMMANDLINE: "option", ParameterSource.ENVIRONMENT: "variable"}
    for name, value in values.items():
        if value in (None, False, 0) or name == "check":
            continue
        source = context.get_parameter_source(name) or ParameterSource.DEFAULT
        is_from_file = source is ParameterSource.DEFAULT_MAP
        origin = origins.get(name, "file") if is_from_file else words.get(source, "default")
        click.echo(f"{name.replace('_', '-'):12} {value}  ({origin})")
    sys.stdout.flush()
