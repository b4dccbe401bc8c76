"""All commands of the server, by name."""

from headless.grid.serve import (
    access,
    changes,
    commit,
    find,
    identity,
    job_commands,
    job_listing,
    job_places,
    listing,
    mirror,
    moves,
    navigation,
    quotas,
    storage_commands,
    tokens,
)
from headless.grid.serve.call import Call, Command, Rows

__all__ = ["COMMANDS"]


async def _commandlist(call: Call) -> Rows:
    names = sorted(COMMANDS)
    first = {"commandlist": names[0], "message": "\n".join(names)}
    return [first, *({"commandlist": name} for name in names[1:])]


COMMANDS: dict[str, Command] = {
    **access.COMMANDS,
    **changes.COMMANDS,
    **commit.COMMANDS,
    **find.COMMANDS,
    **identity.COMMANDS,
    **job_commands.COMMANDS,
    **job_listing.COMMANDS,
    **job_places.COMMANDS,
    **listing.COMMANDS,
    **mirror.COMMANDS,
    **moves.COMMANDS,
    **navigation.COMMANDS,
    **quotas.COMMANDS,
    **storage_commands.COMMANDS,
    **tokens.COMMANDS,
    "commandlist": Command(_commandlist, "commandlist: the names of all commands"),
}
