"""How many hosts had each version of a package, over time."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from headless.inventory.ask.counting import find_sets
from headless.inventory.ask.naming import find_named
from headless.inventory.ask.view import View
from headless.inventory.collect.schema import hosts, retirements, spans
from headless.inventory.dates import DAY_S
from headless.inventory.selector import Selector
from headless.inventory.versions import sort_key

__all__ = ["Course", "follow_versions"]

STEPS = 120
"""So many times are looked at, at most."""


@dataclass(frozen=True)
class Course:
    """How it went.

    Attributes:
        times: seconds since the epoch, ascending; from shortly before the first host had it.
        versions: the oldest first; at each time the number of hosts. A host with two versions counts for both.
    """

    times: Sequence[int]
    versions: dict[str, list[int]]


def follow_versions(view: View, selector: Selector, days: int) -> Course:
    """Follow the versions of some packages from so many days ago to now."""
    named = find_named(view, selector, "")
    until = select(spans.c.set_id).distinct().where(spans.c.first <= view.at)
    held = find_sets(view, [number for (number,) in view.connection.execute(until)], named) if named else {}
    step = DAY_S * max(1, -(-days // STEPS))
    start = (view.at - days * DAY_S) // step
    times = [min((number + 1) * step - 1, view.at) for number in range(start, view.at // step + 1)]
    changes: defaultdict[str, Counter[int]] = defaultdict(Counter)
    kinds = {}
    for set_id, begun, ended, count in _read_stays(view, set(held), step):
        for version in {selector.version_of(named[number]) for number in held[set_id]}:
            changes[version][max(begun - start, 0)] += count
            if ended is not None and ended <= start + len(times):
                changes[version][max(ended - start, 0)] -= count
    for set_id, begun, ended in _read_absences(view, set(held), step):
        for version in {named[number].version for number in held[set_id]}:
            changes[version][max(begun - start, 0)] -= 1
            changes[version][max(ended - start, 0)] += 1
    for package in named.values():
        kinds[selector.version_of(package)] = package.kind
    courses = {version: _add_up(changed, len(times)) for version, changed in changes.items()}
    shown = {version: course for version, course in courses.items() if any(course)}
    ordered = sorted(shown, key=lambda version: (kinds[version], sort_key(kinds[version])(version)))
    known = next((place for place in range(len(times)) if any(course[place] for course in shown.values())), 0)
    begin = max(min(known - 1, len(times) - 2), 0)
    return Course(times[begin:], {version: shown[version][begin:] for version in ordered})


def _read_stays(view: View, set_ids: set[int], step: int) -> list[tuple[int, int, int | None, int]]:
    """Set, the step in which hosts began to have it, the step in which they had another, how many hosts."""
    following = func.lead(spans.c.first, type_=spans.c.first.type).over(
        partition_by=spans.c.host_id, order_by=spans.c.first
    )
    every = select(spans.c.set_id, (spans.c.first // step).label("begun"), (following // step).label("ended"))
    every = every.where(spans.c.first <= view.at)
    if view.scope.reads is not None:
        every = every.join(hosts, hosts.c.id == spans.c.host_id).where(hosts.c.site_id.in_(list(view.sites)))
    stays = every.subquery()
    columns = (stays.c.set_id, stays.c.begun, stays.c.ended)
    rows = view.connection.execute(select(*columns, func.count()).group_by(*columns))
    return [
        (set_id, int(begun), None if ended is None else int(ended), count)
        for set_id, begun, ended, count in rows
        if set_id in set_ids
    ]


def _read_absences(view: View, set_ids: set[int], step: int) -> list[tuple[int, int, int]]:
    """Of each host that was retired: its set, the step in which it was, and the one in which it reported again."""
    later = spans.alias()
    newest = select(func.max(later.c.first)).where(
        later.c.host_id == retirements.c.host_id, later.c.first <= retirements.c.begun
    )
    every = (
        select(spans.c.set_id, retirements.c.begun, retirements.c.ended)
        .join(spans, spans.c.host_id == retirements.c.host_id)
        .where(spans.c.first == newest.correlate(retirements).scalar_subquery(), retirements.c.begun <= view.at)
    )
    if view.scope.reads is not None:
        every = every.join(hosts, hosts.c.id == retirements.c.host_id).where(hosts.c.site_id.in_(list(view.sites)))
    rows = view.connection.execute(every)
    return [(set_id, begun // step, ended // step) for set_id, begun, ended in rows if set_id in set_ids]


def _add_up(changed: Counter[int], length: int) -> list[int]:
    course, now = [], 0
    for place in range(length):
        now += changed[place]
        course.append(now)
    return course
