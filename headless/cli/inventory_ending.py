"""How a question to a collector ends: the exit codes that say what was found."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from headless.errors import JobFailed, ParameterError

__all__ = ["FAILING", "Counted", "finish_conform", "finish_found"]

FAILING = ("silent", "vulnerable")
"""The questions that fail on request if they find something."""


class Counted:
    """Rows that are counted as they are taken."""

    def __init__(self, rows: Iterable[dict[str, Any]]) -> None:
        self._rows = rows
        self.number = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for row in self._rows:
            self.number += 1
            yield row


def finish_conform(summary: Mapping[str, Any], fail_on: str) -> None:
    """End ``conform`` as its summary demands.

    Raises:
        ParameterError: nothing was judged.
        JobFailed: something falls short.
    """
    if not summary.get("judged"):
        reason = "no rule is meant for any host that was asked about"
        raise ParameterError(f"nothing was judged: {reason if summary.get('hosts') else 'there is no such host'}")
    if short := summary[fail_on]:
        raise JobFailed(f"{short} of {summary['judged']} hosts fall short")


def finish_found(question: str, summary: Mapping[str, Any], rows: int) -> None:
    """End a question of ``FAILING`` as its answer demands.

    Args:
        rows: of the answer.

    Raises:
        ParameterError: nothing can be said of any host.
        JobFailed: something was found.
    """
    if summary.get("hosts") == 0:
        raise ParameterError("nothing was judged: there is no such host")
    if question == "silent" and rows:
        raise JobFailed(f"{rows} {'host is' if rows == 1 else 'hosts are'} silent")
    if rows:
        raise JobFailed(f"advisories are about packages of {summary['found']} of {summary['hosts']} hosts")
    if question == "vulnerable" and summary["unknown"] == summary["hosts"]:
        raise ParameterError("nothing was judged: of no host all can be said")
