"""The launcher's command line: ``headless OPTIONS -- ARGUMENTS``."""

import os
from collections.abc import Sequence
from typing import Any

import click
from click.core import ParameterSource

import headless
from headless.config import Environment, read_environment, read_launcher_files
from headless.errors import ParameterError
from headless.launcher.run import run_job
from headless.launcher.settings import AUTH_TYPES, LaunchSettings, check_name, parse_timeout
from headless.launcher.talk import Talk
from headless.transport.address import Address, UnixAddress, parse_address

__all__ = ["launch", "run_launch"]

JOB_OPTIONS = ("module", "py_file", "py_code")
PATH_OPTIONS = ("py_file", "secret", "output", "result", "ca_file", "cert", "key")
FILE = click.Path(readable=False)  # for the shell's completion; what it must be is checked where it is opened
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
  audit       the server's audit log: show it, check that it is intact
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
        "allow_extra_args": True,
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
    help="osuser, challenge or x509; left out: x509 with --cert, osuser on a unix socket if no secret is given,"
    " else challenge.",
)
@click.option("-p", "--secret", type=FILE, metavar="FILE", help="The secret file; made at the first run at a terminal.")
@click.option("-m", "--module", metavar="ID", help="Run this module of the server.")
@click.option("-f", "--py-file", type=FILE, metavar="FILE", help="Run this Python script.")
@click.option("-c", "--py-code", metavar="CODE", help="Run this Python code.")
@click.option(
    "-o", "--output", type=FILE, metavar="FILE", help="Write the job's standard output there; -: to standard output."
)
@click.option(
    "--result", type=FILE, metavar="FILE", help="Write the job's result there, as JSON; -: to standard output."
)
@click.option("--stdin", is_flag=True, help="Hand standard input over to the job.")
@click.option("--name", metavar="NAME", help="The job's name; left out: the module's, or the script's file name.")
@click.option("--exit-code", metavar="job", help="'job': exit with the job's own status instead of 4.")
@click.option("--ca-file", type=FILE, metavar="FILE", help="Check the server's certificate against these authorities.")
@click.option("--cert", type=FILE, metavar="FILE", help="Client certificate for x509, PEM.")
@click.option("--key", type=FILE, metavar="FILE", help="Key of the client certificate, PEM.")
@click.option(
    "--proxied", is_flag=True, help="A TLS proxy stands before the server: check its chain, do not bind to it."
)
@click.option("--connect-for", metavar="SECONDS", default="30", help="Time limit to connect and log in.  [30]")
@click.option(
    "--check", is_flag=True, help="Check everything, log in, ask whether the job would be allowed; run nothing."
)
@click.option("-q", "--quiet", is_flag=True, help="Print nothing at all, not even errors; wins over -v.")
@click.option("-v", "--verbose", count=True, help="Say more: information, -vv messages sent, -vvv also received.")
@click.version_option(headless.__version__, message="headless %(version)s")
@click.pass_context
def launch(context: click.Context, /, **values: Any) -> int:
    """Run one job on a server, and exit with what became of it.

    \b
    headless -s HOST:7443 -u batch -p ~/.headless.secret -m nightly-report -t -1
    """
    talk: Talk = context.obj
    talk.verbosity = _choose_verbosity(context, values)
    if context.args:
        raise ParameterError(f"unexpected argument {context.args[0]!r}: arguments for the job come after --")
    environment = read_environment()
    arguments: tuple[str, ...] = context.meta["headless.arguments"]
    _drop_weaker(context, values)
    try:
        settings = _build_settings(values, environment, arguments)
    except ParameterError as exc:
        raise ParameterError(f"{exc}{_name_sources(context)}") from exc
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
    known = {parameter.name or "" for parameter in launch.params} - {"help", "version"}
    found = read_launcher_files(read_environment().config_files, known)
    defaults = {name: _as_option(name, value, path) for name, (value, path) in found.items()}
    with launch.make_context("headless", options, default_map=defaults, obj=talk) as context:
        context.meta["headless.arguments"] = arguments
        context.meta["headless.origins"] = {name: path for name, (_, path) in found.items()}
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


def _as_option(name: str, value: Any, path: str) -> Any:
    """A value of a file as it would stand on the command line."""
    option = next(item for item in launch.params if isinstance(item, click.Option) and item.name == name)
    kinds: tuple[type, ...] = (str, int, float)
    what = "a text or a number"
    if option.count:
        kinds, what = (int,), "a whole number"
    elif option.is_flag:
        kinds, what = (bool,), "true or false"
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise ParameterError(f"{path}: setting {name!r} must be {what}")
    return value if option.is_flag or option.count else str(value)


