"""Commands about the server itself: version, uptime, uuid, timing, ping, echo, motd."""

import os
import platform
import uuid

from sqlalchemy import Connection, func, select

import headless
from headless.grid.errnos import EINVAL
from headless.grid.messages import GridError
from headless.grid.serve.arguments import parse_arguments
from headless.grid.serve.call import Call, Command, Rows
from headless.grid.serve.schema import subjects

__all__ = ["COMMANDS"]

MOTD_LIMIT = 64 * 1024  # bytes


async def _version(call: Call) -> Rows:
    tag = f"headless {headless.__version__}"
    row = {"tag": tag, "git_hash": "", "compiled_at": "", "compiled_by": f"Python {platform.python_version()}"}
    return [row | {"message": tag}]


async def _uptime(call: Call) -> Rows:
    users = str(len(call.grid.present))
    return [{"active users": users, "message": f"{users} active users, {call.grid.present.total()} sessions"}]


async def _uuid(call: Call) -> Rows:
    rows = []
    for word in parse_arguments(call.options).require_words():
        try:
            found = uuid.UUID(word)
        except ValueError:
            call.fail(GridError(EINVAL, f"{word!r} is no UUID"))
            continue
        if found.version != 1:
            call.fail(GridError(EINVAL, f"{word}: only UUIDs of version 1 hold a time"))
            continue
        milliseconds = (found.time - 0x01B21DD213814000) // 10_000  # RFC 9562, section 5.1: since 1582-10-15
        mac = ":".join(f"{found.node:012x}"[place : place + 2] for place in range(0, 12, 2))
        rows.append({"mac": mac, "mtime": str(milliseconds), "message": f"{word} : created {milliseconds} by {mac}"})
    return rows


async def _timing(call: Call) -> Rows:
    words = parse_arguments(call.options).require_words(0, 1)
    if words and words[0] not in ("on", "off"):
        raise GridError(EINVAL, f"{words[0]!r}: say on or off")
    if words:
        call.session.has_timing = words[0] == "on"
    shown = "on" if call.session.has_timing else "off"
    return [{"timing": shown, "message": f"Timing is {shown}"}]


async def _ping(call: Call) -> Rows:
    await call.grid.catalogue.read(_touch_database)
    return [{"message": "pong: the server and its database answer"}]


def _touch_database(connection: Connection) -> None:
    connection.execute(select(func.count()).select_from(subjects)).scalar_one()


async def _echo(call: Call) -> Rows:
    return [{"message": " ".join(call.options)}]


async def _motd(call: Call) -> Rows:
    try:
        with open(os.path.join(call.grid.settings.state, "motd"), encoding="utf-8", errors="replace") as file:
            return [{"message": file.read(MOTD_LIMIT).rstrip("\n")}]
    except FileNotFoundError:
        return []


COMMANDS = {
    "version": Command(_version, "version: of the server"),
    "uptime": Command(_uptime, "uptime: who is there"),
    "uuid": Command(_uuid, "uuid UUID...: when and where a UUID of version 1 was made"),
    "timing": Command(_timing, "timing [on|off]: have each reply say how long it took"),
    "ping": Command(_ping, "ping: whether the server and its database answer"),
    "echo": Command(_echo, "echo WORD...: the same words"),
    "motd": Command(_motd, "motd: the message of the day, which is the file 'motd' in the server's state folder"),
}
