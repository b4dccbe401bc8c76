"""How long the newest list of each host is, and what is in it."""

from collections.abc import Sequence

from sqlalchemy import Connection, and_, func, select, tuple_

from headless.inventory.collect.arrival import Arrival, Identity
from headless.inventory.collect.members import unpack
from headless.inventory.collect.numbering import SLICE, slices
from headless.inventory.collect.schema import domains, hosts, packages, sets, sites, spans
from headless.inventory.package import Package

__all__ = ["read_newest", "read_sizes"]

KEY = (sites.c.name, hosts.c.name, domains.c.name, hosts.c.machine)


def read_sizes(connection: Connection, arrivals: Sequence[Arrival]) -> dict[Identity, tuple[int, int]]:
    """Read the number of packages, and the time of the newest report, of those hosts that are known."""
    wanted = {arrival.identity for arrival in arrivals}
    if not wanted:
        return {}
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
    ask = select(spans.c.host_id, sets.c.count, spans.c.last).join(newest, same).join(sets, sets.c.id == spans.c.set_id)
    return {identities[number]: (count, last) for number, count, last in connection.execute(ask)}


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
    for part in slices(unpack(members) if members else [], SLICE):
        columns = [packages.c[name] for name in Package._fields]
        found += [Package(*row) for row in connection.execute(select(*columns).where(packages.c.id.in_(part)))]
    return found
