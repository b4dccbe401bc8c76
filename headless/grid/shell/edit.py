"""Editing a file of the grid: down, an editor, and up again if it changed; the original stays until the new is safe."""

import hashlib
import os
import posixpath
import re
import secrets
import shlex
import sys
import time

from headless.grid.copy.places import WILD
from headless.grid.copy.specs import SPECS
from headless.grid.errnos import EINVAL
from headless.grid.messages import GridError, Reply
from headless.grid.moving import move
from headless.grid.shell.files import fetched, run_here
from headless.grid.shell.shell import Shell

__all__ = ["edit"]

EDITORS = {"vi": "vi", "vim": "vim", "nano": "nano", "mcedit": "mcedit"}
OF_TERMINALS = frozenset({*EDITORS, "nvim", "view", "emacs", "pico", "joe", "jed", "micro", "ed", "ex", "hx", "mc"})
"""Editors that wait for somebody to type; any other may be a program that needs nobody."""


def edit(shell: Shell, name: str, args: list[str]) -> Reply:
    """``edit``, and editors by their names; the original is kept as ``LFN~``."""
    is_dated = "-datebck" in args
    lfns = [word for word in args if word != "-datebck"]
    if len(lfns) != 1:
        raise GridError(EINVAL, f"{name}: give one LFN")
    found = re.fullmatch(rf"(.*)@({SPECS})", lfns[0], re.DOTALL)  # any other @ is the name's
    lfn, specs = (found[1], found[2]) if found else (lfns[0], "")
    target = shell.resolve(lfn)
    if WILD.search(target):
        raise GridError(EINVAL, f"{name}: {target}: the server takes this name for a pattern: rename it first")
    editor = _find_editor(name, shell.settings.editor)
    _check_terminal(name, editor)
    with fetched(shell, target) as path:
        before = _digest(path)
        try:
            reply = run_here(shell, [*editor, path])
        except BaseException:  # a signal, above all
            if _digest(path) != before:
                shell.output.error(f"{name} was broken off: what was edited is kept in {_save(shell, path)}")
            raise
        if reply.code or _digest(path) == before:
            return reply
        try:
            backup = _replace(shell, path, target, specs, is_dated=is_dated)
        except GridError as exc:
            kept = _save(shell, path)
            raise GridError(exc.exit_code, f"{exc}; what was edited is kept in {kept}") from exc
    return shell.answer({"lfn": target, "backup": backup, "message": f"Uploaded {target}"})


def _find_editor(name: str, editor: str) -> list[str]:
    try:
        return shlex.split(EDITORS.get(name, editor)) or ["vi"]
    except ValueError as exc:
        raise GridError(EINVAL, f"{name}: EDITOR is {editor!r}, which no shell understands: {exc}") from exc


def _check_terminal(name: str, editor: list[str]) -> None:
    """Raises:
    GridError: EINVAL: nobody is there to type.
    """
    if os.path.basename(editor[0]) not in OF_TERMINALS:
        return
    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout)):
        raise GridError(
            EINVAL, f"{name}: {editor[0]} needs a terminal: without one set EDITOR to a program that needs none, as in"
            " EDITOR='sed -i s/old/new/'"
        )  # fmt: skip


def _replace(shell: Shell, path: str, target: str, specs: str, *, is_dated: bool) -> str:
    """Upload under another name, and only then move the original away, and back if the rest fails.

    Returns:
        The original's new name.
    """
    from headless.grid.copy.copier import store

    folder, name = posixpath.split(target)
    new = posixpath.join(folder, f".{name}.{secrets.token_hex(4)}")
    backup = f"{target}_{time.strftime('%Y-%m-%dT%H:%M:%S')}" if is_dated else f"{target}~"
    session = shell.session
    store(session, path, new, specs)
    try:
        session.run("rm", "-f", backup)
        move(session.run, target, backup)
        try:
            move(session.run, new, target)
        except GridError:
            move(session.run, backup, target)
            raise
    except GridError:
        session.run("rm", "-f", new)
        raise
    return backup


def _save(shell: Shell, path: str) -> str:
    """Nobody's work is thrown away for a failed upload."""
    import shutil
    import tempfile

    folder = tempfile.mkdtemp(prefix="headless-grid-", dir=shell.settings.temporary)
    return str(shutil.copy(path, os.path.join(folder, os.path.basename(path))))


def _digest(path: str) -> bytes:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
