"""Packages that no host has ever reported: most of the time a name that is written wrong."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, or_, select

from headless.inventory.ask.census import find_selector
from headless.inventory.ask.counting import find_sets
from headless.inventory.ask.naming import find_named
from headless.inventory.ask.view import View
from headless.inventory.collect.numbering import slices
from headless.inventory.collect.schema import hosts, packages, spans
from headless.inventory.package import Package
from headless.inventory.requirement import parse_requirement
from headless.inventory.rule import Rule
from headless.inventory.selector import Selector

__all__ = ["explain_never", "explain_never_ruled"]

SLICE = 500
SHOWN = 8
"""Rules that are told one by one."""


def explain_never(view: View, parameters: Mapping[str, Any]) -> Iterator[str]:
    """A line on the one package that was asked for, if no host that the asker may see has ever reported it."""
    if "requirement" in parameters:
        selector = parse_requirement(parameters["requirement"]).selector
    elif "package" in parameters:
        selector = find_selector(parameters["package"])
    else:
        return
    if selector.is_literal and not _was_reported(view, selector):
        yield f"no host that you may see has ever reported a package {str(selector)[:80]!r}"


def explain_never_ruled(view: View, rules: Sequence[Rule]) -> Iterator[str]:
    """A line for each rule on one package that no host that the asker may see has ever reported.

    Args:
        rules: that are about no package which is installed now. Those that want one or want none are passed over: of
            the former all hosts fall short, and of the latter that is what is wanted.
    """
    asked = [rule for rule in rules if rule.selector.is_literal and not (rule.is_absent or rule.is_required)]
    named = _find_ruled(view, asked)
    seen = _narrow_to_own(view, {number for numbers in named.values() for number in numbers})
    never = [rule for rule in asked if seen.isdisjoint(named[rule.number])]
    for rule in never[:SHOWN]:
        name = str(rule.selector)[:80]
        yield f"rule {rule.number}: no host that you may see has ever reported a package {name!r}"
    if len(never) > SHOWN:
        yield f"nor those of {len(never) - SHOWN} more rules"


def _find_ruled(view: View, rules: Sequence[Rule]) -> defaultdict[int, set[int]]:
    """The packages that rules are about, by the rules' numbers; of any kind, for a name may be right all the same."""
    asked: list[tuple[ColumnElement[bool], Sequence[Rule]]] = []
    for some in slices(rules, SLICE):
        names = [rule.selector.name for rule in some]
        asked.append((or_(packages.c.name.in_(names), packages.c.source.in_(names)), some))
    if of_python := [rule for rule in rules if "python" in rule.kinds]:
        asked.append((packages.c.kind == "python", of_python))  # whose names can be written in several ways
    found: defaultdict[int, set[int]] = defaultdict(set)
    for test, some in asked:
        statement = select(packages.c.id, *(packages.c[name] for name in Package._fields)).where(test)
        for number, *fields in view.connection.execute(statement):
            for rule in some:
                if rule.selector.matches(Package(*fields)):
                    found[rule.number].add(number)
    return found


def _was_reported(view: View, selector: Selector) -> bool:
    named = find_named(view, selector, "").keys()
    if not named or view.scope.reads is None:
        return bool(named)
    found = view.memory.iterate_members(view.connection, _find_own_sets(view))
    return any(not named.isdisjoint(members) for _, members in found)


def _narrow_to_own(view: View, numbers: set[int]) -> set[int]:
    """Those of some packages that hosts which the asker may see have reported at any time."""
    if not numbers or view.scope.reads is None:
        return numbers
    return set().union(*find_sets(view, _find_own_sets(view), numbers).values())


def _find_own_sets(view: View) -> set[int]:
    """What hosts that the asker may see have ever had: what others have makes no difference to what is said."""
    mine = select(hosts.c.id).where(hosts.c.site_id.in_(list(view.sites)))
    return set(view.connection.execute(select(spans.c.set_id).where(spans.c.host_id.in_(mine)).distinct()).scalars())
