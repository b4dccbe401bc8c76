"""The questions that can be asked of a collector: what each takes, and what a row of its answer has.

One list for the API, its OpenAPI document, the commands and the pages: values only, so that asking needs no database.
"""

from dataclasses import dataclass

__all__ = ["QUESTIONS", "Parameter", "Question"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a question takes.

    Attributes:
        name: in the API, and as an option with dashes for underscores.
        help: one line.
        is_argument: given by its place on a command line, and must be given.
        kind: "text", "date" (RFC 3339, or a day, which means its end), "number", "flag".
    """

    name: str
    help: str
    is_argument: bool = False
    kind: str = "text"


@dataclass(frozen=True, slots=True)
class Question:
    """A question.

    Attributes:
        name: the command's, and the path's below ``/api/v1/``.
        help: one line.
        parameters: arguments first.
        columns: of a row, in the order in which they are printed. Times are seconds since the epoch in the API.
        times: which of the columns are times.
    """

    name: str
    help: str
    parameters: tuple[Parameter, ...]
    columns: tuple[str, ...]
    times: tuple[str, ...] = ()


SITE = Parameter("site", "of this site only")
TAG = Parameter("tag", "with this tag only")
AT = Parameter("at", "as it was then; left out: now", kind="date")
KIND = Parameter("kind", "packages of this kind only: rpm, dpkg, apk, python ...")
HOST = Parameter("host", "its name; SITE/NAME where two sites have one", is_argument=True)

QUESTIONS = {
    question.name: question
    for question in (
        Question(
            "hosts",
            "the hosts, with what they run and when they last reported",
            (SITE, TAG, AT),
            ("site", "host", "tag", "system", "kernel", "packages", "first", "last", "set"),
            ("first", "last"),
        ),
        Question(
            "packages",
            "the packages, with the number of hosts that have each",
            (Parameter("pattern", "names that match, with * and ?"), KIND, SITE, TAG, AT),
            ("kind", "name", "version", "arch", "hosts"),
        ),
        Question(
            "show",
            "what is installed on a host",
            (HOST, KIND, AT),
            ("kind", "name", "version", "arch", "source", "source_version"),
        ),
        Question(
            "diff",
            "what differs between two sides: a host, site:NAME or tag:NAME, each with @DATE as it was then",
            (
                Parameter("a", "the one side", is_argument=True),
                Parameter("b", "the other side", is_argument=True),
                KIND,
            ),
            ("kind", "name", "arch", "a", "b", "change"),
        ),
        Question(
            "history",
            "what a host has reported, and what changed each time",
            (HOST,),
            ("first", "last", "packages", "added", "removed", "changed", "system", "kernel", "set"),
            ("first", "last"),
        ),
        Question(
            "census",
            "the versions of a package, by site",
            (Parameter("package", "its name", is_argument=True), KIND, SITE, TAG, AT),
            ("site", "kind", "version", "arch", "hosts"),
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
            ),
            ("site", "host", "kind", "name", "version", "arch", "last"),
            ("last",),
        ),
        Question(
            "drift",
            "the groups of equal hosts of a site, the largest first, and how each differs from it",
            (Parameter("site", "the site", is_argument=True), TAG, AT),
            ("set", "hosts", "packages", "added", "removed", "changed", "example"),
        ),
        Question(
            "silent",
            "the hosts that have not reported when they meant to",
            (SITE, TAG, Parameter("since", "that have not reported since", kind="date")),
            ("site", "host", "tag", "last", "interval", "missed"),
            ("last",),
        ),
    )
}
