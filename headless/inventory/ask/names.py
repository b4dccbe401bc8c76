"""Sites, hosts and packages whose names begin with a text."""

from typing import NamedTuple

from sqlalchemy import select

from headless.inventory.ask.view import View
from headless.inventory.ask.walking import build_name
from headless.inventory.collect.schema import domains, hosts, packages
from headless.inventory.collect.states import is_retired

__all__ = ["Names", "find_names"]

MOST = 50


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
    """Find names; of an empty text none."""
    if not text:
        return Names([], [], [])
    named = select(hosts.c.site_id, hosts.c.name, domains.c.name, hosts.c.id).join(domains)
    short = text.lower().partition(".")[0]
    chosen = named.where(~is_retired(view.at)).where(
        hosts.c.name.startswith(short, autoescape=True), hosts.c.site_id.in_(list(view.sites))
    )
    found = view.connection.execute(chosen.order_by(hosts.c.name, hosts.c.id).limit(MOST))
    listed = [(view.sites[site_id], build_name(host, domain), number) for site_id, host, domain, number in found]
    known: list[str] = []
    if view.scope.reads is None:  # who may not see all sites is not told what is installed at others
        begins = packages.c.name.startswith(text, autoescape=True)
        names = select(packages.c.name).distinct().where(begins).order_by(packages.c.name).limit(MOST)
        known = list(view.connection.execute(names).scalars())
    sites = [site for site in view.sites.values() if site.lower().startswith(text.lower())]
    return Names(sites[:MOST], [item for item in listed if item[1].startswith(text.lower())], known)
