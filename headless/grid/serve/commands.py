"""All commands of the server, by name."""

import sys

from headless.grid.serve import (
    about,
    access,
    changes,
    collections,
    commit,
    disk_free,
    disk_usage,
    expiry,
    find,
    giving_back,
    guids,
    identity,
    job_commands,
    job_listing,
    job_places,
    listing,
    members,
    mirror,
    moves,
    navigation,
    ownership,
    quotas,
    refusals,
    storage_commands,
    tokens,
)
from headless.grid.serve.call import Call, Command, Rows

if sys.platform == "win32":
    raise ImportError("a grid of one's own runs on POSIX systems only")

__all__ = ["COMMANDS"]


async def _commandlist(call: Call) -> Rows:
    names = sorted(name for name in COMMANDS if COMMANDS[name] is not refusals.COMMANDS.get(name))
    first = {"commandlist": names[0], "message": "\n".join(names)}
    return [first, *({"commandlist": name} for name in names[1:])]


COMMANDS: dict[str, Command] = {
    **refusals.COMMANDS,  # the first: whoever builds one of them takes its place
    **about.COMMANDS,
    **access.COMMANDS,
    **changes.COMMANDS,
    **collections.COMMANDS,
    **commit.COMMANDS,
    **disk_free.COMMANDS,
    **disk_usage.COMMANDS,
    **expiry.COMMANDS,
    **find.COMMANDS,
    **giving_back.COMMANDS,
    **guids.COMMANDS,
    **identity.COMMANDS,
    **job_commands.COMMANDS,
    **job_listing.COMMANDS,
    **job_places.COMMANDS,
    **listing.COMMANDS,
    **members.COMMANDS,
    **mirror.COMMANDS,
    **moves.COMMANDS,
    **navigation.COMMANDS,
    **ownership.COMMANDS,
    **quotas.COMMANDS,
    **storage_commands.COMMANDS,
    **tokens.COMMANDS,
    "commandlist": Command(_commandlist, "commandlist: the names of all commands"),
}
