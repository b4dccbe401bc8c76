"""Giving a file of the grid another name: ``mv`` may not be sent twice, so where its answer is lost, one looks."""

from collections.abc import Callable

from headless.grid.errnos import ENOENT, IN_DOUBT
from headless.grid.messages import GridError, Reply

__all__ = ["move"]


def move(run: Callable[..., Reply], source: str, target: str) -> None:
    """Rename a file to where nothing is.

    Args:
        run: has the server do a command, of a session or a pool of them.
        source: absolute.
        target: absolute; nobody else gives a file this name meanwhile.

    Raises:
        GridError: it was not done; or nobody knows, because the server does not answer.
    """
    try:
        reply = run("mv", "-nomsg", source, target)
    except GridError as exc:
        if exc.exit_code in IN_DOUBT and _is_done(run, source, target):
            return
        raise
    if reply.code:
        raise GridError(reply.code, reply.error or f"mv {source}: the server gives no reason")


def _is_done(run: Callable[..., Reply], source: str, target: str) -> bool:
    return run("stat", "-nomsg", source).code == ENOENT and run("stat", "-nomsg", target).code == 0
