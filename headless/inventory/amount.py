"""How much a report may hold, looked at before anything is made of it: a few bytes can stand for many objects."""

from headless.inventory.report import BadReport

__all__ = ["MOST_PACKAGES", "check_lines", "check_objects", "check_packages_count"]

MOST_PACKAGES = 500_000
"""Of a report, unless the collector's settings say otherwise: a hundred times what a full installation has."""
MOST_OTHER_LINES = 1000
PARTS_PER_PACKAGE = 4  # a component of a bill of materials may have licences, hashes and properties
LONGEST_LINE = 16 << 10  # bytes


def check_lines(data: bytes, most: int) -> None:
    """Check that text has not more lines than a report with so many packages.

    Raises:
        BadReport: it has, or one of them is too long for any.
    """
    if data.count(b"\n") > most + MOST_OTHER_LINES:
        raise BadReport(f"more than {most} packages")
    start = 0
    while start + LONGEST_LINE < len(data):
        end = data.rfind(b"\n", start, start + LONGEST_LINE + 1)
        if end < 0:
            raise BadReport(f"a line of more than {LONGEST_LINE} bytes")
        start = end + 1


def check_objects(data: bytes, most: int) -> None:
    """Check that JSON has not more lists and objects than a report with so many packages.

    Raises:
        BadReport: it has.
    """
    if data.count(b"{") + data.count(b"[") > most * PARTS_PER_PACKAGE + MOST_OTHER_LINES:
        raise BadReport(f"more than {most} packages, or too much about each")


def check_packages_count(count: int, most: int) -> None:
    """Check how many packages a report has.

    Raises:
        BadReport: too many.
    """
    if count > most:
        raise BadReport(f"{count} packages, and {most} are taken at most")
