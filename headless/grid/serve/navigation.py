"""Commands that move about in a session."""

import posixpath

from headless.grid.messages import GridError
from headless.grid.serve.call import Call, Command, Rows

__all__ = ["COMMANDS", "show_directory"]


def show_directory(path: str) -> str:
    """As JAliEn writes a folder: with a slash at its end."""
    return path.rstrip("/") + "/"


async def _pwd(call: Call) -> Rows:
    shown = show_directory(call.session.directory)
    return [{"pwd": shown, "message": shown}]


async def _cd(call: Call) -> Rows:
    if len(call.options) > 1:
        raise GridError(22, "give one folder")
    target = call.options[0] if call.options else call.session.user.home
    call.session.directory = posixpath.normpath(posixpath.join(call.session.directory, target))
    return []


async def _whoami(call: Call) -> Rows:
    return [{"username": call.session.user.name, "role": call.session.role, "message": call.session.user.name}]


COMMANDS = {
    "pwd": Command(_pwd, "pwd: the working directory"),
    "cd": Command(_cd, "cd [FOLDER]: change the working directory; without one, to the home"),
    "whoami": Command(_whoami, "whoami [-v]: who is logged in"),
}
