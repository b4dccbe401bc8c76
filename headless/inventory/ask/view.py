"""What somebody sees: the hosts of the sites that he may see, as they were at a time, counted by what they said."""

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sized
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from sqlalchemy import BigInteger, ColumnElement, Connection, Select, and_, case, cast, func, select, true

from headless.errors import ParameterError
from headless.inventory.ask.memory import Facts, Memory
from headless.inventory.collect.access import Scope
from headless.inventory.collect.numbering import slices
from headless.inventory.collect.schema import hosts, sets, sites, spans
from headless.inventory.collect.states import is_retired, select_states

if TYPE_CHECKING:
    from headless.inventory.ask.marks import Marks

__all__ = ["Group", "Stale", "View", "count_sets", "is_of_sites"]

SLICE = 500
GROUPS_A_ROW = 16
"""Groups kept with a result that take as much memory as one of its rows: other results have the same."""
PACK = 1 << 32
"""Two numbers of rows in one, which databases take as one of 64 bits."""

Found = TypeVar("Found", bound=Sized)


class Stale(Exception):
    """What was counted for the page before is no more what there is: the question is to be asked anew."""


class Group(NamedTuple):
    """Hosts of one site that said the same.

    Attributes:
        hosts: how many.
    """

    site_id: int
    set_id: int
    facts_id: int
    hosts: int


@dataclass(frozen=True)
class View:
    """What somebody sees.

    Attributes:
        connection: to read from.
        scope: what he may see.
        memory: shared by all questions.
        at: the time, seconds since the epoch.
        seen_since: without the hosts that have said nothing since, as those that are no more.
        is_continued: this time has been asked about before: what was counted then may be used again.
        counted: what was counted for this question.
        reused: what of it was before; reports made before that time may have come since.
        retired: those hosts that were retired then, instead of the others; ``None``: both.
        marks: gives what is found by the collector's advisories, nothing while they are being read; ``None``: it has
            none.
    """

    connection: Connection
    scope: Scope
    memory: Memory
    at: int
    seen_since: int = 0
    is_continued: bool = False
    counted: list[Group] = field(default_factory=list)
    reused: list[Group] = field(default_factory=list)
    retired: bool | None = False
    marks: "Callable[[], Marks | None] | None" = None

    @cached_property
    def sites(self) -> Mapping[int, str]:
        """The sites by number, in the order of their names."""
        rows = self.connection.execute(select(sites.c.id, sites.c.name))
        seen = [(number, name) for number, name in rows if self.scope.may_read(name)]
        return dict(sorted(seen, key=lambda pair: pair[1]))

    def find_site(self, name: str) -> int:
        """A site's number.

        Raises:
            ParameterError: there is none, or it may not be seen: which of the two is not told.
        """
        for number, known in self.sites.items():
            if known == name:
                return number
        hint = f": a site's name alone is wanted, {name[5:80]!r}" if name.startswith("site:") and name[5:] else ""
        raise ParameterError(f"there is no site {name[:80]!r} that you may see{hint}")

    def list_groups(self, parameters: Mapping[str, Any], *, before: int | None = None) -> list[Group]:
        """Count the hosts.

        Args:
            parameters: a question's; of ``site`` and ``tag`` those that are there choose hosts.
            before: of those only that have not reported since.
        """
        site, tag = parameters.get("site"), parameters.get("tag")
        site_ids = tuple(self.sites) if site is None else (self.find_site(site),)
        groups = self._count(site_ids, before)
        if tag:
            told = self.find_facts(groups)
            groups = [group for group in groups if told[group.facts_id].tag == tag]
        return groups

    def find_facts(self, groups: Iterable[Group]) -> dict[int, Facts]:
        """What the groups said beside their packages."""
        return self.memory.find_facts(self.connection, {group.facts_id for group in groups})

    def count_members(self, set_ids: Collection[int]) -> dict[int, int]:
        """How many packages each of these sets has."""
        found: dict[int, int] = {}
        for part in slices(sorted(set_ids), SLICE):
            statement = select(sets.c.id, sets.c["count"]).where(sets.c.id.in_(part))
            found.update((number, count) for number, count in self.connection.execute(statement))
        return found

    def recall(self, key: Hashable, find: Callable[[], Found]) -> Found:
        """What was found for the page before this one; or else found now, and kept for the page that follows.

        Args:
            key: what tells it from all else that those find who see the same sites at this time.
            find: finds it; nobody changes it after that.
        """
        whole = (key, self.at, self.seen_since, self.retired, self.scope.reads is None, tuple(self.sites))
        known: tuple[Found, list[Group]] | None = self.memory.results.get(whole) if self.is_continued else None
        if known is not None:
            self.reused.extend(known[1])
            return known[0]
        found = find()
        groups = [*self.reused, *self.counted]
        self.memory.results.put(whole, (found, groups), len(found) + len(groups) // GROUPS_A_ROW)
        return found

    def select_states(self, *columns: Any) -> Select[Any]:
        """Select columns of ``spans`` and ``hosts``, a row per host, whoever may see it."""
        states = select_states(self.at, retired=self.retired).with_only_columns(*columns)
        return states.where(spans.c.last >= self.seen_since) if self.seen_since else states

    def _count(self, site_ids: tuple[int, ...], before: int | None) -> list[Group]:
        if not site_ids:
            return []
        return self.recall(("groups", site_ids, before), lambda: self._read_groups(site_ids, before))

    def narrow(self, statement: Select[Any], site_ids: Collection[int]) -> Select[Any]:
        """Narrow a selection of hosts to those of some sites that may be seen."""
        if len(site_ids) < len(self.sites) or self.scope.reads is not None:
            return statement.where(is_of_sites(site_ids))
        return statement

    def _read_groups(self, site_ids: tuple[int, ...], before: int | None) -> list[Group]:
        # One look-up for each host, and few columns to sort: a join of the two tables takes twice as long.
        state: ColumnElement[Any] = cast(spans.c.set_id, BigInteger) * PACK + spans.c.facts_id
        if self.seen_since or before is not None:
            until = true() if before is None else spans.c.last < before
            state = case((and_(spans.c.last >= self.seen_since, until), state))
        mine = select(state).where(spans.c.host_id == hosts.c.id, spans.c.first <= self.at)
        newest = mine.order_by(spans.c.first.desc()).limit(1).correlate(hosts).scalar_subquery()
        chosen = self.narrow(select(hosts.c.site_id, newest.label("state")), site_ids)
        if self.retired is not None:
            chosen = chosen.where(is_retired(self.at) if self.retired else ~is_retired(self.at))
        states = chosen.subquery()
        said = (states.c.site_id, states.c.state)
        groups = []
        for site_id, both, number in self.connection.execute(select(*said, func.count()).group_by(*said)):
            # Where others write meanwhile, there may be a site by now that was none when the sites were read.
            if both is not None and site_id in self.sites:
                groups.append(Group(site_id, both // PACK, both % PACK, number))
        self.counted.extend(groups)
        return groups


def count_sets(groups: Iterable[Group]) -> dict[int, int]:
    """How many hosts have each set."""
    counts: dict[int, int] = {}
    for group in groups:
        counts[group.set_id] = counts.get(group.set_id, 0) + group.hosts
    return counts


def is_of_sites(site_ids: Collection[int]) -> ColumnElement[bool]:
    """Whether a host is of one of these sites.

    Its numbers are looked up first: SQLite would else go through all hosts in the order of their names, which is not
    that of their rows, and takes fifteen times as long.
    """
    others = hosts.alias()
    return hosts.c.id.in_(select(others.c.id).where(others.c.site_id.in_(site_ids)))
