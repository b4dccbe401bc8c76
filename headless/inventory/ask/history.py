"""What a host has reported, and what changed each time."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby, islice
from typing import Any, NamedTuple

from sqlalchemy import Row, select

from headless.errors import ParameterError
from headless.inventory.ask.gaps import Believed
from headless.inventory.ask.memory import Facts
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
CHUNK = 250
"""Spans read at once."""


class _Stretch(NamedTuple):
    """Neighbouring spans of a host that say the same, but for the interval: that is nobody's news.

    Attributes:
        first, last: of their reports.
        key: when the last of the spans began.
    """

    first: int
    last: int
    key: int
    set_id: int
    facts_id: int


def ask_history(view: View, parameters: Mapping[str, Any], page: Page) -> Answer:
    """Answer ``history``: the oldest first; its summary tells the host, and since when it is retired."""
    host = _find_host(view, parameters["host"])
    after = page.after[0] if page.after else -1
    if not isinstance(after, int):
        raise ParameterError("'after' is no key of this question")
    limit = min(page.limit, MOST)
    before = list(islice(_iterate(view, host, before=after + 1), EARLIER)) if page.after else []
    found = list(islice(_iterate(view, host, after=after), limit + 1))
    is_last = len(found) <= limit
    rows = _build_rows(view, host, before[::-1], found[:limit], LATEST if is_last else found[limit].first)
    return Answer(rows, () if is_last else (found[limit - 1].key,), _summarize(view, host))


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
    found = list(islice(_iterate(view, host, before=before), limit + EARLIER))
    rows = _build_rows(view, host, found[limit:][::-1], found[:limit][::-1], before)
    return Answer(rows, summary=_summarize(view, host)), found[limit - 1].first if len(found) > limit else 0


def _iterate(view: View, host: Host, *, after: int = 0, before: int | None = None) -> Iterator[_Stretch]:
    """A host's stretches, as far as they are taken: those that began after a time, the oldest first; or those that
    began before one, the newest first."""
    told: dict[int, Facts] = {}

    def say(span: Row[Any]) -> tuple[int, Facts]:
        return span.set_id, told[span.facts_id]._replace(interval=0)

    def read() -> Iterator[Row[Any]]:
        for some in _iterate_spans(view, host, after, before):
            told.update(view.memory.find_facts(view.connection, {span.facts_id for span in some}))
            yield from some

    for _, alike in groupby(read(), say):
        ordered = sorted(alike, key=lambda span: span.first)
        first, last = ordered[0], ordered[-1]
        yield _Stretch(first.first, last.last, last.first, last.set_id, last.facts_id)


def _iterate_spans(view: View, host: Host, after: int, before: int | None) -> Iterator[Sequence[Any]]:
    mine = select(spans.c.first, spans.c.last, spans.c.set_id, spans.c.facts_id).where(spans.c.host_id == host.id)
    mine = mine.order_by(spans.c.first if before is None else spans.c.first.desc()).limit(CHUNK)
    bound = after if before is None else before
    while True:
        part = spans.c.first > bound if before is None else spans.c.first < bound
        found: Sequence[Any] = view.connection.execute(mine.where(part)).all()
        yield found
        if len(found) < CHUNK:
            return
        bound = found[-1].first


def _build_rows(
    view: View, host: Host, earlier: Sequence[_Stretch], found: Sequence[_Stretch], until: int
) -> list[tuple[Any, ...]]:
    """A row for each stretch.

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
