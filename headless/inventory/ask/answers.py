"""The functions that answer, by the name of the question."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection

from headless.errors import ParameterError
from headless.inventory.ask.census import ask_census
from headless.inventory.ask.conform import ask_conform
from headless.inventory.ask.diff import ask_diff
from headless.inventory.ask.drift import ask_drift
from headless.inventory.ask.history import ask_history
from headless.inventory.ask.hosts import ask_hosts
from headless.inventory.ask.marks import Marks
from headless.inventory.ask.memory import Memory
from headless.inventory.ask.nothing import explain_nothing, has_hosts
from headless.inventory.ask.packages import ask_packages
from headless.inventory.ask.page import Answer, Page
from headless.inventory.ask.show import ask_show
from headless.inventory.ask.silent import ask_silent
from headless.inventory.ask.view import Stale, View
from headless.inventory.ask.vulnerable import ask_vulnerable
from headless.inventory.ask.who_has import ask_who_has
from headless.inventory.collect.access import Scope
from headless.inventory.dates import LATEST

__all__ = ["answer"]

ANSWERS: Mapping[str, Callable[[View, Mapping[str, Any], Page], Answer]] = {
    "census": ask_census,
    "conform": ask_conform,
    "diff": ask_diff,
    "drift": ask_drift,
    "history": ask_history,
    "hosts": ask_hosts,
    "packages": ask_packages,
    "show": ask_show,
    "silent": ask_silent,
    "vulnerable": ask_vulnerable,
    "who-has": ask_who_has,
}

NAMED = ("history", "show")
"""The questions about one host, which is there, or else that was said."""
CHOSEN = ("conform", "diff")
"""Those that say themselves that there is no host to ask about."""
NOBODY = "0 hosts were asked about"


def answer(
    question: str,
    parameters: Mapping[str, Any],
    page: Page,
    *,
    connection: Connection,
    scope: Scope,
    memory: Memory,
    marks: Callable[[], Marks | None] | None = None,
) -> Answer:
    """Answer a question.

    Args:
        question: of ``questions.QUESTIONS``.
        parameters: those that were given, by name; times in seconds since the epoch; what was sent along as ``body``.
        page: which rows. Its key holds the time to which all pages of an answer belong.
        connection: to read from.
        scope: what the asker may see.
        memory: shared by all questions.
        marks: see :class:`View`.

    Raises:
        ParameterError: a parameter is wrong, or names nothing that the asker may see; one line.
        Unavailable: what is needed is being read.
    """
    if any("\0" in value for value in parameters.values() if isinstance(value, str)):
        raise ParameterError("a NUL is in no name")  # PostgreSQL would refuse it, and be taken for one that is away
    at, key = (page.after[0], page.after[1:]) if page.after else (parameters.get("at", int(time.time())), ())
    if not isinstance(at, int) or abs(at) > LATEST:
        raise ParameterError("'after' is no key of a page: take it from 'next' of the page before")
    seen_since, retired = parameters.get("seen_since", 0), bool(parameters.get("retired"))
    view = View(connection, scope, memory, at, seen_since, bool(page.after), retired=retired, marks=marks)
    try:
        found = ANSWERS[question](view, parameters, page._replace(after=key))
    except Stale:
        view = View(connection, scope, memory, at, seen_since, retired=retired, marks=marks)
        found = ANSWERS[question](view, parameters, page._replace(after=key))
    if page.after:
        found = found._replace(notes=())
    elif not found.rows and question not in NAMED:
        found = _explain(found, view, question, parameters)
    return found._replace(next=(at, *found.next) if found.next else ())


def _explain(found: Answer, view: View, question: str, parameters: Mapping[str, Any]) -> Answer:
    """An answer without rows, with notes on why it has none."""
    why = explain_nothing(view, parameters)
    if question in CHOSEN or view.retired or has_hosts(view, parameters):
        return found._replace(notes=found.notes + why)
    nobody = () if why and parameters.get("tag") else (NOBODY,)  # that nobody has the tag says the same
    return found._replace(summary={**(found.summary or {}), "hosts": 0}, notes=nobody + found.notes + why)
