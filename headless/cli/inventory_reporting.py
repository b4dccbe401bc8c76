"""What ``headless inventory report`` does with its options."""

import getpass
import os
import random
import sys
import time
from typing import Any

import click

from headless.cli.inventory_options import OPTIONS
from headless.errors import ParameterError, Unavailable
from headless.inventory.client_config import read_settings
from headless.inventory.gather.files import tidy
from headless.inventory.making import Wanted, make_report, rewrite_report
from headless.inventory.private_files import find_exposed
from headless.inventory.slot import DAY_S
from headless.inventory.writing import replace_file
from headless.launcher.interrupts import Interrupted, catch_interrupts
from headless.launcher.talk import Talk

if sys.platform == "win32":
    raise ImportError("packages are reported on POSIX systems only")

from headless.inventory.gather.system import read_system
from headless.inventory.outbox import NOBODYS_SPOOL, Outbox, find_others, name_owner, open_outbox

__all__ = ["deliver_or_keep", "run_report"]

RETRY_FOR_S, TIMEOUT_S = 300, 30


def run_report(talk: Talk, options: dict[str, Any]) -> None:
    """Report.

    Args:
        talk: for warnings.
        options: by their names with dashes; what is not given is ``None``, ``False`` or empty.

    Raises:
        HeadlessError: nothing was reported, or not all of it.
    """
    given = dict(options)
    options = _add_config(talk, options)
    if options["to"]:
        from headless.inventory.send import split_url

        split_url(options["to"])  # or it is kept, gathered in vain, for a place that is none
    if options["cron"] or options["systemd"]:
        return click.echo(_build_schedule(talk, options, given), nl=False)
    if options["splay"]:
        time.sleep(random.uniform(0, options["splay"]))  # noqa: S311
    wanted = _read_wanted(options)
    data, warnings = _make(options, wanted)
    data, more = _close(options, data)
    for line in (*warnings, *more, *find_exposed([options["sign"]])):
        talk.error(line)
    _give(talk, options, data)


def deliver_or_keep(talk: Talk, options: dict[str, Any], outbox: Outbox | None, data: bytes | None) -> int:
    """Send what waits and then a report, as the options say; a signal ends it, once the report is kept.

    Args:
        talk: for warnings.
        options: by their names with dashes.
        outbox: the spool; ``None`` if there is none.
        data: the report; ``None`` to send but what waits.

    Returns:
        How many of those that waited were not sent.

    Raises:
        HeadlessError: not all was sent.
        Interrupted: a signal has come.
    """
    from headless.inventory.delivery import Delivery, deliver, keep

    retry_for_s = RETRY_FOR_S if options["retry-for"] is None else options["retry-for"]
    tell = talk.error if sys.stderr is not None and sys.stderr.isatty() else talk.info  # cron's mail has the last line
    delivery = Delivery(_read_collector(options), outbox, retry_for_s, talk.error, tell)
    for line in find_exposed((options["token-file"], options["key"] or options["certificate"])):
        talk.error(line)
    with catch_interrupts() as interrupts:
        interrupts.truth = "not sent"
        try:
            return deliver(delivery, data)
        except Interrupted as exc:
            raise Interrupted(exc.number, f"{exc}{keep(delivery, data)}") from None


def _read_collector(options: dict[str, Any]) -> Any:
    """The collector that the options name."""
    from headless.inventory.send import Collector, read_token

    url = options["to"]
    if options.get("plain") and "?" not in url:
        url += "?protocol=5"  # as pakiti-client does: Pakiti's own collector answers nobody else
    return Collector(
        url=url,
        timeout_s=TIMEOUT_S if options["timeout"] is None else max(options["timeout"], 1),
        token=read_token(options["token-file"] or ""),
        ca_file=options["ca-file"] or "",
        certificate=options["certificate"] or "",
        key=options["key"] or "",
        expect=options.get("expect") or "",
    )


def _add_config(talk: Talk, options: dict[str, Any]) -> dict[str, Any]:
    """What is not given on the command line, from the file."""
    if not options["config"]:
        return options
    known = {option.name: option for option in OPTIONS}
    values, warnings = read_settings(options["config"], known)
    for line in warnings:
        talk.error(f"{options['config']}: {line}")
    merged = dict(options)
    for name, value in values.items():
        if options[name] in (None, False, ()):
            merged[name] = _convert(options["config"], name, value)
    return merged


def _convert(path: str, name: str, value: str) -> Any:
    option = next(option for option in OPTIONS if option.name == name)
    if option.is_many:
        return (value,)
    if option.is_number:
        if not (value.isascii() and value.isdigit() and len(value) < 10):
            raise ParameterError(f"{path}: {name} = {value[:60]!r} is no number of seconds")
        return int(value)
    if option.choices and value not in option.choices:
        raise ParameterError(f"{path}: {name} = {value[:60]!r}: give one of {', '.join(option.choices)}")
    return value if option.metavar else value.lower() in ("1", "yes", "true", "on")


