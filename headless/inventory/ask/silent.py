"""The hosts that have not reported when they meant to."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, select

from headless.errors import ParameterError
from headless.inventory.ask.page import Answer, Page
from headless.inventory.ask.view import View
from headless.inventory.ask.walking import Host, answer_by_host
from headless.inventory.collect.schema import facts
from headless.inventory.dates import DAY_S

__all__ = ["ask_silent", "count_patience"]

MOST_MISSED = 10_000
Seconds = TypeVar("Seconds", int, ColumnElement[int])


def ask_silent(view: View, parameters: Mapping[str, Any], page: Page) -> Answer:
    """Answer ``silent``. A host that has not told its interval is taken to report daily.

    Raises:
        ParameterError: a number of missed reports that says nothing.
    """
    since, least = parameters.get("since"), _find_least(parameters)
    before = _find_latest(view, least) if since is None else since
    late = view.list_groups(parameters, before=before)
    told = view.find_facts(late)
    bounds = _find_bounds(view, set(told), least) if since is None else dict.fromkeys(told, since)

    def build_rows(host: Host) -> Iterator[tuple[Any, ...]]:
        if host.last < bounds[host.facts_id]:
            said = told[host.facts_id]
            missed = (view.at - host.last) // (said.interval or DAY_S)
            yield host.site, host.name, host.id, said.tag, host.last, said.interval, missed

    return answer_by_host(view, late, page, build_rows, before=before)


def count_patience(interval: Seconds, least: int = 1) -> Seconds:
    """For how long a host that meant to report after an interval is not silent: chance and a slow network are no
    silence.

    Args:
        interval: seconds.
        least: how many reports in a row it must have missed.
    """
    return ((2 * least + 1) * interval + 1) // 2


def _find_least(parameters: Mapping[str, Any]) -> int:
    least = int(parameters.get("missed", 1))
    if not 1 <= least <= MOST_MISSED:
        raise ParameterError(f"'missed': a number from 1 to {MOST_MISSED} is expected")
    if "missed" in parameters and "since" in parameters:
        raise ParameterError("'missed' counts each host's own intervals, 'since' is one time for all: give one of them")
    return least


def _find_bounds(view: View, facts_ids: Collection[int], least: int) -> dict[int, int]:
    """For hosts of these facts, the time since when one that is not silent has reported."""
    told = view.memory.find_facts(view.connection, facts_ids)
    return {number: max(view.at - count_patience(said.interval or DAY_S, least), 0) for number, said in told.items()}


def _find_latest(view: View, least: int) -> int:
    """The latest bound of all: what was ever told is little, compared to the hosts."""
    told = list(view.connection.execute(select(facts.c.id)).scalars())
    return max(_find_bounds(view, told, least).values(), default=0)
