"""What a host has reported, and what changed each time."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Row, Select, select

from headless.errors import ParameterError
from headless.inventory.ask.gaps import Believed
from headless.inventory.ask.page import Answer, Page
from headless.inventory.ask.retired import find_retirement
from headless.inventory.ask.sides import choose_host, list_packages
from headless.inventory.ask.view import View
from headless.inventory.ask.walking import Host, find_hosts
from headless.inventory.collect.schema import retirements, spans
from headless.inventory.dates import LATEST

__all__ = ["ask_history", "find_newest"]

MOST = 200
"""Rows of a page: each may tell of many packages."""
EARLIER = 50
"""Rows before a page that are looked at for what could not be read since."""


def ask_history(view: View, parameters: Mapping[str, Any], page: Page) -> Answer:
    """Answer ``history``: the oldest first; its summary tells the host, and since when it is retired."""
    host = _find_host(view, parameters["host"])
    after = page.after[0] if page.after else -1
    if not isinstance(after, int):
        raise ParameterError("'after' is no key of this question")
    limit = min(page.limit, MOST)
    mine = _select_spans(host)
    before = view.connection.execute(mine.where(spans.c.first <= after).order_by(spans.c.first.desc()).limit(EARLIER))
    found = view.connection.execute(mine.where(spans.c.first > after).order_by(spans.c.first).limit(limit + 1)).all()
    is_last = len(found) <= limit
    rows = _build_rows(view, host, before.all()[::-1], found[:limit], LATEST if is_last else found[limit].first)
    return Answer(rows, () if is_last else (found[limit - 1].first,), _summarize(view, host))


def find_newest(view: View, name: str, before: int, limit: int) -> tuple[Answer, int]:
    """A host's history backwards: its newest stretches of time that began before a time.

    Args:
        name: of the host.
        before: seconds since the epoch.
        limit: so many of them, at most ``MOST``.

    Returns:
        As :func:`ask_history`, and the time before which there are more; 0 if there are none.
    """
    host = _find_host(view, name)
    mine = _select_spans(host).where(spans.c.first < before).order_by(spans.c.first.desc())
    found = view.connection.execute(mine.limit(limit + EARLIER)).all()
    rows = _build_rows(view, host, found[limit:][::-1], found[:limit][::-1], before)
    return Answer(rows, summary=_summarize(view, host)), found[limit - 1].first if len(found) > limit else 0


def _select_spans(host: Host) -> Select[Any]:
    return select(spans.c.first, spans.c.last, spans.c.set_id, spans.c.facts_id).where(spans.c.host_id == host.id)


def _build_rows(
    view: View, host: Host, earlier: Sequence[Row[Any]], found: Sequence[Row[Any]], until: int
) -> list[tuple[Any, ...]]:
    """A row for each span.

    Args:
        earlier: those before the first of them, ascending.
        until: when the one after the last of them began, or later than all if there is none.
    """
    told = view.memory.find_facts(view.connection, {span.facts_id for span in (*earlier, *found)})
    whole = [number for number, span in enumerate(earlier) if not told[span.facts_id].missing]
    retired = _find_retired(view, host, [span.first for span in found], until)
    believed, rows = Believed(), []
    for span in earlier[whole[-1] if whole else 0 :]:
        believed.go_on(list_packages(view, span.set_id), told[span.facts_id])
    for span in found:
        packages, facts = list_packages(view, span.set_id), told[span.facts_id]
        changes = believed.go_on(packages, facts)
        told_then = (facts.system, facts.kernel, span.set_id, retired.get(span.first))
        rows.append((span.first, span.last, len(packages), *changes, *told_then))
    return rows


def _find_host(view: View, text: str) -> Host:
    """The host, also if it is retired; one that is not comes first."""
    found = find_hosts(view, text) or find_hosts(replace(view, retired=True), text)
    return choose_host(view, text, found)


def _find_retired(view: View, host: Host, begins: Sequence[int], until: int) -> dict[int, int]:
    """For spans by when they began, when the host was retired last, from then to when the next began."""
    mine = select(retirements.c.begun).where(retirements.c.host_id == host.id, retirements.c.begun < until)
    found = {}
    for begun in view.connection.execute(mine.order_by(retirements.c.begun)).scalars():
        place = bisect_right(begins, begun)
        if place:
            found[begins[place - 1]] = begun
    return found


def _summarize(view: View, host: Host) -> dict[str, object]:
    return {"site": host.site, "host": host.name, "id": host.id, "retired": find_retirement(view, host) or None}
