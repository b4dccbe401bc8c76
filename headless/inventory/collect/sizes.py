"""What the newest list of each host holds: how many packages of each kind, and which."""

import json
from collections import Counter
from collections.abc import Collection, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, and_, func, select, tuple_

from headless.inventory.collect.arrival import Arrival, Identity
from headless.inventory.collect.members import unpack
from headless.inventory.collect.numbering import slices
from headless.inventory.collect.schema import domains, facts, hosts, packages, sets, sites, spans
from headless.inventory.package import Package

__all__ = ["Latest", "Sizes", "count_kinds", "read_newest"]

KEY = (sites.c.name, hosts.c.name, domains.c.name, hosts.c.machine)
SLICE = 50_000  # rows read at a time
NAMED = 500  # rows named in a statement
LOOK_BACK = 50  # spans, for a kind that was not read last


class Latest(NamedTuple):
    """What is known of a host.

    Attributes:
        time: of its newest report.
        digest: of that one's packages.
        kinds: how many packages it has of each kind; of one that could not be read, how many it had when it could.
    """

    time: int
    digest: bytes
    kinds: Counter[str]


class _Row(NamedTuple):
    identity: Identity
    host_id: int
    last: int
    digest: bytes
    size: int
    set_id: int
    facts: bytes


class Sizes:
    """Counts by kind; what package is of what kind is remembered, a byte each. For one caller at a time."""

    def __init__(self) -> None:
        self._kinds = bytearray(1)  # by the packages' numbers
        self._names: list[str] = [""]

    def read(self, connection: Connection, arrivals: Sequence[Arrival], fewest: int) -> dict[Identity, Latest]:
        """Read what is known of the arrivals' hosts, counted where one says something else.

        Args:
            connection: to read from.
            arrivals: any.
            fewest: packages below which nothing is counted.
        """
        said: dict[Identity, set[bytes]] = {}
        for arrival in arrivals:
            said.setdefault(arrival.identity, set()).add(arrival.digest)
        found = {}
        for row in _read_rows(connection, said):
            is_counted = bool(said[row.identity] - {row.digest})
            kinds = self._count(connection, row, fewest) if is_counted else Counter[str]()
            found[row.identity] = Latest(row.last, row.digest, kinds)
        return found

    def _count(self, connection: Connection, row: _Row, fewest: int) -> Counter[str]:
        kinds = self._count_set(connection, row.set_id) if row.size >= fewest else Counter[str]()
        gaps = _parse_missing(row.facts)
        if not gaps:
            return kinds
        mine = select(spans.c.set_id, facts.c.content).join(facts, facts.c.id == spans.c.facts_id)
        mine = mine.where(spans.c.host_id == row.host_id).order_by(spans.c.first.desc()).limit(LOOK_BACK)
        for set_id, content in connection.execute(mine).all():
            read = gaps - _parse_missing(content)
            if read:
                before = self._count_set(connection, set_id)
                kinds.update({kind: before[kind] for kind in read if not kinds[kind]})
                gaps -= read
            if not gaps:
                break
        return kinds

    def _count_set(self, connection: Connection, set_id: int) -> Counter[str]:
        numbers = unpack(connection.execute(select(sets.c.members).where(sets.c.id == set_id)).scalar_one())
        if numbers and numbers[-1] >= len(self._kinds):
            self._learn(connection)
        counted = Counter(self._kinds[number] for number in numbers)
        return Counter({self._names[kind]: count for kind, count in counted.items()})

    def _learn(self, connection: Connection) -> None:
        """Read the kinds of the packages that were added since: they are numbered upwards, and none ever goes."""
        ask = select(packages.c.id, packages.c.kind).order_by(packages.c.id).limit(SLICE)
        while rows := connection.execute(ask.where(packages.c.id >= len(self._kinds))).all():
            self._kinds.extend(bytes(rows[-1].id + 1 - len(self._kinds)))
            for number, kind in rows:
                if kind not in self._names:
                    self._names.append(kind)
                self._kinds[number] = self._names.index(kind)


def count_kinds(arrival: Arrival) -> Counter[str]:
    """How many packages of each kind a report has."""
    return Counter(package.kind for package in arrival.report.packages)


def _parse_missing(content: bytes) -> set[str]:
    return {source for source, _ in json.loads(content).get("missing", ())}


def _read_rows(connection: Connection, wanted: Collection[Identity]) -> list[_Row]:
    if not wanted:
        return []
    ask_domains = select(domains.c.name, domains.c.id).where(domains.c.name.in_({domain for _, _, domain, _ in wanted}))
    numbers = {row.name: row.id for row in connection.execute(ask_domains)}
    # Looked up by what has an index; the others of that name are passed over.
    starts = {(name, numbers[domain]) for _, name, domain, _ in wanted if domain in numbers}
    mine = (
        select(hosts.c.id, *KEY)
        .join(sites, sites.c.id == hosts.c.site_id)
        .join(domains, domains.c.id == hosts.c.domain_id)
        .where(tuple_(hosts.c.name, hosts.c.domain_id).in_(starts))
    )
    found: dict[int, Identity] = {
        number: (site, name, domain, machine) for number, site, name, domain, machine in connection.execute(mine)
    }
    identities = {number: identity for number, identity in found.items() if identity in wanted}
    newest = (
        select(spans.c.host_id, func.max(spans.c.first).label("first"))
        .where(spans.c.host_id.in_(identities))
        .group_by(spans.c.host_id)
        .subquery()
    )
    same = and_(spans.c.host_id == newest.c.host_id, spans.c.first == newest.c.first)
    columns = (spans.c.host_id, spans.c.last, sets.c.hash, sets.c["count"], spans.c.set_id, facts.c.content)
    ask = select(*columns).join(newest, same).join(sets, sets.c.id == spans.c.set_id)
    ask = ask.join(facts, facts.c.id == spans.c.facts_id)
    return [_Row(identities[row[0]], *row) for row in connection.execute(ask)]


def read_newest(connection: Connection, identity: Identity) -> list[Package]:
    """Read the packages of a host's newest list; none if it is not known."""
    newest = (
        select(sets.c.members)
        .join(spans, spans.c.set_id == sets.c.id)
        .join(hosts, hosts.c.id == spans.c.host_id)
        .join(sites, sites.c.id == hosts.c.site_id)
        .join(domains, domains.c.id == hosts.c.domain_id)
        .where(*(column == value for column, value in zip(KEY, identity, strict=True)))
        .order_by(spans.c.first.desc())
        .limit(1)
    )
    members = connection.execute(newest).scalar()
    found: list[Package] = []
    for part in slices(unpack(members) if members else [], NAMED):
        columns = [packages.c[name] for name in Package._fields]
        found += [Package(*row) for row in connection.execute(select(*columns).where(packages.c.id.in_(part)))]
    return found
