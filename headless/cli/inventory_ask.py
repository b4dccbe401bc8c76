"""``headless inventory hosts``, ``who-has`` and the other questions to a collector, made of their declaration."""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from headless.cli.inventory_ending import FAILING, Counted, finish_conform, finish_found
from headless.cli.inventory_output import demand_output
from headless.cli.inventory_rows import PRINTERS, choose_form, tidy
from headless.cli.shortfalls import fail_on_option
from headless.config import read_variables
from headless.errors import ParameterError
from headless.inventory.private_files import find_exposed
from headless.inventory.questions import QUESTIONS, Column, Parameter, Question
from headless.inventory.twins import number_twins

if TYPE_CHECKING:
    from headless.inventory.advisories import Advisories
    from headless.inventory.send import Collector

__all__ = [
    "census",
    "conform",
    "diff",
    "drift",
    "history",
    "hosts",
    "packages",
    "show",
    "silent",
    "vulnerable",
    "who_has",
]

COLLECTOR = "HEADLESS_COLLECTOR"
TOKEN_FILE = "HEADLESS_COLLECTOR_TOKEN_FILE"  # noqa: S105  # a variable's name
CA_FILE = "HEADLESS_COLLECTOR_CA_FILE"
EXIT_STATUS = (
    "\n\n\b\nExit status: 0 answered, also with no rows; 1 no connection, or the collector is busy;"
    "\n2 a parameter is wrong, or names nothing that may be seen; 5 refused."
)
CONFORM_STATUS = EXIT_STATUS.replace("0 answered, also with no rows;", "0 all conform; 4 a host falls short;")
FAILING_STATUS = EXIT_STATUS.replace("no rows;", "no rows; with --fail 4 if there are any;").replace(
    "may be seen;", "may be seen, or with --fail\nno host was asked about, or of none can all be said;"
)
MARKED = ("show", "who-has")
"""The questions whose rows advisories can mark."""
LISTS = ("hosts", "silent")
"""The questions whose rows are a host each, ordered by site, name up to the first dot, and number."""
VULNERABLE = Column("vulnerable", "texts")
EXCEPTED = Column("excepted", "texts", is_shown=False)
REFERENCE_LIMIT = 16 << 20


def build_command(question: Question) -> click.Command:
    """The command that asks a question."""
    parameters: list[click.Parameter] = [
        click.Argument([parameter.name], metavar=parameter.name.upper())
        for parameter in question.parameters
        if parameter.is_argument
    ]
    parameters += [_build_option(parameter) for parameter in question.parameters if not parameter.is_argument]
    parameters += [
        click.Option(["--json", "as_json"], is_flag=True, help="one JSON document"),
        click.Option(["--csv", "as_csv"], is_flag=True, help="CSV, with a head"),
        click.Option(["--collector"], metavar="URL", default="", help=f"whom to ask  [${COLLECTOR}]"),
        click.Option(["--token-file"], metavar="FILE", default="", help=f"the token to show  [${TOKEN_FILE}]"),
        click.Option(["--ca-file"], metavar="FILE", default="", help=f"trust it by these authorities  [${CA_FILE}]"),
        click.Option(["--certificate"], metavar="FILE", default="", help="the certificate to show"),
        click.Option(["--key"], metavar="FILE", default="", help="its key, where it is in another file"),
        click.Option(["--timeout"], metavar="SECONDS", default=120.0, type=click.FloatRange(0.1, 1e6), hidden=True),
    ]
    if question.name in MARKED:
        mark = "say which are known to be vulnerable: OSV's or the Debian tracker's JSON; may be repeated"
        parameters.append(click.Option(["--advisories"], metavar="PATH", multiple=True, help=mark))
        unmark = "what of --advisories does not count: OpenVEX or CycloneDX JSON; may be repeated"
        parameters.append(click.Option(["--vex"], metavar="PATH", multiple=True, help=unmark))
    if question.body:
        parameters.append(click.Option(["--reference"], metavar="FILE", help="the rules, TOML"))
    if question.name in FAILING:
        parameters.append(click.Option(["--fail"], is_flag=True, help="exit with 4 if anything is found, for cron"))
    command = click.Command(
        question.name,
        params=parameters,
        callback=_build_callback(question),
        help=question.help[0].upper() + question.help[1:] + ".",
        short_help=question.help,
        epilog=_tell_fields(question) + _choose_status(question),
    )
    if question.body:
        fail_on_option(command)
    return command


def _choose_status(question: Question) -> str:
    if question.body:
        return CONFORM_STATUS
    return FAILING_STATUS if question.name in FAILING else EXIT_STATUS


def _tell_fields(question: Question) -> str:
    return f"Fields of a row in --json and --csv: {', '.join(column.name for column in question.columns)}."


