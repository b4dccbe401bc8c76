"""Sites, hosts and packages whose names begin with a text."""

import sys
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, func, select

from headless.inventory.ask.view import View
from headless.inventory.ask.walking import build_name
from headless.inventory.collect.schema import domains, hosts, packages
from headless.inventory.collect.states import is_retired

__all__ = ["Names", "find_names"]

MOST = 50
LAST = chr(sys.maxunicode)


class Names(NamedTuple):
    """What was found, at most ``MOST`` of each.

    Attributes:
        hosts: site, name and number of each.
        packages: those that are known here; their page tells whether the asker's hosts have them.
    """

    sites: list[str]
    hosts: list[tuple[str, str, int]]
    packages: list[str]


def find_names(view: View, text: str) -> Names:
    """Find names, whatever the case of their letters; of an empty text none."""
    if not text:
        return Names([], [], [])
    sites = [site for site in view.sites.values() if site.lower().startswith(text.lower())]
    # Who may not see all sites is not told what is installed at others.
    known = _find_packages(view, text.lower()) if view.scope.reads is None else []
    return Names(sites[:MOST], _find_hosts(view, text.lower()), known)


def _find_hosts(view: View, text: str) -> list[tuple[str, str, int]]:
    short, dot, domain = text.partition(".")
    named = select(hosts.c.site_id, hosts.c.name, domains.c.name, hosts.c.id).join(domains)
    if dot:
        chosen = named.where(hosts.c.name == short, domains.c.name.startswith(domain, autoescape=True))
    else:
        chosen = named.where(_begins(view, hosts.c.name, short))
    # Of the sites that are known here: where others write meanwhile, there may be one more by now.
    chosen = chosen.where(~is_retired(view.at), hosts.c.site_id.in_(list(view.sites)))
    found = view.connection.execute(chosen.order_by(hosts.c.name, hosts.c.id).limit(MOST))
    return [(view.sites[site_id], build_name(host, domain), number) for site_id, host, domain, number in found]


def _find_packages(view: View, text: str) -> list[str]:
    begins = func.lower(packages.c.name).startswith(text, autoescape=True)
    names = select(packages.c.name).distinct().where(begins).order_by(packages.c.name).limit(MOST)
    return list(view.connection.execute(names).scalars())


def _begins(view: View, column: ColumnElement[str], text: str) -> ColumnElement[bool]:
    if view.connection.dialect.name == "sqlite":
        # Its LIKE takes no index, for it does not tell cases apart; its order is that of the characters' numbers.
        return and_(column >= text, column < text + LAST)
    return column.startswith(text, autoescape=True)
