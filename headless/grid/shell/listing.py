"""``ls`` and its short forms."""

from headless.grid.messages import Reply
from headless.grid.shell.shell import Shell

__all__ = ["list_names"]

OPTIONS = {"ls": ("-F",), "la": ("-F", "-a"), "ll": ("-F", "-l"), "lla": ("-F", "-l", "-a")}


def list_names(shell: Shell, name: str, args: list[str]) -> Reply:
    """List; folders are marked."""
    return shell.send("ls", *OPTIONS[name], *args)
