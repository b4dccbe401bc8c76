"""A list of packages as ``headless inventory show HOST --json`` prints it: JSON, an object with ``rows``."""

import json
import re

from headless.inventory.package import KINDS, Package
from headless.inventory.report import BadReport

__all__ = ["is_listing", "parse_listing"]

BEGINNING = re.compile(rb'\s*(\[|\{\s*"rows")')


def is_listing(data: bytes) -> bool:
    """Whether it begins as such a list, or as its rows alone."""
    return BEGINNING.match(data) is not None


def parse_listing(data: bytes) -> tuple[Package, ...]:
    """Read the rows of the question "show", or a list of them alone; columns other than a package's are passed over.

    Raises:
        BadReport: they are none.
    """
    try:
        rows = json.loads(data)
    except (ValueError, RecursionError) as exc:
        raise BadReport(f"no JSON: {exc}"[:200]) from None
    if isinstance(rows, dict):
        rows = rows.get("rows")
    if not isinstance(rows, list):
        raise BadReport("JSON, but no list of packages")
    return tuple(_parse_row(number, row) for number, row in enumerate(rows, 1))


def _parse_row(number: int, row: object) -> Package:
    fields = [row.get(name, "") for name in Package._fields] if isinstance(row, dict) else []
    if not fields or not all(isinstance(value, str) for value in fields):
        raise BadReport(f"entry {number} of the list is no package")
    package = Package(*fields)
    if package.kind not in KINDS or not package.name or not package.version:
        raise BadReport(f"entry {number} of the list has no kind, name and version of a package")
    return package
