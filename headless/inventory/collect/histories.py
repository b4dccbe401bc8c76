"""The histories of some hosts within one transaction: read, changed in memory, and what has changed is written."""

from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, func, insert, select, update

from headless.inventory.collect.arrival import Arrival, Outcome
from headless.inventory.collect.numbering import SLICE, slices
from headless.inventory.collect.schema import facts, hosts, retirements, sets, spans
from headless.inventory.collect.timeline import HORIZON_S, Span, State, pack_times, place, unpack_times

__all__ = ["Histories"]

COLUMNS = (spans.c.host_id, spans.c.first, spans.c.last, spans.c.set_id, spans.c.facts_id, spans.c.times)
THIS_SPAN = and_(spans.c.host_id == bindparam("of_host"), spans.c.first == bindparam("begun"))
INSERT = insert(spans)
DELETE = delete(spans).where(THIS_SPAN)
UPDATE = (
    update(spans)
    .where(THIS_SPAN)
    .values({name: bindparam(f"new_{name}") for name in ("last", "set_id", "facts_id", "times")})
)
TELL = update(hosts).where(hosts.c.id == bindparam("of_host")).values(interval=bindparam("new_interval"))

RETURN = (
    update(retirements)
    .where(retirements.c.host_id == bindparam("of_host"))
    .where(retirements.c.begun < bindparam("time"), retirements.c.ended > bindparam("time"))
    .values(ended=bindparam("time"))
)


class Histories:
    """The end of each host's history, as far back as it is needed."""

    def __init__(self, connection: Connection) -> None:
        """Args:
        connection: within a transaction.
        """
        self._connection = connection
        self._ends: dict[int, list[Span]] = {}
        self._stored: dict[int, dict[int, Span]] = {}  # the rows that were read, by when they begin
        self._heard: dict[int, list[int]] = {}  # the times of reports from those that were ever retired
        self._told: dict[int, Arrival] = {}  # the newest, where a host's interval may have changed

    def load(self, host_ids: Collection[int]) -> None:
        """Read the newest span of each."""
        for host_id in host_ids:
            self._ends[host_id], self._stored[host_id] = [], {}
        for part in slices(list(host_ids), SLICE):
            gone = select(retirements.c.host_id).where(retirements.c.host_id.in_(part))
            self._heard |= {host_id: [] for host_id in self._connection.execute(gone).scalars()}
            newest = (
                select(spans.c.host_id, func.max(spans.c.first).label("first"))
                .where(spans.c.host_id.in_(part))
                .group_by(spans.c.host_id)
                .subquery()
            )
            same = and_(spans.c.host_id == newest.c.host_id, spans.c.first == newest.c.first)
            for host_id, span in _read_spans(self._connection.execute(select(*COLUMNS).join(newest, same))):
                self._prepend(host_id, [span])

    def add(self, host_id: int, arrival: Arrival, state: State) -> Outcome:
        """Add a report to the history of its host."""
        end, time = self._ends[host_id], arrival.time
        if host_id in self._heard:
            self._heard[host_id].append(time)
        if not end or time > end[-1].last:
            outcome = Outcome.SAME if end and end[-1].state == state else Outcome.CHANGED
            self._ends[host_id][-1:] = place(end[-1:], time, state)
            if outcome is Outcome.CHANGED:
                self._told[host_id] = arrival
            return outcome
        self._reach_back(host_id, time)
        there = next((span for span in end if span.first <= time <= span.last), None)
        # Whether there was a report at a time that is long past is not known any more.
        is_past = there is not None and time < there.last - HORIZON_S and (there.state == state or not arrival.any_age)
        known = there is not None and (time in there.times or is_past)
        if there is not None and known:
            if there.state == state:
                return Outcome.REPLAY
            if not arrival.replaces and not self._outweighs(arrival, there.state):
                return Outcome.CONFLICT
        self._put(host_id, arrival, state)
        return Outcome.CONFLICT if known else Outcome.OLDER

    def write(self) -> None:
        """Write what has changed."""
        gone, begun, changed = [], [], []
        for host_id, end in self._ends.items():
            stored, now = self._stored[host_id], {span.first: span for span in end}
            gone += [{"of_host": host_id, "begun": first} for first in stored if first not in now]
            begun += [_row(host_id, span) for first, span in now.items() if first not in stored]
            changed += [
                {"of_host": host_id, "begun": first} | {f"new_{name}": value for name, value in _values(span).items()}
                for first, span in now.items()
                if first in stored and stored[first] != span
            ]
        told = [
            {"of_host": host_id, "new_interval": arrival.report.interval} for host_id, arrival in self._told.items()
        ]
        back = [{"of_host": host_id, "time": time} for host_id, times in self._heard.items() for time in times]
        for statement, rows in ((DELETE, gone), (INSERT, begun), (UPDATE, changed), (TELL, told), (RETURN, back)):
            if rows:
                self._connection.execute(statement, rows)

    def _put(self, host_id: int, arrival: Arrival, state: State) -> None:
        end, time = self._ends[host_id], arrival.time
        before = sum(span.first <= time for span in end)
        around = slice(max(before - 2, 0), before + 1)
        end[around] = place(end[around], time, state)
        if end[-1].last == time:
            self._told[host_id] = arrival

    def _reach_back(self, host_id: int, time: int) -> None:
        """Read as far back as to the two spans that began last before a time."""
        end = self._ends[host_id]
        if sum(span.first <= time for span in end) >= 2:
            return
        mine = select(spans.c.first).where(spans.c.host_id == host_id, spans.c.first <= time)
        start = self._connection.execute(mine.order_by(spans.c.first.desc()).limit(1).offset(1)).scalar() or 0
        between = (spans.c.host_id == host_id, spans.c.first >= start, spans.c.first < end[0].first)
        rows = self._connection.execute(select(*COLUMNS).where(*between).order_by(spans.c.first))
        self._prepend(host_id, [span for _, span in _read_spans(rows) if span.first not in self._stored[host_id]])

    def _prepend(self, host_id: int, earlier: list[Span]) -> None:
        self._ends[host_id][:0] = earlier
        self._stored[host_id] |= {span.first: span for span in earlier}

    def _outweighs(self, arrival: Arrival, state: State) -> bool:
        """Which of two reports of one second counts: by what they say, so that it is the same in either order."""
        set_hash = self._connection.execute(select(sets.c.hash).where(sets.c.id == state.set_id)).scalar_one()
        facts_hash = self._connection.execute(select(facts.c.hash).where(facts.c.id == state.facts_id)).scalar_one()
        return (arrival.digest, arrival.facts_hash) > (set_hash, facts_hash)


def _read_spans(rows: Iterable[Any]) -> Iterable[tuple[int, Span]]:
    for host_id, first, last, set_id, facts_id, times in rows:
        yield host_id, Span(unpack_times(first, last, times), State(set_id, facts_id))


def _values(span: Span) -> dict[str, Any]:
    return {
        "last": span.last,
        "set_id": span.state.set_id,
        "facts_id": span.state.facts_id,
        "times": pack_times(span.times),
    }


def _row(host_id: int, span: Span) -> dict[str, Any]:
    return {"host_id": host_id, "first": span.first, **_values(span)}
