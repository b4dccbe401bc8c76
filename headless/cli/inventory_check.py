"""``headless inventory check``: judge reports that lie here as files; no collector is asked."""

import click

from headless.cli.judging import read_report, read_standard, standard_options
from headless.cli.shortfalls import fail_on_option, finish, print_rows
from headless.errors import ParameterError
from headless.inventory.idle import explain_idle
from headless.inventory.report import BadReport
from headless.inventory.rule import HostFacts
from headless.inventory.standard import JudgedSet
from headless.inventory.verdict import Row

__all__ = ["check"]

EXIT_STATUS = (
    "\n\n\b\nExit status: 0 all hosts conform, 4 one falls short,"
    "\n2 a file cannot be read or is no report, or no rule is meant for any host."
)


@click.command(epilog=EXIT_STATUS)
@click.argument("reports", nargs=-1, required=True, metavar="REPORT...")
@standard_options
@fail_on_option
@click.option("--json", "as_json", is_flag=True, help="one JSON list of objects")
def check(
    reports: tuple[str, ...],
    references: tuple[str, ...],
    models: tuple[str, ...],
    advisories: tuple[str, ...],
    vex: tuple[str, ...],
    date: str | None,
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
    standard = read_standard(references, models, advisories, vex, date)
    rows: list[Row] = []
    hosts: set[HostFacts] = set()
    is_judged = False
    bad = 0
    for path in reports:
        try:
            report = read_report(path)
        except BadReport as exc:
            reason = str(exc).removeprefix("no report: ")
            click.echo(f"{path}: no report: {reason}", err=True)
            bad += 1
            continue
        host = HostFacts.from_report(report)
        hosts.add(host)
        rows += JudgedSet(standard, report.packages).build_rows(host)
        if standard.is_meant_for(host):
            is_judged = True
        else:
            click.echo(f"{host.host!r}: no rule is meant for it", err=True)
    print_rows(rows, as_json=as_json)
    for note in (line for reference in standard.references for line in explain_idle(reference, hosts)):
        click.echo(f"headless: {note}", err=True)
    if bad:
        raise ParameterError(f"{bad} of {len(reports)} files could not be judged")
    if not is_judged:
        raise ParameterError("nothing was judged: no rule is meant for any of these hosts")
    finish(rows, len(reports), fail_on)
