"""The inventory's store: reports taken in, as spans of equal states."""

import logging
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, func, select

from headless.database.database import Database
from headless.inventory.collect.arrival import Arrival, Outcome, Verdict
from headless.inventory.collect.histories import Histories
from headless.inventory.collect.members import pack
from headless.inventory.collect.numbering import LIMIT, Known, Numbering, slices
from headless.inventory.collect.schema import SCHEMA, domains, facts, hosts, packages, sets, sites, spans
from headless.inventory.collect.timeline import State
from headless.inventory.package import Package, canonical_lines, digest

__all__ = ["Store"]

TOGETHER = 100_000  # packages of sets that are numbered at a time
ROWS = 5_000  # added in one statement
HOST_KEY = ("name", "domain_id", "site_id", "machine")

log = logging.getLogger("headless.inventory")
Learned = Mapping[Table, Mapping[Hashable, int]]


class Store(Database):
    """An open inventory. See :class:`headless.database.database.Database` for how it is opened, read and closed.

    Attributes:
        losses: how often the database has come back without what was stored last: numbers mean other rows then.
    """

    schema = SCHEMA
    readers = 4  # what takes seconds must not keep waiting what takes milliseconds

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._known = Known()  # of the tables as they were when the writer connected
        self._names: dict[Package, bytes] = {}
        self._last: tuple[int, int] | None = None  # the host and the time of the last report that was committed
        self.losses = 0

    async def store(self, arrivals: Sequence[Arrival]) -> list[Verdict]:
        """Store reports in one transaction; once this returns they are on disk.

        Some hundred at a time cost little more than one.

        Raises:
            Unavailable: the database is away, or full. Nothing is stored, or all is and the answer was lost; storing
                them again changes nothing.
        """
        (verdicts, learned), known = await self.write(lambda connection: (self.take(connection, arrivals), self._known))
        known.add(learned)
        if verdicts:
            self._last = verdicts[-1].host_id, arrivals[-1].time
        return verdicts

    def forget(self, connection: Connection) -> None:
        """Number anew what is not known to be in this database, and look whether it is what it was."""
        self._known = Known()
        if self._last is not None and not _has_report(connection, *self._last):
            self._last = None
            self.losses += 1
            log.error("stored-lost reason='the database lacks what was stored last: headless inventory reprocess'")

    def take(self, connection: Connection, arrivals: Sequence[Arrival]) -> tuple[list[Verdict], Learned]:
        """Store reports within the caller's transaction.

        Returns:
            What became of each, and what :meth:`store` remembers once the transaction is committed.
        """
        numbering = Numbering(connection, self._known)
        set_ids = self._number_sets(numbering, arrivals)
        facts_ids = _number_facts(numbering, arrivals)
        host_ids, new = _number_hosts(numbering, arrivals)
        histories = Histories(connection)
        histories.load(set(host_ids.values()))
        verdicts = []
        for arrival in arrivals:
            host_id = host_ids[arrival.identity]
            state = State(set_ids[arrival.digest], facts_ids[arrival.facts_hash])
            outcome = histories.add(host_id, arrival, state)
            verdicts.append(Verdict(Outcome.NEW if host_id in new else outcome, host_id))
            new.discard(host_id)
        histories.write()
        return verdicts, numbering.learned

    def _number_sets(self, numbering: Numbering, arrivals: Sequence[Arrival]) -> dict[Hashable, int]:
        contents = {arrival.digest: arrival.report.packages for arrival in arrivals}
        found = numbering.find(sets, ["hash"], contents)
        for part in _divide({key: content for key, content in contents.items() if key not in found}):
            named = {key: self._name_packages(content) for key, content in part.items()}
            ids = _number_packages(
                numbering, {name: one for content in named.values() for name, one in content.items()}
            )
            rows = {
                key: {"hash": key, "count": len(content), "members": pack(ids[name] for name in content)}
                for key, content in named.items()
            }
            found |= numbering.add(sets, rows)
        return found

    def _name_packages(self, content: Sequence[Package]) -> dict[bytes, Package]:
        """Packages by their hashes; those are remembered, for most lists differ little."""
        if len(content) > TOGETHER:
            return {_hash(package): package for package in content}
        names = self._names
        if len(names) > LIMIT:
            names.clear()
        for package in content:
            if package not in names:
                names[package] = _hash(package)
        return {names[package]: package for package in content}


def _has_report(connection: Connection, host_id: int, time: int) -> bool:
    last = connection.execute(select(func.max(spans.c.last)).where(spans.c.host_id == host_id)).scalar()
    return last is not None and int(last) >= time


def _hash(package: Package) -> bytes:
    return digest(canonical_lines([package]))[:16]


def _divide(contents: Mapping[Hashable, Sequence[Package]]) -> Iterator[dict[Hashable, Sequence[Package]]]:
    """As many sets together as may be in memory in all the forms that they take."""
    part: dict[Hashable, Sequence[Package]] = {}
    size = 0
    for key, content in contents.items():
        if part and size + len(content) > TOGETHER:
            yield part
            part, size = {}, 0
        part[key] = content
        size += len(content)
    if part:
        yield part


def _number_packages(numbering: Numbering, content: Mapping[bytes, Package]) -> dict[Hashable, int]:
    found = numbering.find(packages, ["hash"], content)
    unknown = [name for name in content if name not in found]
    for part in slices(unknown, ROWS):
        found.update(numbering.add(packages, {name: {"hash": name, **content[name]._asdict()} for name in part}))
    return found


def _number_facts(numbering: Numbering, arrivals: Sequence[Arrival]) -> dict[Hashable, int]:
    contents = {arrival.facts_hash: arrival.facts for arrival in arrivals}
    found = numbering.find(facts, ["hash"], contents)
    rows = {key: {"hash": key, "content": content} for key, content in contents.items() if key not in found}
    return found | numbering.add(facts, rows)


def _number_hosts(numbering: Numbering, arrivals: Sequence[Arrival]) -> tuple[dict[Hashable, int], set[int]]:
    """The numbers of hosts by their identities, and which are new."""
    site_ids = numbering.number_names(sites, (arrival.identity[0] for arrival in arrivals))
    domain_ids = numbering.number_names(domains, (arrival.identity[2] for arrival in arrivals))
    keys, rows = {}, {}
    for arrival in arrivals:
        site, name, domain, machine = arrival.identity
        keys[arrival.identity] = key = (name, domain_ids[domain], site_ids[site], machine)
        rows[key] = {
            **dict(zip(HOST_KEY, key, strict=True)),
            "interval": arrival.report.interval,
        }
    found = numbering.find(hosts, HOST_KEY, rows)
    added = numbering.add(hosts, {key: row for key, row in rows.items() if key not in found})
    ids = found | added
    return {identity: ids[key] for identity, key in keys.items()}, set(added.values())
