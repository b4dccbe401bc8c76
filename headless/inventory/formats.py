"""One entry for all formats of a report: what it is, is seen from how it begins."""

import json
from typing import Any

from headless.inventory.cyclonedx import parse_bom, parse_syft
from headless.inventory.document import FORMAT, parse_document
from headless.inventory.pakiti2 import is_form, parse_form
from headless.inventory.report import BadReport, Report
from headless.inventory.text import LineReader, parse_text, read_line

__all__ = ["parse_report"]


def parse_report(data: bytes, read: LineReader = read_line) -> Report:
    """Read a report in the text format, as our JSON, as CycloneDX's or syft's, or as the form of Pakiti 2's clients.

    Args:
        data: opened and verified; what its size may be is the caller's to say.
        read: reads each package of the text format.

    Raises:
        BadReport: it is none of them, is cut short, or says what cannot be.
    """
    start = data[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"{"):
        return _parse_object(_load(data))
    return parse_form(data) if is_form(data) else parse_text(data, read)


def _parse_object(body: dict[str, Any]) -> Report:
    if body.get("format") == FORMAT:
        return parse_document(body)
    if body.get("bomFormat") == "CycloneDX":
        return parse_bom(body)
    if "artifacts" in body:
        return parse_syft(body)
    raise BadReport(f"JSON, and neither {FORMAT} nor CycloneDX nor syft's")


def _load(data: bytes) -> dict[str, Any]:
    try:
        body = json.loads(data)
    except (ValueError, RecursionError) as exc:  # also what is no UTF-8, and a number of 5,000 digits
        raise BadReport(f"no JSON, or cut short: {exc}"[:200]) from None
    if not isinstance(body, dict):
        raise BadReport("JSON, but no object")
    return body
