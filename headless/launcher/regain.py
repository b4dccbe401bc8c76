"""Taking a lost session up again while a job runs that was accepted: now only its outcome counts."""

import time

from headless.errors import ConnectionFailed, HeadlessError, OutcomeUnknown
from headless.launcher.attempts import LONGEST_PAUSE_S, Attempts
from headless.launcher.link import Link
from headless.launcher.talk import Talk

__all__ = ["Regain", "build_unknown"]


class Regain:
    """The outages of one wait."""

    def __init__(self, link: Link, talk: Talk, job_id: str, deadline: float | None, reconnect_for_s: float) -> None:
        """Args:
        link: to open again.
        talk: is told of losses.
        job_id: of the job that is waited for.
        deadline: of the wait, on the monotonic clock, in seconds; ``None`` for a wait without an end.
        reconnect_for_s: how long one outage may last then.
        """
        self._link = link
        self._talk = talk
        self._job_id = job_id
        self._deadline = deadline
        self._reconnect_for_s = reconnect_for_s
        self._attempts = Attempts(talk)
        self._lost_at: float | None = None
        self._regained_at = time.monotonic()

    def open_again(self, error: ConnectionFailed) -> None:
        """Open the link again; the caller owes :meth:`succeed` once it is of use, or the next call.

        Args:
            error: how it was lost.

        Raises:
            OutcomeUnknown: it could not be done in time, or never will be.
        """
        now = time.monotonic()
        if self._lost_at is None:
            self._lost_at = now
            if now - self._regained_at > LONGEST_PAUSE_S:  # else it comes and goes: pauses go on growing
                self._attempts.calm()
        self._link.close()
        deadline = self._lost_at + self._reconnect_for_s if self._deadline is None else self._deadline
        while self._link.reopen is not None and self._attempts.pause(error, deadline):
            try:
                self._link.reopen(deadline)
                return
            except ConnectionFailed as exc:
                error = exc
            except HeadlessError as exc:
                raise build_unknown(self._job_id, exc) from exc
        raise build_unknown(self._job_id, error) from error

    def succeed(self) -> None:
        """The server has answered again: the outage is over."""
        now = time.monotonic()
        if self._lost_at is not None:
            self._talk.info(f"connected again after {now - self._lost_at:.1f} s")
        self._lost_at, self._regained_at = None, now


def build_unknown(job_id: str, reason: HeadlessError) -> OutcomeUnknown:
    """The error for a job that was accepted and is out of sight."""
    return OutcomeUnknown(f"job {job_id}: {reason}; its outcome is unknown here: headless jobs show {job_id}")
