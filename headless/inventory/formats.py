"""One entry for all formats of a report: what it is, is seen from how it begins."""

import json
from typing import Any

from headless.inventory.amount import MOST_PACKAGES, check_lines, check_objects, check_packages_count
from headless.inventory.cyclonedx import parse_bom, parse_syft
from headless.inventory.document import FORMAT, parse_document
from headless.inventory.glpi import inflate, is_compressed, is_inventory, parse_inventory
from headless.inventory.pakiti2 import is_form, parse_form
from headless.inventory.report import BadReport, Report
from headless.inventory.text import LineReader, parse_text, read_line

__all__ = ["parse_report"]

LISTS = ("packages", "components", "artifacts")
"""What the JSON formats call the list of packages."""


def parse_report(data: bytes, read: LineReader = read_line, most: int = MOST_PACKAGES) -> Report:
    """Read a report in the text format, as our JSON, as CycloneDX's, syft's or GLPI's, or as Pakiti 2's form.

    Args:
        data: opened and verified; what its size may be is the caller's to say.
        read: reads each package of the text format.
        most: packages that it may have.

    Raises:
        BadReport: it is none of them, is cut short, or says what cannot be.
    """
    if is_compressed(data):
        data = inflate(data)
    start = data[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"{"):
        check_objects(data, most)
        return _parse_object(_load(data), most)
    if is_form(data):
        return parse_form(data, most)
    if data.startswith(b"#"):
        check_lines(data, most)
    report = parse_text(data, read)
    check_packages_count(len(report.packages), most)
    return report


def _parse_object(body: dict[str, Any], most: int) -> Report:
    for name in LISTS:
        listed = body.get(name)
        check_packages_count(len(listed) if isinstance(listed, list) else 0, most)
    try:
        if body.get("format") == FORMAT:
            return parse_document(body)
        if body.get("bomFormat") == "CycloneDX":
            return parse_bom(body)
        if "artifacts" in body:
            return parse_syft(body)
        if is_inventory(body):
            return parse_inventory(body)
    except RecursionError:
        raise BadReport("JSON, too deeply nested") from None
    raise BadReport(f"JSON, and neither {FORMAT} nor CycloneDX nor syft's nor GLPI's")


def _load(data: bytes) -> dict[str, Any]:
    try:
        body = json.loads(data, object_pairs_hook=_build_object)
    except BadReport:
        raise
    except (ValueError, RecursionError) as exc:  # also what is no UTF-8, and a number of 5,000 digits
        raise BadReport(f"no JSON, or cut short: {exc}"[:200]) from None
    if not isinstance(body, dict):
        raise BadReport("JSON, but no object")
    return body


def _build_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """What is said twice is read differently by different readers: it might be signed by one for the other."""
    built = dict(pairs)
    if len(built) != len(pairs):
        raise BadReport("JSON, with an object that has a name twice")
    return built
