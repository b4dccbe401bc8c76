"""The questions that can be asked of a collector: what each takes, and what a row of its answer has.

One list for the API, its OpenAPI document, the commands and the pages: values only, so that asking needs no database.
"""

from dataclasses import dataclass

__all__ = ["PAGE_LIMIT", "QUESTIONS", "Column", "Parameter", "Question"]

PAGE_LIMIT = 10_000
"""The most rows that are asked for at once."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a question takes.

    Attributes:
        name: in the API, and as an option with dashes for underscores.
        help: one line.
        is_argument: given by its place on a command line, and must be given.
        kind: "text", "date" (RFC 3339, or a day, which means its end), "number", "flag" ("true", or left out).
    """

    name: str
    help: str
    is_argument: bool = False
    kind: str = "text"


@dataclass(frozen=True, slots=True)
class Column:
    """What a row has.

    Attributes:
        name: in the API, and as the table's head.
        kind: "text", "number", "time" (seconds since the epoch in the API), "texts" (a list), "versions" (an object:
            for each version the hosts that have it; the version that is empty stands for none).
        is_shown: in the table on a terminal; else in ``--json`` and ``--csv`` only.
        is_optional: null where a row has none; it is in the table if one of the rows has it.
    """

    name: str
    kind: str = "text"
    is_shown: bool = True
    is_optional: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """A question.

    Attributes:
        name: the command's, and the path's below ``/api/v1/``.
        help: one line.
        parameters: arguments first.
        columns: of a row, in the order in which they are printed.
        body: what is sent along, by POST; empty: nothing, by GET.
    """

    name: str
    help: str
    parameters: tuple[Parameter, ...]
    columns: tuple[Column, ...]
    body: str = ""


def _columns(names: str) -> tuple[Column, ...]:
    """Columns by their names, with a kind behind a colon unless it is text; in brackets: not shown; ``?``: optional."""
    found = []
    for word in names.split():
        name, _, kind = word.strip("()?").partition(":")
        found.append(Column(name, kind or "text", not word.startswith("("), word.endswith("?")))
    return tuple(found)


SITE = Parameter("site", "of this site only")
TAG = Parameter("tag", "with this tag only")
AT = Parameter("at", "as it was then; left out: now", kind="date")
SEEN = Parameter("seen_since", "without the hosts that have not reported since; a day: its beginning", kind="date")
KIND = Parameter("kind", "packages of this kind only: rpm, dpkg, apk, python, pkg, other")
HOST = Parameter("host", "its name; SITE/NAME where two sites have one", is_argument=True)
CHANGES = "added:number removed:number changed:number changes:texts"

QUESTIONS = {
    question.name: question
    for question in (
        Question(
            "hosts",
            "the hosts, with what they run and when they last reported",
            (
                SITE,
                TAG,
                AT,
                SEEN,
                Parameter("set", "that have this set of packages", kind="number"),
                Parameter("retired", "those that are retired, instead of the others", kind="flag"),
            ),
            _columns(
                "site host (id:number) tag system kernel packages:number (first:time) last:time set:number"
                " retired:time? unread:texts?"
            ),
        ),
        Question(
            "packages",
            "the packages, with the number of hosts that have each",
            (Parameter("pattern", "names that match, with * and ?; or src:NAME"), KIND, SITE, TAG, AT, SEEN),
            _columns("kind name version arch (source) (source_version) hosts:number"),
        ),
        Question(
            "show",
            "what is installed on a host",
            (HOST, KIND, AT),
            _columns("kind name version arch source source_version"),
        ),
        Question(
            "diff",
            "what differs between two sides: a host, site:NAME or tag:NAME, each with @DATE as it was then",
            (
                Parameter("a", "the one side", is_argument=True),
                Parameter("b", "the other side", is_argument=True),
                KIND,
                SEEN,
            ),
            _columns("kind name arch a:versions b:versions change"),
        ),
        Question(
            "history",
            "what a host has reported, and what changed each time",
            (HOST,),
            _columns(f"first:time last:time packages:number {CHANGES} (system) kernel set:number retired:time?"),
        ),
        Question(
            "census",
            "the versions of a package, by site",
            (Parameter("package", "its name, with * and ?; or src:NAME", is_argument=True), KIND, SITE, TAG, AT, SEEN),
            _columns("site kind name version arch hosts:number"),
        ),
        Question(
            "who-has",
            "the hosts that have a package, such as 'openssl<3.0.14'",
            (
                Parameter("requirement", "NAME, or NAME with one of < <= = != >= > and a version", is_argument=True),
                KIND,
                SITE,
                TAG,
                AT,
                SEEN,
            ),
            _columns(
                "site host (id:number) kind name version arch (source) (source_version) (os_id) (os_version) last:time"
            ),
        ),
        Question(
            "drift",
            "the groups of equal hosts of a site, the largest first, and how each differs from it",
            (Parameter("site", "the site", is_argument=True), TAG, AT, SEEN),
            _columns(f"set:number hosts:number packages:number {CHANGES} example"),
        ),
        Question(
            "silent",
            "the hosts that have not reported when they meant to",
            (
                SITE,
                TAG,
                Parameter("missed", "that have missed so many reports in a row, at least; left out: 1", kind="number"),
                Parameter("since", "that have not reported since; a day: its beginning", kind="date"),
            ),
            _columns("site host (id:number) tag last:time interval:number missed:number"),
        ),
        Question(
            "vulnerable",
            "the hosts with packages that the collector's advisories are about",
            (
                SITE,
                TAG,
                AT,
                SEEN,
                Parameter("advisory", "of this advisory only, by its ID or another of its names, such as a CVE"),
                Parameter("severity", "of this severity only, as the advisories word it, or CVSS 3 rates them"),
                Parameter("excepted", "also what a VEX file takes away, and why", kind="flag"),
            ),
            _columns(
                "site host (id:number) advisory severity kind name version (arch) fixed (aliases:texts) (link)"
                " (exception) (os_id) (os_version) (last:time)"
            ),
        ),
        Question(
            "conform",
            "the hosts that fall short of a reference, and in what",
            (
                SITE,
                TAG,
                AT,
                SEEN,
                Parameter("vulnerable", "or of whose packages the collector's advisories are about some", kind="flag"),
            ),
            _columns("site host (id:number) state kind name version wanted deadline severity comment link"),
            body="the reference, TOML; with 'vulnerable' it may be left out",
        ),
    )
}
