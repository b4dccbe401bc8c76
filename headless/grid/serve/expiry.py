"""The command lfnexpiretime: when a file may go."""

from sqlalchemy import Connection, update

from headless.grid.errnos import EINVAL, EISDIR
from headless.grid.messages import GridError
from headless.grid.serve.arguments import Arguments, parse_arguments
from headless.grid.serve.call import Call, Command, Rows, Session
from headless.grid.serve.changes import expand_words, for_each
from headless.grid.serve.entries import now_ms
from headless.grid.serve.lookup import look_up
from headless.grid.serve.permissions import check_owner
from headless.grid.serve.schema import entries

__all__ = ["COMMANDS"]

DAYS = {"d": 1, "w": 7, "m": 30, "y": 365}
DAY_MS = 86_400_000
LONGEST_DAYS = 100_000


async def _lfnexpiretime(call: Call) -> Rows:
    arguments = parse_arguments(call.options, "rae", "dwmy")
    lifetime_ms = _read_lifetime(arguments)

    def change(connection: Connection, session: Session, path: str) -> None:
        entry = look_up(connection, session, path)
        check_owner(session, entry)
        if entry.is_folder:
            raise GridError(EISDIR, f"{path}: only files expire")
        begin = entry.expires_ms if "e" in arguments.flags and entry.expires_ms is not None else now_ms()
        value = None if lifetime_ms is None else begin + lifetime_ms
        connection.execute(update(entries).where(entries.c.path == path).values(expires_ms=value))

    return await for_each(call, await expand_words(call, arguments.require_words()), change)


def _read_lifetime(arguments: Arguments) -> int | None:
    if len(arguments.flags) != 1:
        raise GridError(EINVAL, "say one of -a, -e and -r")
    if "r" in arguments.flags:
        return None
    days = sum(arguments.number(letter, 0) * count for letter, count in DAYS.items())
    if not 0 < days <= LONGEST_DAYS:
        raise GridError(EINVAL, f"say how long, with -d, -w, -m or -y: 1 to {LONGEST_DAYS} days in all")
    return days * DAY_MS


COMMANDS = {
    "lfnexpiretime": Command(
        _lfnexpiretime,
        "lfnexpiretime -a|-e|-r [-d DAYS] [-w WEEKS] [-m MONTHS] [-y YEARS] PATH...: note when files may go; this"
        " server removes none by itself\n  -a  from now on\n  -e  that much later than noted\n  -r  never",
    )
}
