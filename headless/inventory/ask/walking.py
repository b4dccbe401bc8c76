"""Hosts, site by site in the order of their names, a page at a time."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, or_

from headless.errors import ParameterError
from headless.inventory.ask.page import Answer, Key, Page
from headless.inventory.ask.view import Group, Stale, View, is_of_sites
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
    """The hosts that ``NAME``, ``SITE/NAME`` or either with ``#NUMBER`` behind it means. A name without a domain means
    the hosts that have none, or else all that begin so."""
    named, _, number = text.rpartition("#")
    if number.isdecimal() and len(number) < 18 and (found := _find_named(view, named, hosts.c.id == int(number))):
        return found
    return _find_named(view, text)


def _find_named(view: View, text: str, *conditions: ColumnElement[bool]) -> list[Host]:
    """Hosts by name. Sites and hosts may have slashes in their names: each may be the one between them."""
    numbers = {site: number for number, site in view.sites.items()}
    meant = [(text, list(view.sites))]
    for place, char in enumerate(text):
        if char == "/" and text[:place] in numbers:
            meant.append((text[place + 1 :], [numbers[text[:place]]]))
    found: dict[int, Host] = {}
    for name, site_ids in meant:
        short, _, domain = name.lower().rstrip(".").partition(".")
        statement = _select_hosts(view).where(hosts.c.name == short, hosts.c.site_id.in_(site_ids), *conditions)
        if domain:
            statement = statement.where(domains.c.name == domain)
        listed = list(_read(view, statement))
        found |= {host.id: host for host in [host for host in listed if host.domain == domain] or listed}
    return list(found.values())


def _walk(view: View, groups: Collection[Group], after: Key, before: int | None) -> Iterator[Host]:
    if after and [type(part) for part in after] != [str, str, int]:
        raise ParameterError("'after' is no key of this question")
    pairs, known = _by_site(groups), _by_site(view.reused)
    for site_id, site in view.sites.items():
        if site_id in pairs and (not after or site >= after[0]):
            statement = _select_hosts(view).where(is_of_sites([site_id]))
            if before is not None:
                statement = statement.where(spans.c.last < before)
            begin = after if after and site == after[0] else ()
            yield from _walk_site(view, statement, _Wanted(pairs[site_id], known.get(site_id)), begin)


def _by_site(groups: Iterable[Group]) -> dict[int, set[Pair]]:
    pairs: defaultdict[int, set[Pair]] = defaultdict(set)
    for group in groups:
        pairs[group.site_id].add((group.set_id, group.facts_id))
    return pairs


class _Wanted:
    """Which of a site's hosts are wanted: by what they said.

    What they said may have been counted for a page before. A host that has said since what nobody had said then could
    be wanted or not: it is not passed over.
    """

    def __init__(self, pairs: Collection[Pair], known: Collection[Pair] | None) -> None:
        self._pairs = pairs
        self._known = known

    def narrow(self, statement: Select[Any]) -> Select[Any]:
        """Leave it to the database, as far as that can be."""
        set_ids = {set_id for set_id, _ in self._pairs}
        if self._known is not None:
            others = {set_id for set_id, _ in self._known} - set_ids
            return statement.where(spans.c.set_id.not_in(others)) if 0 < len(others) <= MOST else statement
        return statement.where(spans.c.set_id.in_(set_ids)) if len(set_ids) <= MOST else statement

    def __contains__(self, host: Host) -> bool:
        pair = host.set_id, host.facts_id
        if pair in self._pairs:
            return True
        if self._known is not None and pair not in self._known:
            raise Stale
        return False


def _walk_site(view: View, statement: Select[Any], wanted: _Wanted, after: Key) -> Iterator[Host]:
    statement = wanted.narrow(statement.order_by(hosts.c.name, hosts.c.id).limit(CHUNK))
    while True:
        part = list(_read(view, statement.where(_follows(after)) if after else statement))
        yield from (host for host in part if host in wanted)
        if len(part) < CHUNK:
            return
        after = part[-1].key


def _follows(after: Key) -> Any:
    _, name, number = after
    return or_(hosts.c.name > name, and_(hosts.c.name == name, hosts.c.id > number))


def _select_hosts(view: View) -> Select[Any]:
    columns = (hosts.c.site_id, hosts.c.name, hosts.c.id, domains.c.name)
    states = view.select_states(*columns, spans.c.first, spans.c.last, spans.c.set_id, spans.c.facts_id)
    return states.join(domains, domains.c.id == hosts.c.domain_id)


def _read(view: View, statement: Select[Any]) -> Iterator[Host]:
    for site_id, *rest in view.connection.execute(statement):
        yield Host(*(view.sites[site_id], *rest, site_id))
