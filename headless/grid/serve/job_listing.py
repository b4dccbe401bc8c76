"""Commands that show jobs: ps, masterjob, top, w."""

import time
from collections.abc import Sequence
from functools import partial

from sqlalchemy import ColumnElement, Connection, func, select

from headless.grid.errnos import EINVAL, ESRCH
from headless.grid.job_states import FAILED, LIVE, RUNNING, WAITING, GridJobState, parse_states
from headless.grid.messages import GridError, Row
from headless.grid.serve.arguments import Arguments, parse_arguments, take_values
from headless.grid.serve.call import Call, Command, Rows
from headless.grid.serve.job_commands import parse_id, require_own
from headless.grid.serve.job_schema import job_trace, jobs
from headless.grid.serve.job_table import JobRow

__all__ = ["COMMANDS"]

DAY_MS = 86_400_000
DEFAULT_LIMIT, MAX_LIMIT = 1000, 100_000
MAX_TRACE = 10_000  # lines
DETAILS = ("-jdl", "-trace", "-id", "-q")
ORDERS = {
    "id": jobs.c.id,
    "status": jobs.c.state,
    "owner": jobs.c.owner,
    "name": jobs.c.name,
    "priority": jobs.c.priority,
}
PS_USAGE = """ps [OPTIONS] [ID...]: jobs; left out: one's own that have not ended, or did so in the last 24 hours
  -j ID,ID      these           -m ID,ID   the parts of these masters
  -u NAME,NAME  of these users  -a         of all users
  -f STATE,...  in these states: names, long or short; a all, r running, s waiting, d done, f failed
  -A all of one's own  -W that wait  -E that have failed  -X that run  -M masters only
  -s SITE,...  -n NODE,...
  -o id|status|owner|name|priority     the order
  -l NUMBER                            the newest so many; left out: 1000
  -F l, -L                             with site and node
  -id numbers only   -q without the owner
  -jdl, -trace                         of each, the JDL and what has happened; one's own only"""
MASTER_USAGE = """masterjob ID... [OPTIONS]: a master job's parts, by state
  -status STATE   these only
  -printid        with their numbers
  -printsite      with their sites"""


async def _ps(call: Call) -> Rows:
    asked = {option for option in call.options if option in DETAILS}
    rest = [option for option in call.options if option not in DETAILS]
    arguments = parse_arguments(rest, "MXAWEabLq", "Ffusnmojl")
    return await call.grid.catalogue.read(partial(_list_ps, call=call, arguments=arguments, asked=asked))


def _list_ps(connection: Connection, call: Call, arguments: Arguments, asked: set[str]) -> list[Row]:
    found = connection.execute(
        select(jobs).where(*_build_filter(call, arguments)).order_by(jobs.c.id.desc()).limit(_read_limit(arguments))
    ).all()
    key = arguments.values.get("o", "id")
    if key not in ORDERS:
        raise GridError(EINVAL, f"-o {key!r}: use {', '.join(ORDERS)}")
    rows = sorted(found, key=lambda row: (row._mapping[ORDERS[key].name], row.id))
    is_long = arguments.values.get("F") == "l" or "L" in arguments.flags
    for job_id in _find_unknown(connection, _read_ids(arguments)):
        call.fail(GridError(ESRCH, f"there is no job {job_id}"))
    if asked & {"-jdl", "-trace"}:
        for row in rows:
            require_own(connection, call, row.id)
    return [_show(connection, row, is_long, asked) for row in rows]


def _read_limit(arguments: Arguments) -> int:
    return min(arguments.number("l", DEFAULT_LIMIT), MAX_LIMIT)


def _read_ids(arguments: Arguments) -> list[int]:
    return [
        parse_id(text) for word in (*arguments.words, arguments.values.get("j", "")) for text in word.split(",") if text
    ]


def _find_unknown(connection: Connection, ids: list[int]) -> list[int]:
    known = set(connection.execute(select(jobs.c.id).where(jobs.c.id.in_(ids))).scalars()) if ids else set()
    return [job_id for job_id in ids if job_id not in known]


def _build_filter(call: Call, arguments: Arguments) -> list[ColumnElement[bool]]:
    flags, values = arguments.flags, arguments.values
    ids = _read_ids(arguments)
    where: list[ColumnElement[bool]] = []
    if ids:
        where.append(jobs.c.id.in_(ids))
    if "m" in values:
        where.append(jobs.c.master_id.in_([parse_id(text) for text in values["m"].split(",")]))
    if "u" in values:
        where.append(jobs.c.owner.in_(values["u"].split(",")))
    elif "a" not in flags and not ids and "m" not in values:
        where.append(jobs.c.owner == call.session.user.name)
    states = _read_states(arguments)
    if states:
        where.append(jobs.c.state.in_(states))
    elif not where or not (ids or "m" in values or "A" in flags):
        where.append(jobs.c.state.in_(LIVE) | (jobs.c.ended_ms > int(time.time() * 1000) - DAY_MS))
    if "M" in flags:
        where.append(jobs.c.id.in_(select(jobs.c.master_id).where(jobs.c.master_id.is_not(None))))
    for letter, column in (("s", jobs.c.site), ("n", jobs.c.node)):
        if letter in values:
            where.append(column.in_(values[letter].split(",")))
    return where


