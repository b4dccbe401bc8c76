"""A server of a demonstration, for as long as it is entered."""

import os
import subprocess
from pathlib import Path

__all__ = ["Serving"]


class Serving:
    """A ``headless`` command that takes ``--ready-fd``: started when entered, ended when left."""

    def __init__(self, words: list[str], environment: dict[str, str], folder: Path, log: str) -> None:
        """Args:
        words: the command, with its program.
        environment: of it.
        folder: where it runs.
        log: the file in it that gets what it says.
        """
        self._words, self._environment, self._folder, self._log = words, environment, folder, folder / log

    def __enter__(self) -> None:
        read, write = os.pipe()
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(
                [*self._words, "--ready-fd", str(write)],
                env=self._environment, cwd=self._folder, stderr=log, stdin=subprocess.DEVNULL, pass_fds=(write,),
            )  # fmt: skip
        os.close(write)
        with os.fdopen(read) as ready:
            if not ready.readline():
                self._process.wait()
                raise SystemExit(self._log.read_text())

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()
