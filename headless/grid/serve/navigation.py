"""Commands that move about in a session."""

from headless.grid.serve.arguments import parse_arguments
from headless.grid.serve.call import Call, Command, Rows
from headless.grid.serve.lookup import require_folder
from headless.grid.serve.paths import resolve

__all__ = ["COMMANDS", "change_directory", "show_directory"]


def show_directory(path: str) -> str:
    """As JAliEn writes a folder: with a slash at its end."""
    return path.rstrip("/") + "/"


async def change_directory(call: Call, text: str) -> None:
    """Make a folder the session's working directory.

    Raises:
        GridError: ENOENT, ENOTDIR, EACCES: it stays where it is.
    """
    path = resolve(call.session, text)
    await call.grid.catalogue.read(lambda connection: require_folder(connection, call.session, path, "x"))
    call.session.directory = path


async def _pwd(call: Call) -> Rows:
    shown = show_directory(call.session.directory)
    return [{"pwd": shown, "message": shown}]


async def _cd(call: Call) -> Rows:
    words = parse_arguments(call.options).require_words(0, 1)
    await change_directory(call, words[0] if words else call.session.user.home)
    return []


COMMANDS = {
    "pwd": Command(_pwd, "pwd: the working directory"),
    "cd": Command(_cd, "cd [FOLDER]: change the working directory; without one, to the home"),
}
