"""Hosts, site by site in the order of their names, a page at a time."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, NamedTuple

from sqlalchemy import Select, and_, or_

from headless.errors import ParameterError
from headless.inventory.ask.page import Answer, Key, Page
from headless.inventory.ask.view import Group, View, is_of_sites
from headless.inventory.collect.schema import domains, hosts, spans

__all__ = ["Host", "answer_by_host", "build_name", "find_hosts"]

MOST = 20_000
"""So many sets are named in a statement; above it they are picked out of what the database gives."""
CHUNK = 2000

Pair = tuple[int, int]


class Host(NamedTuple):
    """A host as it was at a time."""

    site: str
    short: str
    id: int
    domain: str
    interval: int
    first: int
    last: int
    set_id: int
    facts_id: int
    site_id: int

    @property
    def name(self) -> str:
        """The whole of it."""
        return build_name(self.short, self.domain)

    @property
    def key(self) -> Key:
        """What hosts are ordered by."""
        return self[:3]


def answer_by_host(
    view: View,
    groups: Collection[Group],
    page: Page,
    build_rows: Callable[[Host], Iterable[tuple[Any, ...]]],
    *,
    before: int | None = None,
) -> Answer:
    """An answer that has some rows for each host of some groups; a host's rows are all on one page.

    Args:
        before: of those hosts only that have not reported since.
    """
    rows: list[tuple[Any, ...]] = []
    key: Key = ()
    for host in _walk(view, groups, page.after, before):
        if len(rows) >= page.limit:
            return Answer(rows, key)
        rows += build_rows(host)
        key = host.key
    return Answer(rows)


def build_name(short: str, domain: str) -> str:
    """The whole name of a host."""
    return f"{short}.{domain}" if domain else short


def find_hosts(view: View, text: str) -> list[Host]:
    """The hosts that ``NAME``, ``SITE/NAME`` or either with ``#NUMBER`` behind it means."""
    site, slash, name = text.rpartition("/")
    name, _, number = name.partition("#")
    short, _, domain = name.lower().rstrip(".").partition(".")
    statement = _select_hosts(view).where(hosts.c.name == short)
    statement = statement.where(hosts.c.site_id.in_([view.find_site(site)] if slash else list(view.sites)))
    if domain:
        statement = statement.where(domains.c.name == domain)
    if number:
        statement = statement.where(hosts.c.id == (int(number) if number.isdecimal() and len(number) < 18 else 0))
    return list(_read(view, statement))


def _walk(view: View, groups: Collection[Group], after: Key, before: int | None) -> Iterator[Host]:
    if after and [type(part) for part in after] != [str, str, int]:
        raise ParameterError("'after' is no key of this question")
    pairs: defaultdict[int, set[Pair]] = defaultdict(set)
    for group in groups:
        pairs[group.site_id].add((group.set_id, group.facts_id))
    for site_id, site in view.sites.items():
        if site_id in pairs and (not after or site >= after[0]):
            statement = _select_hosts(view).where(is_of_sites([site_id]))
            if before is not None:
                statement = statement.where(spans.c.last < before)
            yield from _walk_site(view, statement, pairs[site_id], after if after and site == after[0] else ())


def _walk_site(view: View, statement: Select[Any], pairs: Collection[Pair], after: Key) -> Iterator[Host]:
    statement = statement.order_by(hosts.c.name, hosts.c.id).limit(CHUNK)
    set_ids = {set_id for set_id, _ in pairs}
    if len(set_ids) <= MOST:
        statement = statement.where(spans.c.set_id.in_(set_ids))
    while True:
        part = list(_read(view, statement.where(_follows(after)) if after else statement))
        yield from (host for host in part if (host.set_id, host.facts_id) in pairs)
        if len(part) < CHUNK:
            return
        after = part[-1].key


def _follows(after: Key) -> Any:
    _, name, number = after
    return or_(hosts.c.name > name, and_(hosts.c.name == name, hosts.c.id > number))


def _select_hosts(view: View) -> Select[Any]:
    columns = (hosts.c.site_id, hosts.c.name, hosts.c.id, domains.c.name, hosts.c.interval)
    states = view.select_states(*columns, spans.c.first, spans.c.last, spans.c.set_id, spans.c.facts_id)
    return states.join(domains, domains.c.id == hosts.c.domain_id)


def _read(view: View, statement: Select[Any]) -> Iterator[Host]:
    for site_id, *rest in view.connection.execute(statement):
        yield Host(*(view.sites[site_id], *rest, site_id))
