"""Commands of a file, or of a pipe."""

import sys
from collections.abc import Iterator

from headless.grid.errnos import EIO
from headless.grid.messages import GridError
from headless.grid.shell.shell import Shell
from headless.grid.shell.words import read_steps

__all__ = ["run_file"]


def run_file(shell: Shell, path: str, *, stop_on_error: bool) -> int:
    """Run the commands of a file as its lines come; what fails is named by its line.

    Args:
        shell: that runs them.
        path: of the file; ``-`` for standard input.
        stop_on_error: whether the first failure is the end.

    Returns:
        The last code that is not 0, or 0.

    Raises:
        GridError: the file cannot be read.
    """
    name, code = "standard input" if path == "-" else path, 0
    try:
        for step in read_steps(_read(path)):
            shell.place = f"{name}, line {step.line}: "
            failed = shell.run_steps([step])
            code = failed or code
            if shell.ended is not None or shell.is_hopeless or (failed and stop_on_error):
                break
    except GridError as exc:
        raise GridError(exc.exit_code, f"{name}: {exc}") from exc
    return code if shell.ended is None else shell.ended


def _read(path: str) -> Iterator[str]:
    source = path if path != "-" else 0 if sys.stdin is None else sys.stdin.fileno()
    try:
        with open(source, encoding="utf-8", errors="surrogateescape", closefd=source is path) as file:
            yield from file
    except OSError as exc:
        raise GridError(exc.errno or EIO, f"cannot be read: {exc.strerror}") from exc
