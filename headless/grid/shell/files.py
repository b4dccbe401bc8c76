"""Commands that fetch a file of the grid and do something with it here."""

import contextlib
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator

from headless.grid.errnos import EINVAL, ENOENT
from headless.grid.messages import GridError, Reply
from headless.grid.shell.shell import Shell

__all__ = ["execute", "fetched", "page", "print_files", "run", "run_here"]


@contextlib.contextmanager
def fetched(shell: Shell, lfn: str) -> Iterator[str]:
    """A file of the grid as a local one of the same name, in a folder of its own, which goes afterwards.

    Raises:
        GridError: it cannot be had.
    """
    from headless.grid.copy.copier import fetch
    from headless.grid.copy.signals import ended_by_signals

    place = shell.resolve(lfn)
    with (
        ended_by_signals(),
        tempfile.TemporaryDirectory(prefix="headless-grid-", dir=shell.settings.temporary) as folder,
    ):
        path = os.path.join(folder, os.path.basename(place) or "file")
        fetch(shell.session, place, path)
        yield path


def print_files(shell: Shell, name: str, args: list[str]) -> Reply:
    """``cat``: byte for byte."""
    if not args:
        raise GridError(EINVAL, "cat: give an LFN")
    for lfn in args:
        with fetched(shell, lfn) as path, open(path, "rb") as file:
            while data := file.read(1 << 20):
                shell.output.write_bytes(data)
    return shell.answer()


def page(shell: Shell, name: str, args: list[str]) -> Reply:
    """``less`` and ``more``, with their own options in front of the LFN."""
    if not args:
        raise GridError(EINVAL, f"{name}: give an LFN")
    with fetched(shell, args[-1]) as path:
        return run_here(shell, [name, *args[:-1], path])


def run(shell: Shell, name: str, args: list[str]) -> Reply:
    """``run``: each ``alien:LFN`` is fetched; without one, the last word is the LFN."""
    args = [word for word in args if word not in ("-noout", "-force")]
    if len(args) < 2:
        raise GridError(EINVAL, "run: give a command and an LFN")
    places = [index for index, word in enumerate(args) if word.startswith("alien:")] or [len(args) - 1]
    with contextlib.ExitStack() as stack:
        for index in places:
            args[index] = stack.enter_context(fetched(shell, args[index]))
        return run_here(shell, [*shlex.split(args[0]), *args[1:]])


def execute(shell: Shell, name: str, args: list[str]) -> Reply:
    """``exec``: a script of the grid."""
    args = [word for word in args if word not in ("-noout", "-force")]
    if not args:
        raise GridError(EINVAL, "exec: give an LFN")
    with fetched(shell, args[0]) as path:
        os.chmod(path, 0o700)  # it is to be run
        return run_here(shell, [path, *args[1:]])


def run_here(shell: Shell, words: list[str]) -> Reply:
    """Run a program with our standard streams; its code is the command's."""
    if shutil.which(words[0]) is None:
        raise GridError(ENOENT, f"there is no program {words[0]} here")
    status = subprocess.run(words, stdout=shell.output.file, check=False)  # noqa: S603  # that is what was asked for
    code = status.returncode if status.returncode >= 0 else 128 - status.returncode
    return shell.answer(code=code, error=f"{words[0]} ended with {code}" if code else "")
