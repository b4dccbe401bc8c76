"""What the shell prints: text for people, one JSON document a command, or a row a line."""

import json
import sys
from typing import IO

from headless.grid.errnos import EIO
from headless.grid.messages import GridError, Reply, Row

__all__ = ["Output", "OutputLost"]

CONTROLS = dict.fromkeys((*range(9), *range(11, 32), 127), "?")
"""What a terminal would obey, but for tabulators and line ends."""


class OutputLost(GridError):
    """What was printed cannot be written: whoever reads it would take a part for the whole, so nothing more is done."""


class Output:
    """Standard output and error, or a file in the place of the first.

    Attributes:
        format: ``text``, ``json`` or ``jsonl``.
        file: that is written instead of standard output; ``None`` for that.
    """

    def __init__(self, format: str) -> None:
        self.format = format
        self.file: IO[bytes] | None = None

    def show(self, reply: Reply, place: str = "") -> None:
        """Print what a command has brought; why it failed goes to standard error, in any format.

        Args:
            reply: the command's.
            place: of the command, to stand before the error.
        """
        if self.format == "json":
            self.write(json.dumps(_as_document(reply), ensure_ascii=False, indent=2) + "\n")
        elif self.format == "jsonl":
            for row in reply.rows:
                self.show_row(row)
        elif text := reply.text:
            self.write(text + "\n")
        if reply.code:
            self.error(place + (reply.error or f"error {reply.code}"))

    def show_row(self, row: Row) -> None:
        """Print a row as a line of JSON; of a command with very many, as they come."""
        self.write(json.dumps(dict(row), ensure_ascii=False) + "\n")

    def write(self, text: str) -> None:
        """Print a text as it is."""
        if self.file is None and sys.stdout is not None and sys.stdout.isatty():
            text = text.translate(CONTROLS)
        try:
            data = text.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:  # half a character, as JSON can hold
            data = text.encode("utf-8", "replace")
        self.write_bytes(data)

    def write_bytes(self, data: bytes) -> None:
        """Print bytes.

        Raises:
            OutputLost: they cannot be written.
            BrokenPipeError: nobody reads them any more.
        """
        target = self.file or getattr(sys.stdout, "buffer", None)
        if target is None:
            return
        try:
            target.write(data)
            target.flush()
        except BrokenPipeError:
            raise
        except OSError as exc:
            raise OutputLost(exc.errno or EIO, f"the output could not be written: {exc.strerror}") from exc

    def error(self, text: str) -> None:
        """Print a line to standard error."""
        if sys.stderr is not None:
            print(text.translate(CONTROLS), file=sys.stderr, flush=True)  # noqa: T201


def _as_document(reply: Reply) -> dict[str, object]:
    metadata = {
        "exitcode": str(reply.code),
        "error": reply.error,
        "user": reply.user,
        "currentdir": reply.directory,
    }
    return {"metadata": metadata, "results": [dict(row) for row in reply.rows]}
