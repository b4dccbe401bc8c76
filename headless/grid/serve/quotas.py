"""The command fquota: what users have, and may have, of files and bytes."""

from sqlalchemy import Connection, select

from headless.grid.errnos import EINVAL, ENOENT, EPERM
from headless.grid.messages import GridError, Row
from headless.grid.serve.call import Call, Command, Rows
from headless.grid.serve.people import find_user_by_name
from headless.grid.serve.schema import users
from headless.grid.serve.usage import Quota, find_quota, set_quota

__all__ = ["COMMANDS"]

ALL = "%"
FIELDS = ("maxNbFiles", "maxTotalSize")
HEADING = f"{'user':<20} {'files':>12} {'max files':>14} {'bytes':>18} {'max bytes':>18}"
USAGE = """fquota list [USER | %]
fquota set USER maxNbFiles|maxTotalSize NUMBER: for administrators; bytes may end in K, M, G or T"""


async def _fquota(call: Call) -> Rows:
    action, *words = call.options or ("list",)
    if action == "list" and len(words) <= 1:
        return await _list(call, words[0] if words else call.session.user.name)
    if action == "set" and len(words) == 3:
        return await _set(call, *words)
    raise GridError(EINVAL, "fquota list [USER], or fquota set USER maxNbFiles|maxTotalSize NUMBER")


async def _list(call: Call, user: str) -> Rows:
    if user != call.session.user.name and not call.session.user.is_admin:
        raise GridError(EPERM, "quotas of others are for administrators")
    found = await call.grid.catalogue.read(lambda connection: _find(connection, call, user))
    rows = [_show(name, quota) for name, quota in found]
    if rows:
        rows[0]["message"] = HEADING + "\n" + rows[0]["message"]
    return rows


def _find(connection: Connection, call: Call, user: str) -> list[tuple[str, Quota]]:
    names = [user]
    if user == ALL:
        names = list(connection.execute(select(users.c.name).order_by(users.c.name)).scalars())
    elif find_user_by_name(connection, user) is None:
        raise GridError(ENOENT, f"there is no user {user}")
    return [(name, find_quota(connection, call.grid.settings, name)) for name in names]


def _show(user: str, quota: Quota) -> dict[str, str]:
    row: Row = {
        "username": user,
        "totalSize": str(quota.bytes),
        "maxTotalSize": str(quota.max_bytes),
        "nbFiles": str(quota.files),
        "maxNbFiles": str(quota.max_files),
    }
    line = f"{user:<20} {quota.files:>12} {quota.max_files:>14} {quota.bytes:>18} {quota.max_bytes:>18}"
    return {**row, "message": line}


async def _set(call: Call, user: str, name: str, value: str) -> Rows:
    if not call.session.user.is_admin:
        raise GridError(EPERM, "quotas are set by administrators")
    if name not in FIELDS:
        raise GridError(EINVAL, f"{name!r}: say {' or '.join(FIELDS)}")
    number = _parse_number(value)

    def change(connection: Connection) -> None:
        if find_user_by_name(connection, user) is None:
            raise GridError(ENOENT, f"there is no user {user}")
        quota = find_quota(connection, call.grid.settings, user)
        most = (number, quota.max_bytes) if name == FIELDS[0] else (quota.max_files, number)
        set_quota(connection, user, *most)

    await call.grid.catalogue.write(change)
    return [{"message": f"{user}: {name} is {number}"}]


def _parse_number(text: str) -> int:
    digits, unit = (text[:-1], text[-1].upper()) if text[-1:].upper() in tuple("KMGT") else (text, "")
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 16):
        raise GridError(EINVAL, f"{text!r}: give a number")
    return min(int(digits) << {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}[unit], (1 << 63) - 1)


COMMANDS = {"fquota": Command(_fquota, USAGE)}
