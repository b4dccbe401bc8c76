"""Commands that say who may do what: chmod, chown."""

import re
from collections.abc import Sequence

from sqlalchemy import Connection, update

from headless.grid.errnos import EINVAL, EPERM
from headless.grid.messages import GridError
from headless.grid.serve.arguments import parse_arguments
from headless.grid.serve.call import Call, Command, Rows, Session
from headless.grid.serve.changes import expand_words, for_each
from headless.grid.serve.entries import now_ms, split_below
from headless.grid.serve.lookup import look_up
from headless.grid.serve.people import find_user_by_name, list_members
from headless.grid.serve.permissions import check_owner
from headless.grid.serve.schema import entries

__all__ = ["COMMANDS"]

MODE = re.compile(r"0?[0-7]{3}")


async def _chmod(call: Call) -> Rows:
    arguments = parse_arguments(call.options, "R")
    mode, *words = arguments.require_words(2)
    if not MODE.fullmatch(mode):
        raise GridError(EINVAL, f"mode {mode!r}: give three digits, each 0 to 7, such as 755")
    return await _set(call, words, "R" in arguments.flags, {"mode": int(mode, 8)})


async def _chown(call: Call) -> Rows:
    arguments = parse_arguments(call.options, "R")
    text, *words = arguments.require_words(2)
    owner, group = await call.grid.catalogue.read(lambda connection: _read_names(connection, call.session, text))
    values: dict[str, str | int] = {"owner": owner} if owner else {}
    return await _set(call, words, "R" in arguments.flags, values | ({"group": group} if group else {}))


def _read_names(connection: Connection, session: Session, text: str) -> tuple[str, str]:
    """The names in ``USER:ROLE``, checked; in ``USER.ROLE`` too, as JAliEn writes it, if that is no user's name."""
    sign = ":" if ":" in text or find_user_by_name(connection, text) is not None else "."
    owner, _, group = text.partition(sign)
    _check_names(connection, session, owner, group)
    return owner, group


def _check_names(connection: Connection, session: Session, owner: str, group: str) -> None:
    """Only administrators give files away; a user chooses the group, of those it is in."""
    if owner and find_user_by_name(connection, owner) is None:
        raise GridError(EINVAL, f"no such user: {owner}")
    if group and not list_members(connection, group):
        raise GridError(EINVAL, f"no such role: {group}")
    if not owner and not group:
        raise GridError(EINVAL, "give USER, USER:ROLE or :ROLE")
    if session.user.is_admin:
        return
    if owner not in ("", session.user.name) or group not in ("", *session.user.roles):
        raise GridError(EPERM, "only administrators give files to others")


async def _set(call: Call, words: Sequence[str], is_recursive: bool, values: dict[str, str | int]) -> Rows:
    """For a tree in one transaction: all of it, or nothing."""

    def change(connection: Connection, session: Session, path: str) -> None:
        check_owner(session, look_up(connection, session, path))
        statement = update(entries).values(**values, modified_ms=now_ms())
        if not session.user.is_admin:
            statement = statement.where(entries.c.owner == session.user.name)  # others' files in the tree stay
        for part in split_below(connection, path) if is_recursive else ():
            connection.execute(statement.where(part))
        connection.execute(statement.where(entries.c.path == path))

    return await for_each(call, await expand_words(call, words), change)


COMMANDS = {
    "chmod": Command(
        _chmod,
        "chmod [-R] MODE PATH...: who may do what: 754 is all for the owner, read and pass for the group, read for"
        " others\n  -R  folders with all that is in them and yours",
    ),
    "chown": Command(
        _chown,
        "chown [-R] USER[:ROLE] PATH...: whose files they are; other users' names are for administrators\n"
        "  -R  folders with all that is in them",
    ),
}
