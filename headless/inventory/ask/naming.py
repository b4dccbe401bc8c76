"""The packages that a name means."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select, true

from headless.inventory.ask.view import View
from headless.inventory.collect.schema import packages
from headless.inventory.package import Package
from headless.inventory.selector import Selector

__all__ = ["find_named"]


def find_named(
    view: View, selector: Selector, kind: str, matches: Callable[[Package], bool] | None = None
) -> dict[int, Package]:
    """The packages that a selector means, by number, whoever has them.

    Args:
        view: of the asker.
        selector: the names.
        kind: of this kind only; empty for all.
        matches: what else must hold; left out: that the selector means it.
    """
    test = matches or selector.matches
    statement = select(packages.c.id, *(packages.c[name] for name in Package._fields)).where(_narrow(selector))
    if kind:
        statement = statement.where(packages.c.kind == kind)
    rows = ((number, Package(*fields)) for number, *fields in view.connection.execute(statement))
    return {number: package for number, package in rows if test(package)}


def _narrow(selector: Selector) -> ColumnElement[Any]:
    """What the database can tell; the selector itself has the last word."""
    if not selector.is_literal:
        return true()
    named = packages.c.name == selector.name
    if selector.is_source:
        named = or_(packages.c.source == selector.name, and_(packages.c.source == "", named))
    return or_(named, packages.c.kind == "python")
