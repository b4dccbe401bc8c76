"""``headless audit``: is the audit log whole, and what does it say."""

import datetime
import json
import os
import re
import sys
from typing import Any

import click

from headless.cli.group import OneLineGroup
from headless.cli.serve import default_state
from headless.config import read_environment
from headless.errors import JobFailed, ParameterError

if sys.platform == "win32":
    raise ImportError("the server runs on POSIX systems only: give --service HOST:PORT of one")

__all__ = ["audit"]

EXIT_STATUS = "\n\n\b\nExit status: 0 all lines fit, 2 there is no such log, 4 a line does not fit."
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@click.group(
    cls=OneLineGroup,
    name="audit",
    epilog=EXIT_STATUS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)
def audit() -> None:
    """The server's audit log: logins, starts, ends, cancels, changes of permissions.

    \b
    headless audit verify --state /var/lib/headless
    """


@audit.command(epilog=EXIT_STATUS)
@click.argument("file", required=False)
@click.option("--state", metavar="FOLDER", help="The server's state folder.")
@click.option("--head", metavar="HASH", default="", help="A head that was noted before, and must still be there.")
def verify(file: str | None, state: str | None, head: str) -> None:
    """Check that no line was changed, removed, added or moved.

    Lines cut off at the end leave no trace in the file: note the head that this prints, on another machine, and give it
    the next time.
    """
    from headless.server.audit_check import verify_audit

    if head and not re.fullmatch("[0-9a-f]{64}", head):
        raise ParameterError("--head is the 64 digits that 'headless audit verify' has printed")
    verdict = verify_audit(_find_log(file, state), head)
    for note in verdict.notes:
        click.echo(note)
    if verdict.problem:
        raise JobFailed(f"the audit log is not intact: {verdict.problem}")
    lines = "1 line" if verdict.lines == 1 else f"{verdict.lines} lines"
    span = f" from {verdict.first} to {verdict.last}" if verdict.first else ""
    click.echo(f"{lines}, intact{span}, head {verdict.head}")


@audit.command(epilog="\n\n\b\nExit status: 0 done, 2 there is no such log.")
@click.argument("file", required=False)
@click.option("--state", metavar="FOLDER", help="The server's state folder.")
@click.option("--json", "as_json", is_flag=True, help="The lines as they are: one JSON object each.")
@click.option("--since", metavar="TIME", help="From then on: 2026-01-31, 2026-01-31T06:00 (UTC), or 30m, 12h, 7d ago.")
@click.option("--action", "actions", multiple=True, metavar="ACTION", help="Only these, as 'login' or 'start'.")
@click.option("--user", metavar="NAME", help="Only what this user did, or what was done to it.")
def show(
    file: str | None, state: str | None, as_json: bool, since: str | None, actions: tuple[str, ...], user: str | None
) -> None:
    """Show the log. Whether it can be believed, 'headless audit verify' tells."""
    from headless.server.audit import AuditAction
    from headless.server.audit_check import read_audit

    for action in actions:
        if action not in list(AuditAction):
            raise ParameterError(f"--action {action!r}: known are {', '.join(AuditAction)}")
    begin = _parse_since(since, datetime.datetime.now(datetime.UTC)) if since else ""
    for line in read_audit(_find_log(file, state)):
        entry = line.entry
        if entry is None:
            click.echo(f"line {line.number} is torn or changed: see 'headless audit verify'", err=True)
            continue
        is_wanted = entry["time"] >= begin and (not actions or entry["action"] in actions)
        if is_wanted and user in (None, entry.get("user"), entry.get("by")):
            click.echo(json.dumps(entry) if as_json else _format_entry(entry))


def _find_log(file: str | None, state: str | None) -> str:
    from headless.server.audit import FILE

    if file is not None and state is not None:
        raise ParameterError("give the log's FILE or --state FOLDER, not both")
    if file is not None:
        return file
    return os.path.join(state or default_state(read_environment().state_folder), FILE)


def _parse_since(text: str, now: datetime.datetime) -> str:
    """As the log's time stamps are written, which sort as texts."""
    if found := re.fullmatch(r"(\d{1,6})([smhd])", text):
        moment = now - datetime.timedelta(seconds=int(found[1]) * UNITS[found[2]])
    else:
        try:
            moment = datetime.datetime.fromisoformat(text)
        except ValueError as exc:
            raise ParameterError(f"--since {text!r}: give a time like 2026-01-31T06:00, or 30m, 12h, 7d") from exc
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=datetime.UTC)
    return moment.astimezone(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _format_entry(entry: dict[str, Any]) -> str:
    rest = {name: value for name, value in entry.items() if name not in ("previous", "time", "action")}
    return " ".join([entry["time"], _format(entry["action"]), *(f"{name}={_format(rest[name])}" for name in rest)])


def _format(value: Any) -> str:
    """A text that needs no quotes as it is; all else as JSON, which holds no control characters."""
    if isinstance(value, str) and re.fullmatch(r"[\w.:@/+*,-]+", value, re.ASCII):
        return value
    return json.dumps(value)