def _build_option(parameter: Parameter) -> click.Option:
    if parameter.kind == "flag":
        return click.Option([f"--{parameter.name.replace('_', '-')}"], is_flag=True, help=parameter.help)
    metavar = {"date": "DATE", "number": "NUMBER"}.get(parameter.kind, "NAME")
    return click.Option([f"--{parameter.name.replace('_', '-')}"], default="", metavar=metavar, help=parameter.help)


def _build_callback(question: Question) -> Callable[..., None]:
    def run(as_json: bool, as_csv: bool, **values: Any) -> None:
        from headless.inventory.asking import ask

        demand_output()
        form = choose_form(as_json, as_csv)
        given = {
            item.name: "true" if item.kind == "flag" else values[item.name]
            for item in question.parameters
            if values[item.name]
        }
        if question.body and not (values["reference"] or values["vulnerable"]):
            raise ParameterError("what are they judged by? Give --reference FILE, or --vulnerable, or both")
        advisories = _read_advisories(values)
        body = _read_body(values.get("reference"))
        reply = ask(_find_collector(values), question.name, given, body)
        columns, rows = list(question.columns), reply.rows
        if advisories is not None:
            rows = _mark(rows, advisories, reply.summary)
            columns += [VULNERABLE, EXCEPTED]
        if form == "table" and question.name in LISTS:
            rows = number_twins(rows)
        counted = Counted(rows)
        PRINTERS[form](columns, counted, reply.summary)
        for note in reply.notes:
            click.echo(f"headless: {tidy(note)}", err=True)
        _tell_unread(reply.summary)
        if question.body:
            finish_conform(reply.summary, values["fail_on"])
        elif values.get("fail"):
            finish_found(question.name, reply.summary, counted.number)

    return run


def _find_collector(values: dict[str, Any]) -> "Collector":
    from headless.inventory.send import Collector, read_token

    variables = read_variables((COLLECTOR,))
    url = values["collector"] or variables.get(COLLECTOR, "")
    if not url:
        raise ParameterError(f"which collector? Give --collector URL, or set {COLLECTOR}")
    token_file = values["token_file"] or variables.get(TOKEN_FILE, "")
    token = read_token(token_file)
    for line in find_exposed((token_file, values["key"] or values["certificate"])):
        click.echo(f"headless: {tidy(line)}", err=True)
    files = {name: values[name] for name in ("certificate", "key")}
    files["ca_file"] = values["ca_file"] or variables.get(CA_FILE, "")
    return Collector(url=url, timeout_s=values["timeout"], token=token, **files)


def _read_body(path: str | None) -> bytes:
    if path is None:
        return b""
    from headless.inventory.reference_file import read_reference

    try:
        with open(path, "rb") as file:
            data = file.read(REFERENCE_LIMIT + 1)
    except OSError as exc:
        raise ParameterError(f"{path}: {exc.strerror}") from None
    if data:
        read_reference(path)  # a mistake in it is told with the file's name
    if not data or len(data) > REFERENCE_LIMIT:
        raise ParameterError(f"{path}: {'empty' if not data else 'too large'}: no reference")
    return data


def _read_advisories(values: dict[str, Any]) -> "Advisories | None":
    if not (values.get("advisories") or values.get("vex")):
        return None
    from headless.inventory.advice_files import read_advice

    return read_advice(values["advisories"], values["vex"])


def _mark(
    rows: Iterable[dict[str, Any]], advisories: "Advisories", summary: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """Each row with the advisories that are about its package, and with those that do not count."""
    from headless.inventory.package import Package

    for row in rows:
        package = Package(*(row[name] for name in Package._fields))
        os_id, os_version = (row.get(name, summary.get(name, "")) for name in ("os_id", "os_version"))
        found = advisories.find(os_id, os_version, [package])
        yield {
            **row,
            VULNERABLE.name: [str(item) for item in found if not item.exception],
            EXCEPTED.name: [f"{item.id}: {item.exception}" for item in found if item.exception],
        }


def _tell_unread(summary: dict[str, Any]) -> None:
    """Say on standard error what hosts could not read: it may be there all the same."""
    if hosts := summary.get("unread"):
        click.echo(f"headless: hosts that could not read their packages, and may have it: {hosts}", err=True)
    for side in ("a", "b"):
        for kind, hosts in summary.get(f"unread_{side}", {}).items():
            known = summary[f"hosts_{side}"]
            rest = "it is not compared" if hosts == known else "what they have of it is not known"
            click.echo(f"headless: {hosts} of the {known} hosts of {side} could not read {kind}: {rest}", err=True)


census, conform, diff, drift, history, hosts, packages, show, silent, vulnerable, who_has = (
    build_command(QUESTIONS[name]) for name in sorted(QUESTIONS)
)
