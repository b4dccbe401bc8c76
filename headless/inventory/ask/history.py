"""What a host has reported, and what changed each time."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, Select, select

from headless.errors import ParameterError
from headless.inventory.ask.gaps import Believed
from headless.inventory.ask.page import Answer, Page
from headless.inventory.ask.sides import find_host, list_packages
from headless.inventory.ask.view import View
from headless.inventory.ask.walking import Host
from headless.inventory.collect.schema import spans

__all__ = ["ask_history", "find_newest"]

MOST = 200
"""Rows of a page: each may tell of many packages."""
EARLIER = 50
"""Rows before a page that are looked at for what could not be read since."""


def ask_history(view: View, parameters: Mapping[str, Any], page: Page) -> Answer:
    """Answer ``history``: the oldest first."""
    host = find_host(view, parameters["host"])
    after = page.after[0] if page.after else -1
    if not isinstance(after, int):
        raise ParameterError("'after' is no key of this question")
    limit = min(page.limit, MOST)
    mine = _select_spans(host)
    before = view.connection.execute(mine.where(spans.c.first <= after).order_by(spans.c.first.desc()).limit(EARLIER))
    found = view.connection.execute(mine.where(spans.c.first > after).order_by(spans.c.first).limit(limit + 1)).all()
    rows = _build_rows(view, before.all()[::-1], found[:limit])
    return Answer(rows, (found[limit - 1].first,) if len(found) > limit else ())


def find_newest(view: View, name: str, before: int, limit: int) -> tuple[Answer, int]:
    """A host's history backwards: its newest stretches of time that began before a time.

    Args:
        name: of the host.
        before: seconds since the epoch.
        limit: so many of them, at most ``MOST``.

    Returns:
        As :func:`ask_history`, and the time before which there are more; 0 if there are none.
    """
    mine = _select_spans(find_host(view, name)).where(spans.c.first < before).order_by(spans.c.first.desc())
    found = view.connection.execute(mine.limit(limit + EARLIER)).all()
    rows = _build_rows(view, found[limit:][::-1], found[:limit][::-1])
    return Answer(rows), found[limit - 1].first if len(found) > limit else 0


def _select_spans(host: Host) -> Select[Any]:
    return select(spans.c.first, spans.c.last, spans.c.set_id, spans.c.facts_id).where(spans.c.host_id == host.id)


def _build_rows(view: View, earlier: Sequence[Row[Any]], found: Sequence[Row[Any]]) -> list[tuple[Any, ...]]:
    """A row for each span.

    Args:
        earlier: those before the first of them, ascending.
    """
    told = view.memory.find_facts(view.connection, {span.facts_id for span in (*earlier, *found)})
    whole = [number for number, span in enumerate(earlier) if not told[span.facts_id].missing]
    believed, rows = Believed(), []
    for span in earlier[whole[-1] if whole else 0 :]:
        believed.go_on(list_packages(view, span.set_id), told[span.facts_id])
    for span in found:
        packages, facts = list_packages(view, span.set_id), told[span.facts_id]
        changes = believed.go_on(packages, facts)
        rows.append((span.first, span.last, len(packages), *changes, facts.system, facts.kernel, span.set_id))
    return rows
