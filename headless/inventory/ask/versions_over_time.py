"""How many hosts had each version of a package, over time."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headless.inventory.ask.counting import find_sets
from headless.inventory.ask.naming import find_named
from headless.inventory.ask.stays import Stays, find_stays
from headless.inventory.ask.view import View
from headless.inventory.dates import DAY_S
from headless.inventory.selector import Selector
from headless.inventory.versions import sort_key

__all__ = ["Course", "count_days", "follow_versions"]

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
    if not named:
        return Course((), {})
    step, steps = _divide(days)
    stays = find_stays(view, step, steps)
    start = view.at // step - steps
    times = [min((number + 1) * step - 1, view.at) for number in range(start, view.at // step + 1)]
    changes: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for set_id, held in find_sets(view, stays, named).items():
        for version in {selector.version_of(named[number]) for number in held}:
            for stay in stays[set_id]:
                changes[version][max(stay.begun - start, 0)] += stay.hosts
                if stay.ended is not None and stay.ended < start + len(times):
                    changes[version][max(stay.ended - start, 0)] -= stay.hosts
    return _build_course(times, changes, {selector.version_of(package): package.kind for package in named.values()})


def count_days(view: View, days: int) -> Stays:
    """Count what :func:`follow_versions` needs for any package."""
    return find_stays(view, *_divide(days))


def _divide(days: int) -> tuple[int, int]:
    """The seconds of a step, and how many they are."""
    each = max(1, -(-days // STEPS))
    return DAY_S * each, days // each


def _build_course(times: Sequence[int], changes: Mapping[str, Counter[int]], kinds: Mapping[str, str]) -> Course:
    courses = {version: _add_up(changed, len(times)) for version, changed in changes.items()}
    shown = {version: course for version, course in courses.items() if any(course)}
    ordered = sorted(shown, key=lambda version: (kinds[version], sort_key(kinds[version])(version)))
    known = next((place for place in range(len(times)) if any(course[place] for course in shown.values())), 0)
    begin = max(min(known - 1, len(times) - 2), 0)
    return Course(times[begin:], {version: shown[version][begin:] for version in ordered})


def _add_up(changed: Counter[int], length: int) -> list[int]:
    course, now = [], 0
    for place in range(length):
        now += changed[place]
        course.append(now)
    return course
