"""Starting a job: its input first, then the start, sent again with the same id until the server has answered."""

import math
import os
import sys
import time
from typing import Any

from headless.errors import (
    ConnectionFailed,
    HeadlessError,
    OutcomeUnknown,
    ParameterError,
    ProtocolError,
    Skipped,
    Unavailable,
)
from headless.launcher.interrupts import Interrupts
from headless.launcher.link import Link
from headless.launcher.settings import LaunchSettings
from headless.launcher.source import choose_name
from headless.launcher.talk import Talk
from headless.protocol.codec import encode_bytes

__all__ = ["Start", "check_size"]

UPLOAD_PIECE = 512 * 1024
PONG_INTERVAL_S = 1.0  # the server closes a session that leaves its pings unanswered for 40 s


class Start:
    """One job's start, up to the answer *accepted*."""

    def __init__(
        self, link: Link, settings: LaunchSettings, talk: Talk, job_id: str, source: bytes, interrupts: Interrupts
    ) -> None:
        self._link = link
        self._settings = settings
        self._talk = talk
        self._job_id = job_id
        self._source = source
        self._interrupts = interrupts
        self._is_lost = False
        self._in_doubt = False  # a start was sent, and what became of it is not known
        self._failures: Any = None
        self._piece: bytes | None = None  # of standard input: read, and not known to be on the server
        self._uploaded = 0
        self._is_uploaded = not settings.stdin

    def run(self, deadline: float, latest: float) -> None:
        """Have the job accepted.

        Args:
            deadline: until when failed attempts are repeated, on the monotonic clock in seconds. Each piece of input
                that has arrived, and a start whose answer is lost, gives as much time anew.
            latest: when it is too late to start; infinite if it never is.

        Raises:
            ConnectionFailed: nothing was started.
            OutcomeUnknown: it may have been started.
            Skipped: too late, or another run is in the way.
            ParameterError, Refused: the server does not take it.
        """
        self._deadline, self._latest = deadline, latest
        while True:
            try:
                self._attempt()
                return
            except ConnectionFailed as exc:
                self._pause(exc)

    def _attempt(self) -> None:
        if self._is_lost:
            self._reopen()
        check_size(self._link, self._settings, self._source)
        while not self._is_uploaded:
            self._upload_piece()
        self._send()

    def _reopen(self) -> None:
        if self._link.reopen is None:
            raise AssertionError("the link cannot be opened again")
        try:
            # A start in doubt is asked about even when it is too late to send the first one.
            self._link.reopen(self._deadline if self._in_doubt else min(self._deadline, self._latest))
        except ConnectionFailed:
            raise
        except HeadlessError as exc:
            if self._in_doubt:
                raise self._build_doubt(exc) from exc
            raise
        self._is_lost = False
        if self._settings.stdin and not self._in_doubt:
            self._find_place()

    def _pause(self, error: ConnectionFailed) -> None:
        """Sleep before the next attempt, or give up."""
        self._link.close()
        self._is_lost = True
        if self._failures is None:
            from headless.launcher.attempts import Attempts

            self._failures = Attempts(self._talk)
        deadline = self._deadline if self._in_doubt else min(self._deadline, self._latest)
        if self._failures.pause(error, deadline):
            return
        if self._in_doubt:
            raise self._build_doubt(error) from error
        raise self._failures.explain(error)

    def _build_doubt(self, reason: HeadlessError) -> OutcomeUnknown:
        return OutcomeUnknown(
            f"job {self._job_id}: no answer to its start, and it is not known whether it was started ({reason}):"
            f" headless jobs show {self._job_id}"
        )

    def _send(self) -> None:
        left_s = self._latest - time.monotonic()
        if left_s <= 0 and not self._in_doubt:
            raise Skipped("not started: the time of --not-after has passed")
        self._interrupts.truth = f"job {self._job_id} may have been started"
        was_in_doubt = self._in_doubt
        try:
            self._link.call("job.start", self._build_start(left_s))
        except Unavailable:
            # Nothing was started by this one; one before it, whose answer is lost, may still be on its way.
            if not was_in_doubt:
                self._interrupts.truth = "nothing was started"
            raise
        except ConnectionFailed:
            if not was_in_doubt:
                self._in_doubt = True
                self._deadline = max(self._deadline, time.monotonic() + self._settings.connect_for_s)
            raise
        except ParameterError:
            if was_in_doubt and self._settings.stdin:
                self._find_place()  # the start that was lost never came, nor is its input there any more
            raise

    def _build_start(self, left_s: float) -> dict[str, Any]:
        settings = self._settings
        body: dict[str, Any] = {
            "job_id": self._job_id,
            "kind": settings.kind,
            "name": choose_name(settings),
            "module": settings.module or "",
            "source": encode_bytes(self._source),
            "arguments": list(settings.arguments),
            "stdin": settings.stdin,
            "overlap": settings.overlap,
            "wait_for": settings.wait_for_s,
            "start_within": None if math.isinf(left_s) else max(left_s, 0.0),
            "max_runtime": settings.max_runtime_s,
            "grace": settings.grace_s,
            # A server that knows nothing of grids is asked for them only by those who need it.
            "inputs": list(settings.inputs) or None,
            "outputs": list(settings.outputs) or None,
        }
        return {name: value for name, value in body.items() if value is not None}

    def _upload_piece(self) -> None:
        if self._piece is None:
            self._piece = _read_stdin(self._link)
        if self._piece or not self._uploaded:
            self._upload(self._uploaded, self._piece)
        self._acknowledge()

    def _upload(self, offset: int, data: bytes) -> dict[str, Any]:
        return self._link.call("job.upload", {"job_id": self._job_id, "offset": offset, "data": encode_bytes(data)})

    def _acknowledge(self) -> None:
        """The piece has arrived; an empty one was the last."""
        self._uploaded += len(self._piece or b"")
        self._is_uploaded = not self._piece
        self._piece = None
        self._deadline = max(self._deadline, time.monotonic() + self._settings.connect_for_s)

    def _find_place(self) -> None:
        """After a loss: see how much of the input has arrived.

        Raises:
            ProtocolError: less than was acknowledged: what was read of standard input cannot be read again.
        """
        size = self._upload(0, b"").get("size")
        if size == self._uploaded + len(self._piece or b"") and self._piece:
            self._acknowledge()
        elif not isinstance(size, int) or not self._uploaded <= size <= self._uploaded + len(self._piece or b""):
            raise ProtocolError(
                f"the connection was lost, and of {self._uploaded} bytes of standard input the server has kept {size}:"
                " nothing was started"
            )


def check_size(link: Link, settings: LaunchSettings, source: bytes) -> None:
    """A message that is too large ends the session, and whether it did anything could not be told.

    Raises:
        ParameterError: this one would be.
    """
    if link.max_script is not None and len(source) > link.max_script:
        raise ParameterError(
            f"the {settings.kind} has {len(source)} bytes, the server takes at most {link.max_script} (max_script):"
            " make it a module of the server"
        )


def _read_stdin(link: Link) -> bytes:
    """The next piece of standard input, however long it takes to come; empty at its end."""
    if sys.stdin is None:
        raise ParameterError("--stdin: standard input is closed")
    if sys.platform != "win32":  # there, select takes sockets only: a slow input may cost the connection
        import select

        while not select.select([0], [], [], PONG_INTERVAL_S)[0]:
            link.keep_alive()
    return os.read(0, UPLOAD_PIECE)
