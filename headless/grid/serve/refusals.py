"""JAliEn's commands that this server has not, and what to do instead."""

from headless.grid.errnos import EINVAL, EOPNOTSUPP
from headless.grid.messages import GridError
from headless.grid.serve.call import Call, Command, Rows

__all__ = ["COMMANDS"]

READ = "the server reads no file's content: fetch it with cp"
INSTEAD = {
    "cat": READ,
    "grep": READ,
    "archiveList": READ,
    "changeDiff": "a grid of one's own keeps no differences of files",
    "optimiserLogs": "this server has no optimisers",
    "showTagValue": "this catalogue has no tags",
    "time": "the clients measure: headless grid time COMMAND",
}


async def _cp(call: Call) -> Rows:
    raise GridError(EINVAL, "'cp' grid command is not implemented. Please use native client's Cp() method")


async def _refuse(call: Call) -> Rows:
    raise GridError(EOPNOTSUPP, f"{call.command}: {INSTEAD[call.command]}")


COMMANDS = {
    "cp": Command(_cp, "cp: the clients copy files"),
    **{name: Command(_refuse, f"{name}: not here: {what}") for name, what in INSTEAD.items()},
}
