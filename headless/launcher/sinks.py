"""Where a job's output and result go: files and pipes that may be full, closed or gone."""

import os
import sys

from headless.errors import ParameterError
from headless.launcher.settings import WaitSettings

__all__ = ["Sink", "open_sinks"]

FLAGS = os.O_WRONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class Sink:
    """A file or standard output that bytes are written to; the file is opened, and emptied, when the first come.

    Attributes:
        name: what to call it.
        error: why writing failed, once it has; from then on bytes are dropped.
    """

    def __init__(self, path: str | None) -> None:
        """Use :func:`open_sinks`."""
        self.name = "standard output" if path is None else path
        self.error = ""
        self._path = path
        self._descriptor = 1 if path is None else -1

    def write(self, data: bytes) -> None:
        """Write all of it, or remember why not.

        Raises:
            BrokenPipeError: nobody reads any more.
        """
        if self.error:
            return
        try:
            if self._descriptor < 0 and self._path is not None:
                self._descriptor = os.open(self._path, FLAGS | os.O_CREAT | os.O_TRUNC, 0o666)
            view = memoryview(data)
            while view:
                view = view[os.write(self._descriptor, view) :]
        except BrokenPipeError:
            raise
        except OSError as exc:
            self.error = exc.strerror or str(exc)

    def close(self) -> None:
        """Finish the file, empty if nothing came; a late error is remembered too."""
        self.write(b"")
        if self._path is not None and self._descriptor >= 0:
            try:
                os.close(self._descriptor)
            except OSError as exc:
                self.error = self.error or exc.strerror or str(exc)


def open_sinks(settings: WaitSettings) -> list[Sink | None]:
    """For output and result: check that they can be written, without changing them; ``-`` is standard output.

    Raises:
        ParameterError: one cannot be written, or both are the same.
    """
    if settings.output is not None and settings.output == settings.result:
        raise ParameterError(f"--output and --result cannot both go to {settings.output}")
    wanted = [(settings.output, "--output"), (settings.result, "--result")]
    return [None if path is None else _open_sink(path, option) for path, option in wanted]


def _open_sink(path: str, option: str) -> Sink:
    try:
        if path == "-":
            if sys.stdout is None:  # started with it closed
                raise ParameterError(f"{option} -: standard output is closed: give a file")
            return Sink(None)
        if os.path.lexists(path):
            os.close(os.open(path, FLAGS | getattr(os, "O_NONBLOCK", 0)))
        elif not os.access(os.path.dirname(path) or ".", os.W_OK | os.X_OK):
            raise ParameterError(f"{option} {path} cannot be written: its folder is missing or not writable")
        return Sink(os.path.abspath(path))
    except OSError as exc:
        raise ParameterError(f"{option} {path} cannot be written: {exc.strerror}") from exc