def _read_states(arguments: Arguments) -> tuple[GridJobState, ...]:
    try:
        states = parse_states(arguments.values.get("f", ""))
    except ValueError as exc:
        raise GridError(EINVAL, f"-f: there is no state {exc}") from exc
    groups = {"W": WAITING, "E": FAILED, "X": RUNNING}
    return states + tuple(state for letter, group in groups.items() if letter in arguments.flags for state in group)


def _show(connection: Connection, row: JobRow, is_long: bool, asked: set[str]) -> Row:
    shown = {
        "owner": row.owner,
        "id": str(row.id),
        "split": str(row.master_id or 0),
        "priority": str(row.priority),
        "status": row.state,
        "name": row.name,
    }
    if is_long:
        shown |= {"site": row.site, "node": row.node}
    text = ""
    if "-trace" in asked:
        shown["trace"] = _read_trace(connection, row.id)
        text += shown["trace"]
    if "-jdl" in asked:
        shown["jdl"] = row.jdl
        text = f"{row.jdl}{text}"
    if not text:
        text = str(row.id) if "-id" in asked else _format(row, is_long, "-q" not in asked)
    return {**shown, "message": text}


def _format(row: JobRow, is_long: bool, with_owner: bool) -> str:
    owner = f"{row.owner:>10} " if with_owner else ""
    place = f"  {row.site or '-':<24} {row.node or '-':<20}" if is_long else ""
    return f"{owner}{row.id:>10}  {row.priority:>3}  {GridJobState(row.state).short:>3}{place}  {row.name}"


def _read_trace(connection: Connection, job_id: int) -> str:
    lines = connection.execute(
        select(job_trace).where(job_trace.c.job_id == job_id).order_by(job_trace.c.id).limit(MAX_TRACE)
    )
    return "\n".join(f"{line.at_ms // 1000:010d} [{line.kind:<10}]: {line.text}" for line in lines)


async def _masterjob(call: Call) -> Rows:
    given, rest = take_values(call.options, ("-status",))
    asked = {option for option in rest if option in ("-printid", "-printsite")}
    words = parse_arguments([option for option in rest if option not in asked]).require_words()
    rows: list[Row] = []
    for word in words:
        try:
            show = partial(_show_master, call=call, job_id=parse_id(word), status=given.get("-status"), asked=asked)
            rows += await call.grid.catalogue.read(show)
        except GridError as exc:
            call.fail(exc)
    return rows


def _show_master(connection: Connection, call: Call, job_id: int, status: str | None, asked: set[str]) -> list[Row]:
    master = require_own(connection, call, job_id)
    parts = connection.execute(select(jobs).where(jobs.c.master_id == job_id).order_by(jobs.c.id)).all()
    lines = [f"Checking the masterjob {job_id}", f"The job {job_id} is in status: {master.state}"]
    for state in sorted({part.state for part in parts}):
        if status is not None and state != status.upper():
            continue
        of_state = [part for part in parts if part.state == state]
        more = f" ({','.join(str(part.id) for part in of_state)})" if "-printid" in asked else ""
        more += f" at {','.join(sorted({part.site or '-' for part in of_state}))}" if "-printsite" in asked else ""
        lines.append(f"Subjobs in {state}: {len(of_state)}{more}")
    lines.append(f"In total, there are {len(parts)} subjobs")
    return [{"message": line} for line in lines]


async def _top(call: Call) -> Rows:
    parse_arguments(call.options).require_words(0, 0)
    rows = await call.grid.catalogue.read(_list_live)
    lines = [f"{'JobId':<12}{'Status':<12}{'Owner':<14}{'Name':<24}{'Node'}"]
    lines += [f"{row.id:<12}{row.state:<12}{row.owner:<14}{row.name:<24}{row.node or '-'}" for row in rows]
    return [{"message": line} for line in lines]


def _list_live(connection: Connection) -> Sequence[JobRow]:
    return connection.execute(select(jobs).where(jobs.c.state.in_(LIVE)).order_by(jobs.c.id).limit(DEFAULT_LIMIT)).all()


async def _w(call: Call) -> Rows:
    parse_arguments(call.options).require_words(0, 0)
    counts: dict[str, dict[str, int]] = {}
    for owner, state, count in await call.grid.catalogue.read(_count_live):
        counts.setdefault(owner, {})[state] = count
    lines = [f"{'Account':<16}{'Waiting':>10}{'Running':>10}"]
    for owner, states in sorted(counts.items()):
        running = sum(states.get(state, 0) for state in RUNNING)
        lines.append(f"{owner:<16}{states.get(GridJobState.WAITING, 0):>10}{running:>10}")
    return [{"message": line} for line in lines]


def _count_live(connection: Connection) -> list[tuple[str, str, int]]:
    query = select(jobs.c.owner, jobs.c.state, func.count()).where(jobs.c.state.in_(LIVE))
    return [(row[0], row[1], row[2]) for row in connection.execute(query.group_by(jobs.c.owner, jobs.c.state))]


COMMANDS = {
    "ps": Command(_ps, PS_USAGE),
    "masterjob": Command(_masterjob, MASTER_USAGE),
    "top": Command(_top, "top: all jobs that have not ended"),
    "w": Command(_w, "w: how many jobs wait and run, by user"),
}
