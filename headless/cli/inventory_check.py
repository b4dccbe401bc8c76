"""``headless inventory check``: judge reports that lie here as files; no collector is asked."""

import datetime
import sys
import time
from collections.abc import Sequence

import click

from headless.cli.shortfalls import fail_on_option, finish, print_rows
from headless.errors import ParameterError
from headless.inventory.advisories import Advisories
from headless.inventory.advisory_files import read_advisories
from headless.inventory.formats import parse_report
from headless.inventory.reference import Reference, build_reference, judge
from headless.inventory.reference_file import read_reference
from headless.inventory.report import BadReport, Report
from headless.inventory.rule import HostFacts
from headless.inventory.verdict import Row, build_gap_row, build_row, build_vulnerable_row

__all__ = ["check"]

LIMIT = 64 * 2**20
"""The largest report that is read, in bytes."""
EXIT_STATUS = (
    "\n\n\b\nExit status: 0 all hosts conform, 4 one falls short,"
    "\n2 a file cannot be read, or no rule is meant for any host."
)


@click.command(epilog=EXIT_STATUS)
@click.argument("reports", nargs=-1, required=True, metavar="REPORT...")
@click.option("--reference", "references", multiple=True, metavar="FILE", help="rules: a TOML file; may be repeated")
@click.option("--like", "models", multiple=True, metavar="REPORT", help="the packages of this report, in its versions")
@click.option(
    "--advisories",
    multiple=True,
    metavar="PATH",
    help="OSV's or the Debian tracker's JSON: a file, folder or ZIP archive",
)
@click.option("--on", "day", metavar="DAY", help="judge as on that day, such as 2026-01-31; left out: now")
@fail_on_option
@click.option("--json", "as_json", is_flag=True, help="one JSON list of objects")
def check(
    reports: tuple[str, ...],
    references: tuple[str, ...],
    models: tuple[str, ...],
    advisories: tuple[str, ...],
    day: str | None,
    fail_on: str,
    as_json: bool,
) -> None:
    """Judge reports by what should be installed, or by advisories; -: standard input.

    \b
    headless inventory report --site MY-SITE | headless inventory check - --reference baseline.toml
    headless inventory check node1.txt node2.json --like golden.json
    headless inventory check node1.json --advisories Debian.zip

    A line a shortfall; none if all is well.
    """
    if not (references or models or advisories):
        raise ParameterError("what are they judged by? Give --reference, --like or --advisories")
    now = _parse_day(day) if day else time.time()
    judges = [*map(read_reference, references), *map(_read_model, models)]
    known = read_advisories(advisories) if advisories else None
    rows: list[Row] = []
    is_judged = bool(known)
    for path in reports:
        try:
            report = _parse(path)
        except BadReport as exc:
            rows.append(build_gap_row(HostFacts(path), "the report", str(exc)))
            is_judged = True
            continue
        host = HostFacts.from_report(report)
        rows += _judge(report, host, judges, now)
        rows += _find_vulnerable(report, host, known)
        is_judged |= _tell_unmeant(host, judges)
    print_rows(rows, as_json=as_json)
    if not is_judged:
        raise ParameterError("nothing was judged: no rule is meant for any of these hosts")
    finish(rows, len(reports), fail_on)


def _judge(report: Report, host: HostFacts, references: Sequence[Reference], now: float) -> list[Row]:
    return [
        build_row(host, shortfall)
        for reference in references
        for shortfall in judge(reference, host, report.packages, now)
    ]


def _find_vulnerable(report: Report, host: HostFacts, advisories: Advisories | None) -> list[Row]:
    if advisories is None:
        return []
    found = advisories.find(host.os_id, host.os_version, report.packages)
    gap = advisories.find_gap(host.os_id, host.os_version, report.packages)
    rows = [build_vulnerable_row(host, vulnerability) for vulnerability in found]
    return [*rows, build_gap_row(host, "vulnerabilities", gap)] if gap else rows


def _tell_unmeant(host: HostFacts, references: Sequence[Reference]) -> bool:
    """Say so if no rule is meant for a host; return whether any is."""
    is_meant = any(reference.applies_any(host) for reference in references)
    if references and not is_meant:
        click.echo(f"{host.host}: no rule is meant for it", err=True)
    return is_meant


def _read_model(path: str) -> Reference:
    try:
        return build_reference(path, _parse(path).packages)
    except ValueError as exc:
        raise ParameterError(f"{path}: {exc}") from None


def _parse(path: str) -> Report:
    """Read a report.

    Raises:
        BadReport: it is none.
        ParameterError: it cannot be read.
    """
    try:
        if path == "-":
            data = sys.stdin.buffer.read(LIMIT + 1)
        else:
            with open(path, "rb") as file:
                data = file.read(LIMIT + 1)
    except OSError as exc:
        raise ParameterError(f"{path}: {exc.strerror}") from None
    if len(data) > LIMIT:
        raise BadReport(f"larger than {LIMIT >> 20} MiB")
    return parse_report(data)


def _parse_day(text: str) -> float:
    """The end of the day, UTC: that day's deadlines have passed."""
    try:
        day = datetime.datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=datetime.UTC)
    except ValueError:
        raise ParameterError(f"--on {text!r}: a day is expected, such as 2026-01-31") from None
    return day.timestamp() + 86400
