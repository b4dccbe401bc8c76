"""How many hosts have each package, counted set by set."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain

from headless.inventory.ask.view import View

__all__ = ["count_packages", "find_sets"]

FEW = 20
"""Up to so many packages are looked up in a set one by one."""


def count_packages(view: View, sets: Mapping[int, int]) -> Counter[int]:
    """How many hosts have each package.

    Args:
        view: of the asker.
        sets: by number, how many hosts have each.
    """
    by_count: defaultdict[int, list[Iterable[int]]] = defaultdict(list)
    for set_id, members in view.memory.iterate_members(view.connection, sets):
        by_count[sets[set_id]].append(members)
    counts: Counter[int] = Counter()
    for hosts, found in by_count.items():
        # Sets that as many hosts have are counted together: Counter is fast at ones.
        for package_id, number in Counter(chain.from_iterable(found)).items():
            counts[package_id] += number * hosts
    return counts


def find_sets(view: View, set_ids: Collection[int], wanted: Collection[int]) -> dict[int, list[int]]:
    """The sets that hold some of the wanted packages, each with those that it holds."""
    chosen = sorted(wanted)
    found = {}
    for set_id, members in view.memory.iterate_members(view.connection, set_ids):
        if held := _intersect(members, chosen):
            found[set_id] = held
    return found


def _intersect(members: Sequence[int], wanted: Sequence[int]) -> list[int]:
    if len(wanted) > FEW:
        return sorted(set(wanted).intersection(members))
    places = ((bisect_left(members, number), number) for number in wanted)
    return [number for place, number in places if place < len(members) and members[place] == number]
