"""What an answer by advisories cannot say: hosts of which not all is known, advisories and severities that none is."""

from collections.abc import Iterator, Mapping
from typing import Any

from headless.inventory.advisories import Advisories
from headless.inventory.ask.marks import Marks

__all__ = ["explain_advisories"]

REASONS_SHOWN = 3
SEVERITIES_SHOWN = 12


def explain_advisories(
    marks: Marks, parameters: Mapping[str, Any], counts: Mapping[str, Any], unrated: int = 0
) -> Iterator[str]:
    """Notes on an answer.

    Args:
        marks: the collector's.
        parameters: the question's.
        counts: its summary: see ``vulnerable.count_vulnerable``.
        unrated: how many of them may be of the severity that was asked for, and tell none.
    """
    if marks.outdated:
        yield marks.outdated
    if not counts["found"]:
        yield from _explain_unknown_names(marks.advisories, parameters)
    if unrated:
        noun, verb, are = ("advisory", "tells", "is") if unrated == 1 else ("advisories", "tell", "are")
        yield f"{unrated} {noun} about packages of these hosts {verb} no severity, and {are} left out"
    if counts["unknown"]:
        reasons = sorted(counts["reasons"].items(), key=lambda item: (-item[1], item[0]))
        shown = [f"{reason} ({hosts})" for reason, hosts in reasons[:REASONS_SHOWN]]
        more = "; and others" if len(reasons) > REASONS_SHOWN else ""
        yield f"of {counts['unknown']} of {counts['hosts']} hosts not all can be said: {'; '.join(shown)}{more}"


def _explain_unknown_names(advisories: Advisories, parameters: Mapping[str, Any]) -> Iterator[str]:
    advisory, severity = parameters.get("advisory", ""), parameters.get("severity", "")
    if advisory and not advisories.has(advisory):
        yield f"no advisory known here is called {advisory[:80]!r}"
    known = sorted(advisories.list_severities()) if severity else []
    if severity and severity.lower() not in known:
        more = " and others" if len(known) > SEVERITIES_SHOWN else ""
        there = f"there are {', '.join(known[:SEVERITIES_SHOWN])}{more}" if known else "none tells any"
        yield f"no advisory known here has the severity {severity[:80]!r}: {there}"
