"""What the launcher says, and to whom: people on standard error, by verbosity; scripts get exit codes and files."""

import contextlib
import json
import sys
from collections.abc import Mapping
from typing import Any

__all__ = ["Talk", "make_printable"]

LINE_LIMIT = 2000  # characters; a script in base 64 helps nobody, nor does a page that a server calls its error
REDACTED = ("client_final", "server_final")


class Talk:
    """Says what the verbosity allows.

    Attributes:
        verbosity: -1 nothing at all, 0 errors, 1 also information, 2 messages sent, 3 messages received.
    """

    def __init__(self, verbosity: int) -> None:
        self.verbosity = verbosity
        self._bar_width = 0

    @property
    def has_bar(self) -> bool:
        """Whether a progress bar is wanted: with ``-v`` on a terminal."""
        return self.verbosity >= 1 and sys.stderr is not None and sys.stderr.isatty()

    def error(self, text: str) -> None:
        """One line on what went wrong."""
        if self.verbosity >= 0:
            self._write(_build_line(text))

    def detail(self, text: str) -> None:
        """What belongs to an error: the last lines of the job's output."""
        if self.verbosity >= 0:
            self._write(text)

    def info(self, text: str) -> None:
        """One line on what goes well."""
        if self.verbosity >= 1:
            self._write(_build_line(text))

    def sent(self, method: str, params: Mapping[str, Any]) -> None:
        """A message to the server."""
        if self.verbosity >= 2:
            self._write(f"> {method} {_show(params)}"[:LINE_LIMIT])

    def received(self, what: str, body: Any) -> None:
        """A message of the server."""
        if self.verbosity >= 3:
            self._write(f"< {make_printable(what)} {_show(body)}"[:LINE_LIMIT])

    def progress(self, done: float, total: float) -> None:
        """Draw the bar anew."""
        if not self.has_bar:
            return
        share = min(max(done / total, 0.0), 1.0) if total > 0 else 0.0
        filled = int(share * 30)
        text = f"[{'#' * filled}{'.' * (30 - filled)}] {done:g}/{total:g}" if total > 0 else f"{done:g}"
        sys.stderr.write(f"\r{text:<{self._bar_width}}")
        sys.stderr.flush()
        self._bar_width = len(text)

    def _write(self, text: str) -> None:
        if sys.stderr is None:  # started with it closed
            return
        with contextlib.suppress(OSError, ValueError):  # nobody listens: the exit code still tells
            if self._bar_width:
                sys.stderr.write("\n")
                self._bar_width = 0
            sys.stderr.write(text + "\n")
            sys.stderr.flush()


def make_printable(text: str) -> str:
    """What others have sent may hold anything; a terminal must not be told what to do by it."""
    return "".join(character if character.isprintable() or character == "\t" else "\ufffd" for character in text)


def _build_line(text: str) -> str:
    """One line, whatever the text of an exception or of a server holds."""
    return make_printable(" ".join(f"headless: {text}".splitlines()))[:LINE_LIMIT]


def _show(body: Any) -> str:
    """As JSON, on one line of ASCII, without what stands for a secret.

    Proofs are never shown: with a stolen verifier, one would be as good as the secret (RFC 5802, section 9).
    """
    if isinstance(body, Mapping):
        body = {name: "***" if name in REDACTED else value for name, value in body.items()}
    return json.dumps(body)
