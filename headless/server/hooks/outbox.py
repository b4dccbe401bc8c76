"""The outbox: what is to be told is written in the transaction of what it tells of, so no crash loses it.

And what is told once: the first failure of a name, then its recovery; a skipped start at most once a minute. All is
decided in the same transaction, by the row of the name.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import Connection, select

from headless.server.hooks.actions import Action, ActionKind, Hooks
from headless.server.hooks.events import Event, EventKind, build_body
from headless.server.schema import names, notices

__all__ = ["parse_notice_action", "queue_notices", "record_end", "record_skip", "record_start", "update_names"]

SKIP_PAUSE_S = 60.0  # between two skipped starts of one name that are told
NEW_NAME = {
    "last_job_id": "",
    "last_state": "",
    "failures": 0,
    "ended": 0,
    "failed": 0,
    "stopped": 0,
    "lost": 0,
    "skipped": 0,
    "told": "",
    "skips_untold": 0,
}


@dataclass(frozen=True)
class Streak:
    """The failures in a row of one name.

    Attributes:
        before: how many before this end.
        now: how many with it.
        told: the words of the lists that were told of the streak, as in the table.
    """

    before: int
    now: int
    told: str


def record_start(connection: Connection, event: Event, hooks: Hooks) -> int:
    """A job begins to run. Call it in the transaction that says so; returns how many notices are queued."""
    return queue_notices(connection, event, hooks.on_start or (), failures=0)


def record_end(connection: Connection, event: Event, hooks: Hooks) -> int:
    """A job has ended. Call it once, in the transaction that says so; returns how many notices are queued.

    Args:
        connection: of that transaction.
        event: as :func:`build_end_event` makes it.
        hooks: of the server, overridden by those of the module.
    """
    streak = update_names(connection, event)
    if event.kind is EventKind.SUCCESS:
        count = queue_notices(connection, event, hooks.on_success or (), failures=0)
        return count + _queue_recovery(connection, event, hooks, streak)
    if event.kind not in (EventKind.FAILURE, EventKind.LOST):
        return 0
    is_own_list = event.kind is EventKind.LOST and hooks.on_lost is not None
    word = "lost" if is_own_list else "failure"
    actions = (hooks.on_lost if is_own_list else hooks.on_failure) or ()
    if word in streak.told.split():
        actions = tuple(action for action in actions if action.is_repeated)
    elif actions:
        told = f"{streak.told} {word}".strip()
        connection.execute(names.update().where(names.c.name == event.name).values(told=told))
    return queue_notices(connection, event, actions, failures=streak.now)


def record_skip(connection: Connection, event: Event, hooks: Hooks) -> int:
    """A start was skipped. Call it once, in a transaction of its own or the one that decides; returns how many
    notices are queued: none within a minute of the last of this name."""
    row = _read_name(connection, event.name)
    untold = row["skips_untold"] + 1
    last = row["skip_told_at"]
    is_due = last is None or not 0 <= event.at - last < SKIP_PAUSE_S  # a clock that was set back keeps nobody silent
    actions = (hooks.on_skip or ()) if is_due else ()
    row |= {"skipped": row["skipped"] + 1, "skips_untold": 0 if actions else untold}
    if actions:
        row["skip_told_at"] = event.at
    _write_name(connection, row)
    return queue_notices(connection, event, actions, failures=row["failures"], skipped=untold)


def update_names(connection: Connection, event: Event) -> Streak:
    """Count an end in the row of its name.

    A cancel neither ends a streak of failures nor belongs to one.
    """
    row = _read_name(connection, event.name)
    before, told = row["failures"], row["told"]
    state = str(event.state)
    row |= {
        "last_job_id": event.job_id,
        "last_state": state,
        "last_ended_at": event.at,
        "last_duration_s": event.duration_s or 0.0,
        state: row[state] + 1,
    }
    if event.kind is EventKind.SUCCESS:
        row |= {"failures": 0, "told": "", "last_success_at": event.at}
    elif event.kind in (EventKind.FAILURE, EventKind.LOST):
        row["failures"] = before + 1
    _write_name(connection, row)
    return Streak(before, row["failures"], told)


def queue_notices(
    connection: Connection, event: Event, actions: Sequence[Action], *, failures: int, skipped: int = 0
) -> int:
    """Write a notice for each action; returns how many. A :class:`Courier` delivers them, see its ``wake()``."""
    if not actions:
        return 0
    common = {
        "job_id": event.job_id,
        "name": event.name,
        "event": str(event.kind),
        "body": json.dumps(build_body(event, failures=failures, skipped=skipped)),
        "created_at": event.at,
        "due_at": event.at,
        "attempts": 0,
    }
    connection.execute(notices.insert(), [{**common, "action": json.dumps(asdict(action))} for action in actions])
    return len(actions)


def parse_notice_action(text: str) -> Action:
    """Read an action back from its row.

    Raises:
        ValueError, TypeError, KeyError: it was not written by this version.
    """
    body = json.loads(text)
    return Action(**{**body, "kind": ActionKind(body["kind"]), "target": tuple(body["target"])})


def _queue_recovery(connection: Connection, event: Event, hooks: Hooks, streak: Streak) -> int:
    """To those who were told of the failures. A check that hears of every success needs no second ping."""
    told = streak.told.split()
    lists = [hooks.on_failure or ()] * ("failure" in told) + [hooks.on_lost or ()] * ("lost" in told)
    pinged = {action.target for action in hooks.on_success or () if action.kind is ActionKind.PING}
    actions = {
        action: None
        for actions in lists
        for action in actions
        if not (action.kind is ActionKind.PING and action.target in pinged)
    }
    recovered = replace(event, kind=EventKind.RECOVERED)
    return queue_notices(connection, recovered, tuple(actions), failures=streak.before)


def _read_name(connection: Connection, name: str) -> dict[str, Any]:
    row = connection.execute(select(names).where(names.c.name == name)).mappings().one_or_none()
    return dict(row) if row is not None else {**dict.fromkeys(names.c.keys()), **NEW_NAME, "name": name}


def _write_name(connection: Connection, row: dict[str, Any]) -> None:
    updated = connection.execute(names.update().where(names.c.name == row["name"]).values(row))
    if not updated.rowcount:
        connection.execute(names.insert().values(row))
