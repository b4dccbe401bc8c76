"""What a host has reported, and what changed each time."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from headless.errors import ParameterError
from headless.inventory.ask.difference import summarize
from headless.inventory.ask.page import Answer, Page
from headless.inventory.ask.sides import find_host, list_packages
from headless.inventory.ask.view import View
from headless.inventory.collect.schema import spans

__all__ = ["ask_history"]

MOST = 200
"""Rows of a page: each may tell of many packages."""


def ask_history(view: View, parameters: Mapping[str, Any], page: Page) -> Answer:
    """Answer ``history``: the oldest first."""
    host = find_host(view, parameters["host"])
    after = page.after[0] if page.after else -1
    if not isinstance(after, int):
        raise ParameterError("'after' is no key of this question")
    limit = min(page.limit, MOST)
    mine = select(spans.c.first, spans.c.last, spans.c.set_id, spans.c.facts_id).where(spans.c.host_id == host.id)
    before = view.connection.execute(mine.where(spans.c.first <= after).order_by(spans.c.first.desc()).limit(1)).first()
    found = view.connection.execute(mine.where(spans.c.first > after).order_by(spans.c.first).limit(limit + 1)).all()
    told = view.memory.find_facts(view.connection, {span.facts_id for span in found})
    rows = []
    set_ids = [before.set_id if before else found[0].set_id, *(span.set_id for span in found)]
    for earlier, span in zip(set_ids, found[:limit], strict=False):
        packages = list_packages(view, span.set_id)
        changes = summarize(list_packages(view, earlier), packages)
        facts = told[span.facts_id]
        rows.append((span.first, span.last, len(packages), *changes, facts.system, facts.kernel, span.set_id))
    return Answer(rows, (found[limit - 1].first,) if len(found) > limit else ())
