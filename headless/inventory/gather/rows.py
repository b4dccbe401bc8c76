"""What gathering gives, as plain values.

A report is often all that a process is started for, and lives for some hundredths of a second: nothing that this and
the modules beside it import may cost a millisecond. So no dataclasses, no typing, no regular expressions here, and a
package is a plain tuple with the fields of ``headless.inventory.package.Package``.
"""

__all__ = ["Facts", "Gathered", "NoSource", "Row", "Unreadable"]

Row = tuple[str, str, str, str, str, str]
"""Kind, name, version, architecture, source, source's version: as a ``Package`` has them."""

Facts = dict[str, str]
"""What is known of the host, by the names that ``Report`` has for it."""


class NoSource(Exception):
    """This machine has no such package manager: nothing is missing."""


class Unreadable(Exception):
    """There is such a package manager, and its list cannot be read; the message says why, in one line."""


class Gathered:
    """All that a host says of itself.

    Attributes:
        facts: what it is.
        rows: what is installed.
        missing: sources that could not be read, each with the reason.
    """

    __slots__ = ("facts", "missing", "rows")

    def __init__(self, facts: Facts, rows: list[Row], missing: list[tuple[str, str]]) -> None:
        self.facts = facts
        self.rows = rows
        self.missing = missing
