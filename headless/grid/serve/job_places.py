"""Commands about where jobs run, and how many: jquota, listCEs, setCEstatus, jobListMatch, listpartitions, packages."""

import sys
from functools import partial

from sqlalchemy import Connection, select

from headless.grid.errnos import EINVAL, ENOENT, EPERM
from headless.grid.messages import GridError, Row
from headless.grid.serve.arguments import parse_arguments, take_values
from headless.grid.serve.call import Call, Command, Rows
from headless.grid.serve.job_commands import parse_id, require_own
from headless.grid.serve.job_quota import FIELDS, measure_usage, read_quota, set_quota
from headless.grid.serve.job_request import MAX_TTL_S
from headless.grid.serve.job_table import SITE, find_node, is_open, set_open
from headless.grid.serve.schema import users

if sys.platform == "win32":
    raise ImportError("a grid of one's own runs on POSIX systems only")

__all__ = ["COMMANDS"]

PARTITION = "local"
MOST = dict.fromkeys(("max_parallel", "max_unfinished"), (1 << 31) - 1)  # what these columns hold on PostgreSQL
JQUOTA_USAGE = """jquota list [USER]: what a user's jobs may use, and do use
jquota set USER FIELD NUMBER: for administrators
  FIELD  maxParallelJobs, maxUnfinishedJobs, maxTotalRunningTime (seconds in 24 hours), maxTotalCpuCost (the same, times
         the price)"""


async def _jquota(call: Call) -> Rows:
    action, *words = parse_arguments(call.options).require_words()
    if action == "set":
        return await _set(call, words)
    if action != "list" or len(words) > 1:
        raise GridError(EINVAL, f"{action!r}: use 'jquota list [USER]' or 'jquota set USER FIELD NUMBER'")
    user = words[0] if words else call.session.user.name
    return [await call.grid.catalogue.read(partial(_show_quota, user=user))]


def _show_quota(connection: Connection, user: str) -> Row:
    _require_user(connection, user)
    quota, usage = read_quota(connection, user), measure_usage(connection, user)
    parallel = str(quota.max_parallel)
    shown = {
        "username": user,
        "nominalparallelJobs": parallel,
        "nominalParallelJobs": parallel,
        "running": str(usage.running),
        "waiting": str(usage.waiting),
        "totalCpuCostLast24h": str(usage.cost),
        "totalRunningTimeLast24h": str(usage.running_s),
        "maxparallelJobs": parallel,
        "maxParallelJobs": parallel,
        "maxUnfinishedJobs": str(quota.max_unfinished),
        "maxTotalCpuCost": str(quota.max_cost),
        "maxTotalRunningTime": str(quota.max_running_s),
    }
    unfinished = usage.running + usage.waiting
    text = (
        f"{user}: running {usage.running}/{parallel}, unfinished {unfinished}/{quota.max_unfinished},"
        f" running time {usage.running_s}/{quota.max_running_s} s, cost {usage.cost}/{quota.max_cost}"
    )
    return {**shown, "message": text}


async def _set(call: Call, words: list[str]) -> Rows:
    if not call.session.user.is_admin:
        raise GridError(EPERM, "only administrators set quotas")
    if len(words) != 3 or words[1].lower() not in FIELDS:
        raise GridError(EINVAL, "give USER FIELD NUMBER: -h says which fields there are")
    user, field, number = words[0], FIELDS[words[1].lower()], _parse_number(words[2])
    number = min(number, MOST.get(field, number))

    def change(connection: Connection) -> None:
        _require_user(connection, user)
        set_quota(connection, user, field, number)

    await call.grid.catalogue.write(change)
    return [{"message": f"{words[1]} of {user} is {number}"}]


def _parse_number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise GridError(EINVAL, f"{text[:40]!r} is no number")
    return int(text)


def _require_user(connection: Connection, user: str) -> None:
    if connection.execute(select(users.c.name).where(users.c.name == user)).first() is None:
        raise GridError(ENOENT, f"there is no user {user}")


async def _list_ces(call: Call) -> Rows:
    _, rest = take_values(call.options, ("-s", "-p", "-name"))
    parse_arguments(rest, "v")
    return [await _show_ce(call)]


async def _show_ce(call: Call) -> Row:
    name = SITE
    status = "open" if await call.grid.catalogue.read(lambda connection: is_open(connection, name)) else "locked"
    shown = {
        "ceName": name,
        "status": status,
        "maxRunning": str(call.grid.settings.places),
        "maxQueued": str(call.grid.settings.places),
        "partitions": PARTITION,
        "TTL": str(MAX_TTL_S),
        "type": "headless",
        "host": find_node(),
    }
    text = f"{name:<28}{status:<10}{shown['maxRunning']:>8}  {shown['TTL']:>8}  {shown['host']}"
    return {**shown, "message": text}


async def _set_ce_status(call: Call) -> Rows:
    given, rest = take_values(call.options, ("-status",))
    words = parse_arguments(rest).require_words(0)
    status, name = given.get("-status", ""), SITE
    if not call.session.user.is_admin:
        raise GridError(EPERM, "only administrators open and lock computing elements")
    if status not in ("open", "locked"):
        raise GridError(EINVAL, "give -status open, or -status locked")
    if any(word != name for word in words):
        raise GridError(ENOENT, f"the only computing element is {name}")
    await call.grid.catalogue.write(lambda connection: set_open(connection, name, value=status == "open"))
    call.grid.jobs.wake()
    return [{"message": f"{name} is {status}"}]


async def _job_list_match(call: Call) -> Rows:
    words = parse_arguments(call.options, "v").require_words(1, 1)
    await call.grid.catalogue.read(partial(require_own, call=call, job_id=parse_id(words[0])))
    shown = await _show_ce(call)
    return [{"ceName": shown["ceName"], "status": shown["status"], "message": f"{shown['ceName']} matches"}]


async def _list_partitions(call: Call) -> Rows:
    parse_arguments(call.options, "v").require_words(0, 0)
    return [{"partition": PARTITION, "message": PARTITION}]


async def _packages(call: Call) -> Rows:
    return []  # there is no package manager here; a JDL that wants one is refused


COMMANDS = {
    "jquota": Command(_jquota, JQUOTA_USAGE),
    "listCEs": Command(_list_ces, "listCEs [-s SITE]: where jobs run: on this machine"),
    "setCEstatus": Command(_set_ce_status, "setCEstatus -status open|locked [CE]: locked, it starts no jobs"),
    "jobListMatch": Command(_job_list_match, "jobListMatch ID: where this job may run"),
    "listpartitions": Command(_list_partitions, "listpartitions: sets of computing elements"),
    "packages": Command(_packages, "packages: none are defined on this grid"),
}
