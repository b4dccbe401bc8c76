"""What is told of a host that was judged: a row a shortfall, the same for every command and page."""

import time
from collections.abc import Iterable
from typing import NamedTuple

from headless.inventory.advisories import Vulnerability
from headless.inventory.reference import Shortfall, State
from headless.inventory.rule import HostFacts

__all__ = [
    "EXCEPTED",
    "VULNERABLE",
    "Row",
    "build_gap_row",
    "build_row",
    "build_vulnerable_row",
    "falls_short",
    "format_row",
]

VULNERABLE = "vulnerable"
"""The state of a package of which an advisory is known."""
EXCEPTED = "excepted"
"""The state of one whose advisory does not count, as a VEX file says: no failure."""

LINE_LIMIT = 2000
"""The longest line, in characters."""


class Row(NamedTuple):
    """A shortfall, or a vulnerable package.

    Attributes:
        state: of ``State``, or ``VULNERABLE``, or ``EXCEPTED``.
        kind, name, version: of the package; without a version it is not installed, or not known.
        wanted: what the rule wants, or which version mends it; empty if none does.
        deadline: the last day to meet it, as "2026-01-31"; empty: none.
        severity, comment, link: the rule's or the advisory's, for people.
    """

    site: str
    host: str
    state: str
    kind: str
    name: str
    version: str
    wanted: str
    deadline: str = ""
    severity: str = ""
    comment: str = ""
    link: str = ""


def build_row(host: HostFacts, shortfall: Shortfall) -> Row:
    """Tell a shortfall."""
    rule, package = shortfall.rule, shortfall.package
    return Row(
        host.site,
        host.host,
        shortfall.state.value,
        package.kind if package else "",
        package.name if package else str(rule.selector),
        rule.selector.version_of(package) if package else "",
        rule.wanted,
        time.strftime("%Y-%m-%d", time.gmtime(rule.deadline - 1)) if rule.deadline is not None else "",
        rule.severity,
        "; ".join(text for text in (shortfall.reason, rule.comment) if text),
        rule.link,
    )


def build_vulnerable_row(host: HostFacts, found: Vulnerability) -> Row:
    """Tell a vulnerable package, or why it is none."""
    package = found.package
    wanted = f">= {found.fixed}" if found.fixed else ""
    comment = " ".join((found.id, *found.aliases))
    if found.exception:
        comment += f"; {found.exception}"
    return Row(
        host.site,
        host.host,
        EXCEPTED if found.exception else VULNERABLE,
        *package[:3],
        "" if found.exception else wanted,
        severity=found.severity,
        comment=comment,
        link=found.link,
    )


def build_gap_row(host: HostFacts, what: str, reason: str) -> Row:
    """Tell what is not known of a host."""
    return Row(host.site, host.host, State.UNKNOWN.value, "", what, "", "", comment=reason)


def falls_short(rows: Iterable[Row], since: State = State.DUE) -> bool:
    """Whether any row counts as a failure.

    Args:
        since: ``EARLY`` counts all, ``DUE`` what has passed its deadline, ``OVERDUE`` what has passed its grace too.
            What is not known, and what is vulnerable, always counts.
    """
    order = [State.EARLY.value, State.DUE.value, State.OVERDUE.value]
    return any(
        row.state != EXCEPTED and (row.state not in order or order.index(row.state) >= order.index(since.value))
        for row in rows
    )


def format_row(row: Row) -> str:
    """One line for people; what hosts and files have written in it is made printable, and cut where it is long."""
    where = f"{row.site}/{row.host}" if row.site else row.host
    what = f"{row.kind} {row.name}".strip()
    line = f"{where}: {row.state}: {what}{' ' + row.version if row.version else _say_nothing(row)}"
    if row.wanted:
        line += f", wanted {row.wanted}"
    if row.deadline:
        line += f" by {row.deadline}"
    notes = ", ".join(text for text in (row.severity, row.comment) if text)
    if notes:
        line += f" ({notes})"
    if row.link:
        line += f" {row.link}"
    return "".join(char if char.isprintable() else "?" for char in line[:LINE_LIMIT])


def _say_nothing(row: Row) -> str:
    return "" if row.state == State.UNKNOWN else " is not installed"
