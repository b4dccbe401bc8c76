"""A list of packages as ``headless inventory show HOST --json`` prints it: JSON, a list of objects."""

import json

from headless.inventory.package import KINDS, Package
from headless.inventory.report import BadReport

__all__ = ["parse_listing"]


def parse_listing(data: bytes) -> tuple[Package, ...]:
    """Read the rows of the question "show"; columns other than a package's are passed over.

    Raises:
        BadReport: they are none.
    """
    try:
        rows = json.loads(data)
    except (ValueError, RecursionError) as exc:
        raise BadReport(f"no JSON: {exc}"[:200]) from None
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