def _drop_weaker(context: click.Context, values: dict[str, Any]) -> None:
    """What to run is one setting: a module in a file does not stand beside code on the command line."""
    given = {name: _strength(context, name) for name in JOB_OPTIONS}
    strongest = max(given.values())
    for name in JOB_OPTIONS:
        if given[name] < strongest:
            values[name] = None


def _build_settings(values: dict[str, Any], environment: Environment, arguments: tuple[str, ...]) -> LaunchSettings:
    _check_texts(values, arguments)
    service = None if values["service"] is None else parse_address(values["service"])
    timeout_s = None if values["timeout"] is None else parse_timeout(values["timeout"])
    if timeout_s is None and not (values["output"] is None and values["result"] is None):
        raise ParameterError("--output and --result need --timeout: without it nobody waits for them")
    return LaunchSettings(
        service=service,
        timeout_s=timeout_s,
        user=values["user"] or "",
        auth_type=_choose_auth_type(values, service),
        secret=_choose_secret(values, environment),
        ca_file=values["ca_file"] or "",
        certificate=values["cert"] or "",
        key=values["key"] or "",
        is_proxied=values["proxied"],
        module=None if values["module"] is None else check_name(values["module"], "--module"),
        script=values["py_file"],
        code=values["py_code"],
        name=check_name(values["name"], "--name") if values["name"] else "",
        arguments=arguments,
        stdin=values["stdin"],
        output=values["output"],
        result=values["result"],
        job_status=values["exit_code"] == "job",
        connect_for_s=_parse_seconds(values["connect_for"]),
    )


def _check_texts(values: dict[str, Any], arguments: tuple[str, ...]) -> None:
    """What is wrong with single values: nothing to run, something empty (an unset variable of a shell), not UTF-8."""
    jobs = [name for name in JOB_OPTIONS if values[name] is not None]
    if len(jobs) != 1:
        what = "no job given" if not jobs else "more than one job given"
        raise ParameterError(f"{what}: use one of -m MODULE, -f FILE and -c CODE")
    for name in (*JOB_OPTIONS, "output", "result"):
        if values[name] == "":
            raise ParameterError(f"--{name.replace('_', '-')} is empty: give it a value or leave it out")
    if values["exit_code"] not in (None, "job"):
        raise ParameterError(f"--exit-code {values['exit_code']!r}: the only choice is 'job'")
    texts = [text for name, text in values.items() if name not in PATH_OPTIONS and isinstance(text, str)]
    for text in (*texts, *arguments):
        try:
            text.encode()
        except UnicodeEncodeError as exc:
            raise ParameterError(f"{ascii(text)[:80]} is not UTF-8: write it so, or put it into a file") from exc


def _choose_auth_type(values: dict[str, Any], service: Address | None) -> str:
    given = values["auth_type"]
    is_local = service is None or isinstance(service, UnixAddress)
    if given is None:
        if is_local and not (service is not None and values["secret"]):
            return "osuser"
        return "x509" if values["cert"] and not is_local else "challenge"
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
    if text == "-1":
        raise ParameterError("--connect-for -1: give a number of seconds")
    try:
        return parse_timeout(text)
    except ParameterError as exc:
        raise ParameterError(f"--connect-for {text!r}: give a number of seconds") from exc


def _choose_verbosity(context: click.Context, values: dict[str, Any]) -> int:
    """Quiet wins, unless ``--verbose`` comes from a stronger place."""
    if values["quiet"] and not (values["verbose"] and _strength(context, "verbose") > _strength(context, "quiet")):
        return -1
    return int(values["verbose"])


def _strength(context: click.Context, name: str) -> int:
    return STRENGTH.get(context.get_parameter_source(name) or ParameterSource.DEFAULT, 0)


def _name_sources(context: click.Context) -> str:
    """A clause on where settings come from that do not stand on the command line."""
    origins: dict[str, str] = context.meta["headless.origins"]
    places = [
        f"HEADLESS_{name.upper()}"
        if _strength(context, name) == STRENGTH[ParameterSource.ENVIRONMENT]
        else origins[name]
        for name in context.params
        if 0 < _strength(context, name) < STRENGTH[ParameterSource.COMMANDLINE]
    ]
    return f" (settings also come from {', '.join(dict.fromkeys(places))})" if places else ""