def _read_wanted(options: dict[str, Any]) -> Wanted:
    site = tidy(options["site"] or "")
    if not site and not options["input"]:
        raise ParameterError("which site does this host belong to? Give --site NAME")
    if options["host"] is not None and not tidy(options["host"]):
        raise ParameterError("--host is empty: give the host's name, or leave it out")
    for option in OPTIONS:
        if option.without and (letter := option.find_wrong(options[option.name] or "")):
            value = tidy(options[option.name])[:80]
            raise ParameterError(
                f"--{option.name} {value!r}: {letter!r} is no part of a name: who asks could not give it"
            )
    if options["plain"] and options["format"] not in (None, "text"):
        raise ParameterError("--plain is a matter of the text format: leave out --format")
    if options["root"] and not os.path.isdir(options["root"]):
        raise ParameterError(f"--root {options['root']}: no such folder")
    return Wanted(
        site=site,
        tag=options["tag"] or "",
        interval=options["interval"] or 0,
        host=options["host"] or "",
        root=options["root"] or "",
        folders=options["python-path"],
        form=options["format"] or "text",
        plain=options["plain"],
    )


def _make(options: dict[str, Any], wanted: Wanted) -> tuple[bytes, list[str]]:
    path = options["input"]
    if not path:
        return make_report(wanted)
    try:
        if path == "-":
            data = sys.stdin.buffer.read()
        else:
            with open(path, "rb") as file:
                data = file.read()
    except OSError as exc:
        raise ParameterError(f"--input {path} cannot be read: {exc.strerror}") from exc
    return rewrite_report(data, wanted), []


def _close(options: dict[str, Any], data: bytes) -> tuple[bytes, list[str]]:
    if not (options["encrypt"] or options["sign"] or options["sign-certificate"]):
        return data, []
    from headless.inventory.certificates import close_report  # the library takes long to import

    return close_report(
        data,
        encrypt=options["encrypt"],
        sign_key=options["sign"] or "",
        sign_certificate=options["sign-certificate"] or "",
    )


def _give(talk: Talk, options: dict[str, Any], data: bytes) -> None:
    """Write it, send it, keep it: as far as each is wanted."""
    output, url = options["output"], options["to"]
    if output and output != "-":
        try:
            replace_file(output, data)
        except OSError as exc:
            raise ParameterError(f"--output {output} cannot be written: {exc.strerror}") from exc
    elif output or not (url or options["spool"]):
        _print(data)
    if url:
        _send(talk, options, data)
    elif options["spool"]:
        _keep(talk, options, data)


def _send(talk: Talk, options: dict[str, Any], data: bytes) -> None:
    outbox: Outbox | None = None
    try:
        outbox = open_outbox(options["spool"] or "", options["to"])
        with outbox.turn(0):
            pass  # or the spool is of no use, and that must not keep a report from a collector that is there
    except ParameterError as exc:
        outbox = None
        tell = talk.error if options["spool"] else talk.info
        tell(f"what cannot be sent is not kept: {exc}")
    for line in find_others(outbox) if outbox is not None and outbox.url else ():
        talk.error(line)
    if left := deliver_or_keep(talk, options, outbox, data):
        raise Unavailable(f"this report is sent, but {left} of those that waited could not be")


def _keep(talk: Talk, options: dict[str, Any], data: bytes) -> None:
    try:
        _, dropped = open_outbox(options["spool"]).put(data)
        for name in dropped:
            talk.error(f"the spool is full: {name} was taken out of it, and was never sent")
    except OSError as exc:
        raise ParameterError(f"the report could not be kept in {options['spool']}: {exc.strerror}") from exc


def _print(data: bytes) -> None:
    if sys.stdout is None:
        raise ParameterError("standard output is closed: give --output FILE")
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def _build_schedule(talk: Talk, options: dict[str, Any], given: dict[str, Any]) -> str:
    from headless.inventory.schedule_checks import find_obstacles
    from headless.inventory.schedule_files import (
        NOBODY,
        SECRET,
        build_command,
        build_cron,
        build_units,
        find_program,
        find_user,
    )

    if options["cron"] and options["systemd"]:
        raise ParameterError("give --cron or --systemd, not both")
    if not options["to"] and not options["spool"] and options["output"] in (None, "-"):
        raise ParameterError("where is the report to go? Give --to URL, --spool FOLDER or --output FILE")
    wanted = _read_wanted(options)
    user = options["user"] or _find_user()
    interval_s = options["interval"] or DAY_S
    given = given | {"interval": interval_s}
    advice = ""
    if options["cron"] and options["to"] and not options["spool"] and user == NOBODY:
        given["spool"] = NOBODYS_SPOOL
        advice = f"install -d -m 0700 -o {NOBODY} {NOBODYS_SPOOL}"
    if options["systemd"] and user == NOBODY:  # those of a file too: the service can read none of them by itself
        given |= {name: options[name] for name in SECRET if options[name]}
    program = find_program()
    words = build_command(program, given)
    made = find_user(words, user) if options["systemd"] else user
    for line in find_obstacles(program, options, made, by_systemd=options["systemd"]):
        talk.error(line)
    if advice and name_owner(NOBODYS_SPOOL) != NOBODY:
        talk.error(f"what cannot be sent is kept once root has made the spool: {advice}")
    host = wanted.host or read_system(wanted.root)["host"]
    if options["systemd"]:
        return build_units(words, site=wanted.site, host=host, interval_s=interval_s, user=user)
    mailto = "root" if options["mailto"] is None else options["mailto"]
    table = build_cron(words, site=wanted.site, host=host, interval_s=interval_s, user=user, mailto=mailto)
    return f"# Once, as root, for what cannot be sent: {advice}\n{table}" if advice else table


def _find_user() -> str:
    try:
        name = getpass.getuser()
    except (ImportError, KeyError, OSError) as exc:
        raise ParameterError("this process has no user name: give one with --user") from exc
    return "nobody" if name == "root" else name
